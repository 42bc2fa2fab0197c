//! Contract for outgoing mail that says whether a message may have gone out.
