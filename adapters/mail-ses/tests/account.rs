//! What SES says about the account, as a limit of the rate is fed from it.

use conformance_tests::ses_server::{AccountState, SesServer};
use mail_ses::{Credentials, Options, Ses, SharedCredentialsProvider};
use mailer::{Backend as _, ErrorKind, Outcome};

#[tokio::test]
async fn the_quota_is_told_in_recipients() {
    let server = SesServer::start("eu-west-1").await.expect("a port of loopback");
    let keys = server.issue_keys();
    let credentials = Credentials::new(keys.id, keys.secret, None, None, "test");
    let mut options = Options::new("eu-west-1", SharedCredentialsProvider::new(credentials));
    options.endpoint = Some(server.endpoint());
    let ses = Ses::open(options).expect("the options are sound");

    // SES says -1 for as many as one likes.
    for (per_day, expected) in [(50_000.0, Some(50_000.0)), (-1.0, None)] {
        let quota = (14.0, per_day, 7.0);
        server.set_account(AccountState { production: false, quota, ..AccountState::default() });
        let account = ses.account().await.expect("SES answers");
        assert!(!account.is_in_production && account.is_sending);
        assert_eq!(account.enforcement, "HEALTHY");
        let quota = ses.quota().await.expect("SES answers");
        assert_eq!(account.quota, Some(quota));
        assert_eq!(quota.per_day, expected);
        assert!(
            (quota.per_second - 14.0).abs() < f64::EPSILON
                && (quota.sent_last_day - 7.0).abs() < f64::EPSILON
        );
    }
    ses.close().await;
    let error = ses.quota().await.expect_err("it is closed");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Closed, Outcome::NotApplied));
}
