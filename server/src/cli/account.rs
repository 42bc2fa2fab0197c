//! `undercroft account`

use std::io::{self, IsTerminal as _};

use clap::{Args, Subcommand};
use mailer::Address;
use zeroize::Zeroizing;

use super::{Failure, application};
use crate::account::model::{Kdf, normalize_email};
use crate::account::store;
use crate::account::wire::NewMasterPassword;
use crate::client_keys::NewKeys;
use crate::config::{Config, PASSWORD_VARIABLE, password_variable};
use crate::identity::register::service;
use crate::identity::register::wire::{KeyPair, Registration};

/// Official clients ask for no less.
const MIN_PASSWORD: usize = 12;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account. Its keys are made here, as a client would, and the master password leaves this machine in no
    /// form. Works while the server runs, and whatever `signups` says.
    Create(Create),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The address to log in with.
    #[arg(long)]
    email: String,
    /// What to call the user.
    #[arg(long)]
    name: Option<String>,
    /// Read the master password from the first line of standard input. Otherwise it is taken from the variable
    /// `UNDERCROFT_PASSWORD`, or asked for.
    #[arg(long)]
    password_stdin: bool,
}

pub(super) async fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let Command::Create(create) = command;
    let email = normalize_email(&create.email)?;
    Address::parse(&email)?;
    // Although only its database is written to: registering is the application's business.
    let app = application(config).await?;
    // Before the password is asked for, and before a second is spent on keys.
    let address = email.clone();
    if app.db.read(async move |conn| store::by_email(conn, &address).await).await?.is_some() {
        return Err(format!("there is an account for {email} already").into());
    }
    let password = password(create.password_stdin)?;
    let keys = NewKeys::generate(&email, &password, Kdf::DEFAULT.iterations.unsigned_abs(), &app.rng)?;
    service::create(&app, registration(email.clone(), create.name, keys), true).await?;
    println!("created an account for {email}");
    Ok(())
}

fn registration(email: String, name: Option<String>, keys: NewKeys) -> Registration {
    Registration {
        email,
        name: name.filter(|name| !name.is_empty()),
        hint: None,
        password: NewMasterPassword { hash: keys.password_hash, user_key: keys.user_key, kdf: Kdf::DEFAULT },
        keys: Some(KeyPair { encrypted_private_key: keys.private_key, public_key: keys.public_key }),
        token: None,
    }
}

fn password(from_stdin: bool) -> Result<Zeroizing<String>, Failure> {
    let password = if from_stdin {
        let mut line = Zeroizing::new(String::new());
        io::stdin().read_line(&mut line)?;
        Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned())
    } else if let Some(password) = password_variable() {
        Zeroizing::new(password)
    } else if io::stdin().is_terminal() {
        asked_twice()?
    } else {
        return Err(format!("no master password: set {PASSWORD_VARIABLE} or use --password-stdin").into());
    };
    if password.chars().count() < MIN_PASSWORD {
        return Err(format!("the master password needs at least {MIN_PASSWORD} characters").into());
    }
    Ok(password)
}

fn asked_twice() -> Result<Zeroizing<String>, Failure> {
    let password = Zeroizing::new(rpassword::prompt_password("Master password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Master password again: ")?);
    if password == again { Ok(password) } else { Err("the two passwords differ".into()) }
}
