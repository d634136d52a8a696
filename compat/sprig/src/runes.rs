//! Go strings as runes, and Go's simple case mappings.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// The runes of a byte string; each invalid byte is one U+FFFD.
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    widths(bytes).map(|(c, _)| c)
}

/// The runes of a byte string with the bytes that each takes.
///
/// It reads no further than it is asked to.
pub(crate) fn widths(bytes: &[u8]) -> impl Iterator<Item = (char, usize)> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (c, width, _) = go_std::unicode::decode_rune(rest)?;
        rest = rest.get(width..)?;
        Some((c, width))
    })
}

/// Maps each rune, as `strings.Map` does: invalid bytes become U+FFFD.
pub(crate) fn map(bytes: &[u8], mut each: impl FnMut(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for c in runes(bytes) {
        push(&mut out, each(c));
    }
    out
}

pub(crate) fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Cuts runes that satisfy `cut` off both ends.
pub(crate) fn trim(mut bytes: &[u8], cut: impl Fn(char) -> bool) -> &[u8] {
    while let Some((c, width)) = widths(bytes.get(..4.min(bytes.len())).unwrap_or_default()).next() {
        if !cut(c) {
            break;
        }
        bytes = bytes.get(width..).unwrap_or_default();
    }
    while let Some((c, width)) = last(bytes) {
        if !cut(c) {
            break;
        }
        bytes = bytes.get(..bytes.len() - width).unwrap_or_default();
    }
    bytes
}

/// The last rune and its width.
fn last(bytes: &[u8]) -> Option<(char, usize)> {
    bytes.last()?;
    for width in 1..=4.min(bytes.len()) {
        if let Ok(text) = std::str::from_utf8(bytes.get(bytes.len() - width..)?)
            && let Some(c) = text.chars().next()
            && c.len_utf8() == width
        {
            return Some((c, width));
        }
    }
    Some((char::REPLACEMENT_CHARACTER, 1))
}

/// `unicode.ToUpper`.
pub(crate) fn to_upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        // The full mapping has several characters; most of these have no simple one.
        _ => match u32::from(c) {
            code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => {
                char::from_u32(code + 8).unwrap_or(c)
            }
            0x1fb3 => '\u{1fbc}',
            0x1fc3 => '\u{1fcc}',
            0x1ff3 => '\u{1ffc}',
            _ => c,
        },
    }
}

/// `unicode.ToLower`.
pub(crate) fn to_lower(c: char) -> char {
    if c == 'İ' {
        'i'
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

/// `unicode.ToTitle`.
pub(crate) fn to_title(c: char) -> char {
    match c {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        // Georgian letters have no title case.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => c,
        _ => to_upper(c),
    }
}

pub(crate) use categories::{is_lower, is_number, is_punctuation, is_title, is_upper};
pub(crate) use go_std::{unicode::is_digit, unicode::is_letter};

mod categories {
    use super::{ClassUnicode, LazyLock, contains, resolve};

    macro_rules! category {
        ($($name:ident, $query:literal, $ascii:expr;)*) => {$(
            pub(crate) fn $name(c: char) -> bool {
                static CLASS: LazyLock<ClassUnicode> = LazyLock::new(|| resolve($query));
                if c.is_ascii() {
                    let ascii: fn(&char) -> bool = $ascii;
                    return ascii(&c);
                }
                contains(&CLASS, c)
            }
        )*};
    }

    category! {
        is_upper, r"\p{Lu}", char::is_ascii_uppercase;
        is_lower, r"\p{Ll}", char::is_ascii_lowercase;
        is_title, r"\p{Lt}", |_| false;
        is_number, r"\p{N}", char::is_ascii_digit;
        is_punctuation, r"\p{P}", |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(*c);
    }
}

fn resolve(query: &str) -> ClassUnicode {
    match regex_syntax::parse(query).map(regex_syntax::hir::Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => class,
        _ => ClassUnicode::empty(),
    }
}

fn contains(class: &ClassUnicode, c: char) -> bool {
    let after = class.ranges().partition_point(|range| range.start() <= c);
    after
        .checked_sub(1)
        .and_then(|i| class.ranges().get(i))
        .is_some_and(|range| c <= range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_case_mappings() {
        assert_eq!("ßŉﬁıİᾳǆ".chars().map(to_upper).collect::<String>(), "ßŉﬁIİᾼǄ");
        assert_eq!("İΣΑ".chars().map(to_lower).collect::<String>(), "iσα");
        assert_eq!("ǆაa".chars().map(to_title).collect::<String>(), "ǅაA");
        assert!(is_upper('É') && !is_upper('Ⓐ') && is_lower('é') && is_title('ǅ'));
    }

    #[test]
    fn trimming_sees_whole_runes() {
        assert_eq!(
            trim("\u{a0} é \u{2003}".as_bytes(), char::is_whitespace),
            "é".as_bytes()
        );
        assert_eq!(trim(b"\xffa\xff", |c| c == char::REPLACEMENT_CHARACTER), b"a");
        assert_eq!(trim(b"", |_| true), b"");
    }
}
