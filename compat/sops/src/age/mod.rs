//! Small files encrypted by age, and the identities that open them.
//!
//! Of the format `age-encryption.org/v1` this knows what data keys need: armour, the header, recipients of the types X25519,
//! mlkem768x25519, ssh-ed25519 and ssh-rsa, and the payload. The texts of errors are those of the Go implementation, as sops shows them.

mod armor;
mod bech32;
mod header;
mod hybrid;
mod payload;
mod ssh;
mod x25519;

use zeroize::Zeroizing;

/// Bytes of the key of a file.
const FILE_KEY: usize = 16;
/// Bytes that authenticate what is encrypted.
const TAG: usize = 16;

/// A secret key, wiped when it is dropped.
#[derive(Clone)]
pub(crate) enum Identity {
    X25519(x25519::X25519),
    Hybrid(Box<hybrid::Hybrid>),
    Ssh(Box<ssh::Ssh>),
}

impl Identity {
    /// The file key, if the stanza is for this identity.
    fn open(&self, stanza: &header::Stanza<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        match self {
            Self::X25519(identity) => identity.open(stanza),
            Self::Hybrid(identity) => identity.open(stanza),
            Self::Ssh(identity) => identity.open(stanza),
        }
    }
}

/// Why a text holds no identities; what the text is, is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A line is no identity.
    #[error("unknown identity type")]
    Unknown,
    /// A line is an identity with a mistake in it.
    #[error("malformed secret key: {0}")]
    Malformed(String),
    /// An identity is of a kind that is not supported.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// There are too many.
    #[error("more than {0} identities")]
    TooMany(usize),
}

/// Why a file cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// The armour is damaged.
    #[error("failed to read header: parsing age header: failed to read intro: invalid armor: {0}")]
    Armor(String),
    /// The header is damaged.
    #[error("failed to read header: {0}")]
    Header(String),
    /// A recipient of a kind that an identity is for is damaged.
    #[error("{0}")]
    Stanza(String),
    /// No identity is the one of a recipient.
    #[error("{}", if *.0 == 1 {
        "identity did not match any of the recipients: incorrect identity for recipient block"
    } else {
        "no identity matched any of the recipients"
    })]
    NoMatch(usize),
    /// The header is not the one that was written.
    #[error("bad header MAC")]
    Mac,
    /// There is no payload.
    #[error("failed to read nonce: {0}")]
    Nonce(&'static str),
    /// The payload is damaged.
    #[error("{0}")]
    Payload(&'static str),
}

/// How much of a file was read when it failed decides about the words around the reason.
pub(crate) enum Failure {
    Header(AgeError),
    Payload(AgeError),
}

/// How many identities may be given.
const MAX_IDENTITIES: usize = 256;

/// Reads identities, one a line, beside empty lines and comments.
pub(crate) fn identities(text: &str) -> Result<Vec<Identity>, IdentityError> {
    let mut found = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("AGE-PLUGIN-") {
            return Err(IdentityError::Unsupported("plugin identities"));
        }
        if found.len() == MAX_IDENTITIES {
            return Err(IdentityError::TooMany(MAX_IDENTITIES));
        }
        found.push(if line.starts_with("AGE-SECRET-KEY-PQ-1") {
            Identity::Hybrid(Box::new(hybrid::Hybrid::parse(line)?))
        } else if line.starts_with("AGE-SECRET-KEY-1") {
            Identity::X25519(x25519::X25519::parse(line)?)
        } else {
            return Err(IdentityError::Unknown);
        });
    }
    Ok(found)
}

/// Reads the file of a secret key of SSH, which has no passphrase.
pub(crate) fn ssh_identity(text: &str) -> Result<Identity, IdentityError> {
    ssh::Ssh::parse(text).map(|key| Identity::Ssh(Box::new(key)))
}

/// Opens an armoured file.
pub(crate) fn decrypt(text: &str, identities: &[Identity]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let binary = armor::decode(text).map_err(|error| Failure::Header(AgeError::Armor(error)))?;
    let (header, payload) = header::Header::read(&binary).map_err(Failure::Header)?;
    let file_key = file_key(&header, identities).map_err(Failure::Header)?;
    if !header.is_authentic(&file_key) {
        return Err(Failure::Header(AgeError::Mac));
    }
    let (nonce, payload) =
        payload
            .split_at_checked(payload::NONCE)
            .ok_or(Failure::Header(AgeError::Nonce(if payload.is_empty() {
                "EOF"
            } else {
                "unexpected EOF"
            })))?;
    payload::decrypt(&file_key, nonce, payload).map_err(|error| Failure::Payload(AgeError::Payload(error)))
}

/// The first identity that opens a stanza gives the key; a damaged stanza of its kind ends the search.
fn file_key(header: &header::Header<'_>, identities: &[Identity]) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    for identity in identities {
        for stanza in header.stanzas() {
            if let Some(key) = identity.open(stanza).map_err(AgeError::Stanza)? {
                return Ok(key);
            }
        }
    }
    Err(AgeError::NoMatch(identities.len()))
}

/// HKDF with SHA-256, for one block of output.
fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let extracted = hmac(salt, &[secret]);
    hmac(extracted.as_slice(), &[info, &[1]])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    use hmac::{KeyInit, Mac};
    let mut out = Zeroizing::new([0; 32]);
    // A key of any length will do.
    if let Ok(mut mac) = hmac::Hmac::<sha2::Sha256>::new_from_slice(key) {
        for part in parts {
            mac.update(part);
        }
        out.copy_from_slice(&mac.finalize().into_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = include_str!("../../cases/keys/a.agekey");

    #[test]
    fn identities_are_read_line_by_line() {
        let key = A.lines().find(|line| line.starts_with("AGE")).unwrap();
        let told = |text: &str| {
            identities(text)
                .map(|found| found.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(told(A), Ok(1));
        assert_eq!(told(&format!("# a\r\n\r\n{key}\r\n{key}")), Ok(2));
        assert_eq!(told(""), Ok(0));
        for wrong in [" # x", " ", "\u{feff}#", "age1xyz", &key.to_lowercase()] {
            assert_eq!(told(wrong), Err("unknown identity type".to_owned()), "{wrong}");
        }
        assert_eq!(
            told(&format!("{key} ")).unwrap_err(),
            "malformed secret key: invalid character data part: s[58]=32"
        );
        let changed = key.replace('Q', "P");
        assert_eq!(
            told(&changed).unwrap_err(),
            "malformed secret key: invalid checksum"
        );
        assert_eq!(
            told("AGE-SECRET-KEY-1").unwrap_err(),
            "malformed secret key: separator '1' at invalid position: pos=15, len=16"
        );
        assert_eq!(
            told("AGE-PLUGIN-X-1").unwrap_err(),
            "plugin identities are not supported"
        );
    }
}
