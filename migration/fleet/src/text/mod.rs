//! How results are shown to people: signs, colours, tables, ages.
//!
//! State is never told by colour alone, and nothing that came from a cluster reaches a terminal with control characters or with the
//! passwords of its URLs.

mod age;
mod outline;
mod secrets;
mod table;

use std::borrow::Cow;

pub use age::age;
pub use outline::{Mark, Node};
pub use secrets::{mask_secrets, without_secrets};
pub use table::{Align, Table};

/// What a piece of text says about a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// It is well.
    Good,
    /// It asks for attention.
    Warning,
    /// It is not well.
    Bad,
    /// It is not important.
    Faint,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Warning => Some("33"),
            Self::Bad => Some("31"),
            Self::Faint => Some("2"),
        }
    }
}

/// What can be shown where the text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether there are colours.
    pub colour: bool,
    /// Whether there is nothing but ASCII.
    pub ascii: bool,
}

/// The signs that stand for states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It is well.
    Good,
    /// It is not well.
    Bad,
    /// It asks for attention.
    Warning,
    /// Something goes on.
    Busy,
    /// There is nothing to say.
    Neutral,
}

impl Sign {
    const fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Good,
            Self::Bad => Tone::Bad,
            Self::Warning | Self::Busy => Tone::Warning,
            Self::Neutral => Tone::Faint,
        }
    }
}

impl Style {
    /// Returns a sign.
    pub fn sign(self, sign: Sign) -> String {
        let text = match (sign, self.ascii) {
            (Sign::Good, false) => "✔",
            (Sign::Bad, false) => "✗",
            (Sign::Warning, _) if !self.ascii => "!",
            (Sign::Busy, false) => "►",
            (Sign::Neutral, false) => "·",
            (Sign::Good, true) => "ok",
            (Sign::Bad, true) => "FAIL",
            (Sign::Warning, _) => "warn",
            (Sign::Busy, true) => "->",
            (Sign::Neutral, true) => "-",
        };
        self.paint(sign.tone(), text)
    }

    /// Returns text in the colour of a tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            Some(code) if self.colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }

    /// Returns the lines that lead to a child in a tree: for the child itself, and for what is below it.
    pub const fn branches(self, last: bool) -> (&'static str, &'static str) {
        match (self.ascii, last) {
            (false, false) => ("├ ", "│ "),
            (false, true) => ("└ ", "  "),
            (true, false) => ("|- ", "|  "),
            (true, true) => ("`- ", "   "),
        }
    }
}

/// Returns text of a cluster as one line without control characters, without those that turn the direction, and without secrets in URLs.
pub fn clean(text: &str) -> Cow<'_, str> {
    let text = without_secrets(text);
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_odd) {
        return text;
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Cow::Owned(
        words
            .chars()
            .map(|c| if is_odd(c) { '\u{fffd}' } else { c })
            .collect(),
    )
}

/// Returns the beginning of a text, with an ellipsis if that is not all of it.
///
/// What is secret goes first: half a URL does not tell that there is a password in it.
pub fn shorten(text: &str, width: usize) -> String {
    let text = without_secrets(text);
    if text.chars().count() <= width {
        return text.into_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(3)).collect();
    short.push_str("...");
    short
}

/// Returns `1 thing`, `2 things`.
pub fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ if thing.ends_with('y') => format!("{number} {}ies", thing.trim_end_matches('y')),
        _ => format!("{number} {thing}s"),
    }
}

/// Returns a size as people write it.
pub fn size(bytes: i64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// Returns a digest or a revision with hashes cut to what people compare.
pub fn short_hash(text: &str) -> String {
    match text.rsplit_once(':') {
        Some((before, hash)) if hash.len() > 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{before}:{}", &hash[..12])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_odd_reaches_a_terminal() {
        assert_eq!(clean("fine, näme"), "fine, näme");
        assert_eq!(clean("two\nlines\t and"), "two lines and");
        assert_eq!(clean("\u{1b}[31mred\u{202e}back"), "\u{fffd}[31mred\u{fffd}back");
        assert_eq!(clean("no:\nhttps://a:b@c/"), "no: https://xxxxx:xxxxx@c/");
    }

    #[test]
    fn signs_are_words_where_there_is_only_ascii() {
        let plain = Style::default();
        let ascii = Style { ascii: true, ..plain };
        let all = [Sign::Good, Sign::Bad, Sign::Warning, Sign::Busy, Sign::Neutral];
        assert_eq!(all.map(|sign| plain.sign(sign)).join(" "), "✔ ✗ ! ► ·");
        assert_eq!(all.map(|sign| ascii.sign(sign)).join(" "), "ok FAIL warn -> -");
        let colour = Style {
            colour: true,
            ..ascii
        };
        assert_eq!(colour.sign(Sign::Good), "\u{1b}[32mok\u{1b}[0m");
    }

    #[test]
    fn texts_are_cut_where_people_stop_reading() {
        assert_eq!(shorten("podinfo", 7), "podinfo");
        assert_eq!(shorten("podinfos", 7), "podi...");
        assert_eq!(shorten("http://user:secret@host", 20), "http://xxxxx:xxxx...");
        assert_eq!(
            short_hash("main@sha1:f00dcafef00dcafef00dcafe"),
            "main@sha1:f00dcafef00d"
        );
        assert_eq!(short_hash("6.5.4"), "6.5.4");
        assert_eq!(count(1, "object"), "1 object");
        assert_eq!(count(2, "registry"), "2 registries");
        assert_eq!(
            [12, 21_400, 2_140_000].map(size).join(", "),
            "12 B, 21 kB, 2.1 MB"
        );
    }
}
