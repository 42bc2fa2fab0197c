//! A point in time as the database keeps it and as clients read it.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// UTC, to the microsecond: what both databases store without loss.
///
/// In JSON: RFC 3339 with six decimals and `Z`, the form that all clients read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, FromSqlRow, AsExpression)]
#[diesel(sql_type = sql_types::Timestamp)]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// The same moment, cut to the microsecond.
    pub fn from_system(at: SystemTime) -> Self {
        Self(DateTime::<Utc>::from(at).naive_utc().trunc_subsecs(6))
    }

    /// The same moment for the standard library.
    pub fn to_system(self) -> SystemTime {
        self.0.and_utc().into()
    }

    /// Seconds since 1970, as tokens count them.
    pub fn unix_seconds(self) -> i64 {
        self.0.and_utc().timestamp()
    }

    /// Milliseconds since 1970, as the revision date is sent.
    pub fn unix_millis(self) -> i64 {
        self.0.and_utc().timestamp_millis()
    }

    /// Later by `by`; stops at the end of the calendar rather than wrapping.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let by = chrono::TimeDelta::from_std(by).unwrap_or(chrono::TimeDelta::MAX);
        Self(self.0.checked_add_signed(by).unwrap_or(NaiveDateTime::MAX))
    }

    /// Earlier by `by`; stops at the beginning of the calendar rather than wrapping.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        let by = chrono::TimeDelta::from_std(by).unwrap_or(chrono::TimeDelta::MAX);
        Self(self.0.checked_sub_signed(by).unwrap_or(NaiveDateTime::MIN))
    }

    /// RFC 3339 with six decimals and `Z`.
    pub fn to_rfc3339(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let at = DateTime::<Utc>::deserialize(deserializer)?;
        Ok(Self(at.naive_utc().trunc_subsecs(6)))
    }
}

impl<DB> FromSql<sql_types::Timestamp, DB> for Timestamp
where
    DB: Backend,
    NaiveDateTime: FromSql<sql_types::Timestamp, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        NaiveDateTime::from_sql(bytes).map(Self)
    }
}

impl<DB> ToSql<sql_types::Timestamp, DB> for Timestamp
where
    DB: Backend,
    NaiveDateTime: ToSql<sql_types::Timestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_six_decimals_and_read_back() {
        let at = Timestamp::from_system(SystemTime::UNIX_EPOCH + Duration::new(1_790_000_000, 123_456_789));
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(json, "\"2026-09-21T14:13:20.123456Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }

    #[test]
    fn reads_other_offsets_and_precisions() {
        let at: Timestamp = serde_json::from_str("\"2026-09-21T15:13:20+02:00\"").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-09-21T13:13:20.000000Z");
    }
}
