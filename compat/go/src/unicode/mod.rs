//! Character classes of the Unicode version that Go has; Rust's own tables are newer.

mod tables;

fn contains(table: &[(u32, u32)], c: u32) -> bool {
    let after = table.partition_point(|(first, _)| *first <= c);
    after
        .checked_sub(1)
        .and_then(|at| table.get(at))
        .is_some_and(|(_, last)| c <= *last)
}

/// Returns whether Go's `unicode.IsPrint` says so.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() {
        matches!(c, ' '..='~')
    } else {
        contains(tables::PRINT, c as u32)
    }
}

/// Returns whether Go's `unicode.IsLetter` says so.
pub fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphabetic()
    } else {
        contains(tables::LETTER, c as u32)
    }
}

/// Returns whether Go's `unicode.IsDigit` says so.
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_digit()
    } else {
        contains(tables::DIGIT, c as u32)
    }
}

/// Returns the first rune of the bytes and its length; an invalid byte counts as U+FFFD of length
/// 1, and none is found only in an empty slice.
pub fn decode_rune(bytes: &[u8]) -> Option<(char, usize, bool)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((char::from(first), 1, true));
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    let decoded = bytes
        .get(..width)
        .and_then(|rune| std::str::from_utf8(rune).ok())
        .and_then(|s| s.chars().next());
    Some(decoded.map_or((char::REPLACEMENT_CHARACTER, 1, false), |c| (c, width, true)))
}

/// Iterates over the runes of bytes with their offsets, as Go's `range` over a string.
pub fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, char, bool)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, width, valid) = decode_rune(bytes.get(at..)?)?;
        let here = at;
        at += width;
        Some((here, c, valid))
    })
}

/// Counts runes as Go's `utf8.RuneCount`.
pub fn rune_count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        bytes.len()
    } else {
        runes(bytes).count()
    }
}
