//! Durations, in nanoseconds: `time.ParseDuration` and `time.Duration.String`.

use std::fmt::Write as _;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The magnitude of the most negative duration; one more than the largest positive one.
const LIMIT: u64 = 1 << 63;

/// Why a text is not a duration; the message is that of Go's `time.ParseDuration`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text does not have the form of a duration, or is out of range.
    #[error("time: invalid duration {}", quote_bytes(.0))]
    Invalid(String),
    /// A number has no unit.
    #[error("time: missing unit in duration {}", quote_bytes(.0))]
    MissingUnit(String),
    /// A unit is none of `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`.
    #[error("time: unknown unit {} in duration {}", quote_bytes(.unit), quote_bytes(.input))]
    UnknownUnit {
        /// The unit that was found.
        unit: String,
        /// The whole input.
        input: String,
    },
}

/// Reads a duration such as `-1.5h`, `300ms` or `1h15m30.918s` into nanoseconds.
///
/// ```
/// assert_eq!(go_std::duration::parse("1m0.5s"), Ok(60_500_000_000));
/// let error = go_std::duration::parse("1d").unwrap_err();
/// assert_eq!(error.to_string(), r#"time: unknown unit "d" in duration "1d""#);
/// ```
pub fn parse(input: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(input.to_owned());
    let mut rest = input.strip_prefix(['-', '+']).unwrap_or(input);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let whole: u64 = match whole {
            "" => 0,
            digits => digits
                .parse()
                .ok()
                .filter(|whole| *whole <= LIMIT)
                .ok_or_else(invalid)?,
        };
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(input.to_owned()));
        }
        let nanos_of_unit = nanos_of(unit).ok_or_else(|| DurationError::UnknownUnit {
            unit: unit.to_owned(),
            input: input.to_owned(),
        })?;
        let part = whole
            .checked_mul(nanos_of_unit)
            .filter(|part| *part <= LIMIT)
            .ok_or_else(invalid)?
            .saturating_add(fraction_of(fraction, nanos_of_unit));
        total = total
            .checked_add(part)
            .filter(|total| *total <= LIMIT)
            .ok_or_else(invalid)?;
        rest = after;
    }
    if input.starts_with('-') {
        return Ok(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| invalid())
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn nanos_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both the micro sign and the Greek letter are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `0.digits * unit`, computed in floats as Go does, without the digits that no longer fit.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes().map(|b| u64::from(b - b'0')) {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(digit));
        match next.filter(|value| *value <= LIMIT) {
            Some(next) => (value, scale) = (next, scale * 10.0),
            None => break,
        }
    }
    if value == 0 {
        return 0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// Prints nanoseconds as Go prints a `time.Duration`: `2h3m0.5s`, `1.5ms`, `0s`.
///
/// ```
/// assert_eq!(go_std::duration::format(90_000_000_000), "1m30s");
/// ```
pub fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    if total == 0 {
        return "0s".to_owned();
    }
    if total < SECOND {
        let (unit, scale) = match total {
            0..MICROSECOND => ("ns", 1),
            MICROSECOND..MILLISECOND => ("\u{b5}s", MICROSECOND),
            _ => ("ms", MILLISECOND),
        };
        return format!("{sign}{}{unit}", decimal(total, scale));
    }
    let seconds = decimal(total % MINUTE, SECOND);
    let (hours, minutes) = (total / HOUR, total % HOUR / MINUTE);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// A number of nanoseconds in a unit, with as many decimals as it needs.
fn decimal(nanos: u64, unit: u64) -> String {
    let (whole, part) = (nanos / unit, nanos % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let fraction = format!("{part:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Quotes as Go's package time does in its errors: bytes that are not ASCII, and control characters, as `\xNN`.
pub fn quote_bytes(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_as_go_does() {
        // Input, and what Go prints for it.
        let rows = [
            ("0", "0s"),
            ("+0", "0s"),
            ("5s", "5s"),
            ("1m", "1m0s"),
            ("1h", "1h0m0s"),
            ("90m", "1h30m0s"),
            ("1.5h", "1h30m0s"),
            ("-1.5s", "-1.5s"),
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("100ms", "100ms"),
            ("1500us", "1.5ms"),
            ("1.5\u{b5}s", "1.5\u{b5}s"),
            ("1.5\u{3bc}s", "1.5\u{b5}s"),
            ("17ns", "17ns"),
            ("1h1m1.000000001s", "1h1m1.000000001s"),
            ("0.1h", "6m0s"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
            ("0.3333333333333333333h", "20m0s"),
            ("0.9223372036854775807s", "922.337203ms"),
        ];
        for (input, printed) in rows {
            assert_eq!(parse(input).map(format), Ok(printed.to_owned()), "{input}");
        }
    }

    #[test]
    fn refuses_with_the_text_of_go() {
        let rows = [
            ("", r#"time: invalid duration """#),
            ("3", r#"time: missing unit in duration "3""#),
            ("-", r#"time: invalid duration "-""#),
            (".s", r#"time: invalid duration ".s""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
            ("\u{e9}", r#"time: invalid duration "\xc3\xa9""#),
            (
                "9223372036854775808ns",
                r#"time: invalid duration "9223372036854775808ns""#,
            ),
            ("99999999999h", r#"time: invalid duration "99999999999h""#),
            (
                "9999999999999999999999s",
                r#"time: invalid duration "9999999999999999999999s""#,
            ),
        ];
        for (input, error) in rows {
            assert_eq!(
                parse(input).map_err(|e| e.to_string()),
                Err(error.to_owned()),
                "{input}"
            );
        }
    }
}
