//! persistent-fs on a local directory.
