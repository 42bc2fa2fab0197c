//! Encryption at rest: a layer that seals what any persistent-fs backend stores.

#![deny(missing_docs)]
