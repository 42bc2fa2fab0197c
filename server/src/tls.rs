//! TLS: the operator's certificate, or one from an authority of our own.
//!
//! The authority lies in `<data>/tls`: `ca.pem`, which clients are told to trust, and `ca-key.pem`, readable by the
//! server alone. Both are made once and never replaced, so that clients need to be told once. The server's own
//! certificate is made anew at each start, for the domain of that day, and never touches the disk; a restart within
//! two years is all the renewal it needs.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

const DAY: Duration = Duration::from_hours(24);
/// Clocks of clients may be behind ours.
const BACKDATED: Duration = DAY;
const AUTHORITY_LIFE: Duration = Duration::from_hours(20 * 365 * 24);
/// Some clients refuse more than 825 days, whoever signed.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(800 * 24);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A PEM file does not hold what it should.
    #[error("{}: {source}", .path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// Certificate and key do not fit each other, or this library.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The operator's certificate.
pub fn from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Pem { path, source }
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    server_config(chain.map_err(pem(certificate))?, key)
}

/// A certificate for `host` and for this machine's own names, from the authority in `folder`, which is made if there
/// is none.
pub fn self_signed(folder: &Path, host: &str, now: SystemTime) -> Result<Arc<ServerConfig>, Error> {
    let (authority, authority_key) = authority(folder, now)?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    // A URL has brackets around an IPv6 address, a certificate has not.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if !names.iter().any(|name| name == host) {
        names.insert(0, host.to_owned());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name(host);
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + CERTIFICATE_LIFE).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key))?;
    server_config(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

/// Where the authority's certificate is, for clients to trust.
pub fn authority_file(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// Names ring outright: the process has no default provider that a dependency could change.
fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Loads the authority, or makes it. Processes that start together end up with the same one: the key decides, and
/// whoever comes second takes the first one's.
fn authority(folder: &Path, now: SystemTime) -> Result<(CertificateParams, KeyPair), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })?;
    let key_file = folder.join("ca-key.pem");
    let key =
        KeyPair::from_pem(&load_or_create(&key_file, 0o600, || Ok(KeyPair::generate()?.serialize_pem()))?)?;
    let params = authority_params(&key, now);
    let certificate = || Ok(params.self_signed(&key)?.pem());
    load_or_create(&authority_file(folder), 0o644, certificate)?;
    Ok((params, key))
}

/// The name follows from the key, so that two authorities in one trust store are not taken for each other.
fn authority_params(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let digest = Sha256::digest(key.subject_public_key_info());
    let id = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Undercroft authority {id:08x}"));
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + AUTHORITY_LIFE).into();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Reads the file, or makes it. It appears whole under its name, and only if there was none.
fn load_or_create(
    path: &Path,
    mode: u32,
    make: impl FnOnce() -> Result<String, Error>,
) -> Result<String, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read.map_err(failed),
    }
    let text = make()?;
    match publish(path, mode, &text) {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::read_to_string(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn publish(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    // Readable by us alone until it says otherwise; gone again unless it gets its name.
    let mut draft = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().set_permissions(Permissions::from_mode(mode))?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
    }

    /// Shakes hands in memory, as a client that trusts the authority in `folder` and nobody else.
    fn connect(server: Arc<ServerConfig>, folder: &Path, host: &str) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority_file(folder)).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), host.to_owned().try_into().unwrap())?;
        let mut server = ServerConnection::new(server)?;
        while client.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut &wire[..]).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut &wire[..]).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    /// Clients judge by their own clock, so these certificates must be valid on the day of the test.
    #[test]
    fn whoever_trusts_the_authority_can_connect_by_each_name() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = crate::clock::Clock::system().system_time();
        let server = self_signed(folder.path(), "vault.example", now).unwrap();
        for host in ["vault.example", "localhost", "127.0.0.1", "::1"] {
            connect(Arc::clone(&server), folder.path(), host).unwrap();
        }
        assert!(connect(Arc::clone(&server), folder.path(), "other.example").is_err());
        self_signed(other.path(), "vault.example", now).unwrap();
        assert!(connect(server, other.path(), "vault.example").is_err());
    }

    #[test]
    fn the_authority_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (tls, key) = (folder.path().join("tls"), folder.path().join("tls/ca-key.pem"));
        self_signed(&tls, "vault.example", now()).unwrap();
        let first = fs::read_to_string(authority_file(&tls)).unwrap();
        self_signed(&tls, "[::1]", now() + DAY).unwrap();
        assert_eq!(fs::read_to_string(authority_file(&tls)).unwrap(), first);
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&tls).unwrap().count(), 2, "drafts stay behind");
    }

    #[test]
    fn processes_that_start_together_share_one_authority() {
        let folder = tempfile::tempdir().unwrap();
        let made: Vec<String> = thread::scope(|scope| {
            let start = |_| scope.spawn(|| authority(folder.path(), now()).unwrap().1.serialize_pem());
            let threads: Vec<_> = (0..8).map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|key| *key == made[0]));
    }

    #[test]
    fn files_that_do_not_hold_a_certificate_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let pair = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        fs::write(&certificate, pair.cert.pem()).unwrap();
        fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        assert!(from_files(&certificate, &key).is_ok());
        fs::write(&key, "canary").unwrap();
        let error = from_files(&certificate, &key).unwrap_err().to_string();
        assert!(error.contains("k.pem") && !error.contains("canary"), "{error}");
        fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(matches!(from_files(&certificate, &key), Err(Error::Unusable(_))));
    }
}
