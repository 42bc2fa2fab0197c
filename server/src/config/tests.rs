use std::fs;

use clap::{Args as _, Command, arg, value_parser};

use super::*;

fn matches(args: &[&str]) -> ArgMatches {
    let config = arg!(--config <FILE>).required(false).value_parser(value_parser!(PathBuf));
    Options::augment_args(Command::new("undercroft"))
        .arg(config)
        .try_get_matches_from([&["undercroft"], args].concat())
        .unwrap()
}

fn schemes() -> Schemes {
    let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Schemes { database: known(&["postgres", "sqlite"]), files: known(&["file"]), mail: known(&["maildir"]) }
}

fn resolved(args: &[&str]) -> Result<Config, Vec<Problem>> {
    Config::resolve(&Loaded::new(&matches(args), []).options, &schemes())
}

/// The fields that are complained about.
fn blamed(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.field.as_str()).collect()
}

#[test]
fn defaults_work_and_follow_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new");
    let config = resolved(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(config.data, data);
    assert_eq!(config.database.expose(), format!("sqlite://{}/undercroft.sqlite3", data.display()));
    assert_eq!(config.files.expose(), format!("file://{}/files", data.display()));
    assert_eq!(config.mail.as_ref().unwrap().expose(), format!("maildir://{}/mail", data.display()));
    assert_eq!(config.tls, Tls::SelfSigned);
    assert_eq!(config.signups, Signups::Closed);
    let bound = "127.0.0.1:4711".parse().unwrap();
    assert_eq!(config.settings(bound).domain.as_str(), "https://localhost:4711/");
    assert!(!data.exists(), "checking must not make folders");
}

#[test]
fn values_are_complete_and_in_the_order_of_the_fields() {
    let config = resolved(&[]).unwrap();
    let values = config.values();
    let names: Vec<String> = values.iter().map(|(name, _)| (*name).to_owned()).collect();
    let fields: Vec<String> = Options::fields().into_iter().map(|field| field.name).collect();
    assert_eq!(names, fields);
}

#[test]
fn every_problem_is_reported_at_once_under_its_field() {
    let problems = resolved(&[
        "--data=/dev/null/data",
        "--listen=8443",
        "--domain=http://vault.example",
        "--database=mysql://root:canary@h/d",
        "--database-connections=0",
        "--files=/srv/files",
        "--mail=off",
        "--mail-from=nobody",
        "--signups=verified",
        "--uploads=pigeon",
        "--log=a=b=c",
    ])
    .unwrap_err();
    assert_eq!(
        blamed(&problems),
        [
            "data",
            "listen",
            "domain",
            "database",
            "files",
            "database_connections",
            "mail_from",
            "uploads",
            "log",
            "signups"
        ]
    );
    assert!(!format!("{problems:?}").contains("canary"));
}

#[test]
fn certificate_and_key_belong_together() {
    for (args, field) in [
        (&["--tls-certificate=Cargo.toml"][..], "tls_key"),
        (&["--tls-key=Cargo.toml"], "tls_certificate"),
        (&["--tls-key=Cargo.toml", "--tls-certificate=missing.pem"], "tls_certificate"),
        (&["--tls-key=Cargo.toml", "--tls-certificate=Cargo.toml", "--tls=off"], "tls"),
        (&["--tls=on"], "tls"),
    ] {
        assert_eq!(blamed(&resolved(args).unwrap_err()), [field], "{args:?}");
    }
    let own = resolved(&["--tls-key=Cargo.toml", "--tls-certificate=Cargo.toml"]).unwrap();
    assert!(matches!(own.tls, Tls::Files { .. }));
}

#[test]
fn a_domain_is_an_address_and_nothing_more() {
    for bad in ["vault.example", "ftp://h", "https://u:p@h", "https://h/?a", "https://h/#/", "http://h"] {
        let argument = format!("--domain={bad}");
        assert_eq!(blamed(&resolved(&[&argument]).unwrap_err()), ["domain"], "{bad}");
    }
    assert!(resolved(&["--domain=http://h", "--tls=off"]).is_ok());
    assert!(resolved(&["--domain=https://h/vault", "--tls=off"]).is_ok());
}

#[test]
fn flags_win_over_the_file_and_each_value_knows_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("undercroft.toml");
    fs::write(&file, "listen = '127.0.0.1:1'\nlog = 'debug'\ndatabase_connections = 7\n").unwrap();
    let data = format!("--data={}", folder.path().display());
    let loaded = Loaded::new(&matches(&[&data, "--listen=127.0.0.1:2"]), []);
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.options.listen.as_deref(), Some("127.0.0.1:2"));
    assert_eq!(loaded.options.log.as_deref(), Some("debug"));
    assert_eq!(loaded.options.database_connections.as_deref(), Some("7"));
    assert_eq!(loaded.origins["listen"], Origin::Flag("--listen".into()));
    assert_eq!(loaded.origins["log"], Origin::File(file));
    assert_eq!(loaded.origins.get("signups"), None);
}

#[test]
fn what_the_file_gets_wrong_is_named_without_quoting_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let argument = format!("--config={}", file.display());
    let load = |text: &str| {
        fs::write(&file, text).unwrap();
        Loaded::new(&matches(&[&argument]), []).problems
    };
    let problems = load("listne = ''\nlog = 5\nsingups = 'open'\nuploads = 'ticket'\n");
    assert_eq!(blamed(&problems), ["listne", "log", "singups"]);
    assert!(problems[0].message.contains("did you mean `listen`"), "{}", problems[0]);
    let problems = load("log = 'info'\ndatabase = 'postgres://u:canary@h\n");
    assert_eq!(blamed(&problems), ["config"]);
    assert!(problems[0].message.contains("line 2"), "{}", problems[0]);
    assert!(!problems[0].message.contains("canary"), "{}", problems[0]);
    fs::remove_file(&file).unwrap();
    assert_eq!(blamed(&Loaded::new(&matches(&[&argument]), []).problems), ["config"]);
}

#[test]
fn a_file_in_the_data_folder_cannot_move_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("undercroft.toml"), "data = '/elsewhere'").unwrap();
    let data = format!("--data={}", folder.path().display());
    assert_eq!(blamed(&Loaded::new(&matches(&[&data]), []).problems), ["data"]);
}

#[test]
fn misspelt_variables_are_named() {
    let names = ["UNDERCROFT_DATABASE_URL", "UNDERCROFT_LOG", PASSWORD_VARIABLE, "HOME", "UNDERCROFT_CONFIG"];
    let problems = Loaded::new(&matches(&[]), names.map(str::to_owned)).problems;
    assert_eq!(blamed(&problems), ["UNDERCROFT_DATABASE_URL"]);
    assert!(problems[0].message.contains("did you mean UNDERCROFT_DATABASE?"), "{}", problems[0]);
}

#[test]
fn mails_are_shown_only_where_they_stay() {
    assert!(!resolved(&[]).unwrap().mail_preview);
    assert!(resolved(&["--mail-preview=on"]).unwrap().mail_preview);
    for args in [
        &["--mail-preview=on", "--mail=off"][..],
        &["--mail-preview=on", "--mail=failover(maildir:///a maildir:///b)"],
        &["--mail-preview=on", "--listen=0.0.0.0:8443"],
        &["--mail-preview=yes"],
    ] {
        assert_eq!(blamed(&resolved(args).unwrap_err()), ["mail_preview"], "{args:?}");
    }
}

#[test]
fn a_combination_of_ways_for_mail_names_known_ones() {
    assert!(resolved(&["--mail=failover(maildir:///a retry(maildir:///b)?attempts=2)"]).is_ok());
    let problems = resolved(&["--mail=failover(maildir:///a pigeon://ann:canary@loft)"]).unwrap_err();
    assert_eq!(blamed(&problems), ["mail"]);
    assert!(!problems[0].message.contains("canary"), "{}", problems[0]);
}

#[test]
fn events_come_from_a_topic() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:mail";
    assert_eq!(resolved(&[&format!("--mail-events={topic}")]).unwrap().mail_events.as_deref(), Some(topic));
    assert_eq!(blamed(&resolved(&["--mail-events=mail"]).unwrap_err()), ["mail_events"]);
}
