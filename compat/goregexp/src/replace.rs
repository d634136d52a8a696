//! Replacement templates and quoting.

/// A piece of a replacement template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Literal(&'t [u8]),
    Group(usize),
    Name(&'t [u8]),
}

/// Cuts a template at `$name`, `${name}` and `$$`; a `$` that starts none of them stands for itself.
pub(crate) fn parse_template(mut template: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(dollar) = template.iter().position(|&b| b == b'$') {
        let (before, after) = (&template[..dollar], &template[dollar + 1..]);
        pieces.push(Piece::Literal(before));
        if let Some(rest) = after.strip_prefix(b"$") {
            pieces.push(Piece::Literal(b"$"));
            template = rest;
        } else if let Some((name, rest)) = reference(after) {
            pieces.push(group_number(name).map_or(Piece::Name(name), Piece::Group));
            template = rest;
        } else {
            pieces.push(Piece::Literal(b"$"));
            template = after;
        }
    }
    pieces.push(Piece::Literal(template));
    pieces
}

/// The group name after a `$`, and what follows it.
fn reference(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, braced) = match text.strip_prefix(b"{") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let mut end = 0;
    'chunks: for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Go: letter (L), decimal digit (Nd) or underscore. `is_alphanumeric` adds a few other numbers, which no one names a group by.
            if !(c.is_alphanumeric() || c == '_') {
                break 'chunks;
            }
            end += c.len_utf8();
        }
        if !chunk.invalid().is_empty() {
            break;
        }
    }
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    Some((name, if braced { rest.strip_prefix(b"}")? } else { rest }))
}

/// The number that a name spells, unless it has a leading zero or more than nine digits.
fn group_number(name: &[u8]) -> Option<usize> {
    if name.len() > 9
        || (name.len() > 1 && name.first() == Some(&b'0'))
        || !name.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// Escapes all regular expression metacharacters in `text`.
pub fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        if b"\\.+*?()|[]{}^$".contains(&byte) {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted
}
