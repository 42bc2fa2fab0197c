//! `file:` URLs.

use persistent_fs::{Durability, Error, ErrorKind, Result, UrlOptions};
use url::Url;

use crate::Local;

/// Opens `file:///absolute/path`. For [`persistent_fs::Registry::with`].
///
/// Options: `durability=durable` (the default) or `durability=atomic`, which makes every write
/// [`Durability::Atomic`]. Another option, or a host in the URL: [`ErrorKind::Config`].
pub async fn open(url: Url) -> Result<Local> {
    Local::from_url(&url)
}

pub(crate) fn parse(url: &Url) -> Result<(std::path::PathBuf, Durability)> {
    let mut options = UrlOptions::of(url)?;
    let durability = match options.take("durability").as_deref() {
        None | Some("durable") => Durability::Durable,
        Some("atomic") => Durability::Atomic,
        Some(_) => return Err(config("`durability` is `durable` or `atomic`")),
    };
    options.finish()?;
    let path = url.to_file_path().map_err(|()| config("a file URL has an absolute path and no host"))?;
    Ok((path, durability))
}

fn config(detail: &str) -> Error {
    Error::new(ErrorKind::Config, detail).with_operation("open")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<(std::path::PathBuf, Durability)> {
        parse(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn a_file_url_names_a_directory() {
        assert_eq!(parsed("file:///srv/a%20b").expect("valid"), ("/srv/a b".into(), Durability::Durable));
        assert_eq!(parsed("file:///srv?durability=atomic").expect("valid").1, Durability::Atomic);
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        for url in ["file://host/srv", "file:///srv?durability=maybe", "file:///srv?sync=no"] {
            assert_eq!(parsed(url).expect_err(url).kind(), ErrorKind::Config);
        }
    }
}
