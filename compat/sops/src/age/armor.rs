//! The armour around an age file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const HEADER: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const FOOTER: &str = "-----END AGE ENCRYPTED FILE-----";
const COLUMNS: usize = 64;
const MAX_BLANKS: usize = 1024;

/// Takes the armour off. Blank lines may stand before it and behind it, and nothing else.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut lines = Lines(text);
    let mut blanks = 0;
    loop {
        let line = lines.next()?;
        if line.trim().is_empty() {
            blanks += line.len() + 1;
            if blanks > MAX_BLANKS {
                return Err("too much leading whitespace".to_owned());
            }
        } else if line == HEADER {
            break;
        } else {
            // What is not armoured may be anything, also a secret.
            return Err("invalid first line".to_owned());
        }
    }
    let mut bytes = Vec::new();
    loop {
        let line = lines.next()?;
        if line == FOOTER {
            break;
        }
        if line.is_empty() {
            return Err("empty line in armored data".to_owned());
        }
        if line.len() > COLUMNS {
            return Err("column limit exceeded".to_owned());
        }
        let decoded = STANDARD
            .decode(line)
            .map_err(|_| "illegal base64 data".to_owned())?;
        let is_last = decoded.len() < COLUMNS / 4 * 3;
        bytes.extend(decoded);
        if is_last {
            if lines.next()? != FOOTER {
                return Err("invalid closing line".to_owned());
            }
            break;
        }
    }
    let rest = lines.0.get(..MAX_BLANKS).unwrap_or(lines.0);
    if !rest.trim().is_empty() {
        return Err("trailing data after armored file".to_owned());
    }
    if rest.len() == MAX_BLANKS {
        return Err("too much trailing whitespace".to_owned());
    }
    Ok(bytes)
}

struct Lines<'t>(&'t str);

impl<'t> Lines<'t> {
    fn next(&mut self) -> Result<&'t str, String> {
        if self.0.is_empty() {
            return Err("unexpected EOF".to_owned());
        }
        let (line, rest) = self.0.split_once('\n').unwrap_or((self.0, ""));
        self.0 = rest;
        Ok(line.strip_suffix('\r').unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_is_strict() {
        let full = "A".repeat(64);
        let armoured = |body: &str| format!("{HEADER}\n{body}\n{FOOTER}\n");
        assert_eq!(decode(&armoured("YQ==")), Ok(b"a".to_vec()));
        assert_eq!(
            decode(&format!(" \n\r\n{}\n \n", armoured("YQ==").replace('\n', "\r\n"))),
            Ok(b"a".to_vec())
        );
        assert_eq!(decode(&armoured(&full)).map(|bytes| bytes.len()), Ok(48));
        let error = |text: &str| decode(text).unwrap_err();
        assert_eq!(error(""), "unexpected EOF");
        assert_eq!(error("plain"), "invalid first line");
        assert_eq!(error(&format!(" {}", armoured("YQ=="))), "invalid first line");
        assert_eq!(error(&armoured("YQ==\nYQ==")), "invalid closing line");
        assert_eq!(error(&armoured("")), "empty line in armored data");
        assert_eq!(error(&armoured(&format!("{full}A"))), "column limit exceeded");
        assert_eq!(error(&armoured("YR==")), "illegal base64 data");
        assert_eq!(
            error(&format!("{}x", armoured("YQ=="))),
            "trailing data after armored file"
        );
        assert_eq!(
            error(&format!("{}{}", "\n".repeat(1025), armoured("YQ=="))),
            "too much leading whitespace"
        );
        assert_eq!(
            error(&format!("{}{}", armoured("YQ=="), "\n".repeat(1024))),
            "too much trailing whitespace"
        );
        assert_eq!(error(&format!("{HEADER}\n{full}")), "unexpected EOF");
    }
}
