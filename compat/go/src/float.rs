//! Floating-point numbers as Go prints them.

use compact_str::{CompactString, ToCompactString as _};

/// Go's `strconv.FormatFloat(value, 'g', -1, 64)`: shortest digits, an exponent below 1e-4 and from 1e6 on.
///
/// ```
/// assert_eq!(go_std::float::format_g(999_999.0), "999999");
/// assert_eq!(go_std::float::format_g(1e6), "1e+06");
/// assert_eq!(go_std::float::format_g(0.00001), "1e-05");
/// assert_eq!(go_std::float::format_g(1_234_567.5), "1.2345675e+06");
/// ```
pub fn format_g(value: f64) -> String {
    let mut out = String::new();
    if !special(&mut out, value, ["NaN", "+Inf", "-Inf"]) {
        write_g(&mut out, &Decimal::of(ryu::Buffer::new().format_finite(value)));
    }
    out
}

/// Like [`format_g`], with the shortest digits that tell apart two `float32` values.
pub fn format_g32(value: f64) -> String {
    let value = value as f32;
    let mut out = String::new();
    if !special(&mut out, f64::from(value), ["NaN", "+Inf", "-Inf"]) {
        write_g(&mut out, &Decimal::of(ryu::Buffer::new().format_finite(value)));
    }
    out
}

/// A float as encoding/json writes it: plain digits from 1e-6 up to 1e21, else an exponent; `None` for NaN and infinities.
///
/// ```
/// assert_eq!(go_std::float::format_json(1e20).as_deref(), Some("100000000000000000000"));
/// assert_eq!(go_std::float::format_json(1e-7).as_deref(), Some("1e-7"));
/// ```
pub fn format_json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let mut buffer = ryu::Buffer::new();
    let number = Decimal::of(buffer.format_finite(value));
    let mut out = String::new();
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        write_plain(&mut out, &number);
    } else {
        write_exponent(&mut out, &number, 1);
    }
    Some(out)
}

/// A float as the YAML printers write it: [`format_g`] with `.inf`, `-.inf` and `.nan`.
pub fn format_yaml(value: f64) -> String {
    let mut out = String::new();
    if !special(&mut out, value, [".nan", ".inf", "-.inf"]) {
        write_g(&mut out, &Decimal::of(ryu::Buffer::new().format_finite(value)));
    }
    out
}

fn special(out: &mut String, value: f64, [nan, positive, negative]: [&str; 3]) -> bool {
    let text = match value {
        v if v.is_nan() => nan,
        f64::INFINITY => positive,
        f64::NEG_INFINITY => negative,
        _ => return false,
    };
    out.push_str(text);
    true
}

/// A number taken apart: 0.DIGITS times ten to the `point`.
///
/// The digits are Ryu's, which Go's are too; the standard library rounds some ties the other way.
pub(crate) struct Decimal {
    negative: bool,
    pub(crate) digits: CompactString,
    pub(crate) point: i32,
}

impl Decimal {
    /// Reads what Ryu prints: `-1.5`, `123.0`, `1.5e-7`, `0.001`.
    pub(crate) fn of(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = CompactString::with_capacity(24);
        digits.push_str(whole);
        digits.push_str(fraction);
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let significant = CompactString::new(digits.trim_matches('0'));
        let point = whole.len() as i32 - leading as i32 + exponent.parse().unwrap_or(0);
        if significant.is_empty() {
            return Self {
                negative,
                digits: CompactString::const_new("0"),
                point: 1,
            };
        }
        Self {
            negative,
            digits: significant,
            point,
        }
    }
}

/// Go's `'g'` with shortest digits: an exponent below 1e-4 and from 1e6 on.
fn write_g(out: &mut String, number: &Decimal) {
    if (-3..=6).contains(&number.point) {
        write_plain(out, number);
    } else {
        write_exponent(out, number, 2);
    }
}

fn write_exponent(out: &mut String, number: &Decimal, least_digits: usize) {
    let (first, rest) = number.digits.split_at(1);
    let exponent = number.point - 1;
    out.push_str(if number.negative { "-" } else { "" });
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out.push_str(if exponent < 0 { "e-" } else { "e+" });
    let exponent = exponent.unsigned_abs().to_compact_string();
    out.extend(std::iter::repeat_n(
        '0',
        least_digits.saturating_sub(exponent.len()),
    ));
    out.push_str(&exponent);
}

fn write_plain(out: &mut String, number: &Decimal) {
    out.push_str(if number.negative { "-" } else { "" });
    let Ok(whole @ 1..) = usize::try_from(number.point) else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', number.point.unsigned_abs() as usize));
        out.push_str(&number.digits);
        return;
    };
    match number.digits.split_at_checked(whole) {
        Some((digits, "")) => out.push_str(digits),
        Some((digits, fraction)) => {
            out.push_str(digits);
            out.push('.');
            out.push_str(fraction);
        }
        None => {
            out.push_str(&number.digits);
            out.extend(std::iter::repeat_n('0', whole - number.digits.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_thresholds() {
        let cases = [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (999_999.0, "999999", "999999"),
            (1_000_000.0, "1e+06", "1000000"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "0.00001"),
            (1e-7, "1e-07", "1e-7"),
            (1e20, "1e+20", "100000000000000000000"),
            (1e21, "1e+21", "1e+21"),
            (5e-324, "5e-324", "5e-324"),
            (-1234.5, "-1234.5", "-1234.5"),
            // Both .2 and .3 are as short and as near; Go takes the even digit.
            (
                715_495_407_468_000.2,
                "7.154954074680002e+14",
                "715495407468000.2",
            ),
        ];
        for (value, g, json) in cases {
            assert_eq!(
                (format_g(value).as_str(), format_json(value).as_deref()),
                (g, Some(json))
            );
        }
        assert_eq!(format_g32(123_456_789.5), "1.2345679e+08");
        assert_eq!(
            (format_g(f64::INFINITY).as_str(), format_yaml(f64::NAN).as_str()),
            ("+Inf", ".nan")
        );
    }
}
