//! What becomes of a store when the network, the server or the keys fail under it.

mod bench;
mod matrix;
mod operations;
