//! Slash-separated paths as Go's `path` and `path/filepath` packages treat them on Unix.

/// Returns the last element of a path, `.` for the empty path (Go `path.Base`).
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit_once('/').map_or(trimmed, |(_, last)| last)
}

/// Returns the file name extension with its dot, or the empty string (Go `path.Ext`).
pub(crate) fn ext(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, last)| last);
    name.rfind('.').map_or("", |dot| &name[dot..])
}

/// Returns the shortest equivalent of a path by purely lexical processing (Go `path.Clean`).
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Joins two path elements and cleans the result (Go `path.Join`).
pub(crate) fn join(left: &str, right: &str) -> String {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(right),
        (false, true) => clean(left),
        (false, false) => clean(&format!("{left}/{right}")),
    }
}

/// The text of Go's `filepath.ErrBadPattern`.
pub(crate) const BAD_PATTERN: &str = "syntax error in pattern";

/// A shell pattern that is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

/// Reports whether a name matches a shell pattern in full (Go `filepath.Match`).
///
/// `*` matches any run of bytes but `/`, `?` one character but `/`, `[a-z]` and `[^a-z]` a character class, and `\`
/// quotes. Like Go, a malformed pattern is only an error where matching reaches the malformed part or the end.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let mut pattern = pattern;
    let mut name = name;
    'next_chunk: while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains('/'));
        }
        if let Some(after) = match_chunk(chunk, name)?
            && (after.is_empty() || !pattern.is_empty())
        {
            name = after;
            continue;
        }
        if star {
            for (at, c) in name.char_indices() {
                if c == '/' {
                    break;
                }
                let tail = &name[at + c.len_utf8()..];
                if let Some(after) = match_chunk(chunk, tail)? {
                    if pattern.is_empty() && !after.is_empty() {
                        continue;
                    }
                    name = after;
                    continue 'next_chunk;
                }
            }
        }
        // No match, but the rest of the pattern must still be well formed.
        while !pattern.is_empty() {
            let (_, chunk, rest) = scan_chunk(pattern);
            pattern = rest;
            match_chunk(chunk, "")?;
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Splits a pattern into its leading stars, the text up to the next star, and the rest.
fn scan_chunk(pattern: &str) -> (bool, &str, &str) {
    let without_stars = pattern.trim_start_matches('*');
    let star = without_stars.len() < pattern.len();
    let mut in_class = false;
    let mut bytes = without_stars.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => return (star, &without_stars[..at], &without_stars[at..]),
            _ => {}
        }
    }
    (star, without_stars, "")
}

/// Matches a star-free chunk against the start of a name; returns what is left of the name.
///
/// After a mismatch it goes on without a name, to find errors in the rest of the chunk.
fn match_chunk<'n>(chunk: &str, name: &'n str) -> Result<Option<&'n str>, BadPattern> {
    let mut chunk = chunk;
    let mut name = Some(name);
    while let Some(first) = chunk.chars().next() {
        let current = name.and_then(|n| n.chars().next());
        match first {
            '[' => {
                let (matched, rest) = match_class(&chunk[1..], current)?;
                chunk = rest;
                name = advance(name, current.filter(|_| matched));
                continue;
            }
            '?' => {
                chunk = &chunk[1..];
                name = advance(name, current.filter(|c| *c != '/'));
                continue;
            }
            '\\' => {
                chunk = &chunk[1..];
                if chunk.is_empty() {
                    return Err(BadPattern);
                }
            }
            _ => {}
        }
        let literal = chunk.chars().next().ok_or(BadPattern)?;
        chunk = &chunk[literal.len_utf8()..];
        name = advance(name, current.filter(|c| *c == literal));
    }
    Ok(name)
}

fn advance(name: Option<&str>, matched: Option<char>) -> Option<&str> {
    let (name, matched) = (name?, matched?);
    name.get(matched.len_utf8()..)
}

/// Matches one character against the class that follows a `[`; returns what follows the class.
fn match_class(class: &str, c: Option<char>) -> Result<(bool, &str), BadPattern> {
    let (negated, mut rest) = match class.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, class),
    };
    let mut matched = false;
    let mut ranges = 0;
    loop {
        if ranges > 0
            && let Some(after) = rest.strip_prefix(']')
        {
            return Ok((c.is_some() && matched != negated, after));
        }
        let (low, after) = class_char(rest)?;
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix('-') {
            (high, rest) = class_char(after)?;
        }
        matched |= c.is_some_and(|c| low <= c && c <= high);
        ranges += 1;
    }
}

/// Reads a possibly quoted character of a class, which must not be the end of the pattern.
fn class_char(text: &str) -> Result<(char, &str), BadPattern> {
    let text = match text.chars().next() {
        None | Some('-' | ']') => return Err(BadPattern),
        Some('\\') => &text[1..],
        Some(_) => text,
    };
    let c = text.chars().next().ok_or(BadPattern)?;
    let rest = &text[c.len_utf8()..];
    if rest.is_empty() {
        Err(BadPattern)
    } else {
        Ok((c, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_like_go() {
        for (path, want) in [
            ("", "."),
            ("a/./b//c", "a/b/c"),
            ("../a", "../a"),
            ("a/../..", ".."),
            ("/..", "/"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), want, "{path:?}");
        }
    }

    #[test]
    fn patterns_match_like_filepath_match() {
        for (pattern, name, want) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("a\\*b", "a*b", Ok(true)),
            ("a?b", "a☺b", Ok(true)),
            ("a[^a][^a][^a]b", "a☺b", Ok(false)),
            ("a?b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[x-]", "x", Err(BadPattern)),
            ("[]a]", "]", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("", "", Ok(true)),
            ("templates/*.yaml", "templates/a.yaml", Ok(true)),
            ("templates/.?*", "templates/.git", Ok(true)),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern:?} {name:?}");
        }
    }
}
