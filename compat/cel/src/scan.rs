//! The tokens of a text that matter to its nesting, before it is parsed: how deep it is, and what is missing where.

/// Part of an expression, as far as brackets and rows of operators go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Open(char),
    Close,
    Comma,
    Colon,
    Logic,
    Question,
    Member,
    Calculation,
    Relation,
    Word,
    Other,
}

impl Token {
    /// Whether a bracket behind it holds arguments or an index.
    pub(crate) fn is_operand(self) -> bool {
        matches!(self, Token::Word | Token::Close)
    }

    /// Whether a question mark behind it marks an optional.
    pub(crate) fn is_before_optional(self) -> bool {
        matches!(self, Token::Open(_) | Token::Member | Token::Comma)
    }
}

/// Reads tokens one by one.
pub(crate) struct Scan<'t> {
    pub(crate) rest: &'t str,
}

impl Scan<'_> {
    pub(crate) fn token(&mut self) -> Option<Token> {
        let first = self.rest.chars().next()?;
        let second = self.rest[first.len_utf8()..].chars().next();
        let (token, len) = match (first, second) {
            ('/', Some('/')) => (Token::Other, self.rest.find('\n').unwrap_or(self.rest.len())),
            ('"' | '\'', _) => (Token::Word, quoted(self.rest, false)),
            ('a'..='z' | 'A'..='Z' | '_', _) => return Some(self.word()),
            ('0'..='9', _) => {
                let is_number = |c: char| c.is_ascii_alphanumeric() || c == '.';
                (
                    Token::Word,
                    self.rest.find(|c| !is_number(c)).unwrap_or(self.rest.len()),
                )
            }
            ('&', Some('&')) | ('|', Some('|')) => (Token::Logic, 2),
            ('=' | '!' | '<' | '>', Some('=')) => (Token::Relation, 2),
            ('<' | '>', _) => (Token::Relation, 1),
            ('+' | '-' | '*' | '/' | '%', _) => (Token::Calculation, 1),
            ('.', _) => (Token::Member, 1),
            ('(' | '[' | '{', _) => (Token::Open(first), 1),
            (')' | ']' | '}', _) => (Token::Close, 1),
            (',', _) => (Token::Comma, 1),
            (':', _) => (Token::Colon, 1),
            ('?', _) => (Token::Question, 1),
            _ if first.is_whitespace() => {
                let len = self
                    .rest
                    .find(|c: char| !c.is_whitespace())
                    .unwrap_or(self.rest.len());
                self.rest = &self.rest[len..];
                return self.token();
            }
            _ => (Token::Other, first.len_utf8()),
        };
        self.rest = &self.rest[len..];
        Some(token)
    }

    /// A word, or a text with letters before its quotes.
    fn word(&mut self) -> Token {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at(end);
        let is_prefix = word.len() <= 2 && word.chars().all(|c| matches!(c, 'r' | 'R' | 'b' | 'B'));
        let len = if is_prefix && behind.starts_with(['"', '\'']) {
            end + quoted(behind, word.contains(['r', 'R']))
        } else {
            end
        };
        let is_relation = word == "in";
        self.rest = &self.rest[len..];
        if is_relation { Token::Relation } else { Token::Word }
    }
}

/// How long a text in quotes is, the quotes included.
fn quoted(text: &str, raw: bool) -> usize {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let (mark, start) = if text.starts_with(&triple) {
        (triple.as_str(), 3)
    } else {
        (quote, 1)
    };
    let mut at = start;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(mark) {
            return at + mark.len();
        }
        if mark.len() == 1 && rest.starts_with('\n') {
            return at;
        }
        let mut chars = rest.chars();
        let skip = match chars.next() {
            Some('\\') if !raw => 1 + chars.next().map_or(0, char::len_utf8),
            Some(c) => c.len_utf8(),
            None => break,
        };
        at += skip;
    }
    text.len()
}

/// What is between a pair of brackets so far.
struct Inside {
    bracket: char,
    /// An index, as opposed to a list.
    of_operand: bool,
    /// Conditions without their second half.
    conditions: usize,
    /// Whether an entry of a map has got to its value.
    in_value: bool,
}

/// Which tokens may stand at the end of a text, besides what goes on with its last operand.
pub(crate) fn expected(text: &str) -> &'static str {
    let whole = |bracket, of_operand| Inside {
        bracket,
        of_operand,
        conditions: 0,
        in_value: false,
    };
    let mut levels = vec![whole(' ', false)];
    let mut scan = Scan { rest: text };
    let mut before = Token::Other;
    while let Some(token) = scan.token() {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { break };
        match token {
            Token::Open(bracket) => levels.push(whole(bracket, before.is_operand())),
            Token::Close if depth > 1 => {
                levels.pop();
            }
            Token::Question if !before.is_before_optional() => level.conditions += 1,
            Token::Colon if level.conditions > 0 => level.conditions -= 1,
            Token::Colon => level.in_value = true,
            Token::Comma => level.in_value = false,
            _ => {}
        }
        before = token;
    }
    match levels.last() {
        Some(level) if level.conditions > 0 => "':'",
        Some(Inside { bracket: '(', .. }) => "')'",
        Some(Inside {
            bracket: '[',
            of_operand: true,
            ..
        }) => "']'",
        Some(Inside { bracket: '[', .. }) => "{']', ','}",
        Some(Inside {
            bracket: '{',
            in_value: false,
            ..
        }) => "':'",
        Some(Inside { bracket: '{', .. }) => "{'}', ','}",
        _ => "<EOF>",
    }
}

#[cfg(test)]
mod tests {
    use super::expected;

    #[test]
    fn what_is_missing_depends_on_what_is_open() {
        for (text, missing) in [
            ("a", "<EOF>"),
            ("(a", "')'"),
            ("f(a", "')'"),
            ("a[0", "']'"),
            ("[0", "{']', ','}"),
            ("[f(x), a ? b", "':'"),
            ("{'a'", "':'"),
            ("{'a': b ? c : d", "{'}', ','}"),
            ("a[?'('", "']'"),
        ] {
            assert_eq!(expected(text), missing, "{text}");
        }
    }
}
