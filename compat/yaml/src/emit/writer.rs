//! The output and where in it we are.

use super::analysis::{Analysis, has_break, is_break, is_printable, starts_with_break};
use crate::Error;
use crate::scanner::ScalarStyle;

/// The text written so far, with the state that decides about line breaks and spaces.
pub(super) struct Writer {
    pub(super) out: String,
    /// Characters on the current line.
    pub(super) column: usize,
    /// -1 at the root.
    pub(super) indent: i32,
    /// Whether the last thing written counts as white space.
    pub(super) whitespace: bool,
    /// Whether the current line holds nothing but indentation and indicators that keep it.
    pub(super) indention: bool,
    /// The indentation below whose foot comment a blank line is due; -1 for none.
    pub(super) foot_indent: i32,
    pub(super) flow_level: usize,
    /// The column from which on spaces become line breaks.
    pub(super) width: usize,
    pub(super) step: i32,
    /// Bytes that the text may take.
    max_bytes: usize,
}

impl Writer {
    pub(super) fn new(step: u8, width: usize, max_bytes: usize) -> Self {
        Self {
            out: String::new(),
            column: 0,
            indent: -1,
            whitespace: true,
            indention: true,
            foot_indent: -1,
            flow_level: 0,
            width,
            step: i32::from(step),
            max_bytes,
        }
    }

    /// Fails once the text takes more than it may; it is asked before each value.
    pub(super) fn check_size(&self) -> Result<(), Error> {
        if self.out.len() > self.max_bytes {
            return Err(Error::limit(format!(
                "yaml: the text takes more than {} bytes",
                self.max_bytes
            )));
        }
        Ok(())
    }

    pub(super) fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.indention = true;
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    /// Writes text without line breaks.
    pub(super) fn put_str(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        };
    }

    /// Writes a line break of a value as it is.
    fn put_value_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    /// Goes to the current indentation, on a new line if this one is in use.
    pub(super) fn write_indent(&mut self) {
        let indent = self.indent.max(0) as usize;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        if self.foot_indent == indent as i32 {
            self.put_break();
        }
        if self.column < indent {
            self.out.extend(std::iter::repeat_n(' ', indent - self.column));
            self.column = indent;
        }
        self.whitespace = true;
        self.foot_indent = -1;
    }

    /// Writes `-`, `:`, `[` and the like, after a space where one is needed.
    pub(super) fn write_indicator(
        &mut self,
        text: &str,
        need_space: bool,
        is_space: bool,
        is_indention: bool,
    ) {
        if need_space {
            self.separate();
        }
        self.put_str(text);
        self.whitespace = is_space;
        self.indention &= is_indention;
    }

    /// Writes a space unless there is one.
    pub(super) fn separate(&mut self) {
        if !self.whitespace {
            self.put_char(' ');
        }
    }

    fn end_scalar(&mut self) {
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes a plain, single-quoted or double-quoted scalar; `fold` allows line breaks at spaces.
    pub(super) fn write_flow_scalar(&mut self, text: &str, style: ScalarStyle, fold: bool) {
        match style {
            ScalarStyle::SingleQuoted => self.write_single_quoted(text, fold),
            ScalarStyle::DoubleQuoted => self.write_double_quoted(text, fold),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => self.write_plain(text, fold),
        }
    }

    fn fits(&self, text: &str, fold: bool) -> bool {
        !fold || self.column.saturating_add(text.len()) <= self.width
    }

    fn write_plain(&mut self, text: &str, fold: bool) {
        if text.is_empty() {
            self.indention = false;
            return;
        }
        self.separate();
        if self.fits(text, fold) && !has_break(text) {
            self.put_str(text);
        } else {
            self.write_words(text, fold, false);
        }
        self.end_scalar();
    }

    fn write_single_quoted(&mut self, text: &str, fold: bool) {
        self.write_indicator("'", true, false, false);
        if self.fits(text, fold) && !text.contains('\'') && !has_break(text) {
            self.put_str(text);
        } else {
            self.write_words(text, fold, true);
        }
        self.write_indicator("'", false, false, false);
        self.end_scalar();
    }

    /// Writes text in which spaces may become line breaks and line breaks are doubled.
    fn write_words(&mut self, text: &str, fold: bool, quoted: bool) {
        let (mut after_space, mut after_break) = (false, false);
        for (at, c) in text.char_indices() {
            let next = text.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
            if c == ' ' {
                let inside = !quoted || (at > 0 && next.is_some());
                if fold && !after_space && self.column > self.width && inside && next != Some(' ') {
                    self.write_indent();
                } else {
                    self.put_char(c);
                }
                after_space = true;
            } else if is_break(c) {
                if !after_break && c == '\n' {
                    self.put_break();
                }
                self.put_value_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                if quoted && c == '\'' {
                    self.put_char('\'');
                }
                self.put_char(c);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
    }

    fn write_double_quoted(&mut self, text: &str, fold: bool) {
        self.write_indicator("\"", true, false, false);
        // Go looks for the mark at the start of the text instead of at the character in hand.
        let escape_all = text.starts_with('\u{feff}');
        let mut after_space = false;
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            if escape_all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.write_escape(c);
                after_space = false;
            } else if c == ' ' {
                let inside = at > 0 && end < text.len();
                if fold && !after_space && self.column > self.width && inside {
                    self.write_indent();
                    if text.as_bytes().get(end) == Some(&b' ') {
                        self.put_char('\\');
                    }
                } else {
                    self.put_char(c);
                }
                after_space = true;
            } else {
                self.put_char(c);
                after_space = false;
            }
        }
        self.write_indicator("\"", false, false, false);
        self.end_scalar();
    }

    fn write_escape(&mut self, c: char) {
        let short = match c {
            '\0' => "\\0",
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\x0b' => "\\v",
            '\x0c' => "\\f",
            '\r' => "\\r",
            '\x1b' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{a0}' => "\\_",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => "",
        };
        if short.is_empty() {
            let code = u32::from(c);
            let long = match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
            self.put_str(&long);
        } else {
            self.put_str(short);
        }
    }

    /// Writes `|` or `>` with its indentation and chomping indicators.
    pub(super) fn write_block_header(&mut self, indicator: &str, text: &str) {
        self.write_indicator(indicator, true, false, false);
        if text.starts_with(' ') || starts_with_break(text) {
            self.write_indicator(&self.step.to_string(), false, false, false);
        }
        let mut ends = text.chars().rev();
        let chomping = match (ends.next(), ends.next()) {
            (Some(last), None) if is_break(last) => "+",
            (Some(last), Some(before)) if is_break(last) && is_break(before) => "+",
            (Some(last), _) if is_break(last) => "",
            _ => "-",
        };
        if !chomping.is_empty() {
            self.write_indicator(chomping, false, false, false);
        }
    }

    /// Writes the lines of a literal; the header line is complete.
    pub(super) fn write_literal_body(&mut self, text: &str) {
        self.whitespace = true;
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(is_break).unwrap_or(rest.len());
            let (line, tail) = rest.split_at(end);
            if !line.is_empty() {
                self.write_indent();
                self.put_str(line);
                self.indention = false;
            }
            rest = tail;
            if let Some(c) = rest.chars().next() {
                self.put_value_break(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }

    /// Writes the lines of a folded scalar, without folding any further; the header line is complete.
    pub(super) fn write_folded_body(&mut self, text: &str) {
        self.whitespace = true;
        let (mut after_break, mut blank_line_start) = (true, true);
        // Whether a break is doubled depends on the first character of the whole text, as in Go.
        let text_starts_blank = text.trim_start_matches(is_break).starts_with([' ', '\t']);
        for c in text.chars() {
            if is_break(c) {
                if !after_break && !blank_line_start && c == '\n' && !text_starts_blank {
                    self.put_break();
                }
                self.put_value_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                    blank_line_start = matches!(c, ' ' | '\t');
                }
                self.put_char(c);
                self.indention = false;
                after_break = false;
            }
        }
    }

    /// Writes comment lines, each with a `#`, and ends the line.
    pub(super) fn write_comment(&mut self, comment: &str) {
        let (mut after_break, mut marked) = (false, false);
        for c in comment.chars() {
            if is_break(c) {
                self.put_value_break(c);
                (after_break, marked) = (true, false);
            } else {
                if after_break {
                    self.write_indent();
                }
                if !marked {
                    if c != '#' {
                        self.put_str("# ");
                    }
                    marked = true;
                }
                self.put_char(c);
                self.indention = false;
                after_break = false;
            }
        }
        if !after_break {
            self.put_break();
        }
        self.whitespace = true;
    }
}

/// The style a scalar really gets: the wanted one if the text, and the place it is in, allow it.
pub(super) fn select_style(
    wanted: ScalarStyle,
    analysis: Analysis,
    empty: bool,
    in_flow: bool,
    simple_key: bool,
) -> ScalarStyle {
    let mut style = wanted;
    if simple_key && analysis.multiline {
        style = ScalarStyle::DoubleQuoted;
    }
    if style == ScalarStyle::Plain {
        let allowed = if in_flow {
            analysis.flow_plain
        } else {
            analysis.block_plain
        };
        if !allowed || (empty && (in_flow || simple_key)) {
            style = ScalarStyle::SingleQuoted;
        }
    }
    match style {
        ScalarStyle::SingleQuoted if !analysis.single_quoted => ScalarStyle::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded if !analysis.block || in_flow || simple_key => {
            ScalarStyle::DoubleQuoted
        }
        _ => style,
    }
}
