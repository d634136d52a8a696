//! Format strings: fmt's doPrintf.

use super::printer::{Flags, Printer};
use crate::value::Value;
use go_std::unicode::decode_rune;

/// Widths, precisions and argument numbers beyond this are errors.
const MAX_NUMBER: i64 = 1_000_000;

pub(super) fn printf(printer: &mut Printer, format: &[u8], values: &[Value]) {
    let mut cursor = Cursor {
        format,
        at: 0,
        values,
        arg: 0,
        reordered: false,
        good: true,
    };
    while cursor.at < format.len() {
        let rest = &format[cursor.at..];
        let literal = rest.iter().position(|b| *b == b'%').unwrap_or(rest.len());
        printer.write(&rest[..literal]);
        cursor.at += literal;
        if cursor.at < format.len() {
            cursor.at += 1;
            cursor.verb(printer);
        }
    }
    if !cursor.reordered && cursor.arg < values.len() {
        printer.flags = Flags::default();
        printer.write(b"%!(EXTRA ");
        for (at, value) in values[cursor.arg..].iter().enumerate() {
            if at > 0 {
                printer.write(b", ");
            }
            if !value.is_nil() {
                printer.write(value.type_name().as_bytes());
                printer.write(b"=");
            }
            printer.print(value, 'v');
        }
        printer.write(b")");
    }
}

struct Cursor<'a> {
    format: &'a [u8],
    at: usize,
    values: &'a [Value],
    arg: usize,
    /// Some verb named its argument by number.
    reordered: bool,
    /// The argument number of this verb makes sense.
    good: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn verb(&mut self, printer: &mut Printer) {
        self.good = true;
        let mut flags = Flags::default();
        while let Some(c) = self.peek() {
            match c {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        printer.flags = flags;
        let mut after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            let width = self.int_arg();
            if width.is_none() {
                printer.write(b"%!(BADWIDTH)");
            }
            flags.width = width.map(|width| width.unsigned_abs() as usize);
            if width.is_some_and(|width| width < 0) {
                flags.minus = true;
                flags.zero = false;
            }
            after_index = false;
        } else {
            flags.width = self.number();
            if after_index && flags.width.is_some() {
                self.good = false;
            }
        }
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            if after_index {
                self.good = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                flags.precision = self.int_arg().and_then(|n| usize::try_from(n).ok());
                if flags.precision.is_none() {
                    printer.write(b"%!(BADPREC)");
                }
                after_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        let Some((verb, size, _)) = self.format.get(self.at..).and_then(decode_rune) else {
            printer.write(b"%!(NOVERB)");
            return;
        };
        self.at += size;
        let mut name = [0; 4];
        let name = verb.encode_utf8(&mut name).as_bytes();
        if verb == '%' {
            printer.write(b"%");
        } else if !self.good {
            printer.write(b"%!");
            printer.write(name);
            printer.write(b"(BADINDEX)");
        } else if let Some(value) = self.values.get(self.arg) {
            if matches!(verb, 'v' | 'w') {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            printer.flags = flags;
            printer.print(value, verb);
            self.arg += 1;
        } else {
            printer.write(b"%!");
            printer.write(name);
            printer.write(b"(MISSING)");
        }
    }

    /// Reads an argument number in brackets, if there is one.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.format.get(self.at + 1..).unwrap_or_default();
        let close = if rest.len() < 2 {
            None
        } else {
            rest.iter().position(|b| *b == b']')
        };
        let Some(close) = close else {
            self.at += 1;
            self.good = false;
            return false;
        };
        let digits = &rest[..close];
        self.at += close + 2;
        let number = parse_number(digits).filter(|(_, len)| *len == digits.len() && *len > 0);
        let Some((number, _)) = number else {
            self.good = false;
            return false;
        };
        match usize::try_from(number - 1)
            .ok()
            .filter(|index| *index < self.values.len())
        {
            Some(index) => self.arg = index,
            None => self.good = false,
        }
        true
    }

    /// Reads a width or precision in digits.
    fn number(&mut self) -> Option<usize> {
        let rest = self.format.get(self.at..).unwrap_or_default();
        let Some((number, len)) = parse_number(rest) else {
            self.at = self.format.len(); // as Go gives up on a crazily long number
            return None;
        };
        self.at += len;
        if len == 0 {
            None
        } else {
            usize::try_from(number).ok()
        }
    }

    /// Takes the next argument as a width or precision.
    fn int_arg(&mut self) -> Option<i64> {
        let value = self.values.get(self.arg)?;
        self.arg += 1;
        let value = match value {
            Value::Object(object) => object.basic().unwrap_or_default(),
            other => other.clone(),
        };
        let number = match value {
            Value::Int(n, _) => n,
            Value::Uint(n, _) => i64::try_from(n).ok()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER).contains(&number).then_some(number)
    }
}

/// Reads leading digits; nothing means that the number is too large.
fn parse_number(text: &[u8]) -> Option<(i64, usize)> {
    let mut number = 0;
    let mut len = 0;
    for digit in text.iter().take_while(|b| b.is_ascii_digit()) {
        if number > MAX_NUMBER {
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
        len += 1;
    }
    Some((number, len))
}
