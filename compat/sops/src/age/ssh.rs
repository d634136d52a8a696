//! Recipients that are keys of SSH: ssh-ed25519 and ssh-rsa.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};
use curve25519_dalek::montgomery::MontgomeryPoint;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::header::Stanza;
use super::{IdentityError, derive};
use crate::integers::{private_key, trimmed};

const ED25519_LABEL: &[u8] = b"age-encryption.org/v1/ssh-ed25519";
const RSA_LABEL: &[u8] = b"age-encryption.org/v1/ssh-rsa";

/// A secret key of SSH.
#[derive(Clone)]
pub(crate) struct Ssh {
    /// The public key as SSH writes it.
    public: Vec<u8>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    /// As a key of X25519, with its public key.
    Ed25519(Zeroizing<[u8; 32]>, [u8; 32]),
    Rsa(Box<rsa::PrivateKey>),
}

impl Ssh {
    /// Reads the file of a secret key that has no passphrase.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        let (kind, bytes) = pem(text).ok_or_else(|| malformed("ssh: no key found"))?;
        match kind {
            "OPENSSH PRIVATE KEY" => openssh(&bytes),
            "RSA PRIVATE KEY" if text.contains("Proc-Type:") => {
                Err(IdentityError::Unsupported("SSH keys with a passphrase"))
            }
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_der(&bytes)
                .map(of_rsa)
                .map_err(|_| malformed("no RSA key")),
            "PRIVATE KEY" => pkcs8(&bytes),
            _ => Err(IdentityError::Unsupported("SSH keys of this type")),
        }
    }

    fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.public);
        STANDARD_NO_PAD.encode(digest.get(..4).unwrap_or_default())
    }

    /// The file key, if the stanza is for this identity.
    pub(super) fn open(&self, stanza: &Stanza<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let failed = |why: &str| format!("failed to decrypt file key: {why}");
        match (&self.secret, stanza.kind) {
            (Secret::Ed25519(secret, public), "ssh-ed25519") => {
                let invalid = || "invalid ssh-ed25519 recipient block".to_owned();
                let [print, share] = stanza.arguments[..] else {
                    return Err(invalid());
                };
                let share = STANDARD_NO_PAD
                    .decode(share)
                    .map_err(|_| "failed to parse ssh-ed25519 recipient: illegal base64 data".to_owned())?;
                let share: [u8; 32] = share.try_into().map_err(|_| invalid())?;
                if print != self.fingerprint() {
                    return Ok(None);
                }
                let shared = Zeroizing::new(MontgomeryPoint(share).mul_clamped(**secret).to_bytes());
                if shared.iter().fold(0, |sum, byte| sum | byte) == 0 {
                    return Err("invalid X25519 recipient: bad input point: low order point".to_owned());
                }
                let tweak = derive(&[], &self.public, ED25519_LABEL);
                let shared = Zeroizing::new(MontgomeryPoint(*shared).mul_clamped(*tweak).to_bytes());
                let key = derive(shared.as_slice(), &[share, *public].concat(), ED25519_LABEL);
                let cipher =
                    ChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| failed("no key"))?;
                let opened = cipher.decrypt(&[0; 12].into(), stanza.body.as_slice());
                let opened = opened.map_err(|_| failed("chacha20poly1305: message authentication failed"))?;
                Ok(Some(Zeroizing::new(opened)))
            }
            (Secret::Rsa(key), "ssh-rsa") => {
                let [print] = stanza.arguments[..] else {
                    return Err("invalid ssh-rsa recipient block".to_owned());
                };
                if print != self.fingerprint() {
                    return Ok(None);
                }
                let key = rsa::oaep::DecryptingKey::<Sha256>::new_with_label((**key).clone(), RSA_LABEL);
                let opened = rsa::traits::Decryptor::decrypt(&key, &stanza.body);
                let opened = opened.map_err(|_| failed("crypto/rsa: decryption error"))?;
                Ok(Some(Zeroizing::new(opened)))
            }
            _ => Ok(None),
        }
    }
}

fn malformed(why: &str) -> IdentityError {
    IdentityError::Malformed(why.to_owned())
}

/// What stands between the first two lines of dashes, and what kind of key it is.
fn pem(text: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    // Headers end with an empty line.
    let body = body.rsplit_once("\n\n").map_or(body, |(_, body)| body);
    let compact: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let bytes = STANDARD.decode(compact.as_bytes()).ok()?;
    Some((kind, Zeroizing::new(bytes)))
}

fn of_ed25519(seed: &[u8]) -> Result<Ssh, IdentityError> {
    let seed: &[u8; 32] = seed.try_into().map_err(|_| malformed("no Ed25519 key"))?;
    let signing = ed25519_dalek::SigningKey::from_bytes(seed);
    let public = signing.verifying_key().to_bytes();
    let mut secret = Zeroizing::new([0; 32]);
    let digest = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
    secret.copy_from_slice(digest.get(..32).unwrap_or_default());
    let montgomery = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
    Ok(Ssh {
        public: [field(b"ssh-ed25519"), field(&public)].concat(),
        secret: Secret::Ed25519(secret, montgomery),
    })
}

fn of_rsa(key: rsa::PrivateKey) -> Ssh {
    let modulus = key.n().to_be_bytes();
    let exponent = key.e().to_be_bytes();
    Ssh {
        public: [
            field(b"ssh-rsa"),
            field(&unsigned(trimmed(&exponent))),
            field(&unsigned(trimmed(&modulus))),
        ]
        .concat(),
        secret: Secret::Rsa(Box::new(key)),
    }
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// A number that cannot be taken for a negative one.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let zero: &[u8] = if sign { &[0] } else { &[] };
    [zero, bytes].concat()
}

fn pkcs8(bytes: &[u8]) -> Result<Ssh, IdentityError> {
    if let Ok(key) = rsa::PrivateKey::from_pkcs8_der(bytes) {
        return Ok(of_rsa(key));
    }
    // An Ed25519 key has one encoding (RFC 8410), but for attributes behind it.
    const PREFIX: &[u8] = &[
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ];
    let seed = bytes.strip_prefix(PREFIX).and_then(|rest| rest.get(..32));
    seed.ok_or(IdentityError::Unsupported("SSH keys of this type"))
        .and_then(of_ed25519)
}

/// Reads the format of OpenSSH.
fn openssh(bytes: &[u8]) -> Result<Ssh, IdentityError> {
    let damaged = || malformed("ssh: invalid openssh private key format");
    let mut rest = Fields(bytes.strip_prefix(b"openssh-key-v1\0").ok_or_else(damaged)?);
    let cipher = rest.next().ok_or_else(damaged)?;
    let _function = rest.next().ok_or_else(damaged)?;
    let _options = rest.next().ok_or_else(damaged)?;
    if cipher != b"none" {
        return Err(IdentityError::Unsupported("SSH keys with a passphrase"));
    }
    if rest.number().ok_or_else(damaged)? != 1 {
        return Err(damaged());
    }
    let _public = rest.next().ok_or_else(damaged)?;
    let mut rest = Fields(rest.next().ok_or_else(damaged)?);
    let check = rest.number().ok_or_else(damaged)?;
    if rest.number().ok_or_else(damaged)? != check {
        return Err(damaged());
    }
    match rest.next().ok_or_else(damaged)? {
        b"ssh-ed25519" => {
            let _public = rest.next().ok_or_else(damaged)?;
            let secret = rest.next().ok_or_else(damaged)?;
            of_ed25519(secret.get(..32).ok_or_else(damaged)?)
        }
        b"ssh-rsa" => {
            let mut number = || rest.next().ok_or_else(damaged);
            let (modulus, public, secret) = (number()?, number()?, number()?);
            let (_inverse, primes) = (number()?, [number()?, number()?]);
            let key = private_key(modulus, public, secret, &primes);
            key.map(of_rsa).ok_or_else(|| malformed("no RSA key"))
        }
        _ => Err(IdentityError::Unsupported("SSH keys of this type")),
    }
}

/// Fields with their length before them.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn next(&mut self) -> Option<&'b [u8]> {
        let length = self.number()? as usize;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }
}
