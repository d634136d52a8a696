//! Secret keys.

use openpgp::armor;
use openpgp::packets::{self, Packet, Reader};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::ecdh::Parameters;
use super::{PgpError, PgpKeyError};
use crate::integers::{private_key, trimmed};

/// How many keys there may be.
const MAX_KEYS: usize = 256;

/// Secret keys of OpenPGP, wiped when they are dropped.
#[derive(Clone, Default)]
pub(crate) struct Keys(Vec<SecretKey>);

/// One key or subkey.
#[derive(Clone)]
struct SecretKey {
    fingerprint: [u8; 20],
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Rsa(Box<rsa::PrivateKey>),
    Ecdh(Parameters, Zeroizing<Vec<u8>>),
    /// There is one, and it cannot be read without a passphrase.
    Protected,
    /// There is one that nobody here can use.
    Unsupported(&'static str),
}

impl Keys {
    /// Adds the secret keys of a file, which is text or binary.
    pub(crate) fn add(&mut self, file: &[u8]) -> Result<(), PgpKeyError> {
        let is_binary = file.first().is_some_and(|first| first & 0x80 != 0);
        if is_binary && std::str::from_utf8(file).is_err() {
            return self.add_packets(file);
        }
        for (kind, block) in armor::decode(file).map_err(PgpKeyError::Armor)? {
            // A public key opens nothing and does no harm.
            if kind == "PRIVATE KEY BLOCK" {
                self.add_packets(&block)?;
            } else if kind != "PUBLIC KEY BLOCK" {
                return Err(PgpKeyError::Armor("it is no key"));
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn add_packets(&mut self, bytes: &[u8]) -> Result<(), PgpKeyError> {
        for Packet { tag, body } in packets::read(bytes).map_err(PgpKeyError::Packet)? {
            // Keys and subkeys; what is said and signed about them does not count.
            if !matches!(tag, 5 | 7) {
                continue;
            }
            let key = SecretKey::read(&body).ok_or(PgpKeyError::Packet("a secret key is cut off"))?;
            let Some(key) = key else { continue };
            if self.0.len() == MAX_KEYS {
                return Err(PgpKeyError::TooMany(MAX_KEYS));
            }
            self.0.push(key);
        }
        Ok(())
    }

    /// The session key of a message: its cipher, the key, and a checksum; the first of the keys that opens it.
    pub(super) fn open(&self, id: u64, algorithm: u8, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, PgpError> {
        let is_meant = |key: &&SecretKey| id == 0 || key.id() == id;
        let mut failed = PgpError::NoKey(vec![id]);
        for key in self.0.iter().filter(is_meant) {
            match key.open(algorithm, body) {
                Ok(opened) => return Ok(opened),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

impl SecretKey {
    /// Reads a packet; gives nothing for a key that has no secret, or is for signatures alone.
    #[expect(
        clippy::option_option,
        reason = "a key that is damaged is another thing than one that does not count"
    )]
    fn read(body: &[u8]) -> Option<Option<Self>> {
        let mut reader = Reader(body);
        if reader.byte()? != 4 {
            return Some(None);
        }
        reader.take(4)?;
        let algorithm = reader.byte()?;
        let public: Public<'_> = match algorithm {
            1 | 2 => Public::Rsa(reader.integer()?, reader.integer()?),
            18 => Public::Ecdh(Parameters::read(&mut reader)?),
            16 | 20 => {
                for _ in 0..3 {
                    reader.integer()?;
                }
                Public::Unsupported("ElGamal")
            }
            _ => return Some(None),
        };
        let public_length = body.len() - reader.0.len();
        let head = [0x99, (public_length >> 8) as u8, public_length as u8];
        let digest = Sha1::new()
            .chain_update(head)
            .chain_update(body.get(..public_length)?)
            .finalize();
        let key = |secret| Self {
            fingerprint: digest.into(),
            secret,
        };
        let usage = reader.byte()?;
        if usage != 0 {
            // What is on a card, or was left out, has no secret; anything else has a passphrase.
            let is_elsewhere =
                matches!(usage, 254 | 255) && matches!(reader.0, [_, 101, _, b'G', b'N', b'U', ..]);
            return Some((!is_elsewhere).then(|| key(Secret::Protected)));
        }
        let secret = match public {
            Public::Unsupported(what) => Secret::Unsupported(what),
            Public::Rsa(modulus, exponent) => {
                let secret = reader.integer()?;
                let primes = [reader.integer()?, reader.integer()?];
                match private_key(modulus, exponent, secret, &primes) {
                    Some(key) => Secret::Rsa(Box::new(key)),
                    None => Secret::Unsupported("RSA of a size, or with numbers, that no key should have"),
                }
            }
            Public::Ecdh(parameters) => {
                if let Some(what) = parameters.unsupported() {
                    Secret::Unsupported(what)
                } else {
                    let secret = trimmed(reader.integer()?).to_vec();
                    Secret::Ecdh(parameters, Zeroizing::new(secret))
                }
            }
        };
        Some(Some(key(secret)))
    }

    fn id(&self) -> u64 {
        let end = self.fingerprint.iter().skip(12);
        end.fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    fn open(&self, algorithm: u8, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, PgpError> {
        match (&self.secret, algorithm) {
            (Secret::Protected, _) => Err(PgpError::Passphrase(self.id())),
            (Secret::Unsupported(algorithm), _) => Err(PgpError::Algorithm {
                key: self.id(),
                algorithm,
            }),
            (Secret::Rsa(key), 1 | 2) => {
                use rsa::traits::PublicKeyParts;
                let number = Reader(body)
                    .integer()
                    .ok_or(PgpError::Packet("an encrypted session key is cut off"))?;
                let number = trimmed(number);
                let missing = key.size().checked_sub(number.len()).ok_or(PgpError::Failed)?;
                let mut padded = vec![0; missing];
                padded.extend_from_slice(number);
                let opened = key.pkcs1v15_decrypt(&padded).map_err(|_| PgpError::Failed)?;
                Ok(Zeroizing::new(opened))
            }
            (Secret::Ecdh(parameters, secret), 18) => {
                parameters.open(secret, &self.fingerprint, &mut Reader(body))
            }
            _ => Err(PgpError::Failed),
        }
    }
}

/// What a key says in clear.
enum Public<'b> {
    Rsa(&'b [u8], &'b [u8]),
    Ecdh(Parameters),
    Unsupported(&'static str),
}
