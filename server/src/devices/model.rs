//! A session of a user on one device.

use std::time::Duration;

use diesel::Selectable;
use diesel::prelude::{Identifiable, Insertable, Queryable};

use crate::ids::{DeviceId, UserId};
use crate::schema::devices;
use crate::time::Timestamp;

/// A session as stored.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = devices, treat_none_as_default_value = false)]
pub struct Device {
    /// Our id of the session.
    pub id: DeviceId,
    /// Whose session it is.
    pub user_id: UserId,
    /// The client's own id of the device.
    pub identifier: String,
    /// What the client calls the device.
    pub name: String,
    /// The kind of client, in Bitwarden's numbering.
    pub kind: i32,
    /// Where push messages for the device go.
    pub push_token: Option<String>,
    /// SHA-256 of the refresh token; none once the session was ended.
    pub refresh_hash: Option<String>,
    /// First login.
    pub created_at: Timestamp,
    /// Last login or refresh.
    pub used_at: Timestamp,
}

impl Device {
    /// How long an unused session may be refreshed: phones 90 days, everything else 30.
    pub fn lifetime(kind: i32) -> Duration {
        const DAY: u64 = 24 * 60 * 60;
        let phone = matches!(kind, 0 | 1 | 15);
        Duration::from_secs(if phone { 90 * DAY } else { 30 * DAY })
    }

    /// What people call a kind of client, for mails.
    pub fn kind_name(kind: i32) -> &'static str {
        match kind {
            0 | 15 => "Android",
            1 => "iOS",
            2..=5 | 19 | 20 => "Browser extension",
            6..=8 | 16 => "Desktop",
            9..=14 | 17 | 18 | 26 => "Web vault",
            21 => "SDK",
            22 => "Server",
            23..=25 => "Command line",
            _ => "Unknown client",
        }
    }
}
