//! Certificates made for one server, with the faults that a client must not overlook.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// The certificate that a server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost`, signed by the server's [authority](super::SmtpServer::authority).
    #[default]
    Sound,
    /// As the sound one, for a time that is over.
    Expired,
    /// As the sound one, for another name.
    OtherName,
    /// As the sound one, signed by nobody but itself.
    SelfSigned,
}

/// What a server needs of its certificate.
pub(super) struct Issued {
    pub(super) acceptor: TlsAcceptor,
    /// The authority, as PEM.
    pub(super) authority: String,
}

impl Issued {
    pub(super) fn new(kind: Certificate) -> Self {
        let made = "a certificate can be made";
        let authority_key = KeyPair::generate().expect(made);
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority of a test");
        let authority_pem = authority.self_signed(&authority_key).expect(made).pem();
        let issuer = Issuer::new(authority, authority_key);

        let name = if kind == Certificate::OtherName { "other.example" } else { "localhost" };
        let mut params = CertificateParams::new([name.to_owned()]).expect("the name can be written down");
        params.distinguished_name.push(DnType::CommonName, name);
        if kind == Certificate::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let key = KeyPair::generate().expect(made);
        let certificate = match kind {
            Certificate::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &issuer),
        };
        let chain = vec![certificate.expect(made).der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key was written a moment ago");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key is that of the certificate");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority: authority_pem }
    }
}
