//! The reference server: the Bitwarden API on swappable parts.
