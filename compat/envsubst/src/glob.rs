//! Shell patterns as envsubst matches them: `*` also takes slashes.

/// Why matching gives no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The pattern is not well-formed; noticed only when matching gets to the bad place, as in Go.
    BadPattern,
    /// There are no more steps left.
    OutOfSteps,
}

/// Returns whether a pattern matches all of a name. Takes the work off the `steps` that are left.
///
/// `*` takes any characters, `?` one, `[...]` one of a set (negated by `^`), `\` makes the next one literal.
pub(crate) fn matches(mut pattern: &str, mut name: &str, steps: &mut u64) -> Result<bool, Failure> {
    while !pattern.is_empty() {
        let (star, chunk, rest) = next_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(true);
        }
        let last = pattern.is_empty();
        match match_start(chunk, name, steps)? {
            Some(after) if after.is_empty() || !last => {
                name = after;
                continue;
            }
            _ if !star => return Ok(false),
            _ => {}
        }
        let mut skipped = name.chars();
        let found = loop {
            if skipped.next().is_none() {
                return Ok(false);
            }
            match match_start(chunk, skipped.as_str(), steps)? {
                Some(after) if after.is_empty() || !last => break after,
                _ => {}
            }
        };
        name = found;
    }
    Ok(name.is_empty())
}

/// Splits off leading stars and the pattern up to the next star.
fn next_chunk(pattern: &str) -> (bool, &str, &str) {
    let body = pattern.trim_start_matches('*');
    let star = body.len() < pattern.len();
    let mut in_class = false;
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => return (star, &body[..at], &body[at..]),
            _ => {}
        }
    }
    (star, body, "")
}

/// Matches a pattern without stars against the start of a name and returns what follows the match.
fn match_start<'a>(chunk: &str, name: &'a str, steps: &mut u64) -> Result<Option<&'a str>, Failure> {
    let mut pattern = chunk.chars();
    let mut text = name.chars();
    while !pattern.as_str().is_empty() {
        *steps = steps.checked_sub(1).ok_or(Failure::OutOfSteps)?;
        let Some(c) = text.next() else {
            return Ok(None);
        };
        let fits = match pattern.next() {
            Some('[') => in_class(&mut pattern, c)?,
            Some('?') => true,
            Some('\\') => pattern.next().ok_or(Failure::BadPattern)? == c,
            literal => literal == Some(c),
        };
        if !fits {
            return Ok(None);
        }
    }
    Ok(Some(text.as_str()))
}

/// Reads a class after its `[`, up to and with its `]`, and returns whether it has a character.
fn in_class(pattern: &mut std::str::Chars<'_>, c: char) -> Result<bool, Failure> {
    let mut rest = pattern.clone();
    let negated = rest.next() == Some('^');
    if negated {
        *pattern = rest;
    }
    let mut found = false;
    let mut ranges = 0;
    loop {
        if ranges > 0 && pattern.as_str().starts_with(']') {
            pattern.next();
            return Ok(found != negated);
        }
        let low = class_char(pattern)?;
        let mut high = low;
        if pattern.as_str().starts_with('-') {
            pattern.next();
            high = class_char(pattern)?;
        }
        found |= (low..=high).contains(&c);
        ranges += 1;
    }
}

/// Reads one character of a class, which must not be the last of the pattern.
fn class_char(pattern: &mut std::str::Chars<'_>) -> Result<char, Failure> {
    let c = match pattern.next() {
        None | Some('-' | ']') => return Err(Failure::BadPattern),
        Some('\\') => pattern.next().ok_or(Failure::BadPattern)?,
        Some(c) => c,
    };
    if pattern.as_str().is_empty() {
        Err(Failure::BadPattern)
    } else {
        Ok(c)
    }
}
