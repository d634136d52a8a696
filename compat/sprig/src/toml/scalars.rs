//! Strings, numbers and dates of TOML.

use go_std::{NumError, parse_float, parse_int, quote};
use gotmpl::Value;

use super::decode::{Parsed, Parser, quoted};
use crate::dates::{Time, Zone};

impl Parser<'_> {
    /// Reads up to the closing quote of a string on one line.
    pub(super) fn basic_string(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        loop {
            match self.peek() {
                None => return self.error("unexpected EOF; expected '\"'"),
                Some(_) if self.at_newline() => return self.error("strings cannot contain newlines"),
                Some('"') => {
                    self.next();
                    return Ok(out);
                }
                Some('\\') => {
                    self.next();
                    self.escape(&mut out, start)?;
                }
                Some(c) if c != '\t' && c.is_ascii_control() => return self.control(c),
                Some(c) => {
                    self.next();
                    out.push(c);
                }
            }
        }
    }

    pub(super) fn literal_string(&mut self) -> Parsed<String> {
        let start = self.at;
        loop {
            match self.peek() {
                None => return self.error("unexpected EOF; expected \"'\""),
                Some(_) if self.at_newline() => return self.error("strings cannot contain newlines"),
                Some('\'') => {
                    let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
                    self.next();
                    return Ok(text);
                }
                Some(c) if c != '\t' && c.is_ascii_control() => return self.control(c),
                Some(_) => drop(self.next()),
            }
        }
    }

    /// A newline right behind the opening quotes does not count.
    fn skip_first_newline(&mut self) {
        if !self.accept("\n") {
            self.accept("\r\n");
        }
    }

    pub(super) fn multiline_basic(&mut self) -> Parsed<String> {
        self.skip_first_newline();
        let start = self.at;
        let mut out = String::new();
        loop {
            if self.accept("\"\"\"") {
                // Up to two quotes may stand before the closing ones.
                for _ in 0..2 {
                    if self.accept("\"") {
                        out.push('"');
                    }
                }
                return Ok(out);
            }
            match self.next() {
                None => return self.error("unexpected EOF; expected '\"\"\"'"),
                Some('\\') => {
                    // A backslash at the end of a line joins it with the next text.
                    let ahead = self.rest().trim_start_matches([' ', '\t']);
                    if ahead.starts_with('\n') || ahead.starts_with("\r\n") {
                        let trimmed = ahead.trim_start_matches([' ', '\t', '\r', '\n']);
                        self.at = self.text.len() - trimmed.len();
                    } else {
                        self.escape(&mut out, start)?;
                    }
                }
                Some('\r') if self.rest().starts_with('\n') => {}
                Some(c) if !matches!(c, '\t' | '\n') && c.is_ascii_control() => return self.control(c),
                Some(c) => out.push(c),
            }
        }
    }

    pub(super) fn multiline_literal(&mut self) -> Parsed<String> {
        self.skip_first_newline();
        let mut out = String::new();
        loop {
            if self.accept("'''") {
                for _ in 0..2 {
                    if self.accept("'") {
                        out.push('\'');
                    }
                }
                return Ok(out);
            }
            match self.next() {
                None => return self.error("unexpected EOF; expected \"'''\""),
                Some('\r') if self.rest().starts_with('\n') => {}
                Some(c) if !matches!(c, '\t' | '\n') && c.is_ascii_control() => return self.control(c),
                Some(c) => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String, start: usize) -> Parsed<()> {
        let Some(c) = self.next() else {
            return self.error("unexpected EOF; expected '\"'");
        };
        let (digits, name) = match c {
            'x' => (2, "two hexadecimal digits after '\\x'"),
            'u' => (4, "four hexadecimal digits after '\\u'"),
            'U' => (8, "eight hexadecimal digits after '\\U'"),
            _ => {
                out.push(match c {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'f' => '\u{c}',
                    'r' => '\r',
                    'e' => '\u{1b}',
                    '"' | '\\' => c,
                    _ => {
                        return self.error(format!("invalid escape in string '\\{c}'"));
                    }
                });
                return Ok(());
            }
        };
        let valid = self
            .rest()
            .bytes()
            .take(digits)
            .take_while(u8::is_ascii_hexdigit)
            .count();
        if valid < digits {
            self.at += valid;
            self.next();
            let read = self.text.get(start..self.at).unwrap_or_default();
            return self.error(format!(
                "expected {name}, but got {} instead",
                quote(read.as_bytes())
            ));
        }
        let text = self.rest().get(..digits).unwrap_or_default();
        let code = u32::from_str_radix(text, 16).unwrap_or(u32::MAX);
        self.at += digits;
        match char::from_u32(code) {
            Some(c) => out.push(c),
            None => return self.error(format!("Escaped character '\\u{text}' is not valid UTF-8.")),
        }
        Ok(())
    }

    pub(super) fn number_or_date(&mut self) -> Parsed<Value> {
        let text = self.rest();
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let sign = text.len() - unsigned.len();
        if sign == 1 {
            for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
                if unsigned.starts_with(word) {
                    self.at += 1 + word.len();
                    return Ok(Value::Float(if text.starts_with('-') { -value } else { value }));
                }
            }
        }
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        if sign == 0 && digits > 0 && matches!(unsigned.as_bytes().get(digits), Some(b'-' | b':')) {
            return self.date();
        }
        let base = unsigned
            .as_bytes()
            .get(1)
            .copied()
            .filter(|_| unsigned.starts_with('0'));
        if let Some(base @ (b'x' | b'o' | b'b')) = base {
            return self.prefixed_integer(sign, base);
        }
        if digits == 0 {
            self.at += sign;
            let found = self.next();
            if found == Some('.') {
                return self.error("floats must start with a digit, not '.'");
            }
            return self.error(format!(
                "expected a digit but got {}",
                quoted(found.unwrap_or('\0'))
            ));
        }
        let is_float = |c: char| c.is_ascii_digit() || "_.-+eE".contains(c);
        let whole = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(unsigned.len());
        let float = unsigned
            .get(whole..)
            .is_some_and(|rest| rest.starts_with(['.', 'e', 'E']));
        let length = if float {
            unsigned.find(|c| !is_float(c)).unwrap_or(unsigned.len())
        } else {
            whole
        };
        let number = text.get(..sign + length).unwrap_or_default();
        self.at += number.len();
        if float {
            self.float(number)
        } else {
            self.integer(number, false)
        }
    }

    /// Reads `0x1F`, `0o17` or `0b101`, of which a sign must not stand in front.
    fn prefixed_integer(&mut self, sign: usize, base: u8) -> Parsed<Value> {
        let text = self.rest();
        if sign > 0 {
            let shown = text.get(..3).unwrap_or_default();
            return self.error(format!("cannot use sign with non-decimal numbers: '{shown}'"));
        }
        let (radix, name) = match base {
            b'x' => (16, "a hexadecimal"),
            b'o' => (8, "an octal"),
            _ => (2, "a binary"),
        };
        let digits = text.get(2..).unwrap_or_default();
        let first = digits.chars().next();
        if !first.is_some_and(|c| c.is_digit(radix)) {
            let base = char::from(base);
            let first = first.unwrap_or('\0');
            return self.error(format!("not {name} number: '0{base}{first}'"));
        }
        let length = digits
            .find(|c: char| !c.is_digit(radix) && c != '_')
            .unwrap_or(digits.len());
        let number = text.get(..2 + length).unwrap_or_default();
        self.at += number.len();
        self.integer(number, true)
    }

    fn integer(&self, number: &str, prefixed: bool) -> Parsed<Value> {
        let shown = quote(number.as_bytes());
        if !underscores_are_fine(number) {
            return self.error(format!(
                "Invalid integer {shown}: underscores must be surrounded by digits"
            ));
        }
        if !prefixed && has_leading_zero(number) {
            return self.error(format!("Invalid integer {shown}: cannot have leading zeroes"));
        }
        match parse_int(number.as_bytes(), 0) {
            Ok(value) => Ok(Value::int64(value)),
            Err(_) => self.error(format!("{number} is out of range for int64")),
        }
    }

    fn float(&self, number: &str) -> Parsed<Value> {
        let shown = quote(number.as_bytes());
        let parts: Vec<&str> = number
            .split(['.', 'e', 'E'])
            .filter(|part| !part.is_empty())
            .collect();
        if !parts.iter().all(|part| underscores_are_fine(part)) {
            return self.error(format!(
                "Invalid float {shown}: underscores must be surrounded by digits"
            ));
        }
        let dangling_exponent = number.ends_with(['+', '-']);
        if dangling_exponent {
            return self.error(format!(
                "Invalid float {shown}: underscores must be surrounded by digits"
            ));
        }
        if parts.first().is_some_and(|part| has_leading_zero(part)) {
            return self.error(format!("Invalid float {shown}: cannot have leading zeroes"));
        }
        let dangling = number
            .find('.')
            .is_some_and(|dot| !number.as_bytes().get(dot + 1).is_some_and(u8::is_ascii_digit));
        if dangling {
            return self.error(format!(
                "Invalid float {shown}: '.' must be followed by one or more digits"
            ));
        }
        match parse_float(number.replace('_', "").as_bytes()) {
            Ok(value) => Ok(Value::Float(value)),
            Err(NumError::Range) => self.error(format!("{number} is out of range for float64")),
            Err(NumError::Syntax) => self.error(format!("Invalid float value: {shown}")),
        }
    }

    fn date(&mut self) -> Parsed<Value> {
        const LAYOUTS: [(&str, &str); 7] = [
            ("2006-01-02T15:04:05.999999999Z07:00", ""),
            ("2006-01-02T15:04:05.999999999", "datetime-local"),
            ("2006-01-02", "date-local"),
            ("15:04:05.999999999", "time-local"),
            ("2006-01-02T15:04Z07:00", ""),
            ("2006-01-02T15:04", "datetime-local"),
            ("15:04", "time-local"),
        ];
        let text = self.rest();
        let belongs = |c: char| c.is_ascii_digit() || "-:Tt .Zz+".contains(c);
        let length = text.find(|c| !belongs(c)).unwrap_or(text.len());
        let text = text.get(..length).unwrap_or_default().trim_end_matches(' ');
        self.at += text.len();
        let plain = text.replace(['t', ' '], "T").replace('z', "Z");
        for (layout, zone) in LAYOUTS {
            let zone = if zone.is_empty() {
                Zone::Utc
            } else {
                Zone::Fixed(zone.to_owned(), 0)
            };
            if let Ok(time) = Time::parse(layout, &plain, &zone) {
                // Go reads numbers without their leading zeros, TOML does not.
                let fixed = layout.find(['.', 'Z']).unwrap_or(layout.len());
                let same_places = layout.bytes().zip(plain.bytes()).take(fixed);
                if same_places.clone().count() == fixed
                    && same_places.clone().all(|(l, d)| l.is_ascii_digit() || l == d)
                {
                    return Ok(Value::object(time));
                }
                break;
            }
        }
        self.error(format!("invalid datetime: {}", quote(plain.as_bytes())))
    }
}

fn underscores_are_fine(number: &str) -> bool {
    let bytes = number.as_bytes();
    let is_digit = |index: Option<usize>| {
        index
            .and_then(|index| bytes.get(index))
            .is_some_and(u8::is_ascii_hexdigit)
    };
    bytes
        .iter()
        .enumerate()
        .all(|(index, &b)| b != b'_' || (is_digit(index.checked_sub(1)) && is_digit(Some(index + 1))))
}

fn has_leading_zero(number: &str) -> bool {
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    digits.len() > 1 && digits.starts_with('0')
}
