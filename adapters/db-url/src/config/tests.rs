use std::path::Path;

use dbconn::{ErrorKind, Roots, Tls};

use url::Url;

use super::{Password, PostgresOptions, sqlite_path};

fn parsed(url: &str) -> Url {
    Url::parse(url).expect(url)
}

fn refusal(url: &str) -> String {
    let error = PostgresOptions::from_url(&parsed(url)).expect_err(url);
    assert_eq!(*error.kind(), ErrorKind::Config, "{url}");
    error.to_string()
}

#[test]
fn every_part_is_percent_decoded() {
    let options = PostgresOptions::from_url(&parsed(
        "postgres://a%40b:p%3A%2F%40%25%00%ff@[::1]:6000/d%20b?sslmode=disable&application_name=x%20y",
    ))
    .expect("a URL");
    assert_eq!(options.user, "a@b");
    let Password::Known(password) = options.password else { panic!("the password is in the URL") };
    assert_eq!(password.expose(), b"p:/@%\0\xff");
    assert_eq!((options.host.as_str(), options.port, options.database.as_str()), ("::1", 6000, "d b"));
    assert_eq!(options.application_name, "x y");
    assert!(matches!(options.tls, Tls::Off));
}

#[test]
fn tls_is_verified_unless_it_is_switched_off_in_so_many_words() {
    for host in ["db.example", "localhost", "127.0.0.1"] {
        let options = PostgresOptions::from_url(&parsed(&format!("postgres://u@{host}/d"))).expect("a URL");
        assert!(matches!(options.tls, Tls::VerifyFull(Roots::Web)), "{host}");
        assert_eq!(options.port, 5432);
    }
}

#[test]
fn encryption_without_verification_is_refused() {
    for mode in ["require", "prefer", "allow", "verify-ca"] {
        let text = refusal(&format!("postgres://u:canary@h/d?sslmode={mode}"));
        assert!(text.contains("does not verify"), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_and_the_password_is_not() {
    let cases = [
        ("postgres://u:canary@h/d?ssl_mode=disable", "ssl_mode"),
        ("postgres://u:canary@h/d?sslmode=disable&sslmode=disable", "twice"),
        ("postgres://u:canary@h/d?password_file=/x", "password_file"),
        ("postgres://u:canary@h/?sslmode=disable", "database"),
        ("postgres://u:canary@h/d?sslmode=disable&sslrootcert=/x", "sslrootcert"),
        ("postgres://u:canary@h/d?sslrootcert=/does/not/exist", "sslrootcert"),
        ("mysql://u:canary@h/d", "postgres"),
    ];
    for (url, named) in cases {
        let text = refusal(url);
        assert!(text.contains(named), "{url}: {text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_sqlite_url_is_an_absolute_path() {
    assert_eq!(sqlite_path(&parsed("sqlite:///srv/a%20b.db")).expect("a URL"), Path::new("/srv/a b.db"));
    for url in ["sqlite://data.db", "sqlite:data.db", "sqlite:///a?mode=ro", "sqlite:///a#b", "file:///a"] {
        assert!(sqlite_path(&parsed(url)).is_err(), "{url}");
    }
}
