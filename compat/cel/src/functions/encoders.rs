//! The extension for base64.

use std::sync::Arc;

use super::Library;
use crate::error::Failure;
use crate::types::Type;
use crate::value::Value;

pub(super) fn declare(library: &mut Library) {
    library.function("base64.decode").overload(
        "base64_decode_string",
        &[Type::String],
        Type::Bytes,
        |budget, args| match args {
            [Value::String(text)] => {
                let text = text.as_str();
                budget.bytes(text.len())?;
                Ok(Value::Bytes(Arc::from(decode(text)?)))
            }
            _ => Err(Failure::no_overload()),
        },
    );
    library.function("base64.encode").overload(
        "base64_encode_bytes",
        &[Type::Bytes],
        Type::String,
        |budget, args| match args {
            [Value::Bytes(bytes)] => {
                budget.bytes(bytes.len() * 4 / 3)?;
                Ok(Value::from(go_std::base64::encode(bytes)))
            }
            _ => Err(Failure::no_overload()),
        },
    );
}

/// With padding, or else without.
fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    if let Some(bytes) = go_std::base64::decode(text) {
        return Ok(bytes);
    }
    let letters: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if letters.iter().all(is_letter) && letters.len() % 4 > 1 {
        let mut padded = letters;
        while !padded.len().is_multiple_of(4) {
            padded.push(b'=');
        }
        if let Some(bytes) = go_std::base64::decode(&padded) {
            return Ok(bytes);
        }
    }
    let at = corrupt_at(text.as_bytes());
    Err(Failure::new(format!("illegal base64 data at input byte {at}")))
}

/// Where Go says that a text without padding goes wrong: at a letter that is none, or behind a group of one letter.
fn corrupt_at(text: &[u8]) -> usize {
    let mut letters = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\r' | b'\n' => {}
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => letters += 1,
            _ => return at,
        }
    }
    let over = letters % 4;
    text.len().saturating_sub(over)
}
