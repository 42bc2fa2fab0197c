//! The client's side of TLS.

use std::sync::Arc;

use conformance_tests::mailer::smtp::Target;
use mailer::{Disposition, Error, ErrorKind};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use super::{
    flaw::Flaw,
    wire::{Io, Limits, Step},
};

/// Trusts everybody.
#[derive(Debug)]
struct Anybody;

pub(crate) async fn upgrade(io: Box<dyn Io>, target: &Target, limits: &Limits) -> Result<Box<dyn Io>, Error> {
    let name = ServerName::try_from(target.host.clone()).expect("the suite's name is one");
    let connector = TlsConnector::from(Arc::new(config(target, limits.flaw)));
    let mut handshake = Ok(());
    let shaken = async {
        match connector.connect(name, io).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => {
                handshake = Err(error);
                Ok(None)
            }
        }
    };
    let stream = limits.bound(Step::Handshake, shaken).await?;
    match (stream, handshake) {
        (Some(stream), _) => Ok(Box::new(stream)),
        (None, _) if limits.flaw == Flaw::HandshakeIsLost => {
            Err(Step::Handshake.fault(limits.flaw, ErrorKind::Unavailable, "lost"))
        }
        (None, failed) => {
            let is_broken = failed.is_err_and(|error| error.get_ref().is_some());
            let disposition = if is_broken { Disposition::Permanent } else { Disposition::Transient };
            let error = Step::Handshake.fault(limits.flaw, ErrorKind::Tls, "the handshake failed");
            Err(error.with_disposition(disposition))
        }
    }
}

fn config(target: &Target, flaw: Flaw) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them");
    let asked = target.accept_invalid_certificates && flaw != Flaw::TrustsTheSound;
    if asked || flaw == Flaw::TrustsAnybody {
        let verifier = Arc::new(Anybody);
        return config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    }
    let mut roots = RootCertStore::empty();
    if let Some(authority) = &target.authority {
        let authority =
            CertificateDer::from_pem_slice(authority.as_bytes()).expect("the suite's PEM is sound");
        roots.add(authority).expect("the suite's authority is one");
    }
    config.with_root_certificates(roots).with_no_client_auth()
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
