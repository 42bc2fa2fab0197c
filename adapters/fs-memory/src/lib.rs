//! persistent-fs in memory: the reference implementation.
