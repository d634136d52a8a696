//! Symmetric ciphers of OpenPGP, and how they protect what they encrypt.

use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::Aead;
use aes_gcm::aead::consts::U15;
use blowfish::Blowfish;
use camellia::{Camellia128, Camellia192, Camellia256};
use cast5::Cast5;
use des::TdesEde3;
use idea::Idea;
use ocb3::Ocb3;
use sha1::{Digest, Sha1};
use twofish::Twofish;
use zeroize::Zeroizing;

use super::PgpError;

/// A cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Idea,
    TripleDes,
    Cast5,
    Blowfish,
    Aes128,
    Aes192,
    Aes256,
    Twofish,
    Camellia128,
    Camellia192,
    Camellia256,
}

impl Cipher {
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Idea,
            2 => Self::TripleDes,
            3 => Self::Cast5,
            4 => Self::Blowfish,
            7 => Self::Aes128,
            8 => Self::Aes192,
            9 => Self::Aes256,
            10 => Self::Twofish,
            11 => Self::Camellia128,
            12 => Self::Camellia192,
            13 => Self::Camellia256,
            _ => return None,
        })
    }

    /// Bytes of a key.
    pub(super) fn key_size(self) -> usize {
        match self {
            Self::Idea | Self::Cast5 | Self::Blowfish | Self::Aes128 | Self::Camellia128 => 16,
            Self::TripleDes | Self::Aes192 | Self::Camellia192 => 24,
            Self::Aes256 | Self::Twofish | Self::Camellia256 => 32,
        }
    }
}

/// Opens what is protected by a digest of it (MDC); nothing if it is not as it was encrypted.
pub(super) fn open_protected(
    cipher: Cipher,
    key: &[u8],
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    let (mut plain, block) = match cipher {
        Cipher::Idea => cfb::<Idea>(key, body),
        Cipher::TripleDes => cfb::<TdesEde3>(key, body),
        Cipher::Cast5 => cfb::<Cast5>(key, body),
        Cipher::Blowfish => cfb::<Blowfish>(key, body),
        Cipher::Aes128 => cfb::<Aes128>(key, body),
        Cipher::Aes192 => cfb::<Aes192>(key, body),
        Cipher::Aes256 => cfb::<Aes256>(key, body),
        Cipher::Twofish => cfb::<Twofish>(key, body),
        Cipher::Camellia128 => cfb::<Camellia128>(key, body),
        Cipher::Camellia192 => cfb::<Camellia192>(key, body),
        Cipher::Camellia256 => cfb::<Camellia256>(key, body),
    }
    .ok_or(PgpError::Failed)?;
    // A block of chance and its last two bytes again, what is encrypted, and a packet with the digest of all before it.
    const DIGEST: usize = 20;
    let end = plain.len().checked_sub(DIGEST).ok_or(PgpError::Failed)?;
    let (before, digest) = plain.split_at(end);
    let is_right = before.ends_with(&[0xD3, 0x14]) && {
        let computed = Sha1::digest(before);
        computed.iter().zip(digest).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    };
    if !is_right || end < block + 4 {
        return Err(PgpError::Failed);
    }
    plain.truncate(end - 2);
    plain.drain(..block + 2);
    Ok(plain)
}

/// Decrypts in the mode of OpenPGP without a vector; gives the size of a block too.
fn cfb<C: BlockCipherEncrypt + KeyInit>(key: &[u8], body: &[u8]) -> Option<(Zeroizing<Vec<u8>>, usize)> {
    let cipher = C::new_from_slice(key).ok()?;
    let size = C::block_size();
    let mut plain = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut mask = Block::<C>::default();
    for chunk in body.chunks(size) {
        cipher.encrypt_block(&mut mask);
        plain.extend(chunk.iter().zip(mask.iter()).map(|(byte, mask)| byte ^ mask));
        mask.iter_mut().zip(chunk).for_each(|(mask, byte)| *mask = *byte);
    }
    Some((plain, size))
}

/// Opens the packet of GnuPG that is protected by OCB (number 20).
pub(super) fn open_ocb(key: &[u8], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    const TAG: usize = 16;
    const VECTOR: usize = 15;
    let Some((head, rest)) = body.split_at_checked(4) else {
        return Err(PgpError::Packet("an encrypted packet is cut off"));
    };
    let [version, cipher, mode, chunk] = *head else {
        return Err(PgpError::Packet("an encrypted packet is cut off"));
    };
    if version != 1 || mode != 2 || chunk > 16 {
        return Err(PgpError::Unsupported(format!(
            "an encrypted packet of version {version} in the mode {mode} with chunks of size {chunk}"
        )));
    }
    let (vector, mut rest) = rest
        .split_at_checked(VECTOR)
        .ok_or(PgpError::Packet("an encrypted packet is cut off"))?;
    let cipher =
        Cipher::of_number(cipher).ok_or_else(|| PgpError::Unsupported(format!("cipher {cipher}")))?;
    if key.len() != cipher.key_size() {
        return Err(PgpError::Failed);
    }
    let open = |at: u64, total: Option<u64>, sealed: &[u8]| {
        let mut data = [&[0xD4], head, &at.to_be_bytes()].concat();
        if let Some(total) = total {
            data.extend(total.to_be_bytes());
        }
        let mut nonce = [0; VECTOR];
        nonce.copy_from_slice(vector);
        let tail = nonce.iter_mut().skip(VECTOR - 8);
        tail.zip(at.to_be_bytes()).for_each(|(byte, part)| *byte ^= part);
        ocb(cipher, key, &nonce, &data, sealed)
    };
    let size = (1_usize << (chunk + 6)) + TAG;
    let mut plain = Zeroizing::new(Vec::with_capacity(rest.len()));
    let mut at = 0;
    while rest.len() > TAG {
        // The last tag is of all chunks together.
        let length = size.min(rest.len() - TAG);
        let (sealed, after) = rest.split_at(length);
        plain.extend_from_slice(&open(at, None, sealed)?);
        rest = after;
        at += 1;
    }
    open(at, Some(plain.len() as u64), rest)?;
    Ok(plain)
}

fn ocb(
    cipher: Cipher,
    key: &[u8],
    nonce: &[u8; 15],
    data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    fn open<C: Aead + KeyInit>(key: &[u8], nonce: &[u8], data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let payload = aes_gcm::aead::Payload {
            msg: sealed,
            aad: data,
        };
        C::new_from_slice(key)
            .ok()?
            .decrypt(nonce.try_into().ok()?, payload)
            .ok()
    }
    let opened = match cipher {
        Cipher::Aes128 => open::<Ocb3<Aes128, U15>>(key, nonce, data, sealed),
        Cipher::Aes192 => open::<Ocb3<Aes192, U15>>(key, nonce, data, sealed),
        Cipher::Aes256 => open::<Ocb3<Aes256, U15>>(key, nonce, data, sealed),
        other => return Err(PgpError::Unsupported(format!("{other:?} in the mode OCB"))),
    };
    opened.map(Zeroizing::new).ok_or(PgpError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter(|c| !c.is_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
    }

    /// The sample of the draft that GnuPG follows (draft-ietf-openpgp-rfc4880bis, AEAD-OCB).
    #[test]
    fn the_packet_of_gnupg_is_opened() {
        let key = bytes("d1f01ba30e130aa7d2582c16e050ae44");
        let body = bytes(
            "01 07 02 0e 5e d2 bc 1e 47 0a be 8f 1d 64 4c 7a 6c 8a 56 7b 0f 77 01 19 66 11 a1 54 ba 9c 25 74 cd 05 62 84 \
             a8 ef 68 03 5c 62 3d 93 cc 70 8a 43 21 1b b6 ea f2 b2 7f 7c 18 d5 71 bc d8 3b 20 ad d3 a0 8b 73 af 15 b9 a0 98",
        );
        let plain = open_ocb(&key, &body).unwrap();
        assert!(plain.ends_with(b"Hello, world!\n"), "{plain:?}");
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert!(open_ocb(&key, &changed).is_err(), "{at}");
            assert!(open_ocb(&key, &body[..at]).is_err(), "{at}");
        }
    }
}
