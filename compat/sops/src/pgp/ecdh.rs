//! Keys that are agreed on over an elliptic curve (RFC 6637).

use aes::cipher::{BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use curve25519_dalek::montgomery::MontgomeryPoint;
use openpgp::packets::Reader;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::PgpError;
use super::ciphers::Cipher;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    X25519,
    P256,
    P384,
    P521,
}

/// The names of curves, as ASN.1 writes them.
const CURVES: [(&[u8], Curve); 4] = [
    (
        &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01],
        Curve::X25519,
    ),
    (&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07], Curve::P256),
    (&[0x2B, 0x81, 0x04, 0x00, 0x22], Curve::P384),
    (&[0x2B, 0x81, 0x04, 0x00, 0x23], Curve::P521),
];

/// The beginning of the names of the curves of brainpool.
const BRAINPOOL: &[u8] = &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01];

/// What a public key says, which its secret key needs too.
#[derive(Clone)]
pub(super) struct Parameters {
    name: Vec<u8>,
    curve: Option<Curve>,
    hash: u8,
    wrap: u8,
}

impl Parameters {
    /// Reads them, and passes over the public point.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let length = usize::from(reader.byte()?);
        let name = reader.take(length)?.to_vec();
        reader.integer()?;
        let length = usize::from(reader.byte()?);
        let [1, hash, wrap, ..] = *reader.take(length)? else {
            return None;
        };
        let known = CURVES.iter().find(|(known, _)| *known == name);
        Some(Self {
            curve: known.map(|(_, curve)| *curve),
            name,
            hash,
            wrap,
        })
    }

    /// Why keys of the curve cannot be used, if they cannot.
    pub(super) fn unsupported(&self) -> Option<&'static str> {
        match self.curve {
            Some(_) => None,
            None if self.name.starts_with(BRAINPOOL) => Some("ECDH over a curve of brainpool"),
            None => Some("ECDH over a curve that is not known"),
        }
    }

    /// The key that a message is encrypted by, with its checksum.
    pub(super) fn open(
        &self,
        secret: &[u8],
        fingerprint: &[u8],
        body: &mut Reader<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, PgpError> {
        const CUT: PgpError = PgpError::Packet("an encrypted session key is cut off");
        let point = body.integer().ok_or(CUT)?;
        let length = usize::from(body.byte().ok_or(CUT)?);
        let wrapped = body.take(length).ok_or(CUT)?;
        let curve = self.curve.ok_or(PgpError::Failed)?;
        let shared = agree(curve, secret, point).ok_or(PgpError::Failed)?;
        let key = self.derive(&shared, fingerprint)?;
        let mut opened = unwrap(&key, wrapped).ok_or(PgpError::Failed)?;
        // It was filled up to whole blocks.
        let filled = usize::from(opened.last().copied().unwrap_or_default());
        let length = opened.len().checked_sub(filled).filter(|_| filled > 0);
        opened.truncate(length.ok_or(PgpError::Failed)?);
        Ok(opened)
    }

    fn derive(&self, shared: &[u8], fingerprint: &[u8]) -> Result<Zeroizing<Vec<u8>>, PgpError> {
        let wrap = Cipher::of_number(self.wrap);
        let wrap = wrap.filter(|wrap| matches!(wrap, Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256));
        let wrap =
            wrap.ok_or_else(|| PgpError::Unsupported(format!("the cipher {} around keys", self.wrap)))?;
        let length = [self.name.len() as u8];
        let parts: [&[u8]; 8] = [
            &[0, 0, 0, 1],
            shared,
            &length,
            &self.name,
            &[18],
            &[3, 1, self.hash, self.wrap],
            b"Anonymous Sender    ",
            fingerprint,
        ];
        let input = Zeroizing::new(parts.concat());
        let mut key = Zeroizing::new(match self.hash {
            8 => Sha256::digest(&*input).to_vec(),
            9 => Sha384::digest(&*input).to_vec(),
            10 => Sha512::digest(&*input).to_vec(),
            other => return Err(PgpError::Unsupported(format!("the hash {other}"))),
        });
        key.truncate(wrap.key_size());
        Ok(key)
    }
}

/// The secret that both sides know.
fn agree(curve: Curve, secret: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let padded = |length: usize| {
        let missing = length.checked_sub(secret.len())?;
        let mut padded = Zeroizing::new(vec![0; missing]);
        padded.extend_from_slice(secret);
        Some(padded)
    };
    match curve {
        Curve::X25519 => {
            let point: [u8; 32] = point.strip_prefix(&[0x40])?.try_into().ok()?;
            let mut scalar = padded(32)?;
            scalar.reverse();
            let scalar: Zeroizing<[u8; 32]> = Zeroizing::new(scalar.as_slice().try_into().ok()?);
            let shared = Zeroizing::new(MontgomeryPoint(point).mul_clamped(*scalar).to_bytes());
            Some(Zeroizing::new(shared.to_vec()))
        }
        Curve::P256 => {
            let secret = p256::SecretKey::from_slice(&padded(32)?).ok()?;
            let point = p256::PublicKey::from_sec1_bytes(point).ok()?;
            Some(Zeroizing::new(
                secret.diffie_hellman(&point).raw_secret_bytes().to_vec(),
            ))
        }
        Curve::P384 => {
            let secret = p384::SecretKey::from_slice(&padded(48)?).ok()?;
            let point = p384::PublicKey::from_sec1_bytes(point).ok()?;
            Some(Zeroizing::new(
                secret.diffie_hellman(&point).raw_secret_bytes().to_vec(),
            ))
        }
        Curve::P521 => {
            let secret = p521::SecretKey::from_slice(&padded(66)?).ok()?;
            let point = p521::PublicKey::from_sec1_bytes(point).ok()?;
            Some(Zeroizing::new(
                secret.diffie_hellman(&point).raw_secret_bytes().to_vec(),
            ))
        }
    }
}

/// Takes a key out of what it was wrapped in (RFC 3394).
fn unwrap(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match key.len() {
        16 => unwrap_with::<Aes128>(key, wrapped),
        24 => unwrap_with::<Aes192>(key, wrapped),
        _ => unwrap_with::<Aes256>(key, wrapped),
    }
}

fn unwrap_with<C>(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    C: BlockCipherDecrypt + KeyInit + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let cipher = C::new_from_slice(key).ok()?;
    let (check, rest) = wrapped.split_first_chunk::<8>()?;
    if rest.is_empty() || rest.len() % 8 != 0 {
        return None;
    }
    let mut check = *check;
    let mut registers = Zeroizing::new(rest.to_vec());
    let count = registers.len() / 8;
    for round in (0..6).rev() {
        for (at, register) in registers.chunks_exact_mut(8).enumerate().rev() {
            let step = (count * round + at + 1) as u64;
            check
                .iter_mut()
                .zip(step.to_be_bytes())
                .for_each(|(a, b)| *a ^= b);
            let mut block = aes::cipher::Block::<C>::default();
            block
                .iter_mut()
                .zip(check.iter().chain(register.iter()))
                .for_each(|(to, from)| *to = *from);
            cipher.decrypt_block(&mut block);
            let (high, low) = block.split_at(8);
            check.copy_from_slice(high);
            register.copy_from_slice(low);
        }
    }
    (check == [0xA6; 8]).then_some(registers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_unwrapped() {
        // RFC 3394, 4.1.
        let key: Vec<u8> = (0..16).collect();
        let wrapped = [
            0x1F, 0xA6, 0x8B, 0x0A, 0x81, 0x12, 0xB4, 0x47, 0xAE, 0xF3, 0x4B, 0xD8, 0xFB, 0x5A, 0x7B, 0x82,
            0x9D, 0x3E, 0x86, 0x23, 0x71, 0xD2, 0xCF, 0xE5,
        ];
        let data: Vec<u8> = (0..16).map(|at| at * 0x11).collect();
        assert_eq!(unwrap(&key, &wrapped).map(|key| key.to_vec()), Some(data));
        assert_eq!(unwrap(&key, &wrapped[..16]), None);
        assert_eq!(unwrap(&key, &wrapped[..12]), None);
    }
}
