//! The keys of a new account, made the way a client makes them.
//!
//! `undercroft account create` stands in for a client: the master password and what it opens stay on the machine where
//! it runs, and the database receives what a registration over HTTP would have brought.

use std::fmt;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::rng::Rng;

/// Bits of the key pair; clients know no other size.
const RSA_BITS: usize = 2048;

/// What a client sends when it registers.
#[derive(Clone)]
pub struct NewKeys {
    /// Proves the master password, in base64.
    pub password_hash: String,
    /// The user key, wrapped by the master key: an `EncString`.
    pub user_key: String,
    /// The public key: SPKI in base64.
    pub public_key: String,
    /// The private key, wrapped by the user key: an `EncString`.
    pub private_key: String,
}

impl NewKeys {
    /// Makes the keys for this address and master password, with PBKDF2 of so many rounds. Takes about a second.
    ///
    /// `email` is the salt, so it must be trimmed and lower-cased already.
    pub fn generate(email: &str, password: &str, rounds: u32, rng: &Rng) -> Result<Self, Error> {
        let master_key = pbkdf2(password.as_bytes(), email.as_bytes(), rounds);
        let user_key = PairOfKeys(Zeroizing::new(rng.bytes()));
        let key_pair = RsaPrivateKey::new(&mut rng.fork(), RSA_BITS).map_err(Error::internal)?;
        let private_key = key_pair.to_pkcs8_der().map_err(|error| Error::internal(error.to_string()))?;
        let public_key = RsaPublicKey::from(&key_pair).to_public_key_der();
        let public_key = public_key.map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self {
            password_hash: STANDARD.encode(*pbkdf2(&*master_key, password.as_bytes(), 1)),
            user_key: PairOfKeys::stretch(&master_key).wrap(&*user_key.0, rng.bytes()),
            public_key: STANDARD.encode(public_key.as_bytes()),
            private_key: user_key.wrap(private_key.as_bytes(), rng.bytes()),
        })
    }
}

impl fmt::Debug for NewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeys").finish_non_exhaustive()
    }
}

/// 32 bytes to encrypt with, then 32 bytes to authenticate with.
struct PairOfKeys(Zeroizing<[u8; 64]>);

impl PairOfKeys {
    /// Both halves from the master key.
    fn stretch(master_key: &[u8; 32]) -> Self {
        let mut keys = Zeroizing::new([0; 64]);
        keys[..32].copy_from_slice(&*expand(master_key, b"enc"));
        keys[32..].copy_from_slice(&*expand(master_key, b"mac"));
        Self(keys)
    }

    /// An `EncString` of type 2: AES-256-CBC, then HMAC-SHA256 over IV and ciphertext.
    fn wrap(&self, plain: &[u8], iv: [u8; 16]) -> String {
        let (encryption, authentication) = self.0.split_at(32);
        let cipher = cbc::Encryptor::<aes::Aes256>::new(encryption.into(), &iv.into());
        let ciphertext = cipher.encrypt_padded_vec_mut::<Pkcs7>(plain);
        let mut mac = Hmac::<Sha256>::new_from_slice(authentication).expect("HMAC takes keys of any length");
        mac.update(&iv);
        mac.update(&ciphertext);
        let mac = mac.finalize().into_bytes();
        format!("2.{}|{}|{}", STANDARD.encode(iv), STANDARD.encode(ciphertext), STANDARD.encode(mac))
    }
}

fn pbkdf2(password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut *key);
    key
}

/// HKDF-Expand alone: the master key is uniformly random already.
fn expand(key: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut expanded = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::from_prk(key)
        .expect("the key is as long as the hash")
        .expand(purpose, &mut *expanded)
        .expect("the output is as long as the hash");
    expanded
}

#[cfg(test)]
mod tests {
    use aes::cipher::BlockDecryptMut;
    use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Takes apart what `wrap` made, checking the MAC; the padding is checked by the decryption.
    fn unwrap(keys: &PairOfKeys, text: &str) -> Vec<u8> {
        let parts: Vec<Vec<u8>> =
            text.strip_prefix("2.").unwrap().split('|').map(|part| STANDARD.decode(part).unwrap()).collect();
        let mut mac = Hmac::<Sha256>::new_from_slice(&keys.0[32..]).unwrap();
        mac.update(&parts[0]);
        mac.update(&parts[1]);
        mac.verify_slice(&parts[2]).unwrap();
        cbc::Decryptor::<aes::Aes256>::new_from_slices(&keys.0[..32], &parts[0])
            .unwrap()
            .decrypt_padded_vec_mut::<Pkcs7>(&parts[1])
            .unwrap()
    }

    #[test]
    fn pbkdf2_agrees_with_rfc_7914() {
        let expected = hex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
        assert_eq!(pbkdf2(b"passwd", b"salt", 1).to_vec(), expected);
        let expected = hex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
        assert_eq!(pbkdf2(b"Password", b"NaCl", 80_000).to_vec(), expected);
    }

    #[test]
    fn expansion_agrees_with_rfc_5869() {
        let key = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let expected = hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
        let info = hex("f0f1f2f3f4f5f6f7f8f9");
        assert_eq!(expand(&key.try_into().unwrap(), &info).to_vec(), expected);
    }

    /// The expected values were computed by OpenSSL.
    #[test]
    fn hash_and_wrapped_key_agree_with_another_implementation() {
        let password = b"correct horse battery staple";
        let master_key = pbkdf2(password, b"ann@example.com", 1000);
        let hash = STANDARD.encode(*pbkdf2(&*master_key, password, 1));
        assert_eq!(hash, "oQsPed/GOQeLYjOMlYhH6flNtUSJUNNm6dkyRJx5DGI=");
        let wrapped = PairOfKeys::stretch(&master_key).wrap(&[9; 64], [7; 16]);
        let ciphertext = "URhjaK564v9f9V+gy6a2kQV711fOPBDue4LPTEUyUAiWNkES0x8WMeXzyKYj4UjDogAwCEL2Gm0+\
                          7t6dIQDt+GyqFkc2RRo9h00iWcanMVM=";
        let mac = "LrI8Of8pScXilum8B2xyHGx50G2SBgEtci1vXR5idiY=";
        assert_eq!(wrapped, format!("2.BwcHBwcHBwcHBwcHBwcHBw==|{ciphertext}|{mac}"));
    }

    #[test]
    fn the_master_password_opens_the_private_key() {
        let keys = NewKeys::generate("ann@example.com", "correct horse", 1000, &Rng::seeded(1)).unwrap();
        let master_key = pbkdf2(b"correct horse", b"ann@example.com", 1000);
        let user_key = unwrap(&PairOfKeys::stretch(&master_key), &keys.user_key);
        let user_key = PairOfKeys(Zeroizing::new(user_key.try_into().unwrap()));
        let private_key = RsaPrivateKey::from_pkcs8_der(&unwrap(&user_key, &keys.private_key)).unwrap();
        let public_key =
            RsaPublicKey::from_public_key_der(&STANDARD.decode(&keys.public_key).unwrap()).unwrap();
        assert_eq!(RsaPublicKey::from(&private_key), public_key);
        assert_eq!(format!("{keys:?}"), "NewKeys { .. }");
    }
}
