//! Number constants, which are several Go types at once until they are used.

use crate::value::Value;
use crate::value::str::Str;
use go_std::unicode::decode_rune;
use go_std::{parse_float, parse_int, parse_uint, quote, unquote};

use super::lexer::Kind;

/// A constant with all the types that it fits.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub text: Str,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    pub complex: Option<(f64, f64)>,
    /// The value where nothing asks for a type; nothing if it does not fit into an `int`.
    pub ideal: Option<Value>,
}

impl Number {
    pub(crate) fn parse(text: &Str, kind: Kind) -> Result<Self, String> {
        let mut number = Self {
            text: text.clone(),
            int: None,
            uint: None,
            float: None,
            complex: None,
            ideal: None,
        };
        match kind {
            Kind::CharConstant => number.read_char(text)?,
            Kind::Complex => number.read_complex(text)?,
            _ => number.read_plain(text)?,
        }
        number.ideal = number.ideal_value();
        Ok(number)
    }

    fn read_char(&mut self, text: &[u8]) -> Result<(), String> {
        let Some(literal) = unquote(text) else {
            if starts_with_a_rune(text) {
                return Err(format!(
                    "malformed character constant: {}",
                    String::from_utf8_lossy(text)
                ));
            }
            return Err("invalid syntax".to_owned());
        };
        let code = decode_rune(&literal).map_or(0, |(rune, ..)| u32::from(rune));
        self.int = Some(i64::from(code));
        self.uint = Some(u64::from(code));
        self.float = Some(f64::from(code));
        Ok(())
    }

    fn read_complex(&mut self, text: &[u8]) -> Result<(), String> {
        let error = || "syntax error scanning complex number".to_owned();
        let body = text.strip_suffix(b"i").ok_or_else(error)?;
        // The sign of the imaginary part is the last one that is not an exponent's.
        let split = (1..body.len())
            .rev()
            .find(|at| matches!(body[*at], b'+' | b'-') && !matches!(body[at - 1], b'e' | b'E' | b'p' | b'P'))
            .ok_or_else(error)?;
        let re = parse_float(&body[..split]).map_err(|_| error())?;
        let im = parse_float(&body[split..]).map_err(|_| error())?;
        self.set_complex(re, im);
        Ok(())
    }

    fn set_complex(&mut self, re: f64, im: f64) {
        self.complex = Some((re, im));
        if im == 0.0 {
            self.float = Some(re);
            self.int = exact_int(re);
            self.uint = exact_uint(re);
        }
    }

    fn read_plain(&mut self, text: &[u8]) -> Result<(), String> {
        if let Some(Ok(im)) = text.strip_suffix(b"i").map(parse_float) {
            self.set_complex(0.0, im);
            return Ok(());
        }
        self.uint = parse_uint(text, 0).ok();
        self.int = parse_int(text, 0).ok();
        if self.int == Some(0) {
            self.uint = Some(0); // -0
        }
        self.float = self.int.map(|n| n as f64).or(self.uint.map(|n| n as f64));
        if self.float.is_none()
            && let Ok(float) = parse_float(text)
        {
            if !text.iter().any(|b| b".eEpP".contains(b)) {
                return Err(format!("integer overflow: {}", quote(text)));
            }
            self.float = Some(float);
            self.int = exact_int(float);
            self.uint = exact_uint(float);
        }
        if self.float.is_none() {
            return Err(format!("illegal number syntax: {}", quote(text)));
        }
        Ok(())
    }

    /// The syntax decides: complex, float if it looks like one, int.
    fn ideal_value(&self) -> Option<Value> {
        if let Some((re, im)) = self.complex {
            return Some(Value::Complex(re, im));
        }
        let text: &[u8] = &self.text;
        let hex_int = matches!(text, [b'0', b'x' | b'X', _, ..]) && !text.iter().any(|b| b"pP".contains(b));
        let rune = text.starts_with(b"'");
        match self.float {
            Some(float) if !hex_int && !rune && text.iter().any(|b| b".eEpP".contains(b)) => {
                Some(Value::Float(float))
            }
            _ => self.int.map(Value::int),
        }
    }
}

/// Returns whether a wrong character literal starts with a right rune, which something follows.
fn starts_with_a_rune(text: &[u8]) -> bool {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    (1..inner.len().min(11)).any(|end| {
        let literal: Vec<u8> = [b"'", inner.get(..end).unwrap_or_default(), b"'"].concat();
        unquote(&literal).is_some()
    })
}

fn exact_int(float: f64) -> Option<i64> {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    (fits && float.trunc() == float).then_some(float as i64)
}

fn exact_uint(float: f64) -> Option<u64> {
    let fits = (0.0..18_446_744_073_709_551_616.0).contains(&float);
    (fits && float.trunc() == float).then_some(float as u64)
}
