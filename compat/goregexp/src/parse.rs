//! Go's regular expression grammar, read into the representation of `regex-syntax`.

use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look, Repetition};

use crate::class::{self, ClassBuilder};
use crate::error::{Error, ErrorKind};

/// Go's bound on the number of instructions of a program.
const MAX_SIZE: u64 = (128 << 20) / 40;
/// Go's bound on a repeat count, and on the product of nested ones.
const MAX_REPEAT: u32 = 1000;

pub(crate) struct Parsed {
    pub(crate) hir: Hir,
    pub(crate) names: Vec<Option<String>>,
}

pub(crate) fn parse(pattern: &[u8], max_depth: usize) -> Result<Parsed, Error> {
    let mut parser = Parser {
        pattern,
        at: 0,
        flags: Flags::default(),
        groups: vec![Group::default()],
        names: vec![None],
        max_depth,
    };
    parser.run()
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

/// An expression with what the limits need to know about it.
struct Item {
    hir: Hir,
    height: usize,
    /// Instructions that Go would compile it to.
    size: u64,
    /// Largest product of nested counted repetitions.
    repeats: u32,
}

impl Item {
    fn leaf(hir: Hir) -> Self {
        Self {
            hir,
            height: 1,
            size: 1,
            repeats: 1,
        }
    }
}

/// An open parenthesis: what was read since, and what to restore at its end.
#[derive(Default)]
struct Group {
    flags: Flags,
    capture: Option<u32>,
    alternatives: Vec<Item>,
    sequence: Vec<Item>,
}

struct Parser<'p> {
    pattern: &'p [u8],
    at: usize,
    flags: Flags,
    groups: Vec<Group>,
    names: Vec<Option<String>>,
    max_depth: usize,
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<Parsed, Error> {
        // Where the repetition began that was read last, if nothing came after it.
        let mut last_repeat = None;
        while let Some(byte) = self.peek() {
            let start = self.at;
            let mut repeat = None;
            match byte {
                b'(' => self.open()?,
                b')' => self.close()?,
                b'|' => {
                    self.at += 1;
                    self.end_alternative()?;
                }
                b'^' => self.look(
                    1,
                    if self.flags.multi_line {
                        Look::StartLF
                    } else {
                        Look::Start
                    },
                ),
                b'$' => self.look(
                    1,
                    if self.flags.multi_line {
                        Look::EndLF
                    } else {
                        Look::End
                    },
                ),
                b'.' => {
                    self.at += 1;
                    let dot = if self.flags.dot_newline {
                        Dot::AnyChar
                    } else {
                        Dot::AnyCharExceptLF
                    };
                    self.push(Item::leaf(Hir::dot(dot)));
                }
                b'[' => self.bracket_class()?,
                b'*' | b'+' | b'?' => {
                    self.at += 1;
                    let (min, max) = match byte {
                        b'*' => (0, None),
                        b'+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(min, max, start, last_repeat, false)?;
                    repeat = Some(start);
                }
                b'{' => match self.counted_repeat() {
                    None => {
                        self.at += 1;
                        self.literal(u32::from(b'{'));
                    }
                    Some((min, max)) => {
                        let valid = |n: u32| n <= MAX_REPEAT;
                        if !valid(min) || max.is_some_and(|max| !valid(max) || min > max) {
                            return Err(self.error(ErrorKind::InvalidRepeatSize, start));
                        }
                        self.repeat(min, max, start, last_repeat, true)?;
                        repeat = Some(start);
                    }
                },
                b'\\' => self.backslash()?,
                _ => {
                    let rune = self.rune()?;
                    self.literal(rune);
                }
            }
            last_repeat = repeat;
        }
        self.end_alternative()?;
        if self.groups.len() != 1 {
            return Err(Error::new(ErrorKind::MissingParen, self.pattern));
        }
        let whole = self
            .groups
            .pop()
            .map(|group| self.alternation(group.alternatives))
            .transpose()?;
        let hir = whole.map_or_else(Hir::empty, |item| item.hir);
        Ok(Parsed {
            hir,
            names: std::mem::take(&mut self.names),
        })
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn rest(&self) -> &'p [u8] {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    /// An error about the pattern from `start` to the current position.
    fn error(&self, kind: ErrorKind, start: usize) -> Error {
        Error::new(kind, self.pattern.get(start..self.at).unwrap_or_default())
    }

    fn push(&mut self, item: Item) {
        if let Some(group) = self.groups.last_mut() {
            group.sequence.push(item);
        }
    }

    fn look(&mut self, width: usize, look: Look) {
        self.at += width;
        self.push(Item::leaf(Hir::look(look)));
    }

    /// Reads one character; U+FFFD at the end.
    fn rune(&mut self) -> Result<u32, Error> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(u32::from(char::REPLACEMENT_CHARACTER));
        }
        let window = rest.get(..4.min(rest.len())).unwrap_or_default();
        let first = window
            .utf8_chunks()
            .next()
            .and_then(|chunk| chunk.valid().chars().next());
        match first {
            Some(c) => {
                self.at += c.len_utf8();
                Ok(u32::from(c))
            }
            None => Err(Error::new(ErrorKind::InvalidUtf8, rest)),
        }
    }

    fn literal(&mut self, rune: u32) {
        // No text contains a surrogate.
        let Some(c) = char::from_u32(rune) else {
            self.push(Item::leaf(Hir::fail()));
            return;
        };
        let mut buffer = [0; 4];
        let plain = Hir::literal(c.encode_utf8(&mut buffer).as_bytes());
        let hir = if self.flags.fold_case {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            class.case_fold_simple();
            if class.ranges().len() == 1 && class.ranges().iter().all(|r| r.start() == r.end()) {
                plain
            } else {
                Hir::class(Class::Unicode(class))
            }
        } else {
            plain
        };
        self.push(Item::leaf(hir));
    }

    fn end_alternative(&mut self) -> Result<(), Error> {
        let Some(group) = self.groups.last_mut() else {
            return Ok(());
        };
        let sequence = std::mem::take(&mut group.sequence);
        let item = self.sequence(sequence)?;
        if let Some(group) = self.groups.last_mut() {
            group.alternatives.push(item);
        }
        Ok(())
    }

    fn sequence(&self, items: Vec<Item>) -> Result<Item, Error> {
        self.join(items, Hir::concat, 0)
    }

    fn alternation(&self, items: Vec<Item>) -> Result<Item, Error> {
        self.join(items, Hir::alternation, 1)
    }

    fn join(
        &self,
        mut items: Vec<Item>,
        build: fn(Vec<Hir>) -> Hir,
        extra_per_item: u64,
    ) -> Result<Item, Error> {
        if items.len() == 1
            && let Some(only) = items.pop()
        {
            return Ok(only);
        }
        let sum = items
            .iter()
            .fold(0, |sum: u64, item| sum.saturating_add(item.size + extra_per_item));
        let joined = Item {
            height: 1 + items.iter().map(|item| item.height).max().unwrap_or(0),
            size: sum.saturating_sub(extra_per_item).max(1),
            repeats: items.iter().map(|item| item.repeats).max().unwrap_or(1),
            hir: build(items.into_iter().map(|item| item.hir).collect()),
        };
        self.within_limits(joined)
    }

    fn within_limits(&self, item: Item) -> Result<Item, Error> {
        if item.height > self.max_depth {
            return Err(Error::new(ErrorKind::NestingDepth, self.pattern));
        }
        if item.size > MAX_SIZE {
            return Err(Error::new(ErrorKind::Large, self.pattern));
        }
        Ok(item)
    }

    fn close(&mut self) -> Result<(), Error> {
        self.end_alternative()?;
        if self.groups.len() < 2 {
            return Err(Error::new(ErrorKind::UnexpectedParen, self.pattern));
        }
        self.at += 1;
        let Some(group) = self.groups.pop() else {
            return Ok(());
        };
        self.flags = group.flags;
        let mut item = self.alternation(group.alternatives)?;
        if let Some(index) = group.capture {
            item = self.within_limits(Item {
                hir: Hir::capture(Capture {
                    index,
                    name: None,
                    sub: Box::new(item.hir),
                }),
                height: item.height + 1,
                size: item.size.saturating_add(2),
                repeats: item.repeats,
            })?;
        }
        self.push(item);
        Ok(())
    }

    fn push_group(&mut self, capture: Option<u32>) -> Result<(), Error> {
        // Go counts only what ends up in the tree; here each open parenthesis also costs a frame.
        if self.groups.len() > self.max_depth {
            return Err(Error::new(ErrorKind::NestingDepth, self.pattern));
        }
        self.groups.push(Group {
            flags: self.flags,
            capture,
            ..Group::default()
        });
        Ok(())
    }

    fn open_capture(&mut self, name: Option<String>) -> Result<(), Error> {
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name);
        self.push_group(Some(index))
    }

    /// Reads `(`, `(?flags:`, `(?flags)`, `(?P<name>` or `(?<name>`.
    fn open(&mut self) -> Result<(), Error> {
        let start = self.at;
        let rest = self.rest();
        if !rest.starts_with(b"(?") {
            self.at += 1;
            return self.open_capture(None);
        }
        let name_at = if rest.len() > 4 && rest.starts_with(b"(?P<") {
            Some(4)
        } else if rest.len() > 3 && rest.starts_with(b"(?<") {
            Some(3)
        } else {
            None
        };
        if let Some(name_at) = name_at {
            let Some(end) = rest.iter().position(|&b| b == b'>') else {
                check_utf8(rest)?;
                return Err(Error::new(ErrorKind::InvalidNamedCapture, rest));
            };
            self.at += end + 1;
            let name = rest.get(name_at..end).unwrap_or_default();
            let name = check_utf8(name)?;
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return Err(self.error(ErrorKind::InvalidNamedCapture, start));
            }
            return self.open_capture(Some(name.to_owned()));
        }
        self.at += 2;
        let mut flags = self.flags;
        let (mut value, mut saw_flag) = (true, false);
        while self.at < self.pattern.len() {
            match u8::try_from(self.rune()?).unwrap_or(0) {
                b'i' => flags.fold_case = value,
                b'm' => flags.multi_line = value,
                b's' => flags.dot_newline = value,
                b'U' => flags.swap_greed = value,
                b'-' if value => {
                    value = false;
                    saw_flag = false;
                    continue;
                }
                end @ (b':' | b')') if value || saw_flag => {
                    if end == b':' {
                        self.push_group(None)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(self.error(ErrorKind::InvalidPerlOp, start)),
            }
            saw_flag = true;
        }
        Err(self.error(ErrorKind::InvalidPerlOp, start))
    }

    /// Applies a repetition to the expression before it.
    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        start: usize,
        last_repeat: Option<usize>,
        counted: bool,
    ) -> Result<(), Error> {
        let mut greedy = !self.flags.swap_greed;
        if self.peek() == Some(b'?') {
            self.at += 1;
            greedy = !greedy;
        }
        if let Some(last) = last_repeat {
            return Err(self.error(ErrorKind::InvalidRepeatOp, last));
        }
        let Some(sub) = self.groups.last_mut().and_then(|group| group.sequence.pop()) else {
            return Err(self.error(ErrorKind::MissingRepeatArgument, start));
        };
        let count = max.unwrap_or(min);
        let repeats = if counted && count > 0 {
            sub.repeats.saturating_mul(count)
        } else {
            sub.repeats
        };
        if counted && (min >= 2 || max.is_some_and(|max| max >= 2)) && repeats > MAX_REPEAT {
            return Err(self.error(ErrorKind::InvalidRepeatSize, start));
        }
        let size = match (min, max) {
            (0, None) => sub.size.saturating_add(2),
            (min, None) => sub.size.saturating_mul(u64::from(min)).saturating_add(1),
            (min, Some(max)) => sub
                .size
                .saturating_mul(u64::from(max))
                .saturating_add(u64::from(max.saturating_sub(min))),
        };
        let item = Item {
            hir: Hir::repetition(Repetition {
                min,
                max,
                greedy,
                sub: Box::new(sub.hir),
            }),
            height: sub.height + 1,
            size: size.max(1),
            repeats: if counted && count == 0 { 1 } else { repeats },
        };
        let item = self.within_limits(item)?;
        self.push(item);
        Ok(())
    }

    /// Reads `{n}`, `{n,}` or `{n,m}` and moves past it; anything else is left alone, because then the brace is a literal.
    fn counted_repeat(&mut self) -> Option<(u32, Option<u32>)> {
        let mut rest = self.rest().strip_prefix(b"{")?;
        let min = number(&mut rest)?;
        let mut max = Some(min);
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            max = if rest.first() == Some(&b'}') {
                None
            } else {
                Some(number(&mut rest)?)
            };
        }
        rest = rest.strip_prefix(b"}")?;
        self.at = self.pattern.len() - rest.len();
        Some((min, max))
    }

    /// Reads an escape outside of brackets.
    fn backslash(&mut self) -> Result<(), Error> {
        let start = self.at;
        let Some(&letter) = self.rest().get(1) else {
            return Err(Error::new(ErrorKind::TrailingBackslash, b""));
        };
        match letter {
            b'A' => self.look(2, Look::Start),
            b'z' => self.look(2, Look::End),
            b'b' => self.look(2, Look::WordAscii),
            b'B' => self.look(2, Look::WordAsciiNegate),
            b'C' => {
                self.at += 2;
                return Err(self.error(ErrorKind::InvalidEscape, start));
            }
            b'Q' => {
                self.at += 2;
                let end = self.rest().windows(2).position(|w| w == b"\\E");
                let stop = end.map_or(self.pattern.len(), |end| self.at + end);
                while self.at < stop {
                    let rune = self.rune()?;
                    self.literal(rune);
                }
                if end.is_some() {
                    self.at += 2;
                }
            }
            _ => {
                let mut builder = ClassBuilder::default();
                if self.group_escape(&mut builder)? {
                    let class = builder.finish(self.flags.fold_case, false);
                    self.push(Item::leaf(Hir::class(Class::Unicode(class))));
                } else {
                    let rune = self.escape()?;
                    self.literal(rune);
                }
            }
        }
        Ok(())
    }

    /// Reads `\d`, `\pN`, `\p{Name}` and their like into a class; false if there is none here.
    fn group_escape(&mut self, class: &mut ClassBuilder) -> Result<bool, Error> {
        let start = self.at;
        let rest = self.rest();
        let (Some(b'\\'), Some(&letter)) = (rest.first(), rest.get(1)) else {
            return Ok(false);
        };
        if let Some((group, negated)) = class::perl(letter) {
            self.at += 2;
            class.group(group, negated, self.flags.fold_case);
            return Ok(true);
        }
        if letter != b'p' && letter != b'P' {
            return Ok(false);
        }
        self.at += 2;
        let mut negated = letter == b'P';
        let mut name = if self.peek() == Some(b'{') {
            let Some(end) = rest.iter().position(|&b| b == b'}') else {
                check_utf8(rest)?;
                return Err(Error::new(ErrorKind::InvalidCharRange, rest));
            };
            self.at = start + end + 1;
            check_utf8(rest.get(3..end).unwrap_or_default())?
        } else {
            self.rune()?;
            check_utf8(self.pattern.get(start + 2..self.at).unwrap_or_default())?
        };
        if let Some(rest) = name.strip_prefix('^') {
            negated = !negated;
            name = rest;
        }
        let Some(group) = class::unicode(name) else {
            return Err(self.error(ErrorKind::InvalidCharRange, start));
        };
        class.group(group, negated, self.flags.fold_case);
        Ok(true)
    }

    /// Reads a single-character escape.
    fn escape(&mut self) -> Result<u32, Error> {
        let start = self.at;
        self.at += 1;
        if self.at >= self.pattern.len() {
            return Err(Error::new(ErrorKind::TrailingBackslash, b""));
        }
        let rune = self.rune()?;
        let octal = |b: Option<u8>| b.filter(|b| (b'0'..=b'7').contains(b));
        match u8::try_from(rune).unwrap_or(0x80) {
            // A single digit from 1 to 7 would be a back-reference.
            first @ b'0'..=b'7' if first == b'0' || octal(self.peek()).is_some() => {
                let mut value = u32::from(first - b'0');
                for _ in 0..2 {
                    let Some(digit) = octal(self.peek()) else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                return Ok(value);
            }
            b'x' => {
                if let Some(value) = self.hex_escape()? {
                    return Ok(value);
                }
            }
            b'a' => return Ok(0x07),
            b'f' => return Ok(0x0c),
            b'n' => return Ok(0x0a),
            b'r' => return Ok(0x0d),
            b't' => return Ok(0x09),
            b'v' => return Ok(0x0b),
            punctuation if punctuation < 0x80 && !punctuation.is_ascii_alphanumeric() => return Ok(rune),
            _ => {}
        }
        Err(self.error(ErrorKind::InvalidEscape, start))
    }

    /// Reads the digits of `\x41` or `\x{1f600}`; `None` if they are wrong.
    fn hex_escape(&mut self) -> Result<Option<u32>, Error> {
        let digit = |rune: u32| char::from_u32(rune).and_then(|c| c.to_digit(16));
        if self.at >= self.pattern.len() {
            return Ok(None);
        }
        let first = self.rune()?;
        if first != u32::from(b'{') {
            let second = self.rune()?;
            return Ok(digit(first).zip(digit(second)).map(|(high, low)| high * 16 + low));
        }
        let mut value = None;
        while self.at < self.pattern.len() {
            let rune = self.rune()?;
            if rune == u32::from(b'}') {
                return Ok(value);
            }
            let Some(digit) = digit(rune) else { return Ok(None) };
            let next = value.unwrap_or(0) * 16 + digit;
            if next > u32::from(char::MAX) {
                return Ok(None);
            }
            value = Some(next);
        }
        Ok(None)
    }

    /// Reads `[...]`.
    fn bracket_class(&mut self) -> Result<(), Error> {
        let start = self.at;
        let whole = self.rest();
        let fold = self.flags.fold_case;
        self.at += 1;
        let negate = self.peek() == Some(b'^');
        if negate {
            self.at += 1;
        }
        let mut class = ClassBuilder::default();
        let first = self.at;
        while self.peek() != Some(b']') || self.at == first {
            let rest = self.rest();
            if rest.len() > 2
                && rest.starts_with(b"[:")
                && let Some(end) = rest.windows(2).skip(2).position(|w| w == b":]")
            {
                let name_start = self.at;
                self.at += end + 4;
                let Some((group, negated)) = class::posix(rest.get(2..end + 2).unwrap_or_default()) else {
                    return Err(self.error(ErrorKind::InvalidCharRange, name_start));
                };
                class.group(group, negated, fold);
                continue;
            }
            if self.group_escape(&mut class)? {
                continue;
            }
            let range_start = self.at;
            let low = self.class_char(whole)?;
            let mut high = low;
            let rest = self.rest();
            if rest.len() >= 2 && rest.first() == Some(&b'-') && rest.get(1) != Some(&b']') {
                self.at += 1;
                high = self.class_char(whole)?;
                if high < low {
                    return Err(self.error(ErrorKind::InvalidCharRange, range_start));
                }
            }
            class.range(low, high);
        }
        debug_assert!(self.at > start);
        self.at += 1;
        let class = class.finish(fold, negate);
        self.push(Item::leaf(Hir::class(Class::Unicode(class))));
        Ok(())
    }

    fn class_char(&mut self, whole_class: &[u8]) -> Result<u32, Error> {
        match self.peek() {
            None => Err(Error::new(ErrorKind::MissingBracket, whole_class)),
            Some(b'\\') => self.escape(),
            Some(_) => self.rune(),
        }
    }
}

fn check_utf8(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|invalid| {
        Error::new(
            ErrorKind::InvalidUtf8,
            text.get(invalid.valid_up_to()..).unwrap_or_default(),
        )
    })
}

/// Reads a decimal number without leading zeros; one that is too large becomes the largest number.
fn number(text: &mut &[u8]) -> Option<u32> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if number.is_empty() || (number.len() > 1 && number.first() == Some(&b'0')) {
        return None;
    }
    *text = rest;
    let value = std::str::from_utf8(number).ok()?.parse().unwrap_or(u32::MAX);
    Some(value)
}
