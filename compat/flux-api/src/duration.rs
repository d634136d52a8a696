//! Durations as Go writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The magnitude of the most negative Go duration; one more than the largest positive one.
const LIMIT: u64 = 1 << 63;

/// A span of time with the range, the parser and the printed form of Go's `time.Duration`.
///
/// It counts nanoseconds in an `i64`, may be negative, and prints in hours, minutes and seconds (`1h30m0s`,
/// `1.5s`, `250ms`), which is also its JSON form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    /// Returns a duration of whole nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns the number of nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Returns the duration for use with Rust's clocks; a negative one becomes zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<std::time::Duration> for GoDuration {
    /// Converts, stopping at the largest duration that Go can hold (about 292 years).
    fn from(duration: std::time::Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Why a string is not a Go duration; the text is that of Go's `time.ParseDuration`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The string does not have the form of a duration, or is out of range.
    #[error("time: invalid duration {}", go_quote(.0))]
    Invalid(String),
    /// A number has no unit.
    #[error("time: missing unit in duration {}", go_quote(.0))]
    MissingUnit(String),
    /// A unit is none of `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`.
    #[error("time: unknown unit {} in duration {}", go_quote(.unit), go_quote(.input))]
    UnknownUnit {
        /// The unit that was found.
        unit: String,
        /// The whole input.
        input: String,
    },
}

impl FromStr for GoDuration {
    type Err = DurationError;

    /// Parses what Go's `time.ParseDuration` accepts, and nothing else.
    fn from_str(input: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(input.to_owned());
        let (negative, mut rest) = match input.as_bytes().first() {
            Some(b'-') => (true, &input[1..]),
            Some(b'+') => (false, &input[1..]),
            _ => (false, input),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole_digits, after) = split_digits(rest);
            let (fraction_digits, after) = match after.strip_prefix('.') {
                Some(after) => split_digits(after),
                None => ("", after),
            };
            if whole_digits.is_empty() && fraction_digits.is_empty() {
                return Err(invalid());
            }
            let whole = parse_whole(whole_digits).ok_or_else(invalid)?;
            let unit_end = after
                .find(|c: char| c == '.' || c.is_ascii_digit())
                .unwrap_or(after.len());
            let (unit_name, after) = after.split_at(unit_end);
            if unit_name.is_empty() {
                return Err(DurationError::MissingUnit(input.to_owned()));
            }
            let unit = unit_nanos(unit_name).ok_or_else(|| DurationError::UnknownUnit {
                unit: unit_name.to_owned(),
                input: input.to_owned(),
            })?;
            let mut nanos = whole
                .checked_mul(unit)
                .filter(|n| *n <= LIMIT)
                .ok_or_else(invalid)?;
            // Go computes fractions in float64, so `0.1h` must be rounded the same way here.
            let (fraction, scale) = parse_fraction(fraction_digits);
            if fraction > 0 {
                nanos = nanos.saturating_add((fraction as f64 * (unit as f64 / scale)) as u64);
            }
            total = total
                .checked_add(nanos)
                .filter(|n| *n <= LIMIT)
                .ok_or_else(invalid)?;
            rest = after;
        }
        if negative {
            return Ok(Self(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn parse_whole(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return Some(0);
    }
    digits.parse().ok().filter(|n| *n <= LIMIT)
}

/// Returns the digits as an integer and the power of ten below it, dropping digits that no longer fit.
fn parse_fraction(digits: &str) -> (u64, f64) {
    let (mut value, mut scale) = (0_u64, 1.0);
    for digit in digits.bytes().map(|b| u64::from(b - b'0')) {
        match value
            .checked_mul(10)
            .and_then(|v| v.checked_add(digit))
            .filter(|v| *v <= LIMIT)
        {
            Some(next) => (value, scale) = (next, scale * 10.0),
            None => break,
        }
    }
    (value, scale)
}

fn unit_nanos(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => NANOSECOND,
        // Both the micro sign and the Greek letter are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => write_decimal(f, nanos, MICROSECOND, "\u{b5}s"),
            MILLISECOND..SECOND => write_decimal(f, nanos, MILLISECOND, "ms"),
            _ => {
                if nanos >= HOUR {
                    write!(f, "{}h", nanos / HOUR)?;
                }
                if nanos >= MINUTE {
                    write!(f, "{}m", nanos % HOUR / MINUTE)?;
                }
                write_decimal(f, nanos % MINUTE, SECOND, "s")
            }
        }
    }
}

/// Writes `nanos` in `unit` with as many decimals as it needs.
fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let fraction = nanos % unit;
    if fraction > 0 {
        let digits = format!("{:0width$}", fraction, width = unit.ilog10() as usize);
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(name)
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A duration field of an API object, which keeps a value that is not a duration instead of failing.
///
/// A single object whose duration cannot be read must not stop the watch over all of them (Flux had that as
/// CVE-2022-39272), so decoding always succeeds and the reader asks for the value with [`Duration::get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duration(Result<GoDuration, DurationError>);

impl Duration {
    /// Returns the duration, or why the field does not hold one.
    pub fn get(&self) -> Result<GoDuration, &DurationError> {
        self.0.as_ref().copied()
    }
}

impl Default for Duration {
    fn default() -> Self {
        GoDuration::default().into()
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        Self(Ok(duration))
    }
}

impl From<&str> for Duration {
    fn from(text: &str) -> Self {
        Self(text.parse())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(duration) => duration.serialize(serializer),
            Err(DurationError::Invalid(text) | DurationError::MissingUnit(text)) => {
                serializer.serialize_str(text)
            }
            Err(DurationError::UnknownUnit { input, .. }) => serializer.serialize_str(input),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Self::default(),
            serde_json::Value::String(text) => Self(text.parse()),
            other => Self(Err(DurationError::Invalid(other.to_string()))),
        })
    }
}

/// Quotes as Go's time package does in its errors: bytes that are not ASCII, and control characters, as `\xNN`.
fn go_quote(text: &str) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.extend([
                '\\',
                'x',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
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
            assert_eq!(
                input.parse::<GoDuration>().map(|d| d.to_string()),
                Ok(printed.to_owned()),
                "{input}"
            );
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
                input.parse::<GoDuration>().map_err(|e| e.to_string()),
                Err(error.to_owned()),
                "{input}"
            );
        }
    }

    #[test]
    fn a_field_with_an_odd_value_decodes_and_says_what_it_holds() {
        for json in ["\"soon\"", "5", "{\"a\":1}"] {
            let field: Duration = serde_json::from_str(json).expect("decodes");
            assert!(field.get().is_err(), "{json}");
        }
        assert_eq!(
            serde_json::from_str::<Duration>("\"1m\"")
                .expect("decodes")
                .get()
                .expect("valid")
                .as_nanos(),
            60_000_000_000
        );
    }
}
