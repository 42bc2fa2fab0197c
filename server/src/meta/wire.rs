//! `/api/config`.

use serde_json::{Value, json};

use crate::app::Settings;

/// The version of Bitwarden's API that this server follows. Clients switch features by it.
pub const API_VERSION: &str = "2026.9.0";

/// What clients adapt themselves to.
pub fn config(settings: &Settings) -> Value {
    let base = settings.base();
    json!({
        "version": API_VERSION,
        "gitHash": null,
        "server": { "name": "Undercroft", "url": base },
        "settings": { "disableUserRegistration": settings.signups == crate::app::Signups::Closed },
        "environment": {
            "cloudRegion": null,
            "vault": base,
            "api": format!("{base}/api"),
            "identity": format!("{base}/identity"),
            "notifications": format!("{base}/notifications"),
            "sso": "",
        },
        "push": { "pushTechnology": 0, "vapidPublicKey": null },
        "featureStates": {
            // Item keys: clients want this flag besides the version.
            "cipher-key-encryption": true,
            "pm-19148-innovation-archive": true,
            "pm-32009-new-item-types": true,
        },
        "communication": null,
        "object": "config",
    })
}
