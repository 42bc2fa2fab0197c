use super::*;

fn variables() -> Environment {
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "geheim"), ("HOME", "/root")];
    Environment::from_vars(keys.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn read_url(text: &str, environment: &Environment) -> Result<Options, Error> {
    let mut url = BackendUrl::parse(text)?;
    let options = Options::from_url(&mut url, environment)?;
    url.finish()?;
    Ok(options)
}

#[test]
fn a_url_says_everything() {
    let url = "ses://eu-west-1?endpoint=http%3A%2F%2F127.0.0.1%3A1&set=vault&feedback=bounces@example.org\
               &tags=service:vault,env:prod&kind_tag=kind&connect_timeout=2s&timeout=9s";
    let options = read_url(url, &variables()).unwrap();
    assert_eq!(options.region, "eu-west-1");
    assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(options.configuration_set.as_deref(), Some("vault"));
    assert_eq!(options.feedback.map(String::from).as_deref(), Some("bounces@example.org"));
    assert_eq!(
        options.tags.into_iter().collect::<Vec<_>>(),
        [("env", "prod"), ("service", "vault")].map(owned)
    );
    assert_eq!(options.kind_tag.as_deref(), Some("kind"));
    assert_eq!((options.connect_timeout, options.timeout), (Duration::from_secs(2), Duration::from_secs(9)));
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn the_endpoint_may_come_from_a_variable_and_the_url_counts_more() {
    let mut environment = variables();
    environment.variables.insert("AWS_ENDPOINT_URL".to_owned(), "http://all".to_owned());
    let endpoint = |url: &str, environment: &Environment| read_url(url, environment).unwrap().endpoint;
    assert_eq!(endpoint("ses://eu-west-1", &environment).as_deref(), Some("http://all"));
    environment.variables.insert("AWS_ENDPOINT_URL_SESV2".to_owned(), "http://ses".to_owned());
    assert_eq!(endpoint("ses://eu-west-1", &environment).as_deref(), Some("http://ses"));
    assert_eq!(endpoint("ses://eu-west-1?endpoint=http://url", &environment).as_deref(), Some("http://url"));
}

#[test]
fn each_fault_is_named_and_no_secret_is_repeated() {
    for (url, named) in [
        ("ses:", "ses://region"),
        ("ses://u:geheim@eu-west-1", "ses://region"),
        ("ses://eu-west-1/path", "ses://region"),
        ("ses://eu_west", "the region"),
        ("ses://eu-west-1?endpoint=geheim", "`endpoint`"),
        ("ses://eu-west-1?set=a%20b", "`set`"),
        ("ses://eu-west-1?feedback=geheim", "`feedback`"),
        ("ses://eu-west-1?tags=geheim", "`tags`"),
        ("ses://eu-west-1?tags=a:ge.heim", "a tag is not"),
        ("ses://eu-west-1?kind_tag=a.b", "a tag is not"),
        ("ses://eu-west-1?kind_tag=a&tags=a:geheim", "`kind_tag`"),
        ("ses://eu-west-1?timeout=geheim", "`timeout`"),
        ("ses://eu-west-1?timeout=0s", "zero"),
        ("ses://eu-west-1?secret_access_key=geheim", "`access_key_id` is missing"),
        ("ses://eu-west-1?access_key_id=geheim", "`secret_access_key` is missing"),
        ("ses://eu-west-1?access_key_id=geheim&credentials=environment", "without keys"),
        ("ses://eu-west-1?credentials=geheim", "`environment` or `sdk`"),
        ("ses://eu-west-1?sett=geheim", "unknown key sett"),
    ] {
        let error = read_url(url, &variables()).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(error.to_string().contains(named), "{url}: {error}");
        assert!(!format!("{error:?}").contains("geheim"), "{url}: {error:?}");
    }
    let error = read_url("ses://eu-west-1", &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("no credentials"), "{error}");
}

#[test]
fn credentials_are_not_shown() {
    let shown = format!("{:?} {:?}", variables(), read_url("ses://eu-west-1", &variables()).unwrap());
    assert!(shown.contains("eu-west-1") && shown.contains("AWS_ACCESS_KEY_ID"), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
}
