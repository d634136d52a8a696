//! Base64 in the lines that kyaml writes.

const LINE: usize = 70;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64; text longer than 70 characters is cut into lines of 70, each with a line break, the last included.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| chunk.get(i).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let index = (bits >> (18 - 6 * position)) & 63;
            let symbol = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            text.push(if position <= chunk.len() {
                char::from(symbol)
            } else {
                '='
            });
        }
    }
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for (i, symbol) in text.chars().enumerate() {
        lines.push(symbol);
        if (i + 1) % LINE == 0 || i + 1 == text.len() {
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn padding_and_lines() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("admin", "YWRtaW4="),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        let long = encode(&[0; 60]);
        assert_eq!(long.split('\n').map(str::len).collect::<Vec<_>>(), [70, 10, 0]);
    }
}
