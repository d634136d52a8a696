//! `encryptAES` and `decryptAES`: AES-256 in CBC mode under a padded password.

use std::sync::Arc;

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use gotmpl::{Context, FuncError, FuncMap, Str};

use crate::encoding::base64_decode;
use crate::environment::{Environment, Random};

const BLOCK: usize = 16;
/// How many bytes are read or written in one step, block after block.
const BYTES_PER_STEP: u64 = 2;

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    let source = Arc::clone(environment);
    functions.add(
        "encryptAES",
        move |cx: &mut Context<'_>, password: Str, text: Str| {
            if text.is_empty() {
                return Ok(String::new());
            }
            cx.charge(Random::STEPS + text.len() as u64 / BYTES_PER_STEP)?;
            let mut vector = [0; BLOCK];
            source.fill_random(&mut vector);
            Ok::<_, FuncError>(go_std::base64::encode(encrypt(&password, vector, &text)))
        },
    );
    functions.add("decryptAES", |cx: &mut Context<'_>, password: Str, text: Str| {
        if text.is_empty() {
            return Ok(Str::default());
        }
        cx.charge(Random::STEPS + text.len() as u64 / BYTES_PER_STEP)?;
        decrypt(&password, &text).map(Str::from)
    });
}

/// The cipher under the first 32 bytes of the password, padded with zeros.
fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    for (slot, byte) in key.iter_mut().zip(password) {
        *slot = *byte;
    }
    Aes256::new(&Array(key))
}

/// The initialisation vector, and the text with PKCS#7 padding behind it.
fn encrypt(password: &[u8], vector: [u8; BLOCK], text: &[u8]) -> Vec<u8> {
    let cipher = cipher(password);
    let padding = BLOCK - text.len() % BLOCK;
    let mut padded = text.to_vec();
    padded.resize(text.len() + padding, padding as u8);
    let mut out = vector.to_vec();
    let mut previous = vector;
    for block in padded.chunks(BLOCK) {
        for (slot, byte) in previous.iter_mut().zip(block) {
            *slot ^= byte;
        }
        let mut block = Array(previous);
        cipher.encrypt_block(&mut block);
        previous = block.0;
        out.extend_from_slice(&previous);
    }
    out
}

/// Trusts the padding, as Sprig does: a wrong password gives garbage or the error of Go's runtime.
fn decrypt(password: &[u8], text: &[u8]) -> Result<Vec<u8>, FuncError> {
    let out_of_range =
        |bounds: String| FuncError::new(format!("runtime error: slice bounds out of range {bounds}"));
    let bytes = base64_decode(text).map_err(FuncError::new)?;
    let Some((vector, encrypted)) = bytes.split_first_chunk::<BLOCK>() else {
        let capacity = text.len() / 4 * 3;
        return Err(out_of_range(if capacity < BLOCK {
            format!("[:{BLOCK}] with capacity {capacity}")
        } else {
            format!("[{BLOCK}:{}]", bytes.len())
        }));
    };
    let (blocks, rest) = encrypted.as_chunks::<BLOCK>();
    if !rest.is_empty() {
        return Err(FuncError::new("crypto/cipher: input not full blocks"));
    }
    let cipher = cipher(password);
    let mut out = Vec::with_capacity(encrypted.len());
    let mut previous = vector;
    for encrypted in blocks {
        let mut block = Array(*encrypted);
        cipher.decrypt_block(&mut block);
        out.extend(block.0.iter().zip(previous).map(|(a, b)| a ^ b));
        previous = encrypted;
    }
    let Some(&padding) = out.last() else {
        return Err(FuncError::new("runtime error: index out of range [-1]"));
    };
    let end = out.len() as isize - isize::from(padding);
    out.truncate(usize::try_from(end).map_err(|_| out_of_range(format!("[:{end}]")))?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for text in ["a", "exactly sixteen.", "more than sixteen bytes"] {
            let encrypted = encrypt(b"secretkey", [7; BLOCK], text.as_bytes());
            assert_eq!(
                decrypt(b"secretkey", go_std::base64::encode(&encrypted).as_bytes()).unwrap(),
                text.as_bytes()
            );
        }
    }
}
