//! Recipients of type mlkem768x25519, which are safe against quantum computers too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, XWing};
use hpke::{Deserializable, OpModeR};
use zeroize::Zeroizing;

use super::header::Stanza;
use super::{FILE_KEY, IdentityError, TAG, bech32};

const LABEL: &[u8] = b"age-encryption.org/mlkem768x25519";

/// A secret key.
#[derive(Clone)]
pub(crate) struct Hybrid(<XWing as Kem>::PrivateKey);

impl Hybrid {
    /// Reads `AGE-SECRET-KEY-PQ-1...`.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        let (name, bytes) = bech32::decode(text).map_err(IdentityError::Malformed)?;
        if name != "AGE-SECRET-KEY-PQ-" {
            return Err(IdentityError::Malformed("unknown type".to_owned()));
        }
        <XWing as Kem>::PrivateKey::from_bytes(&bytes)
            .map(Self)
            .map_err(|_| IdentityError::Malformed("invalid MLKEM768-X25519 secret key".to_owned()))
    }

    /// The file key, if the stanza is for this identity, which shows only when it opens.
    pub(super) fn open(&self, stanza: &Stanza<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        if stanza.kind != "mlkem768x25519" {
            return Ok(None);
        }
        let [encapsulated] = stanza.arguments[..] else {
            return Err("invalid mlkem768x25519 recipient block".to_owned());
        };
        let encapsulated = STANDARD_NO_PAD
            .decode(encapsulated)
            .map_err(|_| "failed to parse mlkem768x25519 recipient: illegal base64 data".to_owned())?;
        if stanza.body.len() != FILE_KEY + TAG {
            return Err("encrypted value has unexpected length".to_owned());
        }
        let invalid = |_| "invalid mlkem768x25519 recipient".to_owned();
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(&encapsulated).map_err(invalid)?;
        let mut context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            LABEL,
        )
        .map_err(invalid)?;
        Ok(context.open(&stanza.body, &[]).ok().map(Zeroizing::new))
    }
}
