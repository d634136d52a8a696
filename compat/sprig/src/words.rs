//! `snakecase`, `kebabcase` and `camelcase`: the word rules of the Go library xstrings.

use crate::runes::{is_letter, is_number, is_punctuation, is_upper, push, runes, to_lower, to_upper, widths};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// Whether a letter belongs to an alphabet; Chinese characters do not.
fn is_alphabetic(c: char) -> bool {
    is_letter(c)
        && !matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}')
}

/// Words of a text, with what is left behind them.
struct Words<'s> {
    rest: &'s [u8],
    kind: Kind,
    word: &'s [u8],
}

impl<'s> Words<'s> {
    fn new(text: &'s [u8]) -> Self {
        let mut words = Self {
            rest: text,
            kind: Kind::Invalid,
            word: &[],
        };
        words.advance();
        words
    }

    fn advance(&mut self) {
        let text = self.rest;
        let (kind, length) = next_word(text);
        self.kind = kind;
        self.word = text.get(..length).unwrap_or_default();
        self.rest = text.get(length..).unwrap_or_default();
    }

    fn is_letters_or_number(&self) -> bool {
        matches!(self.kind, Kind::Letters | Kind::Number)
    }
}

/// The kind and the length of the first word.
fn next_word(text: &[u8]) -> (Kind, usize) {
    // Invalid bytes take part in the word of the rune behind them.
    let Some((first, width)) = next_valid(text, None) else {
        return (Kind::Invalid, text.len());
    };
    let run = |from: usize, previous: char, within: fn(char) -> bool| {
        let (mut at, mut previous) = (from, previous);
        while let Some((c, width)) = next_valid(text.get(at..).unwrap_or_default(), Some(previous)) {
            if !within(c) {
                break;
            }
            previous = c;
            at += width;
        }
        at
    };
    if is_connector(first) {
        (Kind::Connector, run(width, first, is_connector))
    } else if is_punctuation(first) {
        (Kind::Punctuation, run(width, first, is_punctuation))
    } else if is_upper(first) {
        (Kind::Upper, upper_word(text, first, width))
    } else if is_alphabetic(first) {
        (
            Kind::Letters,
            run(width, first, |c| is_alphabetic(c) && !is_upper(c)),
        )
    } else if is_number(first) {
        (Kind::Number, run(width, first, is_number))
    } else {
        let outside = |c| !(is_connector(c) || is_alphabetic(c) || is_number(c) || is_punctuation(c));
        (Kind::Other, run(width, first, outside))
    }
}

/// The length of a word that starts with a capital: `HTTP` of `HTTPServer`, `Server` of `ServerName`.
fn upper_word(text: &[u8], first: char, width: usize) -> usize {
    let mut at = width;
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    let Some((second, second_width)) = next_valid(rest(at), Some(first)) else {
        return at;
    };
    if is_upper(second) {
        at += second_width;
        let (mut previous, mut last_width) = (second, second_width);
        while let Some((c, width)) = next_valid(rest(at), Some(previous)) {
            if !is_upper(c) {
                // The last capital belongs to the word that follows.
                return if is_alphabetic(c) { at - last_width } else { at };
            }
            previous = c;
            last_width = width;
            at += width;
        }
    } else if is_alphabetic(second) {
        at += second_width;
        let mut previous = second;
        while let Some((c, width)) = next_valid(rest(at), Some(previous)) {
            if !is_alphabetic(c) || is_upper(c) {
                break;
            }
            previous = c;
            at += width;
        }
    }
    at
}

/// The next valid rune and the bytes up to its end; where only invalid bytes are left, they count as `previous` again.
fn next_valid(text: &[u8], previous: Option<char>) -> Option<(char, usize)> {
    if text.is_empty() {
        return None;
    }
    let mut width = 0;
    for (c, bytes) in widths(text) {
        width += bytes;
        if c != char::REPLACEMENT_CHARACTER {
            return Some((c, width));
        }
    }
    previous.map(|c| (c, width))
}

/// `snakecase` with `_`, `kebabcase` with `-`.
pub(crate) fn lower_words(text: &[u8], connector: char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    if text.is_empty() {
        return out;
    }
    let joins = |kind| !matches!(kind, Kind::Connector | Kind::Punctuation);
    let mut words = Words::new(text);
    while !words.rest.is_empty() {
        if words.kind != Kind::Connector {
            lower(&mut out, words.kind, words.word, connector);
        }
        let (kind, word) = (words.kind, words.word);
        words.advance();
        match kind {
            Kind::Number => {
                while words.is_letters_or_number() {
                    lower(&mut out, words.kind, words.word, connector);
                    words.advance();
                }
                if words.kind != Kind::Invalid && joins(words.kind) {
                    push(&mut out, connector);
                }
            }
            Kind::Connector => lower(&mut out, kind, word, connector),
            Kind::Punctuation => {}
            _ if words.kind != Kind::Number => {
                if joins(words.kind) {
                    push(&mut out, connector);
                }
            }
            _ if words.rest.is_empty() => {}
            _ => {
                let number = words.word;
                words.advance();
                if words.kind == Kind::Letters {
                    // Unless lower case follows: HTTP2xx.
                    push(&mut out, connector);
                    lower(&mut out, Kind::Number, number, connector);
                    while words.is_letters_or_number() {
                        lower(&mut out, words.kind, words.word, connector);
                        words.advance();
                    }
                    if words.kind != Kind::Invalid && joins(words.kind) {
                        push(&mut out, connector);
                    }
                } else {
                    // A number belongs to the word before it: Bld4Floor.
                    lower(&mut out, Kind::Number, number, connector);
                    if joins(words.kind) {
                        push(&mut out, connector);
                    }
                }
            }
        }
    }
    lower(&mut out, words.kind, words.word, connector);
    out
}

fn lower(out: &mut Vec<u8>, kind: Kind, word: &[u8], connector: char) {
    if !matches!(kind, Kind::Upper | Kind::Connector) {
        out.extend_from_slice(word);
        return;
    }
    for c in runes(word) {
        push(
            out,
            if is_connector(c) {
                connector
            } else if is_upper(c) {
                to_lower(c)
            } else {
                c
            },
        );
    }
}

/// `camelcase`, which makes Pascal case.
pub(crate) fn pascal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = runes(text).peekable();
    let mut after_upper = false;
    let mut current = None;
    // Leading connectors stay.
    for c in rest.by_ref() {
        current = Some(c);
        if !is_connector(c) {
            after_upper = is_upper(c);
            current = Some(to_upper(c));
            break;
        }
        push(&mut out, c);
    }
    let Some(mut current) = current else { return out };
    if rest.peek().is_none() {
        push(&mut out, current);
        return out;
    }
    for next in rest {
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            push(&mut out, previous);
        } else if is_connector(previous) {
            after_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if after_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    after_upper = false;
                }
            }
            push(&mut out, previous);
        }
    }
    push(&mut out, current);
    out
}
