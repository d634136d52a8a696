//! Regular expressions: what they cost, and those that need no engine, which most names in kustomizations are.

use go_regexp::Regexp;

use crate::Error;
use crate::budget::Budget;

/// A regular expression of letters and the like, which stand for themselves, and of dots, which stand for any character.
#[derive(Debug)]
pub(crate) struct Plain(String);

impl Plain {
    /// The expression, if it is one of these.
    pub(crate) fn new(expression: &str) -> Option<Self> {
        expression
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b':' | b'.'))
            .then(|| Self(expression.to_owned()))
    }

    /// What follows in a text that begins with a match.
    pub(crate) fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut rest = text.chars();
        for expected in self.0.bytes() {
            let found = rest.next()?;
            let is_match = match expected {
                b'.' => found != '\n',
                letter => found == char::from(letter),
            };
            if !is_match {
                return None;
            }
        }
        Some(rest.as_str())
    }
}

/// Compiles a regular expression, and pays for it.
pub(crate) fn compile(pattern: &[u8], budget: &Budget) -> Result<Regexp, Error> {
    let regexp = Regexp::with_limits(pattern, &budget.limits().regex());
    let cost = regexp
        .as_ref()
        .map_or(budget.limits().regex_bytes, Regexp::memory);
    // A byte of a compiled expression takes longer than one of a text.
    budget.scan(16 * cost)?;
    regexp.map_err(|e| Error::invalid(e.to_string()))
}

/// How many bytes are to be read, so to say, to match a text: each may be looked at by every part of the expression.
pub(crate) fn matching_cost(regexp: &Regexp, text: &str) -> usize {
    const ORDINARY: usize = 16 * 1024;
    (1 + text.len()).saturating_mul(1 + regexp.memory() / ORDINARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_any_character_of_the_line() {
        let strip =
            |pattern, text| Plain::new(pattern).and_then(|plain: Plain| plain.strip(text).map(str::to_owned));
        for (pattern, text, rest) in [
            ("nginx", "nginx:1", Some(":1")),
            ("a.b", "a/b", Some("")),
            ("a.b", "aéb-", Some("-")),
            ("a.b", "a\nb", None),
            ("a.b", "ab", None),
            ("", "x", Some("x")),
        ] {
            assert_eq!(strip(pattern, text).as_deref(), rest, "{pattern} {text}");
        }
        assert!(Plain::new("a*").is_none());
    }
}
