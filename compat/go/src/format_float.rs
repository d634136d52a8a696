//! Floats to text in all forms: `strconv.FormatFloat`.

use std::fmt::Write as _;

use crate::float::Decimal;

/// Formats a float as Go's `strconv.FormatFloat(f, verb, precision, 64)` does.
///
/// `verb` is one of `e E f g G b x X`; no precision means the fewest digits that read back the same.
pub fn format_float(f: f64, verb: u8, precision: Option<usize>) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let mut out = String::new();
    if f.is_sign_negative() {
        out.push('-');
    }
    let f = f.abs();
    match verb {
        b'b' => {
            let (mantissa, exponent) = parts(f);
            let _ = write!(out, "{mantissa}p{:+}", exponent - 52);
        }
        b'x' | b'X' => hex(&mut out, f, precision, verb == b'X'),
        b'e' | b'E' => {
            let digits = precision.map_or_else(|| Digits::shortest(f), |p| Digits::significant(f, p + 1));
            let after_point = precision.unwrap_or(digits.len().saturating_sub(1));
            exponential(&mut out, &digits, after_point, verb);
        }
        b'f' => match precision {
            Some(precision) => fixed(&mut out, f, precision),
            None => plain(&mut out, &Digits::shortest(f)),
        },
        _ => general(&mut out, f, precision, verb),
    }
    out
}

fn general(out: &mut String, f: f64, precision: Option<usize>, verb: u8) {
    let digits = precision.map_or_else(|| Digits::shortest(f), |p| Digits::significant(f, p.max(1)));
    // Without a precision, 6 decides between the two forms, however many digits there are.
    let mut limit = precision.map_or(6, |p| p.max(1)) as i32;
    let len = digits.len() as i32;
    if precision.is_some() && limit > len && len >= digits.point {
        limit = len;
    }
    if digits.point - 1 < -4 || digits.point > limit {
        exponential(
            out,
            &digits,
            digits.len().saturating_sub(1),
            verb - 2, /* g to e */
        );
    } else {
        plain(out, &digits);
    }
}

/// Decimal digits without trailing zeros, and where the decimal point stands in them.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    /// Those of Ryu, which Go's are too; the standard library rounds some ties the other way.
    fn shortest(f: f64) -> Self {
        let decimal = Decimal::of(ryu::Buffer::new().format_finite(f));
        if decimal.digits == "0" {
            return Self {
                digits: Vec::new(),
                point: 0,
            };
        }
        Self {
            digits: decimal.digits.as_bytes().to_vec(),
            point: decimal.point,
        }
    }

    fn significant(f: f64, count: usize) -> Self {
        // No float has more digits than this; the rest are zeros.
        Self::read(&format!("{f:.*e}", count.min(800) - 1))
    }

    fn read(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let point = if digits.is_empty() {
            0
        } else {
            exponent.parse().unwrap_or(0) + 1
        };
        Self { digits, point }
    }

    fn len(&self) -> usize {
        self.digits.len()
    }

    fn digit(&self, at: usize) -> char {
        self.digits.get(at).map_or('0', |d| char::from(*d))
    }
}

fn exponential(out: &mut String, digits: &Digits, after_point: usize, verb: u8) {
    out.push(digits.digit(0));
    if after_point > 0 {
        out.push('.');
        out.extend((1..=after_point).map(|at| digits.digit(at)));
    }
    let exponent = if digits.len() == 0 { 0 } else { digits.point - 1 };
    out.push(char::from(verb));
    out.push(if exponent < 0 { '-' } else { '+' });
    let _ = write!(out, "{:02}", exponent.unsigned_abs());
}

fn plain(out: &mut String, digits: &Digits) {
    let point = usize::try_from(digits.point).unwrap_or(0);
    if point == 0 {
        out.push('0');
    }
    out.extend((0..point).map(|at| digits.digit(at)));
    if digits.len() > point {
        out.push('.');
        out.extend((digits.point..0).map(|_| '0'));
        out.extend((point..digits.len()).map(|at| digits.digit(at)));
    }
}

fn fixed(out: &mut String, f: f64, precision: usize) {
    // Beyond this many places every float is exact.
    let exact = precision.min(1100);
    let _ = write!(out, "{f:.exact$}");
    out.extend(std::iter::repeat_n('0', precision - exact));
}

/// Splits a float into the 53-bit integer and the exponent it is scaled with.
fn parts(f: f64) -> (u64, i32) {
    let bits = f.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 {
        (fraction, -1022)
    } else {
        (fraction | 1 << 52, exponent - 1023)
    }
}

fn hex(out: &mut String, f: f64, precision: Option<usize>, upper: bool) {
    let (mut mantissa, mut exponent) = parts(f);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // 1 digit before the point, 15 behind it.
        let shift = mantissa.leading_zeros() as i32 - 3;
        exponent -= shift - 8;
        mantissa <<= shift;
    }
    if let Some(precision) = precision
        && precision < 15
    {
        let shift = precision * 4;
        let extra = mantissa << shift & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | mantissa & 1 > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & 1 << 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut text = format!("0x{}", mantissa >> 60 & 1);
    let mut rest = mantissa << 4;
    if precision.is_some_and(|p| p > 0) || precision.is_none() && rest != 0 {
        text.push('.');
        let mut left = precision;
        while left.map_or(rest != 0, |left| left > 0) {
            text.push(char::from_digit((rest >> 60) as u32, 16).unwrap_or('0'));
            rest <<= 4;
            left = left.map(|left| left - 1);
        }
    }
    let _ = write!(
        text,
        "p{}{:02}",
        if exponent < 0 { '-' } else { '+' },
        exponent.unsigned_abs()
    );
    out.push_str(&if upper { text.to_ascii_uppercase() } else { text });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_form() {
        for (f, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1_000_000.0, "1e+06"),
            (999_999.0, "999999"),
            (2_097_152.0, "2.097152e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e20, "1e+20"),
            (12345.678, "12345.678"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
        ] {
            assert_eq!(format_float(f, b'g', None), want);
        }
        assert_eq!(format_float(1234.5678, b'g', Some(3)), "1.23e+03");
        assert_eq!(format_float(100.0, b'g', Some(3)), "100");
        // Both .2 and .3 are as short and as near; Go takes the even digit.
        assert_eq!(
            format_float(715_495_407_468_000.2, b'e', None),
            "7.154954074680002e+14"
        );
    }

    #[test]
    fn other_forms() {
        assert_eq!(format_float(2.5, b'f', Some(0)), "2");
        assert_eq!(format_float(1.5, b'x', None), "0x1.8p+00");
        assert_eq!(format_float(1.0, b'x', Some(3)), "0x1.000p+00");
        assert_eq!(format_float(0.0, b'x', None), "0x0p+00");
        assert_eq!(format_float(1.5, b'b', None), "6755399441055744p-52");
        assert_eq!(format_float(1e6, b'e', Some(6)), "1.000000e+06");
        assert_eq!(format_float(1e21, b'f', None), "1000000000000000000000");
        assert_eq!(format_float(1.25e-3, b'f', None), "0.00125");
    }
}
