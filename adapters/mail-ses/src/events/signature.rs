//! Whether SNS has signed a message.
//!
//! `rustls-webpki` reads the certificate and checks the signature with *ring*. Both are in every program that speaks TLS
//! here, and kept by those who keep rustls; a parser of certificates of our own choice would come on top. SHA-1, which SNS
//! uses unless a topic says otherwise, is what webpki does not bring, and is these few lines.
//!
//! What makes the certificate SNS's is the address it was fetched from, over HTTPS: that is how SNS describes it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
    pem::PemObject as _,
};
use serde_json::Value;
use webpki::EndEntityCert;

use super::Refusal;

/// RSA with SHA-1, for signatures of version 1.
#[derive(Debug)]
struct RsaSha1;

impl SignatureVerificationAlgorithm for RsaSha1 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        // sha1WithRSAEncryption, without parameters.
        AlgorithmIdentifier::from_slice(&[
            0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x05, 0x05, 0x00,
        ])
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }
}

/// Passes if the owner of this certificate has signed this envelope.
pub(super) fn check(envelope: &Value, pem: &[u8]) -> Result<(), Refusal> {
    let algorithm: &dyn SignatureVerificationAlgorithm = match field(envelope, "SignatureVersion") {
        Some("1") => &RsaSha1,
        Some("2") => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Refusal::Version),
    };
    let der = read(pem)?;
    let certificate = end_entity(&der)?;
    let signature = field(envelope, "Signature").and_then(|text| STANDARD.decode(text).ok());
    let signature = signature.ok_or(Refusal::Signature)?;
    certificate
        .verify_signature(algorithm, signed_text(envelope)?.as_bytes(), &signature)
        .map_err(|_| Refusal::Signature)
}

/// Passes if this is a certificate.
pub(super) fn check_certificate(pem: &[u8]) -> Result<(), Refusal> {
    end_entity(&read(pem)?).map(drop)
}

fn read(pem: &[u8]) -> Result<CertificateDer<'static>, Refusal> {
    CertificateDer::from_pem_slice(pem).map_err(|error| Refusal::Certificate(Box::new(error)))
}

fn end_entity<'a>(der: &'a CertificateDer<'a>) -> Result<EndEntityCert<'a>, Refusal> {
    EndEntityCert::try_from(der).map_err(|error| Refusal::Certificate(Box::new(error)))
}

/// The fields that are signed, each as its name and its value on a line of their own.
fn signed_text(envelope: &Value) -> Result<String, Refusal> {
    let fields: &[&str] = match field(envelope, "Type") {
        Some("Notification") => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let mut text = String::new();
    for name in fields {
        match field(envelope, name) {
            Some(value) => text.extend([name, "\n", value, "\n"]),
            None if *name == "Subject" => {}
            None => return Err(Refusal::Malformed("an envelope that lacks a field")),
        }
    }
    Ok(text)
}

fn field<'a>(envelope: &'a Value, name: &str) -> Option<&'a str> {
    envelope.get(name)?.as_str()
}
