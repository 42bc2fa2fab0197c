use persistent_fs::ErrorKind;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from_vars(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn an_environment_is_read_in_the_order_of_its_table() {
    let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn")];
    let task = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2")];
    let of = |variables: &[(&str, &str)]| Credentials::from_environment(&environment(variables));
    assert!(matches!(of(&[&keys[..], &role, &task].concat()), Ok(Credentials::Static(_))));
    assert!(matches!(of(&[&role[..], &task].concat()), Ok(Credentials::WebIdentity { .. })));
    assert!(matches!(of(&task), Ok(Credentials::Container(_))));
    assert!(matches!(of(&[]), Ok(Credentials::Instance)));
    let none = of(&[("AWS_EC2_METADATA_DISABLED", "true")]).expect_err("nobody to ask");
    assert_eq!(none.kind(), ErrorKind::Config);
}

#[test]
fn what_is_half_there_is_refused_by_name() {
    for (variables, missing) in [
        (&[("AWS_ACCESS_KEY_ID", "id")][..], "AWS_SECRET_ACCESS_KEY"),
        (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h")], "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ] {
        let environment = environment(&[variables, &[("AWS_EC2_METADATA_DISABLED", "true")]].concat());
        let error = Credentials::from_environment(&environment).expect_err("incomplete");
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let environment = environment(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hush")]);
    let keys = Keys { session_token: Some("hush".to_owned()), ..Keys::new("id", "hush") };
    let shown = format!("{environment:?} {keys:?} {:?}", Credentials::Static(keys.clone()));
    assert!(shown.contains("id") && !shown.contains("hush"), "{shown}");
}

#[test]
fn the_end_of_fetched_keys_is_read_from_the_answer_that_brought_them() {
    let expected = moment("2026-11-22T06:00:00Z");
    for answer in [
        r#"{"AccessKeyId":"A","Expiration" : "2026-11-22T06:00:00Z","Token":"t"}"#,
        "<Credentials><Expiration>2026-11-22T06:00:00Z</Expiration></Credentials>",
    ] {
        let expiry = Expiry::default();
        expiry.note(b"an answer without it");
        assert_eq!(expiry.get(), None);
        expiry.note(answer.as_bytes());
        assert_eq!(expiry.get(), expected, "{answer}");
    }
}

#[derive(Debug)]
struct Counting(Mutex<u64>, Clock);

#[async_trait]
impl CredentialSource for Counting {
    async fn keys(&self) -> Result<Keys> {
        let mut count = self.0.lock().expect("not poisoned");
        *count += 1;
        let expires_at = Some(self.1.now() + Duration::from_hours(1));
        Ok(Keys { expires_at, ..Keys::new(format!("id-{count}"), "secret") })
    }
}

#[tokio::test]
async fn keys_of_a_source_are_kept_and_renewed_in_time() {
    let minutes = Arc::new(Mutex::new(0));
    let shared = Arc::clone(&minutes);
    let clock = Clock::new(move || {
        SystemTime::UNIX_EPOCH + Duration::from_mins(*shared.lock().expect("not poisoned"))
    });
    let source = Arc::new(Counting(Mutex::new(0), clock.clone()));
    let mut config = Config::new("bucket", "eu-west-1", Credentials::Source(source));
    config.clock = clock;
    let signing = Signing::new(&config, Connector::new(&config).expect("a client")).expect("signing");
    for (minute, id) in [(0, "id-1"), (54, "id-1"), (56, "id-2"), (60, "id-2"), (200, "id-3")] {
        *minutes.lock().expect("not poisoned") = minute;
        let (keys, expires_at) = signing.keys_and_expiry().await.expect("keys");
        assert_eq!(keys.key_id, id, "after {minute} minutes");
        assert!(expires_at > Some(SystemTime::UNIX_EPOCH + Duration::from_mins(minute)));
    }
}
