//! Any object_store::ObjectStore as a persistent-fs backend, and any backend as an ObjectStore.

#![deny(missing_docs)]
