//! The position in the text, and how runs of characters are taken from it.

/// A place in a text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

/// What ends or interrupts a run of text within an argument, beside the end of the text.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// A closing brace.
    Brace,
    /// A colon or a closing brace.
    ColonOrBrace,
    /// A slash, with escapes resolved; a closing brace is text.
    EscapedSlash,
    /// A closing brace, with escapes resolved.
    EscapedBrace,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.position >= self.text.len()
    }

    /// Steps over `token` if it comes next.
    pub(crate) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.position += token.len();
        }
        found
    }

    /// Takes characters while they are wanted; the second argument is how many were taken before.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char, usize) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .enumerate()
            .find(|(count, (_, c))| !wanted(*c, *count))
            .map_or(rest.len(), |(_, (at, _))| at);
        self.position += end;
        &rest[..end]
    }

    /// Takes text outside of variables up to a `${`; `$$` is one dollar sign. Returns the pieces in between.
    pub(crate) fn take_text(&mut self, mut piece: impl FnMut(&'a str)) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut start = 0;
        let mut at = 0;
        while let Some(found) = rest.get(at..).and_then(|text| text.find('$')) {
            let dollar = at + found;
            match bytes.get(dollar + 1) {
                Some(b'{') => {
                    piece(&rest[start..dollar]);
                    self.position += dollar;
                    return;
                }
                Some(b'$') => {
                    piece(&rest[start..=dollar]);
                    start = dollar + 2;
                    at = start;
                }
                _ => at = dollar + 1,
            }
        }
        piece(&rest[start..]);
        self.position = self.text.len();
    }

    /// Takes the text of an argument up to its end or a `${`, in pieces, and returns whether there was any.
    ///
    /// In the escaped forms `\/`, `\\` and `$$` stand for their second character.
    pub(crate) fn take_argument(&mut self, until: Until, mut piece: impl FnMut(&'a str)) -> bool {
        let rest = self.rest();
        let mut start = 0;
        let mut chars = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let escaped = match (c, next) {
                ('$', Some('{')) => {
                    end = at;
                    break;
                }
                ('$', Some('$')) | ('\\', Some('/' | '\\')) => until.resolves_escapes(),
                _ => false,
            };
            if escaped {
                piece(&rest[start..at]);
                start = at + c.len_utf8();
                chars.next();
            } else if until.stops_at(c) {
                end = at;
                break;
            }
        }
        piece(&rest[start.min(end)..end]);
        self.position += end;
        end > 0
    }
}

impl Until {
    fn resolves_escapes(self) -> bool {
        matches!(self, Self::EscapedSlash | Self::EscapedBrace)
    }

    fn stops_at(self, c: char) -> bool {
        match self {
            Self::Brace | Self::EscapedBrace => c == '}',
            Self::ColonOrBrace => matches!(c, ':' | '}'),
            Self::EscapedSlash => c == '/',
        }
    }
}
