//! A user, and how a user's keys are derived.

use diesel::prelude::{AsChangeset, Insertable, Queryable};
use diesel::{Identifiable, Selectable};

use crate::error::Error;
use crate::ids::UserId;
use crate::schema::users;
use crate::time::Timestamp;

/// A user as stored.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub struct User {
    /// The id that all of the user's things carry.
    pub id: UserId,
    /// Trimmed and lower-cased; also the salt of the master key.
    pub email: String,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// What to call the user.
    pub name: Option<String>,
    /// Our hash of the client's hash of the master password.
    pub password_hash: PasswordHash,
    /// A hint that the user gave.
    pub password_hint: Option<String>,
    /// How the client derives the master key.
    #[diesel(embed)]
    pub kdf: Kdf,
    /// The user's symmetric key, wrapped by the master key.
    pub user_key: String,
    /// An id that newest clients give to the user key.
    pub user_key_id: Option<String>,
    /// Public half of the key pair.
    pub public_key: Option<String>,
    /// Private half, wrapped by the user key.
    pub private_key: Option<String>,
    /// Part of each access token: a new stamp ends all sessions.
    pub security_stamp: String,
    /// Language, such as `en-US`.
    pub culture: String,
    /// `#rrggbb`.
    pub avatar_color: Option<String>,
    /// When the user registered.
    pub created_at: Timestamp,
    /// When anything that the user can see last changed: clients poll it to decide whether to sync.
    pub revised_at: Timestamp,
}

/// A PHC string. Shows nothing of itself in `Debug`.
#[derive(Clone, PartialEq, Eq, diesel::deserialize::FromSqlRow, diesel::expression::AsExpression)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub struct PasswordHash(pub String);

/// How a client turns the master password into the master key.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Kdf {
    /// 0 PBKDF2-SHA256, 1 Argon2id.
    #[diesel(column_name = kdf_type)]
    pub kind: i32,
    /// Rounds.
    #[diesel(column_name = kdf_iterations)]
    pub iterations: i32,
    /// MiB, for Argon2id.
    #[diesel(column_name = kdf_memory)]
    pub memory: Option<i32>,
    /// Lanes, for Argon2id.
    #[diesel(column_name = kdf_parallelism)]
    pub parallelism: Option<i32>,
}

impl Kdf {
    /// What new clients choose: PBKDF2 with 600 000 rounds.
    pub const DEFAULT: Self = Self { kind: 0, iterations: 600_000, memory: None, parallelism: None };

    /// Refuses parameters too weak to protect anything, and those that a client could not compute.
    pub fn check(&self) -> Result<(), Error> {
        match self.kind {
            0 if self.iterations < 100_000 => {
                Err(Error::invalid("kdfIterations", "PBKDF2 needs at least 100000 iterations."))
            }
            0 => Ok(()),
            1 => {
                let memory = self.memory.unwrap_or_default();
                let parallelism = self.parallelism.unwrap_or_default();
                if self.iterations < 1 {
                    Err(Error::invalid("kdfIterations", "Argon2 needs at least one iteration."))
                } else if !(15..=1024).contains(&memory) {
                    Err(Error::invalid("kdfMemory", "Argon2 takes between 15 and 1024 MiB."))
                } else if !(1..=16).contains(&parallelism) {
                    Err(Error::invalid("kdfParallelism", "Argon2 takes between 1 and 16 lanes."))
                } else {
                    Ok(())
                }
            }
            _ => Err(Error::invalid("kdf", "This key derivation is not known.")),
        }
    }
}

/// What a change of password, or of key derivation, replaces together.
#[derive(Clone, Debug)]
pub struct NewSecrets {
    /// Our hash of the new client hash.
    pub password_hash: PasswordHash,
    /// The key derivation from now on.
    pub kdf: Kdf,
    /// The same user key, wrapped anew.
    pub user_key: String,
    /// A new hint, when one was sent.
    pub password_hint: Option<String>,
}

/// An e-mail address as accounts carry it: trimmed, lower-cased, at most 256 bytes, with one `@` inside.
pub fn normalize_email(email: &str) -> Result<String, Error> {
    let email = email.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@').unwrap_or_default();
    let clean = !email.contains(|c: char| c.is_whitespace() || c.is_control());
    if local.is_empty() || domain.is_empty() || local.contains('@') || email.len() > 256 || !clean {
        return Err(Error::invalid("email", "The e-mail address is not valid."));
    }
    Ok(email)
}

mod stored_hash {
    use std::fmt;

    use diesel::backend::Backend;
    use diesel::deserialize::{self, FromSql};
    use diesel::serialize::{self, Output, ToSql};
    use diesel::sql_types::Text;

    use super::PasswordHash;

    impl fmt::Debug for PasswordHash {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("PasswordHash(..)")
        }
    }

    impl<DB: Backend> FromSql<Text, DB> for PasswordHash
    where
        String: FromSql<Text, DB>,
    {
        fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
            String::from_sql(bytes).map(Self)
        }
    }

    impl<DB: Backend> ToSql<Text, DB> for PasswordHash
    where
        String: ToSql<Text, DB>,
    {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
            self.0.to_sql(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_lowered_and_checked() {
        assert_eq!(normalize_email(" Alice@Example.COM ").unwrap(), "alice@example.com");
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a\n@b"] {
            assert!(normalize_email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn weak_derivations_are_refused() {
        let weak = Kdf { iterations: 5_000, ..Kdf::DEFAULT };
        assert!(weak.check().is_err());
        assert!(Kdf { kind: 1, iterations: 3, memory: None, parallelism: Some(4) }.check().is_err());
        assert!(Kdf { kind: 1, iterations: 3, memory: Some(64), parallelism: Some(4) }.check().is_ok());
        assert!(Kdf { kind: 7, ..Kdf::DEFAULT }.check().is_err());
    }
}
