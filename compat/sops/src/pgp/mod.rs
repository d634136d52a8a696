//! Data keys encrypted for OpenPGP keys, and the secret keys that open them, without the gpg program.
//!
//! What gpg accepts is accepted: keys of RSA and ECDH, as text or binary, several in one file; messages in all ciphers of
//! gpg that protect what they encrypt, compressed or not. Whether a key has expired, was revoked, or is meant for
//! something else, does not count, as it does not for gpg when it decrypts.

mod ciphers;
mod ecdh;
mod keys;
mod message;

pub(crate) use keys::Keys;
use openpgp::armor;
use zeroize::Zeroizing;

/// Why a text holds no secret keys; what the text is, is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PgpKeyError {
    /// It is no text of OpenPGP.
    #[error("no valid OpenPGP data found: {0}")]
    Armor(&'static str),
    /// What is in it is damaged.
    #[error("invalid packet: {0}")]
    Packet(&'static str),
    /// There are too many keys.
    #[error("more than {0} keys")]
    TooMany(usize),
}

/// Why a data key cannot be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PgpError {
    #[error("no valid OpenPGP data found: {0}")]
    Armor(&'static str),
    #[error("invalid packet: {0}")]
    Packet(&'static str),
    #[error("the message is not encrypted")]
    NotEncrypted,
    #[error(
        "the message is not protected against changes; encrypt the data key anew with a current version of gpg"
    )]
    NotProtected,
    #[error("no secret key for {}", wanted(.0))]
    NoKey(Vec<u64>),
    #[error(
        "the secret key {0:016X} has a passphrase; remove it with gpg --edit-key KEY passwd, and export the key again"
    )]
    Passphrase(u64),
    #[error(
        "the secret key {key:016X} is of the type {algorithm}, which is not supported; add a subkey of RSA or Curve25519 and encrypt the file for it (sops updatekeys)"
    )]
    Algorithm { key: u64, algorithm: &'static str },
    #[error("{0} is not supported")]
    Unsupported(String),
    #[error(
        "decryption failed: the secret key is not the one that the message was encrypted for, or the message is damaged"
    )]
    Failed,
    #[error("the message is larger than a data key")]
    TooLarge,
}

/// The keys that a message is encrypted for.
fn wanted(keys: &[u64]) -> String {
    if keys.is_empty() {
        return "the message, which is encrypted for none".to_owned();
    }
    let keys = keys.iter().map(|key| match key {
        0 => "hidden recipients".to_owned(),
        key => format!("{key:016X}"),
    });
    keys.collect::<Vec<_>>().join(", ")
}

/// Opens an armoured message.
pub(crate) fn decrypt(text: &str, keys: &Keys) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    let blocks = armor::decode(text.as_bytes()).map_err(PgpError::Armor)?;
    match blocks.as_slice() {
        [(kind, message)] if *kind == "MESSAGE" => message::decrypt(message, keys),
        [_] => Err(PgpError::Armor("it is no message")),
        _ => Err(PgpError::Armor("there are several messages")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn cases() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
    }

    fn keys() -> Keys {
        let mut keys = Keys::default();
        for name in [
            "rsa",
            "cv25519",
            "nistp256",
            "nistp384",
            "nistp521",
            "brainpoolP256r1",
            "elgamal",
        ] {
            keys.add(&fs::read(cases().join("keys").join(name).with_extension("asc")).unwrap())
                .unwrap();
        }
        keys
    }

    /// The messages of `cases/pgp`, which gpg wrote; what is refused has a name that says so.
    #[test]
    fn messages_of_gpg_are_opened() {
        let keys = keys();
        let mut opened = 0;
        for entry in fs::read_dir(cases().join("pgp")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let plain = decrypt(&fs::read_to_string(&path).unwrap(), &keys);
            if let Some(what) = name.strip_prefix("refused-") {
                let error = plain.unwrap_err().to_string();
                let part = match what {
                    "brainpool" => {
                        "of the type ECDH over a curve of brainpool, which is not supported; add a subkey"
                    }
                    "elgamal" => "of the type ElGamal, which is not supported; add a subkey",
                    "no-mdc" => "not protected against changes",
                    "in-clear" => "not encrypted",
                    _ => "larger than a data key",
                };
                assert!(error.contains(part), "{name}: {error}");
                continue;
            }
            let plain = plain.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(plain.as_slice(), b"0123456789abcdef0123456789abcdef", "{name}");
            opened += 1;
        }
        assert!(opened >= 19, "{opened}");
    }

    #[test]
    fn what_was_changed_is_not_opened() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let keys = keys();
        let text = fs::read_to_string(cases().join("pgp/compress-zlib.asc")).unwrap();
        let (_, message) = armor::decode(text.as_bytes()).unwrap().remove(0);
        for at in 0..message.len() {
            for change in [1, 0x80] {
                let mut changed = message.to_vec();
                changed[at] ^= change;
                let body = STANDARD.encode(&changed);
                let text = format!("-----BEGIN PGP MESSAGE-----\n\n{body}\n-----END PGP MESSAGE-----\n");
                // Whom it was for is told by nobody but the message itself.
                if let Ok(plain) = decrypt(&text, &keys) {
                    assert_eq!(plain.as_slice(), b"0123456789abcdef0123456789abcdef", "{at}");
                }
            }
            let cut = STANDARD.encode(&message[..at]);
            let text = format!("-----BEGIN PGP MESSAGE-----\n\n{cut}\n-----END PGP MESSAGE-----\n");
            assert!(decrypt(&text, &keys).is_err(), "{at}");
        }
    }

    #[test]
    fn damaged_keys_are_told_without_what_is_in_them() {
        for name in ["rsa", "cv25519", "nistp521"] {
            let text = fs::read(cases().join("keys").join(name).with_extension("asc")).unwrap();
            let (_, bytes) = armor::decode(&text).unwrap().remove(0);
            for at in 1..bytes.len() {
                let mut keys = Keys::default();
                // Some are whole packets, and then nothing is wrong with them.
                let _ = keys.add(&bytes[..at]);
            }
            let mut keys = Keys::default();
            keys.add(&bytes).unwrap();
            assert!(!keys.is_empty());
        }
        let told = |bytes: &[u8]| Keys::default().add(bytes).unwrap_err().to_string();
        assert!(told(b"secret").starts_with("no valid OpenPGP data found: "));
        assert!(told(&[0x95, 0xFF, 0xFF, 4]).starts_with("invalid packet: "));
    }
}
