//! Bytes to text: encodings, and the characters YAML allows.

use std::borrow::Cow;

use crate::{Error, Limits};

/// The readable part of an input, and what is wrong behind it.
pub(crate) struct Input<'a> {
    /// Valid text without byte order mark.
    pub(crate) text: Cow<'a, str>,
    /// Why there is nothing after `text`, if the input does not simply end there.
    pub(crate) problem: Option<&'static str>,
}

/// Go validates this many raw bytes before the scanner sees the first of them, so that a bad byte hides a syntax error
/// a few lines above it.
const CHUNK: usize = 512;

/// Decodes `bytes` up to the chunk with the first bad character.
pub(crate) fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Input<'a>, Error> {
    if bytes.len() > limits.max_bytes {
        return Err(Error::limit(format!(
            "yaml: input of more than {} bytes",
            limits.max_bytes
        )));
    }
    Ok(match bytes {
        [0xff, 0xfe, rest @ ..] => read_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => read_utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => read_utf8(rest, 3),
        _ => read_utf8(bytes, 0),
    })
}

fn read_utf8(bytes: &[u8], skipped: usize) -> Input<'_> {
    let (valid, encoding_problem) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let (good, bad) = bytes.split_at(error.valid_up_to());
            (
                std::str::from_utf8(good).unwrap_or_default(),
                Some(utf8_problem(bad)),
            )
        }
    };
    let (bad_at, problem) = match first_control(valid) {
        Some(at) => (at, CONTROL),
        None => match encoding_problem {
            Some(problem) => (valid.len(), problem),
            None => {
                return Input {
                    text: Cow::Borrowed(valid),
                    problem: None,
                };
            }
        },
    };
    // Walk the chunk boundaries as Go's reader meets them: each starts at the first character not yet decoded.
    let mut start = 0;
    let mut end = CHUNK - skipped;
    loop {
        let next = floor_char(bytes, end);
        if next > bad_at || next <= start || end >= bytes.len() {
            break;
        }
        start = next;
        end = start + CHUNK;
    }
    let start = valid.floor_char_boundary(start.min(bad_at));
    Input {
        text: Cow::Borrowed(valid.get(..start).unwrap_or_default()),
        problem: Some(problem),
    }
}

/// The start of the character that `bytes[at]` belongs to, if it is not complete before `at`.
fn floor_char(bytes: &[u8], at: usize) -> usize {
    for back in 1..=3.min(at) {
        let Some(&byte) = bytes.get(at - back) else {
            return at;
        };
        if byte & 0xc0 == 0x80 {
            continue;
        }
        return if width(byte) > back { at - back } else { at };
    }
    at
}

fn width(lead: u8) -> usize {
    match lead {
        0..0x80 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf8 => 4,
        _ => 0,
    }
}

const CONTROL: &str = "control characters are not allowed";

fn utf8_problem(bad: &[u8]) -> &'static str {
    let lead = bad.first().copied().unwrap_or_default();
    let width = width(lead);
    if width == 0 {
        return "invalid leading UTF-8 octet";
    }
    let Some(sequence) = bad.get(..width) else {
        return "incomplete UTF-8 octet sequence";
    };
    if sequence.iter().skip(1).any(|byte| byte & 0xc0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    let second = sequence.get(1).copied().unwrap_or_default();
    let overlong = lead < 0xc2 || (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    if overlong {
        "invalid length of a UTF-8 sequence"
    } else {
        "invalid Unicode character"
    }
}

/// The offset of the first character that YAML does not allow.
fn first_control(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // C2 and EF lead the only two ranges beyond ASCII with characters to refuse.
    let suspicious = |byte: u8| {
        (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || matches!(byte, 0x7f | 0xc2 | 0xef)
    };
    let mut from = 0;
    while let Some(offset) = bytes.get(from..)?.iter().position(|&byte| suspicious(byte)) {
        let at = from + offset;
        let refused = match bytes.get(at..) {
            Some([0xc2, second, ..]) => *second < 0xa0 && *second != 0x85,
            Some([0xef, 0xbf, third, ..]) => *third >= 0xbe,
            Some([0xef, ..]) => false,
            _ => true,
        };
        if refused {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn read_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Input<'static> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut chunk_start = 0;
    let mut raw = 2;
    let mut problem = None;
    while let Some(first) = units.next() {
        if raw % CHUNK < 2 {
            chunk_start = text.len();
        }
        raw += 2;
        let decoded = match first {
            0xdc00..0xe000 => Err("unexpected low surrogate area"),
            0xd800..0xdc00 => match units.next() {
                None => Err("incomplete UTF-16 surrogate pair"),
                Some(second @ 0xdc00..0xe000) => {
                    raw += 2;
                    let value = 0x10000 + ((u32::from(first) & 0x3ff) << 10) + (u32::from(second) & 0x3ff);
                    char::from_u32(value).ok_or(CONTROL)
                }
                Some(_) => Err("expected low surrogate area"),
            },
            other => char::from_u32(u32::from(other))
                .filter(|&c| is_allowed(c))
                .ok_or(CONTROL),
        };
        match decoded {
            Ok(c) => text.push(c),
            Err(text) => {
                problem = Some(text);
                break;
            }
        }
    }
    if problem.is_none() && bytes.len() % 2 == 1 {
        problem = Some("incomplete UTF-16 character");
        chunk_start = text.len();
    }
    if problem.is_some() {
        text.truncate(chunk_start);
    }
    Input {
        text: Cow::Owned(text),
        problem,
    }
}

/// Whether `c` may occur in a YAML stream.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}
