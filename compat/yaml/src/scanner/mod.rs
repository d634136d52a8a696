//! Text to tokens.
//!
//! This is the libyaml design that both Go libraries share: a queue of tokens into which `KEY` and the block starts are
//! inserted afterwards, once a `:` shows that what was read before it is a key. Error marks, the 1024-character
//! window of a key and the look-ahead of `yaml.v3` are observable, so they are kept.

mod comments;
mod directives;
mod scalars;

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::{Error, Limits};
pub(crate) use comments::{Comment, CommentKind};

/// Which of the two Go libraries is reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// `go.yaml.in/yaml/v2`
    V2,
    /// `go.yaml.in/yaml/v3`
    V3,
}

/// A position: characters from the start, and 0-based line and column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) index: usize,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarStyle {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind<'a>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

#[derive(Debug, Clone)]
pub(crate) enum TokenKind<'a> {
    StreamStart,
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective(Box<TagParts>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag(Box<TagParts>),
    Scalar { value: Cow<'a, str>, style: ScalarStyle },
}

/// A tag as written: handle and suffix; for a `%TAG` directive, handle and prefix.
#[derive(Debug, Clone)]
pub(crate) struct TagParts {
    pub(crate) handle: String,
    pub(crate) suffix: String,
}

/// A place where a key may have started.
#[derive(Debug, Clone, Copy)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Mark,
}

pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    text: &'a str,
    /// What the reader found behind the end of `text`.
    problem: Option<&'static str>,
    flavor: Flavor,
    max_depth: usize,

    pos: usize,
    /// Bytes before `pos` that do not start a character.
    continuation: usize,
    line: u32,
    /// Character index of the start of the line.
    line_start: usize,
    /// Line breaks since the last character that was not blank.
    newlines: u32,

    tokens: VecDeque<Token<'a>>,
    /// Tokens already handed out.
    taken: usize,
    started: bool,
    ended: bool,
    ready: bool,

    indent: i32,
    indents: Vec<i32>,
    flow_level: usize,
    simple_key_allowed: bool,
    /// The possible key of each flow level.
    simple_keys: Vec<SimpleKey>,
    /// Tokens that the look-ahead waits for, with the level whose key decides about them. As in Go, an entry stays when its
    /// key goes stale, and then waits for the next key of the level; and some go early, see `decrease_flow_level`.
    awaited: VecDeque<(usize, usize)>,

    comments: VecDeque<Comment>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, problem: Option<&'static str>, flavor: Flavor, limits: &Limits) -> Self {
        Self {
            bytes: text.as_bytes(),
            text,
            problem,
            flavor,
            max_depth: limits.max_depth,
            pos: 0,
            continuation: 0,
            line: 0,
            line_start: 0,
            newlines: 0,
            tokens: VecDeque::with_capacity(16),
            taken: 0,
            started: false,
            ended: false,
            ready: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: Vec::new(),
            awaited: VecDeque::new(),
            comments: VecDeque::new(),
        }
    }

    pub(crate) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The next token, without taking it.
    pub(crate) fn peek(&mut self) -> Result<&Token<'a>, Error> {
        if !self.ready {
            self.fetch_more()?;
        }
        // After the end of the stream the last token stays; the parser does not look past it.
        self.tokens
            .front()
            .ok_or_else(|| Error::syntax(None, "attempted to go past the end of stream"))
    }

    /// Takes the token that `peek` showed.
    pub(crate) fn take(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.pop_front()?;
        self.ready = false;
        self.taken += 1;
        self.ended = matches!(token.kind, TokenKind::StreamEnd);
        Some(token)
    }

    /// Takes the next comment if it belongs at or before `mark`. With `ends_block`, heads stay for the token after it.
    pub(crate) fn take_comment(&mut self, mark: Mark, ends_block: bool) -> Option<Comment> {
        self.comments.pop_front_if(|comment| {
            comment.token_mark.index <= mark.index && !(ends_block && comment.kind == CommentKind::Head)
        })
    }

    // ---- characters ----

    fn at(&self, offset: usize) -> u8 {
        self.bytes.get(self.pos + offset).copied().unwrap_or(0)
    }

    fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    fn mark(&self) -> Mark {
        let index = self.pos - self.continuation;
        Mark {
            index,
            line: self.line,
            column: (index - self.line_start) as u32,
        }
    }

    fn column(&self) -> u32 {
        (self.pos - self.continuation - self.line_start) as u32
    }

    /// Fails as Go's reader does when it would have to decode bad bytes to show `count` characters ahead.
    #[inline]
    fn need(&self, count: usize) -> Result<(), Error> {
        match self.problem {
            None => Ok(()),
            Some(problem) => self.need_before(problem, count),
        }
    }

    #[cold]
    fn need_before(&self, problem: &str, count: usize) -> Result<(), Error> {
        let there = self
            .text
            .get(self.pos..)
            .is_some_and(|rest| rest.chars().take(count).count() == count);
        if there {
            Ok(())
        } else {
            Err(Error::syntax(None, problem))
        }
    }

    /// The length in bytes of the line break at `offset`; 0 if there is none.
    fn break_at(&self, offset: usize) -> usize {
        match self.bytes.get(self.pos + offset..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\r' | b'\n', ..]) => 1,
            Some([0xc2, 0x85, ..]) => 2,
            Some([0xe2, 0x80, 0xa8 | 0xa9, ..]) => 3,
            _ => 0,
        }
    }

    fn is_break(&self, offset: usize) -> bool {
        self.break_at(offset) > 0
    }

    fn is_blank(&self, offset: usize) -> bool {
        matches!(self.at(offset), b' ' | b'\t')
    }

    /// A line break or the end.
    fn is_breakz(&self, offset: usize) -> bool {
        self.pos + offset >= self.bytes.len() || self.is_break(offset)
    }

    /// A blank, a line break or the end.
    fn is_blankz(&self, offset: usize) -> bool {
        self.is_blank(offset) || self.is_breakz(offset)
    }

    /// Whether a `---` or `...` line starts here.
    fn at_document_indicator(&self) -> bool {
        self.column() == 0
            && self
                .bytes
                .get(self.pos..)
                .is_some_and(|rest| rest.starts_with(b"---") || rest.starts_with(b"..."))
            && self.is_blankz(3)
    }

    /// Moves over one character that is not a line break.
    fn skip(&mut self) {
        let byte = self.at(0);
        if !matches!(byte, b' ' | b'\t') {
            self.newlines = 0;
        }
        if !self.at_end() {
            let width = char_width(byte);
            self.pos += width;
            self.continuation += width - 1;
        }
    }

    /// Moves over the characters up to the byte offset `end`, none of which is a line break and one of which is not blank.
    fn skip_to(&mut self, end: usize) {
        if let Some(run) = self.bytes.get(self.pos..end) {
            self.newlines = 0;
            if !run.is_ascii() {
                self.continuation += run.iter().filter(|&&byte| byte & 0xc0 == 0x80).count();
            }
            self.pos = end;
        }
    }

    /// Moves over a run of blanks.
    fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.pos += 1;
        }
    }

    /// Moves over a line break and says how it reads in a value.
    fn skip_line(&mut self) -> &'static str {
        let length = self.break_at(0);
        let (read, characters) = match (length, self.at(0), self.at(2)) {
            (0, ..) => return "",
            (2, b'\r', _) => ("\n", 2),
            (3, _, 0xa8) => ("\u{2028}", 1),
            (3, ..) => ("\u{2029}", 1),
            _ => ("\n", 1),
        };
        self.pos += length;
        self.continuation += length - characters;
        self.line += 1;
        self.line_start = self.pos - self.continuation;
        self.newlines += 1;
        read
    }

    fn error(&self, context: Mark, problem: &str) -> Error {
        let problem_line = self.line;
        let line = match self.flavor {
            Flavor::V2 if problem_line != 0 => problem_line + 1,
            Flavor::V2 => context.line,
            Flavor::V3 if context.line != 0 => context.line + 1,
            Flavor::V3 if problem_line != 0 => problem_line + 1,
            Flavor::V3 => 0,
        };
        Error::syntax((line != 0).then_some(line), problem)
    }

    // ---- the token queue ----

    /// Fetches until the first token of the queue is certain to be the next one.
    fn fetch_more(&mut self) -> Result<(), Error> {
        // yaml.v3 looks two tokens further, so that comments below a value are known before the value is handed out.
        let enough = match self.flavor {
            Flavor::V2 => 1,
            Flavor::V3 => 3,
        };
        while !self.ended {
            let at_end = matches!(
                self.tokens.back(),
                Some(Token {
                    kind: TokenKind::StreamEnd,
                    ..
                })
            );
            if at_end || self.tokens.len() >= enough {
                // At the end nothing more can turn it into a key, but a key that had to come is still missed.
                let undecided = self.head_may_be_key()?;
                if at_end || !undecided {
                    break;
                }
            }
            self.fetch_next()?;
        }
        self.ready = true;
        Ok(())
    }

    /// Whether the first token of the queue may turn out to start a key.
    fn head_may_be_key(&mut self) -> Result<bool, Error> {
        while self.awaited.front().is_some_and(|(token, _)| *token < self.taken) {
            self.awaited.pop_front();
        }
        match self.awaited.front() {
            Some(&(token, level)) if token == self.taken => self.is_valid_key(level),
            _ => Ok(false),
        }
    }

    fn push(&mut self, kind: TokenKind<'a>, start: Mark) {
        let end = self.mark();
        self.tokens.push_back(Token { kind, start, end });
    }

    /// Inserts a token of no width before the token with the given number; after the last one if that was handed out.
    fn insert(&mut self, number: usize, kind: TokenKind<'a>, mark: Mark) {
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match number.checked_sub(self.taken) {
            Some(at) if at <= self.tokens.len() => self.tokens.insert(at, token),
            _ => self.tokens.push_back(token),
        }
    }

    fn fetch_next(&mut self) -> Result<(), Error> {
        if !self.started {
            self.started = true;
            self.need(1)?;
            self.simple_keys.push(SimpleKey {
                possible: false,
                required: false,
                token: 0,
                mark: Mark::default(),
            });
            let mark = self.mark();
            self.push(TokenKind::StreamStart, mark);
            return Ok(());
        }
        let scan_mark = self.mark();
        self.scan_to_next_token(scan_mark)?;
        self.unroll_indent(self.column() as i32, scan_mark);
        self.need(4)?;
        if self.at_end() {
            return self.fetch_stream_end();
        }
        if self.column() == 0 && self.at(0) == b'%' {
            return self.fetch_directive();
        }
        if self.at_document_indicator() {
            return self.fetch_document_indicator();
        }
        if self.flavor == Flavor::V2 {
            return self.fetch_content();
        }
        let first = self.at(0);
        let before = self.tokens.back().map(|token| token.start);
        let comment_mark = match before {
            Some(before)
                if (self.flow_level == 0 && first == b':') || (self.flow_level > 0 && first == b',') =>
            {
                before
            }
            _ => self.mark(),
        };
        self.fetch_content()?;
        // A comment behind a lone `-` is the head of what follows.
        if !matches!(
            self.tokens.back(),
            Some(Token {
                kind: TokenKind::BlockEntry,
                ..
            })
        ) {
            self.scan_line_comment(comment_mark)?;
        }
        Ok(())
    }

    fn fetch_content(&mut self) -> Result<(), Error> {
        let in_flow = self.flow_level > 0;
        match self.at(0) {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if self.is_blankz(1) => self.fetch_block_entry(),
            b'?' if in_flow || self.is_blankz(1) => self.fetch_key(),
            b':' if in_flow || self.is_blankz(1) => self.fetch_value(),
            b'*' => self.fetch_anchor(true),
            b'&' => self.fetch_anchor(false),
            b'!' => self.fetch_tag(),
            b'|' if !in_flow => self.fetch_block_scalar(true),
            b'>' if !in_flow => self.fetch_block_scalar(false),
            b'\'' => self.fetch_quoted(true),
            b'"' => self.fetch_quoted(false),
            b'-' if !self.is_blank(1) => self.fetch_plain(),
            b'?' | b':' if !in_flow => self.fetch_plain(),
            b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => Err(self.no_token()),
            _ if self.is_blankz(0) => Err(self.no_token()),
            _ => self.fetch_plain(),
        }
    }

    fn no_token(&self) -> Error {
        self.error(self.mark(), "found character that cannot start any token")
    }

    fn scan_to_next_token(&mut self, scan_mark: Mark) -> Result<(), Error> {
        loop {
            self.need(1)?;
            while self.at(0) == b' '
                || ((self.flow_level > 0 || !self.simple_key_allowed) && self.at(0) == b'\t')
            {
                self.pos += 1;
            }
            self.need(1)?;
            if self.flavor == Flavor::V3 {
                self.turn_entry_comment_into_head();
            }
            if self.at(0) == b'#' {
                match self.flavor {
                    Flavor::V2 => self.skip_comment()?,
                    Flavor::V3 => self.scan_comments(scan_mark)?,
                }
            }
            if !self.is_break(0) {
                return Ok(());
            }
            self.need(2)?;
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Moves to the end of the line.
    fn skip_comment(&mut self) -> Result<(), Error> {
        let end = self.line_end();
        self.skip_to(end);
        self.need(1)
    }

    /// The byte offset of the next line break or of the end.
    fn line_end(&self) -> usize {
        let mut at = self.pos;
        while let Some(&byte) = self.bytes.get(at) {
            if matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2) && self.is_break(at - self.pos) {
                return at;
            }
            at += 1;
        }
        at
    }

    // ---- keys ----

    fn is_valid_key(&mut self, index: usize) -> Result<bool, Error> {
        let now = self.mark();
        let Some(key) = self.simple_keys.get_mut(index) else {
            return Ok(false);
        };
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < now.line || key.mark.index + 1024 < now.index {
            let key = *key;
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            if let Some(key) = self.simple_keys.get_mut(index) {
                key.possible = false;
            }
            return Ok(false);
        }
        Ok(true)
    }

    /// Notes that a key may start here.
    fn save_key(&mut self) -> Result<(), Error> {
        if self.simple_key_allowed {
            self.remove_key()?;
            let mark = self.mark();
            let key = SimpleKey {
                possible: true,
                required: self.flow_level == 0 && self.indent == mark.column as i32,
                token: self.taken + self.tokens.len(),
                mark,
            };
            let level = self.simple_keys.len().saturating_sub(1);
            if let Some(top) = self.simple_keys.last_mut() {
                *top = key;
            }
            self.stop_awaiting(key.token);
            self.awaited.push_back((key.token, level));
        }
        Ok(())
    }

    /// Gives up the possible key of this level; an error if there had to be one.
    fn remove_key(&mut self) -> Result<(), Error> {
        match self.simple_keys.last_mut() {
            Some(key) if key.possible && key.required => {
                let mark = key.mark;
                Err(self.error(mark, "could not find expected ':'"))
            }
            Some(key) if key.possible => {
                key.possible = false;
                let token = key.token;
                self.stop_awaiting(token);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn increase_flow_level(&mut self) -> Result<(), Error> {
        let mark = self.mark();
        let token = self.taken + self.tokens.len();
        self.simple_keys.push(SimpleKey {
            possible: false,
            required: false,
            token,
            mark,
        });
        self.flow_level += 1;
        if self.flow_level > self.max_depth {
            return Err(self.error(mark, &format!("exceeded max depth of {}", self.max_depth)));
        }
        Ok(())
    }

    fn decrease_flow_level(&mut self) {
        if self.flow_level == 0 {
            return;
        }
        self.flow_level -= 1;
        let Some(popped) = self.simple_keys.pop() else {
            return;
        };
        // A collection without a possible key inside still has the number of its own opening token. Go then forgets
        // that the look-ahead waits for the collection itself, so yaml.v2 refuses `[]: value`.
        self.stop_awaiting(popped.token);
    }

    fn stop_awaiting(&mut self, token: usize) {
        if let Some(at) = self.awaited.iter().rposition(|(awaited, _)| *awaited <= token)
            && self.awaited.get(at).is_some_and(|(awaited, _)| *awaited == token)
        {
            self.awaited.remove(at);
        }
    }

    // ---- indentation ----

    /// Opens a block collection if `column` is deeper than the current one.
    fn roll_indent(
        &mut self,
        column: u32,
        number: Option<usize>,
        kind: TokenKind<'a>,
        mark: Mark,
    ) -> Result<(), Error> {
        let column = column as i32;
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > self.max_depth {
            let context = self.simple_keys.last().map_or(mark, |key| key.mark);
            return Err(self.error(context, &format!("exceeded max depth of {}", self.max_depth)));
        }
        let number = number.unwrap_or(self.taken + self.tokens.len());
        self.insert(number, kind, mark);
        Ok(())
    }

    /// Closes the block collections that are deeper than `column`.
    fn unroll_indent(&mut self, column: i32, scan_mark: Mark) {
        if self.flow_level > 0 || self.indent <= column {
            return;
        }
        let mut mark = match self.flavor {
            Flavor::V2 => self.mark(),
            Flavor::V3 => Mark {
                index: scan_mark.index.saturating_sub(1),
                ..scan_mark
            },
        };
        while self.indent > column {
            if self.flavor == Flavor::V3 {
                mark = self.block_end_before_comments(mark);
            }
            self.tokens.push_back(Token {
                kind: TokenKind::BlockEnd,
                start: mark,
                end: mark,
            });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    // ---- single tokens ----

    fn fetch_stream_end(&mut self) -> Result<(), Error> {
        if self.column() != 0 {
            self.line += 1;
            self.line_start = self.pos - self.continuation;
        }
        let mark = self.mark();
        self.unroll_indent(-1, mark);
        self.remove_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, mark);
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<(), Error> {
        let start = self.mark();
        self.unroll_indent(-1, start);
        self.remove_key()?;
        self.simple_key_allowed = false;
        let kind = if self.at(0) == b'-' {
            TokenKind::DocumentStart
        } else {
            TokenKind::DocumentEnd
        };
        self.skip_to(self.pos + 3);
        self.push(kind, start);
        Ok(())
    }

    /// Takes a one-byte indicator.
    fn push_indicator(&mut self, kind: TokenKind<'a>) {
        let start = self.mark();
        self.skip();
        self.push(kind, start);
    }

    fn fetch_flow_start(&mut self, kind: TokenKind<'a>) -> Result<(), Error> {
        self.save_key()?;
        self.increase_flow_level()?;
        self.simple_key_allowed = true;
        self.push_indicator(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind<'a>) -> Result<(), Error> {
        self.remove_key()?;
        self.decrease_flow_level();
        self.simple_key_allowed = false;
        self.push_indicator(kind);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), Error> {
        self.remove_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::FlowEntry);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            self.open_block(
                TokenKind::BlockSequenceStart,
                "block sequence entries are not allowed in this context",
            )?;
        }
        self.remove_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            self.open_block(
                TokenKind::BlockMappingStart,
                "mapping keys are not allowed in this context",
            )?;
        }
        self.remove_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(TokenKind::Key);
        Ok(())
    }

    fn open_block(&mut self, kind: TokenKind<'a>, refusal: &str) -> Result<(), Error> {
        let mark = self.mark();
        if !self.simple_key_allowed {
            return Err(self.error(mark, refusal));
        }
        self.roll_indent(mark.column, None, kind, mark)
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        let top = self.simple_keys.len().saturating_sub(1);
        if self.is_valid_key(top)? {
            let Some(key) = self.simple_keys.get(top).copied() else {
                return Ok(());
            };
            self.insert(key.token, TokenKind::Key, key.mark);
            self.roll_indent(
                key.mark.column,
                Some(key.token),
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            if let Some(key) = self.simple_keys.get_mut(top) {
                key.possible = false;
            }
            self.stop_awaiting(key.token);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                self.open_block(
                    TokenKind::BlockMappingStart,
                    "mapping values are not allowed in this context",
                )?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(TokenKind::Value);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Result<(), Error> {
        self.save_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        self.skip();
        let name = self.scan_word()?;
        let ended =
            self.is_blankz(0) || matches!(self.at(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ended {
            return Err(self.error(start, "did not find expected alphabetic or numeric character"));
        }
        self.push(
            if alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    /// Takes letters, digits, `_` and `-`.
    fn scan_word(&mut self) -> Result<&'a str, Error> {
        let from = self.pos;
        while self.at(0).is_ascii_alphanumeric() || matches!(self.at(0), b'_' | b'-') {
            self.skip();
        }
        self.need(1)?;
        Ok(self.text.get(from..self.pos).unwrap_or_default())
    }
}

fn char_width(lead: u8) -> usize {
    match lead {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}
