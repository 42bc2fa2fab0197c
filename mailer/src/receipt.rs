//! What came of a mail that was taken.

use std::sync::Arc;

use serde::Serialize;

use crate::{MessageId, Refused};

/// The provider has taken the mail over for the recipients of its envelope, except those in
/// [`refused`](Self::refused). That is not delivery: bounces come later, by other ways.
///
/// For support it is worth logging [`message_id`](Self::message_id), which readers can find in the mail, and
/// [`provider_id`](Self::provider_id), which the provider can find in its log and puts into its later events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The message id readers will see. Ours, unless the provider replaces it.
    pub message_id: MessageId,
    /// The provider's own name for the mail: a queue id, a file name.
    pub provider_id: Option<String>,
    /// Which backend took it, for people: `smtp`, `maildir`.
    #[serde(serialize_with = "as_str")]
    pub via: Arc<str>,
    /// How many times it was attempted, this one included.
    pub attempts: u32,
    /// Recipients that were not taken while others were. Empty unless the backend declares
    /// [`partial`](crate::Capabilities::partial), or a layer left some out ([`Suppressed`](crate::layers::Suppressed)).
    pub refused: Vec<Refused>,
}

impl Receipt {
    /// A receipt for all recipients at the first attempt.
    pub fn new(message_id: MessageId, via: impl Into<Arc<str>>) -> Self {
        Self { message_id, provider_id: None, via: via.into(), attempts: 1, refused: Vec::new() }
    }

    /// Adds the provider's name for the mail.
    #[must_use]
    pub fn with_provider_id(mut self, id: impl Into<String>) -> Self {
        self.provider_id = Some(id.into());
        self
    }

    /// Sets the number of attempts.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Adds recipients that were not taken.
    #[must_use]
    pub fn with_refused(mut self, refused: Vec<Refused>) -> Self {
        self.refused = refused;
        self
    }
}

fn as_str<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
