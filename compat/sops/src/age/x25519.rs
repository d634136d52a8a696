//! Recipients of type X25519.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};
use curve25519_dalek::montgomery::MontgomeryPoint;
use zeroize::Zeroizing;

use super::header::Stanza;
use super::{FILE_KEY, IdentityError, TAG, bech32, derive};

/// A secret key, wiped when it is dropped.
#[derive(Clone)]
pub(crate) struct X25519 {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl X25519 {
    /// Reads `AGE-SECRET-KEY-1...`.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        let (name, bytes) = bech32::decode(text).map_err(IdentityError::Malformed)?;
        if name != "AGE-SECRET-KEY-" {
            return Err(IdentityError::Malformed("unknown type".to_owned()));
        }
        let secret: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| IdentityError::Malformed("invalid X25519 secret key".to_owned()))?;
        let secret = Zeroizing::new(secret);
        let public = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
        Ok(Self { secret, public })
    }

    /// The file key, if the stanza is for this identity.
    pub(super) fn open(&self, stanza: &Stanza<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        if stanza.kind != "X25519" {
            return Ok(None);
        }
        let invalid = "invalid X25519 recipient block";
        let [share] = stanza.arguments[..] else {
            return Err(invalid.to_owned());
        };
        let share = STANDARD_NO_PAD
            .decode(share)
            .map_err(|_| "failed to parse X25519 recipient: illegal base64 data".to_owned())?;
        let share: [u8; 32] = share.try_into().map_err(|_| invalid.to_owned())?;
        let shared = Zeroizing::new(MontgomeryPoint(share).mul_clamped(*self.secret).to_bytes());
        if shared.iter().fold(0, |sum, byte| sum | byte) == 0 {
            return Err("invalid X25519 recipient: bad input point: low order point".to_owned());
        }
        if stanza.body.len() != FILE_KEY + TAG {
            return Err(format!("{invalid}: incorrect file key size"));
        }
        let salt = [share, self.public].concat();
        let key = derive(shared.as_slice(), &salt, b"age-encryption.org/v1/X25519");
        let cipher = ChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| invalid.to_owned())?;
        let opened = cipher.decrypt(&[0; 12].into(), stanza.body.as_slice());
        Ok(opened.ok().map(Zeroizing::new))
    }
}
