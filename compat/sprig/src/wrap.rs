//! Wrapping, abbreviating and initials: the byte-wise algorithms of the Go library goutils.

use crate::runes;

/// Breaks a line at single spaces so that no line is longer than `width` bytes; longer words are cut only if told so.
pub(crate) fn wrap(text: &[u8], width: isize, separator: &[u8], cut_words: bool) -> Vec<u8> {
    let separator = if separator.is_empty() { b"\n" } else { separator };
    let width = width.max(1) as usize;
    let mut out = Vec::with_capacity(text.len() + text.len() / width);
    let mut at = 0;
    while text.len() - at > width {
        let line = text.get(at..).unwrap_or_default();
        if line.first() == Some(&b' ') {
            at += 1;
            continue;
        }
        let window = line.get(..=width).unwrap_or(line);
        let space = window.iter().rposition(|&b| b == b' ').or_else(|| {
            // The word is longer than a line.
            if cut_words {
                None
            } else {
                line.iter()
                    .skip(width)
                    .position(|&b| b == b' ')
                    .map(|i| i + width)
            }
        });
        let (end, next) = match space {
            Some(space) => (space, space + 1),
            None if cut_words => (width, width),
            None => {
                out.extend_from_slice(line);
                return out;
            }
        };
        out.extend_from_slice(line.get(..end).unwrap_or_default());
        out.extend_from_slice(separator);
        at += next;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// Shortens `text` to `width` bytes with `...` at the cut ends, keeping byte `offset` in sight. `None` stands for the errors that Sprig
/// swallows into an empty string.
pub(crate) fn abbreviate(text: &[u8], offset: isize, width: isize) -> Option<Vec<u8>> {
    let length = text.len() as isize;
    if text.is_empty() {
        return Some(Vec::new());
    }
    if width < 4 {
        return None;
    }
    if length <= width {
        return Some(text.to_vec());
    }
    let part = |from: isize, to: isize| {
        text.get(usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0))
            .unwrap_or_default()
    };
    let offset = offset.min(length).min(length - (width - 3));
    if offset <= 4 {
        return Some([part(0, width - 3), b"..."].concat());
    }
    if width < 7 {
        return None;
    }
    if offset.saturating_add(width) - 3 < length {
        let tail = abbreviate(part(offset, length), 0, width - 3).unwrap_or_default();
        return Some([b"...", tail.as_slice()].concat());
    }
    Some([b"...", part(length - (width - 3), length)].concat())
}

/// Whether a byte, read as Latin-1, is white space.
fn is_latin1_space(byte: u8) -> bool {
    char::from(byte).is_whitespace()
}

/// The first byte of each word, read as Latin-1.
pub(crate) fn initials(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut after_gap = true;
    for &byte in text {
        let gap = is_latin1_space(byte);
        if after_gap && !gap {
            runes::push(&mut out, char::from(byte));
        }
        after_gap = gap;
    }
    out
}

/// Removes white space; if there is any, all bytes are read as Latin-1, which mangles other text.
pub(crate) fn without_space(text: &[u8]) -> Vec<u8> {
    if !text.iter().any(|&b| is_latin1_space(b)) {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    for &byte in text.iter().filter(|&&b| !is_latin1_space(b)) {
        runes::push(&mut out, char::from(byte));
    }
    out
}
