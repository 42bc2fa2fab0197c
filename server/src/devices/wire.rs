//! Devices as clients see them.

use serde::{Deserialize, Serialize};

use super::model::Device;
use crate::ids::DeviceId;
use crate::time::Timestamp;

/// One device in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceResponse {
    id: DeviceId,
    name: String,
    #[serde(rename = "type")]
    kind: i32,
    identifier: String,
    creation_date: Timestamp,
    last_activity_date: Timestamp,
    is_trusted: bool,
    device_pending_auth_request: Option<()>,
    encrypted_user_key: Option<()>,
    encrypted_public_key: Option<()>,
    object: &'static str,
}

impl From<Device> for DeviceResponse {
    fn from(device: Device) -> Self {
        Self {
            id: device.id,
            name: device.name,
            kind: device.kind,
            identifier: device.identifier,
            creation_date: device.created_at,
            last_activity_date: device.used_at,
            is_trusted: false,
            device_pending_auth_request: None,
            encrypted_user_key: None,
            encrypted_public_key: None,
            object: "device",
        }
    }
}

/// A phone says where its push messages go.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushTokenRequest {
    /// Opaque to us.
    pub push_token: String,
}
