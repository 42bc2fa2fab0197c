//! Making a connection private, and being sure with whom.

use std::{fmt, sync::Arc};

use mailer::Error;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::{net::TcpStream, time::timeout_at};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    config::{Limits, Options, Roots, config},
    error::{Step, handshake},
    wire::Fault,
};

/// What a handshake needs, built once.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let name = ServerName::try_from(options.host.clone());
        let name = name.map_err(|_| config("the host is neither a name nor an address"))?;
        // The provider is named here, so that nothing depends on which one the process has installed.
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| config("TLS cannot be set up"))?;
        let config = if options.accept_invalid_certs || options.accept_invalid_hostnames {
            let strict =
                if options.accept_invalid_certs { None } else { Some(verifier(options, &provider)?) };
            let verifier = Arc::new(Lenient { strict, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            builder.with_webpki_verifier(verifier(options, &provider)?)
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config.with_no_client_auth())), name })
    }

    /// Makes a connection private.
    pub(crate) async fn secure(
        &self,
        tcp: TcpStream,
        limits: &Limits,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let shaking = self.connector.connect(self.name.clone(), tcp);
        match timeout_at(limits.until(limits.timeouts.connect), shaking).await {
            Ok(shaken) => shaken.map_err(handshake),
            Err(_) => Err(Step::Handshake.fault(Fault::Slow)),
        }
    }
}

fn verifier(options: &Options, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let roots = Arc::new(roots(&options.roots)?);
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|_| config("there is no root certificate, so no server could be trusted"))
}

fn roots(roots: &Roots) -> Result<RootCertStore, Error> {
    let pem = match roots {
        Roots::Web => return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        Roots::Pem(pem) => pem,
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| config("the root certificates are not in PEM"))?;
        store.add(certificate).map_err(|_| config("one of the root certificates cannot be used"))?;
    }
    Ok(store)
}

/// Forgives what the operator said to forgive. Signatures are checked all the same: whoever presents a certificate holds
/// its key.
#[derive(Debug)]
struct Lenient {
    /// Checks all but the name; `None` if nothing is checked.
    strict: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        let Some(strict) = &self.strict else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last, so this fault means that there is no other.
        match strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}
