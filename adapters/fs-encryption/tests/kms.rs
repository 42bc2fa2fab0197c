//! Data keys wrapped by KMS: against `moto`, where `TEST_AWS_ENDPOINT` says it listens, and against a server that answers
//! as KMS does when it will not.
//!
//! moto wraps for real and checks context and key. It checks no signature, so who may ask is not tested here.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_kms::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider, timeout::TimeoutConfig},
};
use aws_smithy_http_client::{Builder, tls};
use conformance_tests::{Absent, Checked, cases, run_all, trials};
use fs_encryption::{Context, DataKey, Encrypted, KeyChain, KeyWrapper, KmsKeyWrapper, KmsOptions};
use fs_memory::Memory;
use persistent_fs::{Error, ErrorKind, Files, Key, Outcome, Result, Retry, WriteOptions};

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the settings of these tests")]
    let [endpoint, required] = ["TEST_AWS_ENDPOINT", "TEST_REQUIRE"].map(std::env::var);
    let required = required.is_ok_and(|named| named.split(',').any(|name| name.trim() == "aws"));
    assert!(endpoint.is_ok() || !required, "TEST_REQUIRE names aws, and TEST_AWS_ENDPOINT is not set");
    let moto = Arc::new(Moto(endpoint.ok()));
    let cases = cases!["kms";
        an_object_is_sealed_under_a_key_of_kms,
        a_wrapped_key_is_good_for_its_context_and_its_key_alone,
        a_key_that_is_not_there_is_named,
        an_alias_may_be_pointed_to_another_key,
        a_chain_moves_from_one_key_of_kms_to_another,
        a_refusal_has_its_kind_and_is_asked_for_thrice_at_most,
        a_service_that_is_not_there_is_unavailable,
        a_service_that_is_silent_times_out,
        credentials_are_not_shown,
    ];
    run_all(env!("CARGO_PKG_NAME"), trials("", &moto, cases))
}

/// Where moto listens, if it does.
struct Moto(Option<String>);

impl Moto {
    fn endpoint(&self) -> Result<&str, Absent> {
        self.0.as_deref().ok_or_else(|| Absent::because("TEST_AWS_ENDPOINT is not set"))
    }

    fn wrapper(&self, key_id: &str) -> Result<KmsKeyWrapper, Absent> {
        Ok(KmsKeyWrapper::open(options(key_id, self.endpoint()?)))
    }

    /// What an administrator does.
    fn client(&self) -> Result<Client, Absent> {
        Ok(client(self.endpoint()?, None))
    }

    async fn key(&self) -> Result<String, Absent> {
        let made = self.client()?.create_key().send().await.expect("moto makes keys");
        Ok(made.key_metadata.expect("a description").key_id)
    }
}

fn options(key_id: &str, endpoint: &str) -> KmsOptions {
    KmsOptions {
        key_id: key_id.to_owned(),
        region: "eu-west-1".to_owned(),
        credentials: SharedCredentialsProvider::new(credentials()),
        endpoint: Some(endpoint.to_owned()),
    }
}

fn credentials() -> Credentials {
    Credentials::new("AKIATEST", "not-to-be-shown", None, None, "test")
}

fn client(endpoint: &str, timeout: Option<Duration>) -> Client {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring));
    let mut timeouts = TimeoutConfig::builder();
    timeouts.set_operation_timeout(timeout);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.build_https())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .timeout_config(timeouts.build())
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

fn sealed(raw: &Memory, wrapper: impl KeyWrapper) -> Files {
    Files::new(Encrypted::new(raw.clone(), "store", wrapper).expect("a good name"))
}

#[track_caller]
fn refused<T>(result: Result<T>, kind: ErrorKind) -> Error {
    let error = result.map(drop).expect_err("this should have been refused");
    assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{error:?}");
    error
}

async fn an_object_is_sealed_under_a_key_of_kms(moto: &Moto) -> Checked {
    let (id, raw) = (moto.key().await?, Memory::new());
    let files = sealed(&raw, moto.wrapper(&id)?);
    let body = vec![7; 200_000];
    files.put(&key("a/b"), body.clone().into(), WriteOptions::default()).await.expect("written");
    // Another process, which knows no more than the key's name.
    let read = sealed(&raw, moto.wrapper(&id)?).read_all(&key("a/b"), 1 << 20).await.expect("read");
    assert!(read == body);
    // Its object under another name is of no use: KMS itself refuses the context.
    let stored = Files::new(raw.clone()).read_all(&key("a/b"), 1 << 20).await.expect("there");
    Files::new(raw).put(&key("c"), stored, WriteOptions::default()).await.expect("written");
    refused(files.read_all(&key("c"), 1 << 20).await, ErrorKind::Integrity);
    Ok(())
}

async fn a_wrapped_key_is_good_for_its_context_and_its_key_alone(moto: &Moto) -> Checked {
    let (one, two) = (moto.key().await?, moto.key().await?);
    let (service, object, other) = (moto.wrapper(&one)?, key("a"), key("b"));
    let context = Context { store: "store", object: &object };
    let data_key = DataKey::generate().expect("randomness");
    let wrapped = service.wrap(&data_key, context).await.expect("wrapped");
    assert!(!wrapped.blob.windows(8).any(|window| window == &data_key.expose()[..8]));
    assert_eq!(service.unwrap(&wrapped, context).await.expect("unwrapped").expose(), data_key.expose());
    for context in [Context { store: "other", ..context }, Context { object: &other, ..context }] {
        refused(service.unwrap(&wrapped, context).await, ErrorKind::Integrity);
    }
    let mut misnamed = wrapped.clone();
    misnamed.key_id.clone_from(&two);
    // Here moto says AccessDeniedException, and KMS itself IncorrectKeyException, which is `Integrity`.
    refused(service.unwrap(&misnamed, context).await, ErrorKind::Denied);
    let mut altered = wrapped;
    *altered.blob.last_mut().expect("not empty") ^= 1;
    refused(service.unwrap(&altered, context).await, ErrorKind::Integrity);
    Ok(())
}

/// moto lets disabled keys be used, so the other ways not to be usable are the business of the server that refuses.
async fn a_key_that_is_not_there_is_named(moto: &Moto) -> Checked {
    let object = key("a");
    let context = Context { store: "store", object: &object };
    let data_key = DataKey::generate().expect("randomness");
    let missing = "00000000-0000-4000-8000-000000000000";
    let error = refused(moto.wrapper(missing)?.wrap(&data_key, context).await, ErrorKind::Config);
    assert!(error.to_string().contains(missing), "{error}");
    Ok(())
}

/// What is stored is the key and not its alias, so what was sealed before is opened after.
async fn an_alias_may_be_pointed_to_another_key(moto: &Moto) -> Checked {
    let (one, two, administrator) = (moto.key().await?, moto.key().await?, moto.client()?);
    let alias = format!("alias/{one}");
    let (raw, files) = (Memory::new(), |raw: &Memory| Ok(sealed(raw, moto.wrapper(&alias)?)));
    administrator.create_alias().alias_name(&alias).target_key_id(one).send().await.expect("an alias");
    files(&raw)?.put(&key("old"), "old".into(), WriteOptions::default()).await.expect("written");
    administrator.update_alias().alias_name(&alias).target_key_id(two).send().await.expect("another target");
    files(&raw)?.put(&key("new"), "new".into(), WriteOptions::default()).await.expect("written");
    assert_eq!(files(&raw)?.read_all(&key("old"), 9).await.expect("read"), "old");
    assert_eq!(files(&raw)?.read_all(&key("new"), 9).await.expect("read"), "new");
    Ok(())
}

async fn a_chain_moves_from_one_key_of_kms_to_another(moto: &Moto) -> Checked {
    let (one, two) = (moto.key().await?, moto.key().await?);
    let (raw, keys) = (Memory::new(), Files::new(Memory::new()));
    let chain = KeyChain::open(keys.clone(), "store", moto.wrapper(&one)?).await.expect("a chain");
    sealed(&raw, chain).put(&key("a"), "body".into(), WriteOptions::default()).await.expect("written");

    // A wrapper for the new key unwraps what the old one wrapped, for as long as KMS does.
    let chain = KeyChain::open(keys.clone(), "store", moto.wrapper(&two)?).await.expect("a chain");
    assert_eq!(chain.rewrap().await.expect("rewrapped"), 1);
    let object = keys.read_all(&key("000001"), 1 << 10).await.expect("the one key of the chain");
    let names = |id: &str| object.windows(id.len()).any(|window| window == id.as_bytes());
    assert!(names(&two) && !names(&one), "the old key is still needed");
    let chain = KeyChain::open(keys, "store", moto.wrapper(&two)?).await.expect("a chain");
    assert_eq!(sealed(&raw, chain).read_all(&key("a"), 9).await.expect("read"), "body");
    Ok(())
}

async fn a_refusal_has_its_kind_and_is_asked_for_thrice_at_most(_: &Moto) -> Checked {
    for (status, code, kind, attempts) in [
        (400, "ThrottlingException", ErrorKind::Throttled, 3),
        (400, "AccessDeniedException", ErrorKind::Denied, 1),
        (400, "ExpiredTokenException", ErrorKind::Unauthenticated, 1),
        (400, "DisabledException", ErrorKind::Config, 1),
        (400, "KMSInvalidStateException", ErrorKind::Config, 1),
        (500, "KMSInternalException", ErrorKind::Unavailable, 3),
    ] {
        let server = Refusing::start(status, code);
        let raw = Memory::new();
        let files = sealed(&raw, KmsKeyWrapper::open(options("the-key", &server.endpoint())));
        let error = refused(files.put(&key("a"), "body".into(), WriteOptions::default()).await, kind);
        assert_eq!(server.asked.load(Ordering::Relaxed), attempts, "{code}");
        assert!(error.to_string().contains(code) && error.to_string().contains("the-key"), "{error}");
        assert!(!format!("{error:?}").contains("arn:aws:iam"), "who asked is in {error:?}");
        let transient = matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable);
        assert_eq!(error.retry() == Retry::Backoff, transient, "{code}");
        refused(Files::new(raw).head(&key("a")).await, ErrorKind::NotFound);
    }
    Ok(())
}

async fn a_service_that_is_not_there_is_unavailable(_: &Moto) -> Checked {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let wrapper = KmsKeyWrapper::open(options("the-key", &format!("http://{nobody}")));
    let files = sealed(&Memory::new(), wrapper);
    refused(files.put(&key("a"), "body".into(), WriteOptions::default()).await, ErrorKind::Unavailable);
    Ok(())
}

async fn a_service_that_is_silent_times_out(_: &Moto) -> Checked {
    // Connections are taken by the system and answered by nobody.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let wrapper = KmsKeyWrapper::new(client(&endpoint, Some(Duration::from_millis(100))), "the-key");
    let files = sealed(&Memory::new(), wrapper);
    refused(files.put(&key("a"), "body".into(), WriteOptions::default()).await, ErrorKind::Timeout);
    Ok(())
}

async fn credentials_are_not_shown(_: &Moto) -> Checked {
    let options = options("the-key", "http://127.0.0.1:1");
    let shown = format!("{options:?} {:?}", KmsKeyWrapper::open(options.clone()));
    assert!(shown.contains("the-key"), "{shown}");
    assert!(!shown.contains("not-to-be-shown"), "{shown}");
    Ok(())
}

/// A server that answers every request with one error of KMS, and counts them.
struct Refusing {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Refusing {
    fn start(status: u16, code: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicU64::new(0));
        let body = format!(r#"{{"__type":"{code}","message":"arn:aws:iam::1:user/x may not"}}"#);
        let answer = format!(
            "HTTP/1.1 {status} No\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let counter = Arc::clone(&asked);
        // It ends with the test binary.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("a connection");
                if read_request(&mut connection).is_some() {
                    counter.fetch_add(1, Ordering::Relaxed);
                    // Who has gone away meanwhile needs no answer.
                    drop(connection.write_all(answer.as_bytes()));
                }
            }
        });
        Self { address, asked }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads one request, head and body, or `None` if there is none.
fn read_request(connection: &mut TcpStream) -> Option<()> {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = connection.read(&mut part).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
        if body.len() >= length {
            return Some(());
        }
    }
}
