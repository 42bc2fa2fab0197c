//! Who we are to the server, and where that is known from.

use std::{
    error::Error as StdError,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

/// A user and what proves it. `Debug` shows the user alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    secret: String,
    is_token: bool,
}

/// Knows the credentials of the moment.
///
/// ```
/// # use mail_smtp::{Ask, Credentials, CredentialsProvider};
/// # async fn fetch_token(_: bool) -> Result<String, std::io::Error> { Ok(String::new()) }
/// #[derive(Debug)]
/// struct Tenant;
///
/// #[async_trait::async_trait]
/// impl CredentialsProvider for Tenant {
///     async fn credentials(&self, ask: Ask) -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
///         // A token that was refused has expired before its time: the cached one will not do.
///         let token = fetch_token(ask.refused).await?;
///         Ok(Credentials::token("vault@example.org", token))
///     }
/// }
/// ```
#[async_trait]
pub trait CredentialsProvider: fmt::Debug + Send + Sync + 'static {
    /// Answers who we are now. Called for each new connection, and once more if the server refuses what came of it.
    ///
    /// An error is reported as [`Auth`](mailer::ErrorKind::Auth) that may pass, with this error as its source: it must
    /// hold no secret. The future may be dropped at any time, and is when it takes longer than the server may take for the
    /// answer to a command.
    async fn credentials(&self, ask: Ask) -> Result<Credentials, Box<dyn StdError + Send + Sync>>;
}

/// Why credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// True if the server has just refused the last ones. It is asked no third time; if these are the same, they are not
    /// tried.
    pub refused: bool,
}

/// A password in a file, as orchestrators mount them. It is read for each new connection, so a new password needs no
/// restart. One line break at the end is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordFile {
    user: String,
    path: PathBuf,
}

/// A function as a provider.
struct FromFn<F>(F);

impl Credentials {
    /// A user and a password.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), secret: password.into(), is_token: false }
    }

    /// A user and an OAuth 2.0 access token.
    pub fn token(user: impl Into<String>, token: impl Into<String>) -> Self {
        Self { user: user.into(), secret: token.into(), is_token: true }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn is_token(&self) -> bool {
        self.is_token
    }

    /// NUL separates the parts of PLAIN, and control characters those of XOAUTH2.
    pub(crate) fn is_sound(&self) -> bool {
        let breaks = |c: char| c == '\0' || (self.is_token && c.is_ascii_control());
        !self.user.is_empty() && !self.user.contains(breaks) && !self.secret.contains(breaks)
    }
}

impl Ask {
    /// The first time for a connection, or after a refusal.
    pub fn new(refused: bool) -> Self {
        Self { refused }
    }
}

impl PasswordFile {
    /// A password in this file. It is not read yet.
    pub fn new(user: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { user: user.into(), path: path.into() }
    }

    /// Where the password lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Asks this function for credentials.
///
/// ```
/// # use std::convert::Infallible;
/// # use mail_smtp::{Credentials, Options};
/// let mut options = Options::new("smtp.example.org");
/// options.credentials = Some(std::sync::Arc::new(mail_smtp::from_fn(|_ask| async {
///     Ok(Credentials::token("vault@example.org", "a token from somewhere"))
/// })));
/// ```
pub fn from_fn<F, Fut>(ask: F) -> impl CredentialsProvider
where
    F: Fn(Ask) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, Box<dyn StdError + Send + Sync>>> + Send,
{
    FromFn(ask)
}

#[async_trait]
impl CredentialsProvider for Credentials {
    async fn credentials(&self, _: Ask) -> Result<Credentials, Box<dyn StdError + Send + Sync>> {
        Ok(self.clone())
    }
}

#[async_trait]
impl CredentialsProvider for PasswordFile {
    async fn credentials(&self, _: Ask) -> Result<Credentials, Box<dyn StdError + Send + Sync>> {
        let text = tokio::fs::read_to_string(&self.path).await?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Credentials::password(&self.user, line.strip_suffix('\r').unwrap_or(line)))
    }
}

#[async_trait]
impl<F, Fut> CredentialsProvider for FromFn<F>
where
    F: Fn(Ask) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, Box<dyn StdError + Send + Sync>>> + Send,
{
    async fn credentials(&self, ask: Ask) -> Result<Credentials, Box<dyn StdError + Send + Sync>> {
        (self.0)(ask).await
    }
}

#[async_trait]
impl<P: CredentialsProvider + ?Sized> CredentialsProvider for Arc<P> {
    async fn credentials(&self, ask: Ask) -> Result<Credentials, Box<dyn StdError + Send + Sync>> {
        (**self).credentials(ask).await
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("is_token", &self.is_token)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_secret() {
        for credentials in [Credentials::password("ann", "geheim"), Credentials::token("ann", "geheim")] {
            let text = format!("{credentials:?}");
            assert!(text.contains("ann") && !text.contains("geheim"), "{text}");
        }
    }

    #[test]
    fn what_would_end_a_part_is_not_sound() {
        assert!(Credentials::password("ann", "a b:%ä").is_sound());
        assert!(!Credentials::password("ann", "a\0b").is_sound());
        assert!(!Credentials::password("a\0nn", "").is_sound());
        assert!(!Credentials::password("", "x").is_sound());
        assert!(!Credentials::token("ann", "a\u{1}b").is_sound());
    }

    #[tokio::test]
    async fn a_password_file_is_read_each_time_without_its_line_break() {
        let file = std::env::temp_dir().join(format!("mail-smtp-password-{}", std::process::id()));
        let provider = PasswordFile::new("ann", &file);
        for (text, password) in [("one\n", "one"), ("two\r\n", "two"), (" three \n\n", " three \n")] {
            std::fs::write(&file, text).unwrap();
            let read = provider.credentials(Ask::new(false)).await.unwrap();
            assert_eq!(read, Credentials::password("ann", password));
        }
        std::fs::remove_file(&file).unwrap();
        assert!(provider.credentials(Ask::new(false)).await.is_err());
    }
}
