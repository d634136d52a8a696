//! The payload of an age file: chunks of 64 KiB.

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};
use zeroize::Zeroizing;

use super::derive;

pub(super) const NONCE: usize = 16;
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;

/// Decrypts all chunks.
pub(super) fn decrypt(
    file_key: &[u8],
    nonce: &[u8],
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    const DAMAGED: &str =
        "failed to decrypt and authenticate payload chunk, file may be corrupted or tampered with";
    let key = derive(file_key, nonce, b"payload");
    let cipher = ChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| DAMAGED)?;
    let mut plain = Zeroizing::new(Vec::new());
    let mut chunks = payload.chunks(CHUNK + TAG).enumerate().peekable();
    if chunks.peek().is_none() {
        return Err("unexpected EOF");
    }
    while let Some((at, chunk)) = chunks.next() {
        let is_last = chunks.peek().is_none();
        if is_last && at > 0 && chunk.len() == TAG {
            return Err("last chunk is empty, try age v1.0.0, and please consider reporting this");
        }
        // Eleven bytes count, the last one marks the end.
        let mut counter = [0; 12];
        counter[3..11].copy_from_slice(&(at as u64).to_be_bytes());
        counter[11] = u8::from(is_last);
        plain.extend(cipher.decrypt(&counter.into(), chunk).map_err(|_| DAMAGED)?);
    }
    Ok(plain)
}
