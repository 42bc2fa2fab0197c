//! What becomes of a store when the network, the server or the keys fail under it.

mod bench;
mod dropped;
mod keys;
mod matrix;
mod network;
mod operations;
mod requests;
