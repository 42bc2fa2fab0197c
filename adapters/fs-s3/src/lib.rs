//! persistent-fs on Amazon S3 and servers that speak its protocol.

#![deny(missing_docs)]
