use persistent_fs::ErrorKind;

use super::*;

fn parsed(url: &str) -> Result<Config> {
    Config::from_url(&Url::parse(url).expect("a URL"), None)
}

const KEYS: &str = "access_key_id=id&secret_access_key=hush";

#[test]
fn a_url_names_bucket_prefix_and_options() {
    let config = parsed(&format!(
        "s3://my-bucket/a/b%20c/?region=eu-west-1&storage_class=STANDARD_IA&sse=aws:kms&sse_kms_key_id=k\
         &part_size=16MiB&concurrency=2&timeout=5&retries=0&conditional=yes&path_style=true&{KEYS}"
    ))
    .expect("valid");
    assert_eq!((config.bucket.as_str(), config.prefix.as_str()), ("my-bucket", "a/b c"));
    assert_eq!(config.encryption, Some(Encryption::Kms { key_id: Some("k".to_owned()) }));
    assert_eq!((config.part_size, config.concurrency, config.retries), (16 << 20, 2, 0));
    assert_eq!((config.timeout, config.conditional), (Duration::from_secs(5), Conditional::Yes));
    let url = config.bucket_url().expect("a URL");
    assert_eq!(url.as_str(), "https://s3.eu-west-1.amazonaws.com/my-bucket");
}

#[test]
fn the_bucket_is_in_the_host_or_in_the_path() {
    for (options, url) in [
        ("region=eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/"),
        ("region=cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/"),
        ("endpoint=https://host:9000", "https://host:9000/bucket"),
        ("endpoint=https://host/s3/", "https://host/s3/bucket"),
        ("endpoint=https://host&path_style=false", "https://bucket.host/"),
        ("endpoint=http://127.0.0.1:1&allow_http=true", "http://127.0.0.1:1/bucket"),
    ] {
        let config = parsed(&format!("s3://bucket?{options}&{KEYS}")).expect(options);
        assert_eq!(config.bucket_url().expect("a URL").as_str(), url);
    }
    let dots = parsed(&format!("s3://a.bucket?region=eu-west-1&{KEYS}")).expect("valid");
    assert_eq!(dots.bucket_url().expect("a URL").path(), "/a.bucket");
}

#[test]
fn what_cannot_work_is_refused_by_name_and_without_its_value() {
    for (url, named) in [
        ("s3://bucket?regoin=x&region=r&access_key_id=id&secret_access_key=hush", "`regoin`"),
        ("s3://bucket?access_key_id=id&secret_access_key=hush", "`region`"),
        ("s3://bucket?region=r&access_key_id=hush", "`secret_access_key`"),
        ("s3://bucket?region=r&secret_access_key=hush", "`access_key_id`"),
        ("s3://bucket?region=r&session_token=hush", "`access_key_id`"),
        ("s3://id:hush@bucket?region=r&access_key_id=id", "twice"),
        ("s3://id:hush@bucket?region=r&credentials=instance", "`credentials=static`"),
        ("s3://bucket?region=r", "no credentials"),
        ("s3://bucket?region=r&credentials=hush", "`credentials`"),
        ("s3://bucket?region=r&credentials=container", "`credentials=container`"),
        ("s3://id:hush@bucket?endpoint=http://h", "`allow_http=true`"),
        ("s3://id:hush@bucket?endpoint=https://a:hush@h", "`endpoint`"),
        ("s3://id:hush@bucket?endpoint=ftp://h", "`endpoint`"),
        ("s3://id:hush@bucket?region=r&part_size=4MiB", "`part_size`"),
        ("s3://id:hush@bucket?region=r&part_size=hush", "`part_size`"),
        ("s3://id:hush@bucket?region=r&concurrency=0", "`concurrency`"),
        ("s3://id:hush@bucket?region=r&timeout=0", "`timeout`"),
        ("s3://id:hush@bucket?region=r&retries=99", "`retries`"),
        ("s3://id:hush@bucket?region=r&sse=hush", "`sse`"),
        ("s3://id:hush@bucket?region=r&sse_kms_key_id=hush", "`sse_kms_key_id`"),
        ("s3://id:hush@bucket?region=r&conditional=maybe", "`conditional`"),
        ("s3://id:hush@bucket?region=r&storage_class=a%20b", "`storage_class`"),
        ("s3://id:hush@bucket?region=hu%0Dsh", "`region`"),
        ("s3://id:hush@bucket/a//b?region=r", "prefix"),
        ("s3://id:hush@bucket:1/?region=r", "`endpoint`"),
        ("s3://id:hush@b/?region=r", "bucket"),
    ] {
        let error = parsed(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(error.to_string().contains(named), "{url}: {error}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn keys_before_the_bucket_are_decoded_and_never_shown() {
    let config = parsed("s3://id:hu%2Fsh@bucket?region=r").expect("valid");
    let Credentials::Static(keys) = &config.credentials else { panic!("no keys") };
    assert_eq!(keys.secret_access_key, "hu/sh");
    assert!(!format!("{config:?}").contains("hu/sh"), "{config:?}");
}

#[test]
fn what_the_url_leaves_out_is_taken_from_the_environment_that_is_passed() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", "https://host"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::from_vars(variables);
    let url = Url::parse("s3://bucket/p").expect("a URL");
    let config = Config::from_url(&url, Some(&environment)).expect("valid");
    assert_eq!(config.region, "eu-west-1");
    assert_eq!(config.bucket_url().expect("a URL").as_str(), "https://host/bucket");
    assert!(matches!(config.credentials, Credentials::Static(_)));
}

#[cfg(not(feature = "aws-config"))]
#[test]
fn a_feature_that_was_left_out_is_named() {
    let error = parsed("s3://bucket?region=r&credentials=sdk").expect_err("left out");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("feature `aws-config`"), "{error}");
}

#[cfg(feature = "aws-config")]
#[test]
fn the_sdk_may_be_left_to_find_the_region() {
    let config = parsed("s3://bucket?credentials=sdk&profile=one").expect("valid");
    assert_eq!(config.region, "");
    assert!(format!("{config:?}").contains("one"), "{config:?}");
    let error = parsed("s3://bucket?region=r&credentials=instance&profile=one").expect_err("not for others");
    assert!(error.to_string().contains("`profile`"), "{error}");
}
