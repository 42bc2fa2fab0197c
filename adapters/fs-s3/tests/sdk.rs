//! Keys and region by the AWS SDK's chain, from profiles. The chain reads the environment of its process, so the store is
//! opened in another one, whose environment holds nothing but the way to the profiles.
//!
//! The feature is left out of the workspace's one build, since the server would be compiled and linked with the SDK for it:
//! `cargo test -p undercroft-fs-s3 --features aws-config --test sdk`.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, Utc};
use conformance_tests::s3_server::S3Server;
use persistent_fs::{Clock, Files, Key, LinkRequest, WriteOptions};

/// How long the links live that are asked for.
const ASKED: Duration = Duration::from_hours(2);
/// No default of anybody's.
const REGION: &str = "eu-north-1";
const IN_FULL: &str = "eu-north-1 in full";
const STRANGER: &str = "Unauthenticated";

#[tokio::test(flavor = "multi_thread")]
async fn static_keys_and_the_region_come_from_a_profile() {
    let server = S3Server::start().await.expect("a server");
    let (id, secret) = (&server.account().access_key, &server.account().secret_key);
    let folder = tempfile::tempdir().expect("a folder");
    let region = format!("region = {REGION}");
    write(folder.path(), "config", &format!("[default]\n{region}\n[profile two]\n{region}\n"));
    let keys = format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}");
    write(folder.path(), "credentials", &format!("[default]\n{keys}\n[two]\n{keys}\n"));

    assert_eq!(told(&server, folder.path(), "", &[]), IN_FULL);
    assert_eq!(server.object("greeting").as_deref(), Some(&b"hello"[..]));
    // Variables come before profiles, unless one is named.
    let wrong = [("AWS_ACCESS_KEY_ID", "somebody"), ("AWS_SECRET_ACCESS_KEY", "else")];
    assert_eq!(told(&server, folder.path(), "&profile=two", &wrong), IN_FULL);
    assert_eq!(told(&server, folder.path(), "", &wrong), STRANGER);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_die_with_the_keys_of_a_program() {
    let server = S3Server::start().await.expect("a server");
    let (id, secret) = (&server.account().access_key, &server.account().secret_key);
    let folder = tempfile::tempdir().expect("a folder");
    let end = DateTime::<Utc>::from(Clock::system().now() + Duration::from_hours(1));
    let end = end.to_rfc3339_opts(SecondsFormat::Secs, true);
    let answer =
        format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}","Expiration":"{end}"}}"#);
    write(folder.path(), "answer.json", &answer);
    let program = format!("/bin/cat {}", folder.path().join("answer.json").display());
    let profile = format!("[profile program]\nregion = {REGION}\ncredential_process = {program}\n");
    write(folder.path(), "config", &profile);

    let expected = format!("{REGION} until {end}");
    assert_eq!(told(&server, folder.path(), "&profile=program", &[]), expected);
    assert_eq!(told(&server, folder.path(), "&profile=missing", &[]), STRANGER);
}

/// What another process tells that uses the store.
fn told(server: &S3Server, profiles: &Path, options: &str, more: &[(&str, &str)]) -> String {
    let account = server.account();
    let (bucket, endpoint) = (&account.bucket, &account.endpoint);
    let url = format!("s3://{bucket}?endpoint={endpoint}&allow_http=true&credentials=sdk{options}");
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_other_process", "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", profiles)
        .env("AWS_CONFIG_FILE", profiles.join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", profiles.join("credentials"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(more.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("another process");
    process.stdin.take().expect("piped").write_all(url.as_bytes()).expect("it listens");
    let output = process.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    let told = text.lines().find_map(|line| Some(line.split_once("told: ")?.1.to_owned()));
    told.unwrap_or_else(|| panic!("nothing told: {text}"))
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

#[tokio::test]
#[ignore = "it is the other process of the other tests"]
async fn the_other_process() {
    let mut url = String::new();
    std::io::stdin().read_to_string(&mut url).expect("a URL");
    let store = match fs_s3::open(url.parse().expect("a URL")).await {
        Ok(store) => Files::new(store),
        Err(error) => {
            eprintln!("told: {:?}", error.kind());
            return;
        }
    };
    let key = Key::parse("greeting").expect("a key");
    store.put(&key, "hello".into(), WriteOptions::default()).await.expect("written");
    assert_eq!(store.read_all(&key, 5).await.expect("there"), "hello");
    let before = Clock::system().now();
    let link = store.link(&key, LinkRequest::get(ASKED)).await.expect("a link");
    // A link's end is in whole seconds.
    let region = if link.url.as_str().contains(REGION) { REGION } else { "elsewhere" };
    if link.expires_at + Duration::from_secs(1) > before + ASKED {
        eprintln!("told: {region} in full");
    } else {
        let end = DateTime::<Utc>::from(link.expires_at).to_rfc3339_opts(SecondsFormat::Secs, true);
        eprintln!("told: {region} until {end}");
    }
}
