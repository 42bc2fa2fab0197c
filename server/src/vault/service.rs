//! What concerns all of a user's vault at once.

use dbconn::{Conn, Error};

use super::attachments::store as attachments;
use super::ciphers::store as ciphers;
use super::folders::store as folders;
use crate::ids::UserId;
use crate::time::Timestamp;

/// Removes every item, attachment and folder of a user. The files follow once the rows are gone.
pub async fn delete_all(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<(), Error> {
    attachments::strand_by_user(conn, user, now).await?;
    attachments::delete_by_user(conn, user).await?;
    ciphers::delete_by_user(conn, user).await?;
    folders::delete_by_user(conn, user).await?;
    Ok(())
}
