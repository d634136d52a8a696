//! Shell patterns: `path.Match`, and what others made of it.

use std::str::Chars;

/// Why matching gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The pattern is not well formed; noticed only where matching gets to the bad place, or to the end.
    BadPattern,
    /// There are no more steps left.
    OutOfSteps,
}

/// The text of Go's `path.ErrBadPattern`.
pub const BAD_PATTERN: &str = "syntax error in pattern";

/// Whether a name matches a pattern in full (`path.Match`, and `filepath.Match` on Unix).
///
/// `*` matches any run of characters but `/`, `?` one character but `/`, `[a-z]` and `[^a-z]` a character class, and `\`
/// quotes.
///
/// ```
/// assert_eq!(go_std::pattern::matches("a*/[b-d]", "abc/c"), Ok(true));
/// assert_eq!(go_std::pattern::matches("a*", "a/b"), Ok(false));
/// ```
pub fn matches(pattern: &str, name: &str) -> Result<bool, Failure> {
    let mut steps = u64::MAX;
    Matcher {
        separator: Some('/'),
        steps: &mut steps,
    }
    .matches(pattern, name)
}

/// [`matches()`] where `/` is a character like others, and where what follows a mismatch need not be well formed, as in Go
/// before 1.16. Each character that is compared takes one of the `steps` that are left.
pub fn matches_with_slashes(pattern: &str, name: &str, steps: &mut u64) -> Result<bool, Failure> {
    Matcher {
        separator: None,
        steps,
    }
    .matches(pattern, name)
}

struct Matcher<'s> {
    /// The character that neither `*` nor `?` stands for; only with it is the rest of a pattern checked.
    separator: Option<char>,
    steps: &'s mut u64,
}

impl Matcher<'_> {
    fn matches(mut self, mut pattern: &str, mut name: &str) -> Result<bool, Failure> {
        while !pattern.is_empty() {
            let (star, chunk, rest) = next_chunk(pattern);
            pattern = rest;
            if star && chunk.is_empty() {
                return Ok(!self.separator.is_some_and(|separator| name.contains(separator)));
            }
            match self.find(star, chunk, pattern.is_empty(), name)? {
                Some(after) => name = after,
                None if self.separator.is_none() => return Ok(false),
                None => return self.check(pattern).map(|()| false),
            }
        }
        Ok(name.is_empty())
    }

    /// What follows the first place that a chunk matches at: the start of the name, or with a star any place up to a
    /// separator.
    fn find<'n>(
        &mut self,
        star: bool,
        chunk: &str,
        is_last: bool,
        name: &'n str,
    ) -> Result<Option<&'n str>, Failure> {
        let mut skipped = name.chars();
        loop {
            let after = self.start(chunk, skipped.as_str())?;
            // The last chunk has to end where the name ends.
            let after = after.filter(|after| after.is_empty() || !is_last);
            if after.is_some() || !star {
                return Ok(after);
            }
            match skipped.next() {
                None => return Ok(None),
                Some(c) if Some(c) == self.separator => return Ok(None),
                Some(_) => {}
            }
        }
    }

    /// Matches a chunk without stars against the start of a name and returns what follows.
    ///
    /// With a separator it goes on without a name after a mismatch, to find errors in the rest of the chunk.
    fn start<'n>(&mut self, chunk: &str, name: &'n str) -> Result<Option<&'n str>, Failure> {
        let mut pattern = chunk.chars();
        let mut name = Some(name.chars());
        while !pattern.as_str().is_empty() {
            *self.steps = self.steps.checked_sub(1).ok_or(Failure::OutOfSteps)?;
            let current = name.as_mut().and_then(Chars::next);
            if current.is_none() && self.separator.is_none() {
                return Ok(None);
            }
            let fits = match pattern.next() {
                Some('[') => in_class(&mut pattern, current)?,
                Some('?') => current.is_some() && current != self.separator,
                Some('\\') => {
                    let literal = pattern.next().ok_or(Failure::BadPattern)?;
                    current == Some(literal)
                }
                literal => current == literal,
            };
            if !fits {
                if self.separator.is_none() {
                    return Ok(None);
                }
                name = None;
            }
        }
        Ok(name.map(|name| name.as_str()))
    }

    /// Whether what is left of a pattern is well formed.
    fn check(&mut self, mut pattern: &str) -> Result<(), Failure> {
        while !pattern.is_empty() {
            let (_, chunk, rest) = next_chunk(pattern);
            pattern = rest;
            self.start(chunk, "")?;
        }
        Ok(())
    }
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

/// Reads a class after its `[`, up to and with its `]`, and returns whether it has the character.
fn in_class(pattern: &mut Chars<'_>, c: Option<char>) -> Result<bool, Failure> {
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
            return Ok(c.is_some() && found != negated);
        }
        let low = class_char(pattern)?;
        let mut high = low;
        if pattern.as_str().starts_with('-') {
            pattern.next();
            high = class_char(pattern)?;
        }
        found |= c.is_some_and(|c| (low..=high).contains(&c));
        ranges += 1;
    }
}

/// Reads one character of a class, which must not be the last of the pattern.
fn class_char(pattern: &mut Chars<'_>) -> Result<char, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Result<bool, Failure> = Err(Failure::BadPattern);

    #[test]
    fn patterns_match_like_path_match() {
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
            ("[x-]", "x", BAD),
            ("[]a]", "]", BAD),
            ("[", "a", BAD),
            ("a[", "a", BAD),
            ("a[", "ab", BAD),
            ("b[", "a", BAD),
            ("b*[", "a", BAD),
            ("*x", "xxx", Ok(true)),
            ("", "", Ok(true)),
            ("templates/*.yaml", "templates/a.yaml", Ok(true)),
            ("templates/.?*", "templates/.git", Ok(true)),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern:?} {name:?}");
        }
    }

    #[test]
    fn slashes_may_be_like_other_characters() {
        for (pattern, name, want) in [
            ("a*", "ab/c", Ok(true)),
            ("a?b", "a/b", Ok(true)),
            ("*/c", "a/b/c", Ok(true)),
            ("b[", "a", Ok(false)),
            ("a[", "a", Ok(false)),
            ("a[", "ab", BAD),
        ] {
            assert_eq!(
                matches_with_slashes(pattern, name, &mut 10_000),
                want,
                "{pattern:?} {name:?}"
            );
        }
    }

    #[test]
    fn steps_end() {
        let (pattern, name) = ("*a*a*a*a*b", "a".repeat(1000));
        assert_eq!(
            matches_with_slashes(pattern, &name, &mut 500),
            Err(Failure::OutOfSteps)
        );
    }
}
