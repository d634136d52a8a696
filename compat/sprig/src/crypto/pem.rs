//! PEM blocks.

use crate::encoding::base64_decode;

/// A labelled block of DER.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
}

/// Writes a block with lines of 64 letters.
pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    let text = go_std::base64::encode(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    for start in (0..text.len()).step_by(64) {
        out.push_str(text.get(start..text.len().min(start + 64)).unwrap_or_default());
        out.push('\n');
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Reads the first whole block; headers are skipped.
pub(super) fn decode(text: &[u8]) -> Option<Block> {
    let text = String::from_utf8_lossy(text);
    let mut rest: &str = &text;
    loop {
        let start = if rest.starts_with("-----BEGIN ") {
            0
        } else {
            rest.find("\n-----BEGIN ")? + 1
        };
        rest = rest.get(start..)?.strip_prefix("-----BEGIN ")?;
        let (line, body) = rest.split_once('\n')?;
        let Some(label) = line.trim_end_matches(['\r', ' ', '\t']).strip_suffix("-----") else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let Some(end) = body.find(&end) else { continue };
        let body = body.get(..end)?;
        let body = match body.split_once("\n\n") {
            Some((headers, body)) if headers.contains(':') => body,
            _ => body,
        };
        let letters: String = body
            .chars()
            .filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
            .collect();
        if let Ok(bytes) = base64_decode(letters.as_bytes()) {
            return Some(Block {
                label: label.to_owned(),
                bytes,
            });
        }
    }
}
