//! Any opendal::Operator as a persistent-fs backend.

#![deny(missing_docs)]
