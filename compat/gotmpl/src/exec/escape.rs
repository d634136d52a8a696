//! `html`, `js`, `urlquery`.

use crate::error::FuncError;
use crate::fmt::sprint;
use crate::value::Value;
use go_std::unicode::{is_print, runes};

/// Joins arguments as `print` does, nil as `<no value>`.
pub(super) fn joined(values: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    if let [Value::Str(only)] = values {
        return Ok(only.to_vec());
    }
    let shown: Vec<Value> = values
        .iter()
        .map(|value| {
            if value.is_nil() {
                Value::from("<no value>")
            } else {
                value.clone()
            }
        })
        .collect();
    sprint(&shown, limit)
}

/// Stops a text that becomes several times as long before it is.
fn check(out: &[u8], limit: usize) -> Result<(), FuncError> {
    if out.len() > limit {
        let text = format!("exceeded maximum string size ({limit} bytes)");
        return Err(FuncError::limit(text));
    }
    Ok(())
}

pub(super) fn html(text: &[u8], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        check(&out, limit)?;
        match byte {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(*other),
        }
    }
    Ok(out)
}

pub(super) fn js(text: &[u8], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::with_capacity(text.len());
    for (at, rune, valid) in runes(text) {
        check(&out, limit)?;
        match rune {
            '\\' | '\'' | '"' => out.extend_from_slice(&[b'\\', rune as u8]),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => {
                out.extend_from_slice(format!("\\u{:04X}", rune as u32).as_bytes());
            }
            _ if !valid => out.push(text.get(at).copied().unwrap_or_default()),
            c if c.is_ascii() || is_print(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            c => out.extend_from_slice(format!("\\u{:04X}", c as u32).as_bytes()),
        }
    }
    Ok(out)
}

pub(super) fn url_query(text: &[u8], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        check(&out, limit)?;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    Ok(out)
}
