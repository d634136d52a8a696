//! Scalars: plain, quoted, block. Values without folds and escapes are borrowed from the input.

use std::borrow::Cow;

use super::{Mark, ScalarStyle, Scanner, TokenKind};
use crate::Error;

/// What the scalar scanners look for, one bit per byte.
const BLANK: u8 = 1;
/// May start a line break.
const BREAK: u8 = 2;
const COLON: u8 = 4;
/// Ends a plain scalar inside a flow collection.
const FLOW: u8 = 8;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\n' as usize] = BREAK;
    table[b'\r' as usize] = BREAK;
    table[0xc2] = BREAK;
    table[0xe2] = BREAK;
    table[b':' as usize] = COLON;
    table[b',' as usize] = FLOW;
    table[b'?' as usize] = FLOW;
    table[b'[' as usize] = FLOW;
    table[b']' as usize] = FLOW;
    table[b'{' as usize] = FLOW;
    table[b'}' as usize] = FLOW;
    table
};

fn class(byte: u8) -> u8 {
    CLASS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// A value that stays a slice of the input until something in it has to change.
struct Value<'a> {
    owned: Option<String>,
    from: usize,
    to: usize,
    text: &'a str,
}

impl<'a> Value<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self {
            owned: None,
            from: at,
            to: at,
            text,
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Appends the input between two offsets.
    fn extend(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        let piece = self.slice(from, to);
        match &mut self.owned {
            Some(owned) => owned.push_str(piece),
            None if self.from == self.to => (self.from, self.to) = (from, to),
            None if self.to == from => self.to = to,
            None => self.own().push_str(piece),
        }
    }

    /// Appends text that is not in the input at this place.
    fn push_str(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.own().push_str(piece);
        }
    }

    fn own(&mut self) -> &mut String {
        let start = self.slice(self.from, self.to);
        self.owned.get_or_insert_with(|| start.to_owned())
    }

    fn finish(self) -> Cow<'a, str> {
        match self.owned {
            Some(owned) => Cow::Owned(owned),
            None => Cow::Borrowed(self.slice(self.from, self.to)),
        }
    }
}

/// The white space between two words of a flow scalar.
#[derive(Default)]
struct Gap {
    /// The blanks on the first line, as offsets.
    blanks: Option<(usize, usize)>,
    /// The first line break; the blanks are dropped once there is one.
    first_break: Option<&'static str>,
    more_breaks: String,
}

impl Gap {
    /// Appends what the gap means: the blanks, or the folded line breaks.
    fn fold_into(&mut self, value: &mut Value<'_>) {
        match self.first_break.take() {
            Some("\n") if self.more_breaks.is_empty() => value.push_str(" "),
            Some("\n") => value.push_str(&self.more_breaks),
            Some(other) => {
                value.push_str(other);
                value.push_str(&self.more_breaks);
            }
            None => {
                if let Some((from, to)) = self.blanks {
                    value.extend(from, to);
                }
            }
        }
        self.blanks = None;
        self.more_breaks.clear();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'a> Scanner<'a> {
    fn push_scalar_token(&mut self, value: Cow<'a, str>, style: ScalarStyle, start: Mark, end: Mark) {
        self.tokens.push_back(super::Token {
            kind: TokenKind::Scalar { value, style },
            start,
            end,
        });
    }

    // ---- plain ----

    pub(super) fn fetch_plain(&mut self) -> Result<(), Error> {
        self.save_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        let mut end = start;
        let mut value = Value::new(self.text, self.pos);
        let mut gap = Gap::default();
        let indent = self.indent + 1;
        loop {
            self.need(4)?;
            if self.at_document_indicator() || self.at(0) == b'#' {
                break;
            }
            let from = self.pos;
            let to = self.plain_run_end();
            if to > from {
                gap.fold_into(&mut value);
                value.extend(from, to);
                self.skip_to(to);
                end = self.mark();
                self.need(2)?;
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            self.scan_plain_gap(&mut gap, indent, start)?;
            if self.flow_level == 0 && (self.column() as i32) < indent {
                break;
            }
        }
        if gap.first_break.is_some() {
            self.simple_key_allowed = true;
        }
        self.push_scalar_token(value.finish(), ScalarStyle::Plain, start, end);
        Ok(())
    }

    /// The end of the characters that a plain scalar takes without a look at white space.
    fn plain_run_end(&self) -> usize {
        let stop = if self.flow_level > 0 {
            BLANK | BREAK | COLON | FLOW
        } else {
            BLANK | BREAK | COLON
        };
        let mut at = self.pos;
        while let Some(&byte) = self.bytes.get(at) {
            let class = class(byte) & stop;
            if class != 0 {
                let offset = at - self.pos;
                let ends = match class {
                    COLON => self.is_blankz(offset + 1),
                    BREAK => self.is_break(offset),
                    _ => true,
                };
                if ends {
                    return at;
                }
            }
            at += 1;
        }
        at
    }

    fn scan_plain_gap(&mut self, gap: &mut Gap, indent: i32, start: Mark) -> Result<(), Error> {
        loop {
            if self.is_blank(0) {
                let from = self.pos;
                if gap.first_break.is_none() {
                    self.skip_blanks();
                    gap.blanks = Some((gap.blanks.map_or(from, |(from, _)| from), self.pos));
                } else {
                    while self.is_blank(0) {
                        if self.at(0) == b'\t' && (self.column() as i32) < indent {
                            return Err(self.error(start, "found a tab character that violates indentation"));
                        }
                        self.pos += 1;
                    }
                }
            } else if self.is_break(0) {
                self.need(2)?;
                self.scan_gap_break(gap);
            } else {
                return self.need(1);
            }
        }
    }

    fn scan_gap_break(&mut self, gap: &mut Gap) {
        let read = self.skip_line();
        if gap.first_break.is_none() {
            gap.first_break = Some(read);
            gap.blanks = None;
        } else {
            gap.more_breaks.push_str(read);
        }
    }

    // ---- quoted ----

    pub(super) fn fetch_quoted(&mut self, single: bool) -> Result<(), Error> {
        self.save_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        self.skip();
        let quote = if single { b'\'' } else { b'"' };
        let mut value = Value::new(self.text, self.pos);
        loop {
            self.need(4)?;
            if self.at_document_indicator() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.at_end() {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            let joined = self.scan_quoted_words(&mut value, quote, start)?;
            self.need(1)?;
            if self.at(0) == quote {
                break;
            }
            if joined {
                // The escaped break takes the place of the first one and reads as nothing.
                gap.first_break = Some("");
            }
            self.scan_quoted_gap(&mut gap)?;
            gap.fold_into(&mut value);
        }
        self.skip();
        let style = if single {
            ScalarStyle::SingleQuoted
        } else {
            ScalarStyle::DoubleQuoted
        };
        let end = self.mark();
        self.push_scalar_token(value.finish(), style, start, end);
        Ok(())
    }

    /// Takes characters up to the closing quote or to white space; true if an escaped line break ended them.
    fn scan_quoted_words(&mut self, value: &mut Value<'a>, quote: u8, start: Mark) -> Result<bool, Error> {
        loop {
            let from = self.pos;
            let mut at = from;
            while let Some(&byte) = self.bytes.get(at) {
                if byte == quote || byte == b'\\' && quote == b'"' {
                    break;
                }
                match class(byte) {
                    BLANK => break,
                    BREAK if self.is_break(at - from) => break,
                    _ => at += 1,
                }
            }
            if at > from {
                value.extend(from, at);
                self.skip_to(at);
                self.need(2)?;
            }
            match self.at(0) {
                b'\'' if quote == b'\'' && self.at(1) == b'\'' => {
                    value.push_str("'");
                    self.skip_to(self.pos + 2);
                }
                b'\\' if quote == b'"' && self.is_break(1) => {
                    self.need(3)?;
                    self.skip();
                    self.skip_line();
                    // Nothing may be borrowed across the break.
                    value.own();
                    return Ok(true);
                }
                b'\\' if quote == b'"' => self.scan_escape(value, start)?,
                _ => return Ok(false),
            }
            self.need(2)?;
        }
    }

    fn scan_quoted_gap(&mut self, gap: &mut Gap) -> Result<(), Error> {
        loop {
            if self.is_blank(0) {
                let from = self.pos;
                self.skip_blanks();
                if gap.first_break.is_none() {
                    gap.blanks = Some((from, self.pos));
                }
            } else if self.is_break(0) {
                self.need(2)?;
                self.scan_gap_break(gap);
            } else {
                return self.need(1);
            }
        }
    }

    fn scan_escape(&mut self, value: &mut Value<'a>, start: Mark) -> Result<(), Error> {
        let (text, digits) = match self.at(1) {
            b'0' => ("\0", 0),
            b'a' => ("\x07", 0),
            b'b' => ("\x08", 0),
            b't' | b'\t' => ("\t", 0),
            b'n' => ("\n", 0),
            b'v' => ("\x0b", 0),
            b'f' => ("\x0c", 0),
            b'r' => ("\r", 0),
            b'e' => ("\x1b", 0),
            b' ' => (" ", 0),
            b'"' => ("\"", 0),
            b'\'' => ("'", 0),
            b'\\' => ("\\", 0),
            b'N' => ("\u{85}", 0),
            b'_' => ("\u{a0}", 0),
            b'L' => ("\u{2028}", 0),
            b'P' => ("\u{2029}", 0),
            b'x' => ("", 2),
            b'u' => ("", 4),
            b'U' => ("", 8),
            _ => return Err(self.error(start, "found unknown escape character")),
        };
        self.skip_to(self.pos + 2);
        value.push_str(text);
        if digits == 0 {
            return Ok(());
        }
        self.need(digits)?;
        let mut code = 0_u32;
        for offset in 0..digits {
            match char::from(self.at(offset)).to_digit(16) {
                // Eight digits fit exactly.
                Some(digit) => code = code << 4 | digit,
                None => return Err(self.error(start, "did not find expected hexdecimal number")),
            }
        }
        match char::from_u32(code) {
            Some(c) => value.own().push(c),
            None => return Err(self.error(start, "found invalid Unicode character escape code")),
        }
        self.skip_to(self.pos + digits);
        Ok(())
    }

    // ---- block ----

    pub(super) fn fetch_block_scalar(&mut self, literal: bool) -> Result<(), Error> {
        self.remove_key()?;
        self.simple_key_allowed = true;
        let start = self.mark();
        self.skip();
        let (chomping, increment) = self.scan_block_header(start)?;
        let mut end = self.mark();
        let mut indent = match increment {
            0 => 0,
            more if self.indent >= 0 => self.indent as u32 + more,
            more => more,
        };
        let mut value = String::new();
        let mut leading_break = "";
        let mut breaks = String::new();
        self.scan_block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        self.need(1)?;
        let mut after_blank = false;
        while self.column() == indent && !self.at_end() {
            let blank = self.is_blank(0);
            if !literal && leading_break == "\n" && !after_blank && !blank {
                if breaks.is_empty() {
                    value.push(' ');
                }
            } else {
                value.push_str(leading_break);
            }
            value.push_str(&breaks);
            breaks.clear();
            after_blank = blank;
            let to = self.line_end();
            let line = self.text.get(self.pos..to).unwrap_or_default();
            value.push_str(line);
            if line.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
                self.skip_blanks();
            } else {
                self.skip_to(to);
            }
            self.need(2)?;
            leading_break = self.skip_line();
            self.scan_block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            value.push_str(leading_break);
        }
        if chomping == Chomping::Keep {
            value.push_str(&breaks);
        }
        let style = if literal {
            ScalarStyle::Literal
        } else {
            ScalarStyle::Folded
        };
        self.push_scalar_token(Cow::Owned(value), style, start, end);
        Ok(())
    }

    /// Takes what follows `|` or `>` on its line: chomping and indentation in either order, blanks, a comment.
    fn scan_block_header(&mut self, start: Mark) -> Result<(Chomping, u32), Error> {
        self.need(1)?;
        let mut chomping = self.scan_chomping();
        self.need(1)?;
        let mut increment = 0;
        if self.at(0).is_ascii_digit() {
            if self.at(0) == b'0' {
                return Err(self.error(start, "found an indentation indicator equal to 0"));
            }
            increment = u32::from(self.at(0) - b'0');
            self.skip();
            self.need(1)?;
            if chomping.is_none() {
                chomping = self.scan_chomping();
            }
        }
        self.skip_blanks();
        self.need(1)?;
        if self.at(0) == b'#' {
            if self.flavor == super::Flavor::V3 {
                self.scan_line_comment(start)?;
            }
            self.skip_comment()?;
        }
        if !self.is_breakz(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        if self.is_break(0) {
            self.need(2)?;
            self.skip_line();
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn scan_chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.at(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return None,
        };
        self.skip();
        Some(chomping)
    }

    /// Takes indentation and empty lines; finds the indentation of the block if it is not known (0).
    fn scan_block_breaks(
        &mut self,
        indent: &mut u32,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Result<(), Error> {
        *end = self.mark();
        let mut widest = 0;
        loop {
            self.need(1)?;
            while (*indent == 0 || self.column() < *indent) && self.at(0) == b' ' {
                self.pos += 1;
            }
            self.need(1)?;
            widest = widest.max(self.column());
            if (*indent == 0 || self.column() < *indent) && self.at(0) == b'\t' {
                return Err(self.error(
                    start,
                    "found a tab character where an indentation space is expected",
                ));
            }
            if !self.is_break(0) {
                break;
            }
            self.need(2)?;
            breaks.push_str(self.skip_line());
            *end = self.mark();
        }
        if *indent == 0 {
            *indent = widest.max((self.indent + 1) as u32).max(1);
        }
        Ok(())
    }
}
