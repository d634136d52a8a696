//! A public key, and whether it has made a signature.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BoxedUint, PublicKey};
use sha1::{Digest as _, Sha1};

use crate::VerifyError;
use crate::packets::Reader;
use crate::signature::Signature;

/// Bits of the largest RSA key.
const MAX_BITS: usize = 8192;

/// The names of curves, as ASN.1 writes them.
const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01];

/// A public key or subkey.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: u64,
    pub(crate) created: u64,
    algorithm: u8,
    /// What of it is signed.
    pub(crate) hashed: Vec<u8>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Rsa(Box<PublicKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    /// It signs nothing, or nothing that can be verified here.
    Other,
}

impl Key {
    /// Reads a public or secret key; nothing for one of another version or algorithm.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if reader.byte()? != 4 {
            return None;
        }
        let created = reader.number(4)?;
        let algorithm = reader.byte()?;
        let material = material(algorithm, &mut reader)?;
        // What is secret follows what is public.
        let public = body.get(..body.len() - reader.0.len())?;
        let length = u16::try_from(public.len()).ok()?.to_be_bytes();
        let hashed = [&[0x99], &length[..], public].concat();
        let fingerprint = Sha1::digest(&hashed);
        let id = fingerprint.iter().skip(12);
        Some(Self {
            id: id.fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            created,
            algorithm,
            hashed,
            material,
        })
    }

    /// Whether keys of its algorithm sign.
    pub(crate) fn can_sign(&self) -> bool {
        matches!(self.algorithm, 1 | 3 | 17 | 19 | 22 | 27 | 28)
    }

    /// Whether it has made a signature over these parts.
    pub(crate) fn verify(&self, parts: &[&[u8]], signature: &Signature) -> Result<(), VerifyError> {
        if !self.can_sign() {
            return Err(VerifyError::Argument("public key cannot generate signatures"));
        }
        if self.algorithm != signature.algorithm {
            return Err(VerifyError::Argument(
                "public key and signature use different algorithms",
            ));
        }
        let digest = signature
            .hash
            .digest(&[parts, &[signature.trailer.as_slice()]].concat());
        let failed = |what: &str| VerifyError::Signature(what.to_owned());
        match (&self.material, signature.numbers.as_slice()) {
            (Material::Rsa(key), [number]) => {
                let scheme = Pkcs1v15Sign {
                    hash_len: Some(digest.len()),
                    prefix: signature.hash.rsa_prefix().into(),
                };
                let number = padded(number, rsa::traits::PublicKeyParts::size(&**key));
                let is_right = number.is_some_and(|number| key.verify(scheme, &digest, &number).is_ok());
                is_right
                    .then_some(())
                    .ok_or_else(|| failed("RSA verification failure"))
            }
            (Material::Ed25519(key), numbers) => {
                let bytes = match numbers {
                    [both] => Some(both.clone()),
                    [r, s] => padded(r, 32).zip(padded(s, 32)).map(|(r, s)| [r, s].concat()),
                    _ => None,
                };
                let made = bytes.and_then(|bytes| ed25519_dalek::Signature::from_slice(&bytes).ok());
                let is_right = made.is_some_and(|made| key.verify_strict(&digest, &made).is_ok());
                let words = if self.algorithm == 27 {
                    "Ed25519 verification failure"
                } else {
                    "EdDSA verification failure"
                };
                is_right.then_some(()).ok_or_else(|| failed(words))
            }
            (Material::P256(key), [r, s]) => {
                let bytes = padded(r, 32).zip(padded(s, 32)).map(|(r, s)| [r, s].concat());
                let made = bytes.and_then(|bytes| p256::ecdsa::Signature::from_slice(&bytes).ok());
                let is_right = made.is_some_and(|made| key.verify_prehash(&digest, &made).is_ok());
                is_right
                    .then_some(())
                    .ok_or_else(|| failed("ECDSA verification failure"))
            }
            _ => Err(VerifyError::Unsupported(format!(
                "signatures of the public key algorithm {}",
                self.algorithm
            ))),
        }
    }
}

/// Reads what a key is made of; what only encrypts is passed over.
fn material(algorithm: u8, reader: &mut Reader<'_>) -> Option<Material> {
    let mut skip = |numbers: usize| -> Option<()> {
        for _ in 0..numbers {
            reader.integer()?;
        }
        Some(())
    };
    match algorithm {
        1..=3 => {
            let (modulus, exponent) = (trimmed(reader.integer()?), trimmed(reader.integer()?));
            if modulus.len() > MAX_BITS / 8 || exponent.len() > 8 {
                return None;
            }
            let number = BoxedUint::from_be_slice_vartime;
            let key = PublicKey::new(number(modulus), number(exponent)).ok()?;
            Some(Material::Rsa(Box::new(key)))
        }
        16 => skip(3).map(|()| Material::Other),
        17 => skip(4).map(|()| Material::Other),
        18 => {
            let length = usize::from(reader.byte()?);
            reader.take(length)?;
            reader.integer()?;
            let length = usize::from(reader.byte()?);
            reader.take(length)?;
            Some(Material::Other)
        }
        19 | 22 => {
            let length = usize::from(reader.byte()?);
            let curve = reader.take(length)?;
            let point = reader.integer()?;
            match (algorithm, curve) {
                (19, P256) => {
                    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
                    Some(Material::P256(Box::new(key)))
                }
                (22, ED25519) => ed25519(point.strip_prefix(&[0x40])?),
                _ => Some(Material::Other),
            }
        }
        25 => reader.take(32).map(|_| Material::Other),
        26 => reader.take(56).map(|_| Material::Other),
        27 => ed25519(reader.take(32)?),
        28 => reader.take(57).map(|_| Material::Other),
        _ => None,
    }
}

fn ed25519(point: &[u8]) -> Option<Material> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point.try_into().ok()?).ok()?;
    Some(Material::Ed25519(Box::new(key)))
}

/// A number without leading zeros.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// A number of so many bytes; nothing if it is larger.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let number = trimmed(number);
    let mut padded = vec![0; size.checked_sub(number.len())?];
    padded.extend_from_slice(number);
    Some(padded)
}
