//! Items as clients see them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::model::content::{self, Kind};
use super::model::{Cipher, Mark, View};
use crate::account::service::check_enc_string;
use crate::error::Error;
use crate::http::json::empty_as_none;
use crate::ids::{CipherId, FolderId, UserId};
use crate::time::Timestamp;
use crate::vault::attachments::wire::AttachmentResponse;

/// The longest encrypted note.
const MAX_NOTES: usize = 10_000;
/// The longest encrypted name.
const MAX_NAME: usize = 1_000;

/// An item in an answer, with all that belongs to the user who asks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "clients ask for each by its name")]
pub struct CipherResponse {
    object: &'static str,
    id: CipherId,
    organization_id: Option<()>,
    folder_id: Option<FolderId>,
    #[serde(rename = "type")]
    kind: i32,
    name: String,
    notes: Option<String>,
    key: Option<String>,
    favorite: bool,
    reprompt: i32,
    edit: bool,
    view_password: bool,
    permissions: Permissions,
    organization_use_totp: bool,
    creation_date: Timestamp,
    revision_date: Timestamp,
    deleted_date: Option<Timestamp>,
    archived_date: Option<Timestamp>,
    collection_ids: [(); 0],
    attachments: Option<Vec<AttachmentResponse>>,
    fields: Option<Box<RawValue>>,
    password_history: Option<Box<RawValue>>,
    // One of these is there, the others are null.
    login: Option<Box<RawValue>>,
    secure_note: Option<Box<RawValue>>,
    card: Option<Box<RawValue>>,
    identity: Option<Box<RawValue>>,
    ssh_key: Option<Box<RawValue>>,
    bank_account: Option<Box<RawValue>>,
    drivers_license: Option<Box<RawValue>>,
    passport: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
struct Permissions {
    delete: bool,
    restore: bool,
}

impl CipherResponse {
    /// Renders a view. `base` is where clients reach the server.
    pub fn new(view: View, base: &str) -> Result<Self, Error> {
        let View { cipher, mark, attachments } = view;
        let raw = |text: String| RawValue::from_string(text).map_err(Error::internal);
        let content = raw(cipher.content)?;
        let kind = Kind::from_number(cipher.kind);
        let of = |wanted| (kind == Some(wanted)).then(|| content.clone());
        let attachments: Vec<_> =
            attachments.into_iter().map(|attachment| AttachmentResponse::listed(attachment, base)).collect();
        let (folder_id, favorite, archived_date) =
            mark.map_or((None, false, None), |mark| (mark.folder_id, mark.favorite, mark.archived_at));
        Ok(Self {
            object: "cipherDetails",
            id: cipher.id,
            organization_id: None,
            folder_id,
            kind: cipher.kind,
            name: cipher.name,
            notes: cipher.notes,
            key: cipher.item_key,
            favorite,
            reprompt: cipher.reprompt,
            edit: true,
            view_password: true,
            permissions: Permissions { delete: true, restore: true },
            organization_use_totp: true,
            creation_date: cipher.created_at,
            revision_date: cipher.revised_at,
            deleted_date: cipher.deleted_at,
            archived_date,
            collection_ids: [],
            attachments: (!attachments.is_empty()).then_some(attachments),
            fields: cipher.fields.map(raw).transpose()?,
            password_history: cipher.password_history.map(raw).transpose()?,
            login: of(Kind::Login),
            secure_note: of(Kind::SecureNote),
            card: of(Kind::Card),
            identity: of(Kind::Identity),
            ssh_key: of(Kind::SshKey),
            bank_account: of(Kind::BankAccount),
            drivers_license: of(Kind::DriversLicense),
            passport: of(Kind::Passport),
        })
    }

    /// Renders several views.
    pub fn all(views: Vec<View>, base: &str) -> Result<Vec<Self>, Error> {
        views.into_iter().map(|view| Self::new(view, base)).collect()
    }
}

/// An item in a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CipherRequest {
    #[serde(rename = "type")]
    kind: i32,
    name: String,
    notes: Option<String>,
    key: Option<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    organization_id: Option<UuidText>,
    /// The folder it lies in.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub folder_id: Option<FolderId>,
    #[serde(default)]
    favorite: Option<bool>,
    reprompt: Option<i32>,
    fields: Option<Value>,
    password_history: Option<Value>,
    /// What the client last saw; an older one than ours means that it would overwrite a change.
    pub last_known_revision_date: Option<Timestamp>,
    archived_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "empty_as_none")]
    encrypted_for: Option<UserId>,
    login: Option<Value>,
    secure_note: Option<Value>,
    card: Option<Value>,
    identity: Option<Value>,
    ssh_key: Option<Value>,
    bank_account: Option<Value>,
    drivers_license: Option<Value>,
    passport: Option<Value>,
}

/// An id of something that is not here yet.
#[derive(Debug)]
struct UuidText;

impl TryFrom<String> for UuidText {
    type Error = crate::ids::NotAnId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        uuid::Uuid::try_parse(&text).map(|_| Self).map_err(|_| crate::ids::NotAnId)
    }
}

impl CipherRequest {
    /// The item that the request describes, as `id` of `user`, made and changed `now`.
    pub fn into_rows(self, id: CipherId, user: &UserId, now: Timestamp) -> Result<(Cipher, Mark), Error> {
        if self.encrypted_for.is_some_and(|owner| owner != *user) {
            return Err(Error::invalid("encryptedFor", "The item was encrypted for another user."));
        }
        if self.organization_id.is_some() {
            return Err(Error::NotFound);
        }
        check_enc_string("name", &self.name)?;
        at_most("name", Some(&self.name), MAX_NAME)?;
        at_most("notes", self.notes.as_ref(), MAX_NOTES)?;
        for (field, text) in [("notes", &self.notes), ("key", &self.key)] {
            text.as_ref().map_or(Ok(()), |text| check_enc_string(field, text))?;
        }
        let reprompt = self.reprompt.unwrap_or_default();
        if !(0..=1).contains(&reprompt) {
            return Err(Error::invalid("reprompt", "The value must be 0 or 1."));
        }
        let kind = Kind::from_number(self.kind)
            .ok_or_else(|| Error::invalid("type", "This type of item is not known."))?;
        let content = match kind {
            Kind::Login => self.login,
            Kind::SecureNote => self.secure_note,
            Kind::Card => self.card,
            Kind::Identity => self.identity,
            Kind::SshKey => self.ssh_key,
            Kind::BankAccount => self.bank_account,
            Kind::DriversLicense => self.drivers_license,
            Kind::Passport => self.passport,
        };
        let cipher = Cipher {
            id: id.clone(),
            user_id: user.clone(),
            kind: self.kind,
            name: self.name,
            notes: self.notes,
            item_key: self.key,
            content: content::normalize(kind, content.unwrap_or_default())?,
            fields: content::normalize_fields(self.fields)?,
            password_history: content::normalize_history(self.password_history)?,
            reprompt,
            created_at: now,
            revised_at: now,
            deleted_at: None,
        };
        let mark = Mark {
            user_id: user.clone(),
            cipher_id: id,
            folder_id: self.folder_id,
            favorite: self.favorite.unwrap_or_default(),
            archived_at: self.archived_date,
        };
        Ok((cipher, mark))
    }
}

fn at_most(field: &str, text: Option<&String>, max: usize) -> Result<(), Error> {
    match text {
        Some(text) if text.len() > max => Err(Error::invalid(
            field,
            format!("The field {field} exceeds the maximum length of {max} characters."),
        )),
        _ => Ok(()),
    }
}

/// `POST /ciphers/create`: an item, and where it goes in an organization.
#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    /// The item.
    pub cipher: CipherRequest,
}

/// `PUT /ciphers/{id}/partial`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialRequest {
    /// The folder it lies in.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub folder_id: Option<FolderId>,
    /// Whether it is a favourite.
    #[serde(default)]
    pub favorite: bool,
}

/// Several items.
#[derive(Clone, Debug, Deserialize)]
pub struct IdsRequest {
    /// Which. Those that are not the caller's are passed over.
    pub ids: Vec<CipherId>,
}

/// `PUT /ciphers/move`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveRequest {
    /// Which.
    pub ids: Vec<CipherId>,
    /// Where to; none takes them out of their folders.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub folder_id: Option<FolderId>,
}
