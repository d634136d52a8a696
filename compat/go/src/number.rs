//! Text to numbers and truth: `strconv.ParseInt`, `ParseUint`, `ParseFloat`, `Atoi` and `ParseBool`.

use std::fmt;

/// Why a text is not a number; the display form is the tail of Go's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumError {
    /// The text is not a number.
    Syntax,
    /// The number does not fit.
    Range,
}

impl fmt::Display for NumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NumError::Syntax => "invalid syntax",
            NumError::Range => "value out of range",
        })
    }
}

impl std::error::Error for NumError {}

impl NumError {
    /// The whole message of a function of strconv that was given a text.
    pub fn of_call(self, function: &str, text: &str) -> String {
        format!("strconv.{function}: parsing {}: {self}", crate::quote(text))
    }
}

/// Reads a decimal integer (`strconv.Atoi`).
///
/// ```
/// let message = |text| go_std::atoi(text).map_err(|error| error.of_call("Atoi", text));
/// assert_eq!(message("+12"), Ok(12));
/// assert_eq!(message("1e3").unwrap_err(), r#"strconv.Atoi: parsing "1e3": invalid syntax"#);
/// ```
pub fn atoi(text: &str) -> Result<i64, NumError> {
    parse_int(text.as_bytes(), 10)
}

/// Reads what Go takes for true or false (`strconv.ParseBool`).
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Reads an integer in base 2 to 36, or in base 0 by its prefix (`0x`, `0o`, `0b`, `0`), where
/// underscores may separate digits; 64 bits wide.
pub fn parse_uint(text: &[u8], base: u32) -> Result<u64, NumError> {
    let (digits, radix) = match (base, text) {
        (0, [b'0', b'x' | b'X', rest @ ..]) => (rest, 16),
        (0, [b'0', b'o' | b'O', rest @ ..]) => (rest, 8),
        (0, [b'0', b'b' | b'B', rest @ ..]) => (rest, 2),
        (0, [b'0', rest @ ..]) if !rest.is_empty() => (rest, 8),
        (0, _) => (text, 10),
        (base, _) => (text, base),
    };
    if digits.is_empty() {
        return Err(NumError::Syntax);
    }
    let mut value = 0_u64;
    let mut overflow = false;
    for &digit in digits {
        if digit == b'_' && base == 0 {
            continue;
        }
        let digit = char::from(digit)
            .to_digit(36)
            .filter(|digit| *digit < radix)
            .ok_or(NumError::Syntax)?;
        match value
            .checked_mul(u64::from(radix))
            .and_then(|value| value.checked_add(u64::from(digit)))
        {
            Some(next) => value = next,
            None => overflow = true,
        }
        if overflow {
            return Err(NumError::Range);
        }
    }
    if base == 0 && !underscores_fit(text) {
        return Err(NumError::Syntax);
    }
    Ok(value)
}

/// Reads a signed integer; see [`parse_uint`].
pub fn parse_int(text: &[u8], base: u32) -> Result<i64, NumError> {
    let (negative, digits) = match text {
        [b'+', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let value = parse_uint(digits, base)?;
    match (negative, i64::try_from(value)) {
        (false, Ok(value)) => Ok(value),
        (true, Ok(value)) => Ok(-value),
        (true, Err(_)) if value == 1 << 63 => Ok(i64::MIN),
        _ => Err(NumError::Range),
    }
}

/// Reads a float: decimal, hexadecimal with `p` exponent, `inf`, `infinity`, `nan`.
pub fn parse_float(text: &[u8]) -> Result<f64, NumError> {
    let text = std::str::from_utf8(text).map_err(|_| NumError::Syntax)?;
    let (negative, number) = match text.as_bytes() {
        [b'+', ..] => (false, &text[1..]),
        [b'-', ..] => (true, &text[1..]),
        _ => (false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    let lower = number.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Ok(sign * f64::INFINITY),
        "nan" if number.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    if lower.contains('_') && !underscores_fit(lower.as_bytes()) {
        return Err(NumError::Syntax);
    }
    let plain = lower.replace('_', "");
    let value = if let Some(hex) = plain.strip_prefix("0x") {
        parse_hex_float(hex)?
    } else {
        let digits = plain
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
        if !digits || !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(NumError::Syntax);
        }
        plain.parse::<f64>().map_err(|_| NumError::Syntax)?
    };
    if value.is_infinite() {
        Err(NumError::Range)
    } else {
        Ok(sign * value)
    }
}

fn parse_hex_float(hex: &str) -> Result<f64, NumError> {
    let (digits, exponent) = hex.split_once('p').ok_or(NumError::Syntax)?;
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if exponent_digits.is_empty() || !exponent_digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumError::Syntax);
    }
    let mut power = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') {
        -100_000
    } else {
        100_000
    });
    power = power.clamp(-100_000, 100_000);
    let mut mantissa = 0_u64;
    let mut sticky = false;
    let mut seen = false;
    let mut point = false;
    for c in digits.chars() {
        if c == '.' && !point {
            point = true;
            continue;
        }
        let digit = c.to_digit(16).ok_or(NumError::Syntax)?;
        seen = true;
        if mantissa >> 59 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            power -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            power += if point { 0 } else { 4 };
        }
    }
    if !seen {
        return Err(NumError::Syntax);
    }
    if mantissa == 0 {
        return Ok(0.0);
    }
    Ok(scale(mantissa, sticky, power))
}

/// Rounds `mantissa * 2^power` to the nearest float, half to even.
fn scale(mantissa: u64, sticky: bool, power: i64) -> f64 {
    let shift = i64::from(mantissa.leading_zeros());
    let mantissa = mantissa << shift;
    let power = power - shift; // the value is in [2^63, 2^64) * 2^power
    let exponent = power + 63;
    if exponent > 1023 {
        return f64::INFINITY;
    }
    let drop = if exponent >= -1022 {
        11
    } else {
        11 + (-1022 - exponent)
    };
    if drop > 64 {
        return 0.0;
    }
    let wide = u128::from(mantissa) << 1 | u128::from(sticky);
    let drop = drop as u32 + 1;
    let kept = (wide >> drop) as u64;
    let rest = wide & ((1 << drop) - 1);
    let half = 1_u128 << (drop - 1);
    let rounded = kept + u64::from(rest > half || rest == half && kept & 1 == 1);
    let bits = if exponent >= -1022 {
        // The implicit bit adds one to the exponent field, and so does a carry.
        (((exponent + 1022) as u64) << 52) + rounded
    } else {
        rounded
    };
    f64::from_bits(bits)
}

/// Returns whether every underscore stands between digits or after the base prefix.
fn underscores_fit(text: &[u8]) -> bool {
    let text = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    // What came before: a digit (or prefix), an underscore, anything else, nothing yet.
    let (mut before, rest, hex) = match text {
        [b'0', b, rest @ ..] if matches!(b.to_ascii_lowercase(), b'b' | b'o' | b'x') => {
            (b'0', rest, b.eq_ignore_ascii_case(&b'x'))
        }
        _ => (b'^', text, false),
    };
    for &b in rest {
        if b.is_ascii_digit() || hex && b.is_ascii_hexdigit() {
            before = b'0';
        } else if b == b'_' {
            if before != b'0' {
                return false;
            }
            before = b'_';
        } else {
            if before == b'_' {
                return false;
            }
            before = b'!';
        }
    }
    before != b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, want) in [
            ("0x1F", Ok(31)),
            ("017", Ok(15)),
            ("0o17", Ok(15)),
            ("0b101", Ok(5)),
            ("1_000", Ok(1000)),
            ("0x_1F", Ok(31)),
            ("1_", Err(NumError::Syntax)),
            ("1__0", Err(NumError::Syntax)),
            ("08", Err(NumError::Syntax)),
            ("0x", Err(NumError::Syntax)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(NumError::Range)),
        ] {
            assert_eq!(parse_int(text.as_bytes(), 0), want, "{text}");
        }
    }

    #[test]
    fn floats() {
        for (text, want) in [
            ("1e3", Ok(1000.0)),
            ("5.", Ok(5.0)),
            (".5", Ok(0.5)),
            ("0x1p4", Ok(16.0)),
            ("0x1.8p1", Ok(3.0)),
            ("1_0", Ok(10.0)),
            ("1e400", Err(NumError::Range)),
            ("0x1.8", Err(NumError::Syntax)),
            ("-inf", Ok(f64::NEG_INFINITY)),
            ("", Err(NumError::Syntax)),
            (" 1", Err(NumError::Syntax)),
            ("0x1p-1074", Ok(5e-324)),
            ("0x1.fffffffffffff8p1023", Err(NumError::Range)),
        ] {
            assert_eq!(parse_float(text.as_bytes()), want, "{text}");
        }
    }
}
