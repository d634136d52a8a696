//! Numbers with the flags, width and precision of a verb.

use super::printer::Printer;
use go_std::unicode::is_print;
use go_std::{append_quote_rune, format_float};

/// An integer as the verbs see it: the magnitude and the sign.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    pub bits: u64,
    pub signed: bool,
}

impl Printer {
    pub(super) fn integer(&mut self, n: Integer, verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v && !n.signed => self.hex_pointer(n.bits, true),
            'v' | 'd' => self.radix(n, 10, verb),
            'b' => self.radix(n, 2, verb),
            'o' | 'O' => self.radix(n, 8, verb),
            'x' | 'X' => self.radix(n, 16, verb),
            'c' => self.pad(rune(n.bits).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let mut text = Vec::new();
                append_quote_rune(&mut text, rune(n.bits), self.flags.plus);
                self.pad(&text);
            }
            'U' => self.unicode(n.bits),
            _ => return false,
        }
        true
    }

    pub(super) fn hex_pointer(&mut self, bits: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.radix(Integer { bits, signed: false }, 16, 'v');
        self.flags.sharp = sharp;
    }

    fn radix(&mut self, n: Integer, radix: u64, verb: char) {
        let negative = n.signed && (n.bits as i64) < 0;
        let mut left = if negative { n.bits.wrapping_neg() } else { n.bits };
        let flags = self.flags;
        let mut min_digits = 0;
        if let Some(precision) = flags.precision {
            if precision == 0 && left == 0 {
                return self.without_zero(|printer| printer.padding(flags.width.unwrap_or(0)));
            }
            min_digits = precision;
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
            min_digits = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
        }
        let alphabet: &[u8; 16] = if verb == 'X' {
            b"0123456789ABCDEF"
        } else {
            b"0123456789abcdef"
        };
        let mut text = Vec::new(); // last digit first
        loop {
            text.push(alphabet[(left % radix) as usize]);
            left /= radix;
            if left == 0 {
                break;
            }
        }
        text.resize(text.len().max(min_digits), b'0');
        if flags.sharp {
            match radix {
                2 => text.extend_from_slice(b"b0"),
                8 if text.last() != Some(&b'0') => text.push(b'0'),
                16 => text.extend_from_slice(if verb == 'X' { b"X0" } else { b"x0" }),
                _ => {}
            }
        }
        if verb == 'O' {
            text.extend_from_slice(b"o0");
        }
        if negative {
            text.push(b'-');
        } else if flags.plus {
            text.push(b'+');
        } else if flags.space {
            text.push(b' ');
        }
        text.reverse();
        self.without_zero(|printer| printer.pad(&text));
    }

    fn unicode(&mut self, bits: u64) {
        let digits = self.flags.precision.unwrap_or(0).max(4);
        let mut text = format!("{bits:X}");
        if text.len() < digits {
            text.insert_str(0, &"0".repeat(digits - text.len()));
        }
        text.insert_str(0, "U+");
        if self.flags.sharp
            && let Some(c) = u32::try_from(bits)
                .ok()
                .and_then(char::from_u32)
                .filter(|c| is_print(*c))
        {
            text.push_str(" '");
            text.push(c);
            text.push('\'');
        }
        self.without_zero(|printer| printer.pad(text.as_bytes()));
    }

    pub(super) fn float(&mut self, f: f64, verb: char) -> bool {
        let (form, precision) = match verb {
            'v' => (b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
            'f' | 'e' | 'E' => (verb as u8, Some(6)),
            'F' => (b'f', Some(6)),
            _ => return false,
        };
        let flags = self.flags;
        let precision = flags.precision.or(precision);
        let mut text = format_float(f, form, precision);
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if flags.space && text.starts_with('+') && !flags.plus {
            text.replace_range(..1, " ");
        }
        if !f.is_finite() {
            let text = if f.is_nan() && !flags.space && !flags.plus {
                &text[1..]
            } else {
                &text
            };
            self.without_zero(|printer| printer.pad(text.as_bytes()));
            return true;
        }
        if flags.sharp && form != b'b' {
            text = keep_point(&text, form, precision);
        }
        if !flags.plus && text.starts_with('+') {
            self.pad(&text.as_bytes()[1..]);
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width)
            && width > text.len()
        {
            // The sign comes before the zeros.
            self.write(&text.as_bytes()[..1]);
            self.padding(width - text.len());
            self.write(&text.as_bytes()[1..]);
        } else {
            self.pad(text.as_bytes());
        }
        true
    }

    pub(super) fn complex(&mut self, re: f64, im: f64, verb: char) -> bool {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return false;
        }
        let plus = self.flags.plus;
        self.write(b"(");
        self.float(re, verb);
        self.flags.plus = true;
        self.float(im, verb);
        self.write(b"i)");
        self.flags.plus = plus;
        true
    }
}

fn rune(bits: u64) -> char {
    u32::try_from(bits)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The `#` flag of floats: always a decimal point, and trailing zeros up to the precision.
fn keep_point(text: &str, form: u8, precision: Option<usize>) -> String {
    let mut missing = match form {
        b'g' | b'G' | b'x' => precision.map_or(6, |p| p as i64),
        _ => 0,
    };
    let exponent_marks: &[char] = if matches!(form, b'x' | b'X') {
        &['p', 'P']
    } else {
        &['e', 'E', 'p', 'P']
    };
    let (number, tail) = text.split_at(text.find(exponent_marks).unwrap_or(text.len()));
    let significant = number[1..]
        .chars()
        .filter(|c| *c != '.')
        .skip_while(|c| *c == '0')
        .count();
    missing -= significant as i64;
    let mut out = number.to_owned();
    if !number.contains('.') {
        if &number[1..] == "0" {
            missing -= 1;
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', missing.max(0) as usize));
    out.push_str(tail);
    out
}
