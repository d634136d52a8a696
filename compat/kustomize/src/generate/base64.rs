//! Base64 in the lines that kyaml writes.

const LINE: usize = 70;

/// Standard base64; text longer than 70 characters is cut into lines of 70, each with a line break, the last included.
pub(super) fn encode(bytes: &[u8]) -> String {
    let text = go_std::base64::encode(bytes);
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
