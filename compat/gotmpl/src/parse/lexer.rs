//! Template text to tokens.

use std::sync::Arc;

use go_std::quote;
use go_std::unicode::{decode_rune, is_digit, is_letter, is_print};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Eof,
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    Char,
    Bool,
    CharConstant,
    Complex,
    Number,
    String,
    RawString,
    Field,
    Identifier,
    Variable,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

impl Kind {
    fn keyword(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"block" => Kind::Block,
            b"break" => Kind::Break,
            b"continue" => Kind::Continue,
            b"define" => Kind::Define,
            b"else" => Kind::Else,
            b"end" => Kind::End,
            b"if" => Kind::If,
            b"range" => Kind::Range,
            b"nil" => Kind::Nil,
            b"template" => Kind::Template,
            b"with" => Kind::With,
            b"true" | b"false" => Kind::Bool,
            _ => return None,
        })
    }

    /// Keywords, and the dot, print in angle brackets.
    fn is_keyword(self) -> bool {
        use Kind::{Block, Break, Continue, Define, Dot, Else, End, If, Nil, Range, Template, With};
        matches!(
            self,
            Dot | Block | Break | Continue | Define | Else | End | If | Nil | Range | Template | With
        )
    }
}

/// A piece of the text; where it starts and on which line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    pub line: usize,
}

impl Token {
    /// No token at all, as before the first one.
    pub(crate) const NONE: Token = Token {
        kind: Kind::Eof,
        start: 0,
        end: 0,
        line: 0,
    };
}

/// Cuts the text of a template into tokens, on demand.
pub(crate) struct Lexer {
    input: crate::Str,
    left: Arc<[u8]>,
    right: Arc<[u8]>,
    /// `break` and `continue` are keywords unless there are functions of that name.
    break_ok: bool,
    continue_ok: bool,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: i32,
    inside_action: bool,
    failed: bool,
    tokens: usize,
    max_tokens: usize,
    /// The message of the last error token.
    pub(crate) error: String,
}

impl Lexer {
    pub(crate) fn new(input: crate::Str, delims: (&str, &str), break_ok: bool, continue_ok: bool) -> Self {
        let or =
            |delim: &str, default: &str| Arc::from(if delim.is_empty() { default } else { delim }.as_bytes());
        Self {
            input,
            left: or(delims.0, "{{"),
            right: or(delims.1, "}}"),
            break_ok,
            continue_ok,
            pos: 0,
            start: 0,
            line: 1,
            start_line: 1,
            paren_depth: 0,
            inside_action: false,
            failed: false,
            tokens: 0,
            max_tokens: usize::MAX,
            error: String::new(),
        }
    }

    /// Fails at the token that follows as many, of which some are counted already.
    pub(crate) fn bounded(mut self, counted: usize, max: usize) -> Self {
        self.tokens = counted;
        self.max_tokens = max;
        self
    }

    /// Returns how many tokens are counted by now.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Returns the text of a token.
    pub(crate) fn text(&self, token: Token) -> &[u8] {
        self.input.get(token.start..token.end).unwrap_or_default()
    }

    /// Returns the text of a token without copying it.
    pub(crate) fn shared(&self, token: Token) -> crate::Str {
        self.input.slice(token.start, token.end)
    }

    /// Returns a token as error messages show it.
    pub(crate) fn describe(&self, token: Token) -> String {
        let text = self.text(token);
        match token.kind {
            Kind::Error => self.error.clone(),
            Kind::Eof => "EOF".to_owned(),
            kind if kind.is_keyword() => format!("<{}>", String::from_utf8_lossy(text)),
            _ if text.len() > 10 => {
                let cut = go_std::unicode::runes(text)
                    .nth(10)
                    .map_or(text.len(), |(at, ..)| at);
                format!("{}...", quote(&text[..cut]))
            }
            _ => quote(text),
        }
    }

    pub(crate) fn next_token(&mut self) -> Token {
        if self.failed {
            return self.at_end_after_error();
        }
        self.tokens += 1;
        if self.tokens > self.max_tokens {
            return self.fail(format!("exceeded maximum template tokens ({})", self.max_tokens));
        }
        if self.inside_action {
            self.action_token()
        } else {
            self.text_token()
        }
    }

    /// After an error the input counts as empty.
    fn at_end_after_error(&mut self) -> Token {
        if self.inside_action {
            return self.fail("unclosed action".to_owned());
        }
        Token {
            kind: Kind::Eof,
            start: 0,
            end: 0,
            line: self.start_line,
        }
    }

    fn rest(&self) -> &[u8] {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        if let Some(&byte) = self.input.get(self.pos)
            && byte.is_ascii()
        {
            return Some(char::from(byte));
        }
        decode_rune(self.rest()).map(|(rune, ..)| rune)
    }

    fn next(&mut self) -> Option<char> {
        let (rune, width, _) = decode_rune(self.rest())?;
        self.pos += width;
        if rune == '\n' {
            self.line += 1;
        }
        Some(rune)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn emit(&mut self, kind: Kind) -> Token {
        let token = Token {
            kind,
            start: self.start,
            end: self.pos,
            line: self.start_line,
        };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    fn fail(&mut self, message: String) -> Token {
        let token = Token {
            kind: Kind::Error,
            start: self.start,
            end: self.start,
            line: self.start_line,
        };
        self.error = message;
        self.failed = true;
        self.start = 0;
        token
    }

    /// Moves over text that `next` did not read.
    fn skip_to(&mut self, pos: usize) {
        self.count_lines(pos);
        self.start = pos;
        self.start_line = self.line;
    }

    fn count_lines(&mut self, to: usize) {
        let passed = self.input.get(self.pos..to).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count();
        self.pos = to;
    }

    fn text_token(&mut self) -> Token {
        loop {
            let Some(delim) = find(self.rest(), &self.left) else {
                self.count_lines(self.input.len());
                return self.emit(if self.pos > self.start {
                    Kind::Text
                } else {
                    Kind::Eof
                });
            };
            if delim > 0 {
                let delim = self.pos + delim;
                let text = self.input.get(self.pos..delim).unwrap_or_default();
                let after = self.input.get(delim + self.left.len()..).unwrap_or_default();
                let kept = if has_left_trim(after) {
                    trimmed_len(text)
                } else {
                    text.len()
                };
                self.count_lines(self.pos + kept);
                let token = self.emit(Kind::Text);
                self.skip_to(delim);
                if kept > 0 {
                    return token;
                }
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    /// Reads a left delimiter, or a whole comment, after which text goes on.
    fn left_delim(&mut self) -> Option<Token> {
        let delim = self.pos;
        let after = delim + self.left.len();
        let trim = if has_left_trim(self.input.get(after..).unwrap_or_default()) {
            2
        } else {
            0
        };
        if self
            .input
            .get(after + trim..)
            .unwrap_or_default()
            .starts_with(b"/*")
        {
            self.skip_to(after + trim);
            return self.comment();
        }
        self.pos = after;
        let token = self.emit(Kind::LeftDelim);
        self.inside_action = true;
        self.skip_to(after + trim);
        self.paren_depth = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token> {
        let body = self.pos + 2;
        let Some(close) = find(self.input.get(body..).unwrap_or_default(), b"*/") else {
            return Some(self.fail("unclosed comment".to_owned()));
        };
        let end = body + close + 2;
        let Some(trim) = self.right_delim_at(end) else {
            return Some(self.fail("comment ends before closing delimiter".to_owned()));
        };
        let mut end = end + self.right.len();
        if trim {
            end += 2;
            end += leading_space(self.input.get(end..).unwrap_or_default());
        }
        self.skip_to(end);
        None
    }

    /// Returns whether a right delimiter stands there, and whether with a trim marker.
    fn right_delim_at(&self, pos: usize) -> Option<bool> {
        let rest = self.input.get(pos..).unwrap_or_default();
        if has_right_trim(rest) && rest.get(2..).unwrap_or_default().starts_with(&self.right) {
            Some(true)
        } else {
            rest.starts_with(&self.right).then_some(false)
        }
    }

    fn right_delim(&mut self) -> Token {
        let trim = self.right_delim_at(self.pos) == Some(true);
        if trim {
            self.skip_to(self.pos + 2);
        }
        self.pos += self.right.len();
        let token = self.emit(Kind::RightDelim);
        if trim {
            self.skip_to(self.pos + leading_space(self.rest()));
        }
        self.inside_action = false;
        token
    }

    fn action_token(&mut self) -> Token {
        if self.right_delim_at(self.pos).is_some() {
            if self.paren_depth == 0 {
                return self.right_delim();
            }
            return self.fail("unclosed left paren".to_owned());
        }
        let Some(c) = self.peek() else {
            return self.fail("unclosed action".to_owned());
        };
        match c {
            ' ' | '\t' | '\r' | '\n' => return self.space(),
            '+' | '-' | '0'..='9' => return self.number(),
            '.' if self.rest().get(1).is_some_and(u8::is_ascii_digit) || self.rest().len() == 1 => {
                return self.number();
            }
            c if is_alphanumeric(c) => return self.identifier(),
            _ => {}
        }
        self.next();
        match c {
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.next() == Some('=') {
                    self.emit(Kind::Declare)
                } else {
                    self.fail("expected :=".to_owned())
                }
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '`' => self.raw_string(),
            '$' => self.field_or_variable(Kind::Variable),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '.' => self.field_or_variable(Kind::Field),
            '(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => {
                self.paren_depth -= 1;
                if self.paren_depth < 0 {
                    return self.fail("unexpected right paren".to_owned());
                }
                self.emit(Kind::RightParen)
            }
            c if c.is_ascii() && is_print(c) => self.emit(Kind::Char),
            c => self.fail(format!(
                "unrecognized character in action: {}",
                code_point(Some(c))
            )),
        }
    }

    fn space(&mut self) -> Token {
        let count = leading_space(self.rest());
        self.count_lines(self.pos + count);
        // The last space may belong to a trim marker.
        if self.right_delim_at(self.pos - 1) == Some(true) {
            self.pos -= 1;
            if self.input.get(self.pos) == Some(&b'\n') {
                self.line -= 1;
            }
            if count == 1 {
                return self.right_delim();
            }
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Token {
        self.skip_word();
        if !self.at_terminator() {
            return self.fail(format!("bad character {}", code_point(self.peek())));
        }
        let word = self.input.get(self.start..self.pos).unwrap_or_default();
        let kind = match Kind::keyword(word) {
            Some(Kind::Break) if !self.break_ok => Kind::Identifier,
            Some(Kind::Continue) if !self.continue_ok => Kind::Identifier,
            kind => kind.unwrap_or(Kind::Identifier),
        };
        self.emit(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Token {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        self.skip_word();
        if !self.at_terminator() {
            return self.fail(format!("bad character {}", code_point(self.peek())));
        }
        self.emit(kind)
    }

    /// Moves behind letters, digits and underscores.
    fn skip_word(&mut self) {
        let is_word = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
        self.pos += self.rest().iter().take_while(is_word).count();
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(&self.right),
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Token {
        loop {
            let is_plain = |b: &&u8| b.is_ascii() && !matches!(**b, b'\\' | b'\n' | b'"' | b'\'');
            self.pos += self.rest().iter().take_while(is_plain).count();
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                None | Some('\n' | '\\') => return self.fail(unterminated.to_owned()),
                Some(c) if c == quote => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Token {
        let Some(length) = memchr::memchr(b'`', self.rest()) else {
            self.count_lines(self.input.len());
            return self.fail("unterminated raw quoted string".to_owned());
        };
        self.count_lines(self.pos + length + 1);
        self.emit(Kind::RawString)
    }

    fn number(&mut self) -> Token {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || self.input.get(self.pos - 1) != Some(&b'i') {
                return self.bad_number();
            }
            return self.emit(Kind::Complex);
        }
        self.emit(Kind::Number)
    }

    fn bad_number(&mut self) -> Token {
        let text = quote(self.input.get(self.start..self.pos).unwrap_or_default());
        self.fail(format!("bad number syntax: {text}"))
    }

    /// Reads what looks like a number; whether it is one is for the parser to say.
    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits == DECIMAL && self.accept("eE") || digits == HEX && self.accept("pP") {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Formats a rune as `%#U`.
fn code_point(rune: Option<char>) -> String {
    match rune {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(), // Go's end of input is rune -1
        Some(c) if is_print(c) => format!("U+{:04X} '{c}'", c as u32),
        Some(c) => format!("U+{:04X}", c as u32),
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_space_byte(b: u8) -> bool {
    is_space(char::from(b))
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii() && (is_letter(c) || is_digit(c))
}

fn has_left_trim(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space_byte(*space))
}

fn has_right_trim(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space_byte(*space))
}

fn leading_space(text: &[u8]) -> usize {
    text.iter().take_while(|b| is_space_byte(**b)).count()
}

/// Returns the length without trailing space.
fn trimmed_len(text: &[u8]) -> usize {
    text.len() - text.iter().rev().take_while(|b| is_space_byte(**b)).count()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // Building a searcher costs more than most texts are long.
    let [first, rest @ ..] = needle else {
        return Some(0);
    };
    memchr::memchr_iter(*first, haystack).find(|&at| {
        haystack
            .get(at + 1..)
            .is_some_and(|after| after.starts_with(rest))
    })
}
