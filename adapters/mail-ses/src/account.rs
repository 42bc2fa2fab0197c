//! What SES says about the account in a region.

use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use mailer::{Disposition, Error, ErrorKind, Outcome};

/// What SES says about the account in one region.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Account {
    /// Whether mails may go to anybody. If not, the account is in the sandbox, and only verified addresses get any.
    pub is_in_production: bool,
    /// Whether SES takes mails at all. An operator, or SES, can pause it.
    pub is_sending: bool,
    /// The account's standing, in SES's words: `HEALTHY`, `PROBATION` or `SHUTDOWN`; empty if it does not say.
    pub enforcement: String,
    /// How much may be sent; `None` if SES does not say.
    pub quota: Option<Quota>,
}

/// How much may be sent, counted in recipients and not in mails.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quota {
    /// Recipients in one second.
    pub per_second: f64,
    /// Recipients in any 24 hours; `None` for as many as one likes.
    pub per_day: Option<f64>,
    /// Recipients in the last 24 hours.
    pub sent_last_day: f64,
}

impl Account {
    pub(crate) fn read(output: &GetAccountOutput) -> Self {
        let quota = output.send_quota().map(|quota| Quota {
            per_second: quota.max_send_rate(),
            // SES says -1 for no limit.
            per_day: Some(quota.max24_hour_send()).filter(|most| *most >= 0.0),
            sent_last_day: quota.sent_last24_hours(),
        });
        Self {
            is_in_production: output.production_access_enabled(),
            is_sending: output.sending_enabled(),
            enforcement: output.enforcement_status().unwrap_or_default().to_owned(),
            quota,
        }
    }

    /// An error unless mails are taken.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.enforcement == "SHUTDOWN" {
            let shut = Error::new(ErrorKind::Unavailable, "SES has shut down sending for this account");
            return Err(shut.with_disposition(Disposition::Permanent).with_outcome(Outcome::NotApplied));
        }
        if !self.is_sending {
            let paused = Error::new(ErrorKind::Unavailable, "sending is paused for this account");
            return Err(paused.with_outcome(Outcome::NotApplied));
        }
        if !self.is_in_production {
            tracing::warn!("the SES account is in the sandbox: only verified addresses get mail");
        }
        Ok(())
    }
}
