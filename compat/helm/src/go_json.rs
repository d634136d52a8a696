//! Structures as Go's `encoding/json` writes them: fields in their order, maps sorted, HTML escaped.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Writes a value without a final newline, as `json.Marshal` does.
pub(crate) fn write<T: Serialize + ?Sized>(writer: impl Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(writer, Go))
}

/// The differences between Go's texts and those of the library.
struct Go;

impl Formatter for Go {
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        match go_std::float::format_json(value) {
            Some(text) => writer.write_all(text.as_bytes()),
            None => Err(io::Error::other("json: unsupported value")),
        }
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while let Some(found) = bytes.get(at..).and_then(next_special) {
            at += found;
            let (escape, length) = match bytes.get(at..).unwrap_or_default() {
                [b'<', ..] => (&b"\\u003c"[..], 1),
                [b'>', ..] => (&b"\\u003e"[..], 1),
                [b'&', ..] => (&b"\\u0026"[..], 1),
                [0xE2, 0x80, 0xA8, ..] => (&b"\\u2028"[..], 3),
                [0xE2, 0x80, 0xA9, ..] => (&b"\\u2029"[..], 3),
                _ => {
                    at += 1;
                    continue;
                }
            };
            writer.write_all(bytes.get(start..at).unwrap_or_default())?;
            writer.write_all(escape)?;
            at += length;
            start = at;
        }
        writer.write_all(bytes.get(start..).unwrap_or_default())
    }
}

/// Where the next byte stands that may be the start of what is escaped.
fn next_special(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xE2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_those_of_the_untyped_writer() {
        let value = serde_json::json!({
            "b": "<a href='&'>\u{2028}\u{2029}\u{20ac}\"\\\n\t\u{1}\u{7f}\u{8}\u{c}é",
            "a<": [1, -1.5, 1e21, 1e20, 1e-7, 0.0, true, null, {}],
        });
        let mut out = Vec::new();
        write(&mut out, &value).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            go_yaml::gojson::to_string(&value).unwrap()
        );
    }
}
