//! Conversions between kinds: the rules of Sprig's `strval` and of the Go library spf13/cast.

use go_std::{parse_float, parse_int};
use gotmpl::{Context, FuncError, Str, Value};

use crate::bounds::MAX_TEXT;

/// The text of a value, as `toString` gives it.
pub(crate) fn text(cx: &mut Context<'_>, value: &Value) -> Result<Str, FuncError> {
    Ok(match value {
        Value::Str(s) => s.clone(),
        Value::Int(n, _) => n.to_string().into(),
        Value::Bool(b) => (if *b { "true" } else { "false" }).into(),
        Value::List(list) if list.ty() == gotmpl::Type::BYTES => list.as_bytes().unwrap_or_default().into(),
        other => printed(cx, other)?,
    })
}

/// What `%v` prints, which counts: a small list may print as a large text, and may be given many times over.
pub(crate) fn printed(cx: &mut Context<'_>, value: &Value) -> Result<Str, FuncError> {
    const BYTES_PER_STEP: u64 = 4;
    match value {
        Value::Str(s) => Ok(s.clone()),
        other => {
            let text = gotmpl::sprint(std::slice::from_ref(other), MAX_TEXT)?;
            cx.charge(text.len() as u64 / BYTES_PER_STEP)?;
            Ok(text.into())
        }
    }
}

/// The texts of a list, or of a single value; nil is dropped.
pub(crate) fn texts(cx: &mut Context<'_>, value: &Value) -> Result<Vec<Str>, FuncError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            let mut made = 0;
            let mut texts = Vec::with_capacity(list.len());
            for item in list.items().filter(|item| !item.is_nil()) {
                let text = text(cx, &item)?;
                // Texts are shared, all else is printed.
                if !matches!(item, Value::Str(_)) {
                    made += text.len();
                    cx.check_length(made)?;
                }
                texts.push(text);
            }
            Ok(texts)
        }
        other => Ok(vec![text(cx, other)?]),
    }
}

/// A value as an integer: truncated, 0 if there is no sensible reading.
pub(crate) fn to_i64(value: &Value) -> i64 {
    match value {
        Value::Int(n, _) => *n,
        Value::Uint(n, _) => *n as i64,
        Value::Float(f) => truncate(*f),
        Value::Bool(b) => i64::from(*b),
        Value::Str(s) => parse_int(trim_zero_decimal(s), 0).unwrap_or(0),
        Value::Object(object) => match object.basic() {
            // time.Month and time.Weekday, which are of type int; time.Duration is not.
            Some(Value::Int(n, gotmpl::IntType::Int)) => n,
            _ => 0,
        },
        Value::Nil | Value::Complex(..) | Value::List(_) | Value::Map(_) | Value::Func(_) => 0,
    }
}

/// A value as a float, 0 if there is no sensible reading.
pub(crate) fn to_f64(value: &Value) -> f64 {
    match value {
        Value::Float(f) => *f,
        Value::Uint(n, _) => *n as f64,
        Value::Str(s) => parse_float(s).unwrap_or(0.0),
        other => to_i64(other) as f64,
    }
}

/// Go's conversion on amd64: what does not fit becomes the smallest integer.
fn truncate(f: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&f) {
        f as i64
    } else {
        i64::MIN
    }
}

/// Cuts a `.` followed by nothing but zeros.
fn trim_zero_decimal(text: &[u8]) -> &[u8] {
    let mut found_zero = false;
    for (index, byte) in text.iter().enumerate().rev() {
        match byte {
            b'.' if found_zero => return text.get(..index).unwrap_or_default(),
            b'.' => {}
            b'0' => found_zero = true,
            _ => break,
        }
    }
    text
}

/// `strconv.ParseInt` with its error ignored, which leaves the nearest number if the text is out of range.
pub(crate) fn parse_int_or_bound(text: &[u8]) -> i64 {
    if let Ok(number) = parse_int(text, 10) {
        return number;
    }
    let digits = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b"+"))
        .unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        0
    } else if text.starts_with(b"-") {
        i64::MIN
    } else {
        i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_decimals() {
        assert_eq!(trim_zero_decimal(b"012.0"), b"012");
        assert_eq!(trim_zero_decimal(b"1.50"), b"1.50");
        assert_eq!(trim_zero_decimal(b"1."), b"1.");
    }

    #[test]
    fn floats_truncate_as_on_amd64() {
        assert_eq!(truncate(-1.9), -1);
        assert_eq!(truncate(1e19), i64::MIN);
        assert_eq!(truncate(f64::NAN), i64::MIN);
    }
}
