//! Quoted strings: `strconv.Quote` and `strconv.Unquote`.

use crate::unicode::{decode_rune, is_print, runes};

/// Quotes text as a Go string literal in double quotes (`%q` of a string).
///
/// ```
/// assert_eq!(go_std::quote("a\"\u{feff}"), r#""a\"\ufeff""#);
/// assert_eq!(go_std::quote(b"\xff"), r#""\xff""#);
/// ```
pub fn quote<T: AsRef<[u8]> + ?Sized>(text: &T) -> String {
    let bytes = text.as_ref();
    let mut out = Vec::with_capacity(bytes.len() + 2);
    append_quote(&mut out, bytes);
    String::from_utf8(out).unwrap_or_default() // quoting leaves only printable text
}

/// Appends a Go string literal in double quotes, all printable runes as they are.
pub fn append_quote(out: &mut Vec<u8>, bytes: &[u8]) {
    quote_with(out, bytes, b'"', false, usize::MAX);
}

/// Appends a Go string literal in double quotes, unless there is more than `max` bytes then; tells whether it did.
///
/// A literal can be four times as long as what it stands for.
pub fn append_quote_within(out: &mut Vec<u8>, bytes: &[u8], max: usize) -> bool {
    quote_with(out, bytes, b'"', false, max)
}

/// Appends a Go string literal in double quotes, everything but ASCII escaped.
pub fn append_quote_ascii(out: &mut Vec<u8>, bytes: &[u8]) {
    quote_with(out, bytes, b'"', true, usize::MAX);
}

/// Quotes a character as a Go character literal in single quotes (`%q` of a rune).
pub fn quote_rune(rune: char) -> String {
    let mut out = Vec::new();
    append_quote_rune(&mut out, rune, false);
    String::from_utf8(out).unwrap_or_default() // quoting leaves only printable text
}

/// Appends a Go character literal in single quotes.
pub fn append_quote_rune(out: &mut Vec<u8>, rune: char, ascii: bool) {
    quote_with(
        out,
        rune.encode_utf8(&mut [0; 4]).as_bytes(),
        b'\'',
        ascii,
        usize::MAX,
    );
}

fn quote_with(out: &mut Vec<u8>, bytes: &[u8], quote: u8, ascii: bool, max: usize) -> bool {
    out.push(quote);
    for (at, rune, valid) in runes(bytes) {
        if out.len() > max {
            return false;
        }
        match rune {
            _ if !valid => {
                let byte = bytes.get(at).copied().unwrap_or_default();
                out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
            '\\' => out.extend_from_slice(b"\\\\"),
            c if c == char::from(quote) => out.extend_from_slice(&[b'\\', quote]),
            c if c.is_ascii() && is_print(c) => out.push(c as u8),
            c if !c.is_ascii() && !ascii && is_print(c) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            '\x07' => out.extend_from_slice(b"\\a"),
            '\x08' => out.extend_from_slice(b"\\b"),
            '\x0c' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\x0b' => out.extend_from_slice(b"\\v"),
            c if c < ' ' || c == '\x7f' => out.extend_from_slice(format!("\\x{:02x}", c as u32).as_bytes()),
            c if (c as u32) < 0x10000 => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(format!("\\U{:08x}", c as u32).as_bytes()),
        }
    }
    out.push(quote);
    out.len() <= max
}

/// Returns whether the bytes can stand between backquotes on one line unchanged.
pub fn can_backquote(bytes: &[u8]) -> bool {
    runes(bytes).all(|(_, rune, valid)| {
        valid && rune != '\u{FEFF}' && (rune == '\t' || rune >= ' ' && rune != '`' && rune != '\x7f')
    })
}

/// Reads a Go string or character literal: double-, single- or backquoted.
///
/// Returns nothing where `strconv.Unquote` reports invalid syntax.
pub fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = literal.split_first()?;
    let (&last, inner) = rest.split_last()?;
    if quote != last {
        return None;
    }
    match quote {
        b'`' if inner.contains(&b'`') => None,
        b'`' => Some(inner.iter().copied().filter(|b| *b != b'\r').collect()),
        b'"' | b'\'' => unescape(inner, quote),
        _ => None,
    }
}

fn unescape(mut inner: &[u8], quote: u8) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inner.len());
    let mut count = 0;
    while let Some(&first) = inner.first() {
        count += 1;
        if first == quote || first == b'\n' {
            return None;
        }
        if first != b'\\' {
            let (rune, width, valid) = decode_rune(inner)?;
            if valid {
                out.extend_from_slice(inner.get(..width)?);
            } else {
                out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
            }
            inner = inner.get(width..)?;
            continue;
        }
        inner = unescape_one(inner.get(1..)?, quote, &mut out)?;
    }
    (quote == b'"' || count == 1).then_some(out)
}

/// Reads what follows a backslash and returns what is left.
fn unescape_one<'a>(rest: &'a [u8], quote: u8, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&code, rest) = rest.split_first()?;
    let digits = match code {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        b'0'..=b'7' => {
            let tail = rest.get(..2)?;
            let value = [code, *tail.first()?, *tail.last()?]
                .iter()
                .try_fold(0_u32, |value, digit| {
                    char::from(*digit).to_digit(8).map(|digit| value * 8 + digit)
                })?;
            push_byte(out, u8::try_from(value).ok()?, quote);
            return rest.get(2..);
        }
        _ => 0,
    };
    if digits > 0 {
        let value = rest.get(..digits)?.iter().try_fold(0_u32, |value, digit| {
            char::from(*digit).to_digit(16).map(|digit| value << 4 | digit)
        })?;
        if code == b'x' {
            push_byte(out, value as u8, quote);
        } else {
            out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
        return rest.get(digits..);
    }
    out.push(match code {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'\'' | b'"' if code == quote => code,
        _ => return None,
    });
    Some(rest)
}

/// In a character literal `\xff` is the rune U+00FF, in a string it is a byte.
fn push_byte(out: &mut Vec<u8>, byte: u8, quote: u8) {
    if quote == b'\'' {
        out.extend_from_slice(char::from(byte).encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        for (input, want) in [
            (&b"a\"b\\"[..], r#""a\"b\\""#),
            (b"\x01\n\xff", r#""\x01\n\xff""#),
            ("\u{ad}\u{feff}é".as_bytes(), "\"\\u00ad\\ufeffé\""),
            (b"\x7f", r#""\x7f""#),
        ] {
            assert_eq!(quote(input), want);
        }
    }

    #[test]
    fn unquotes() {
        assert_eq!(unquote(br#""\x41\u263a\101\n""#).unwrap(), "A☺A\n".as_bytes());
        for bad in [
            &br#""\z""#[..],
            br#""\'""#,
            br#"'\"'"#,
            b"''",
            b"'ab'",
            b"\"a",
            b"\"",
        ] {
            assert_eq!(unquote(bad), None, "{bad:?}");
        }
        assert_eq!(unquote(b"`a\\n`").unwrap(), b"a\\n");
    }
}
