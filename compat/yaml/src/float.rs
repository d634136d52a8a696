//! Floating-point numbers as Go prints them.

/// Go's `strconv.FormatFloat(value, 'g', -1, 64)`: shortest digits, an exponent below 1e-4 and from 1e6 on.
///
/// ```
/// assert_eq!(go_yaml::float::format_g(999_999.0), "999999");
/// assert_eq!(go_yaml::float::format_g(1e6), "1e+06");
/// assert_eq!(go_yaml::float::format_g(0.00001), "1e-05");
/// assert_eq!(go_yaml::float::format_g(1_234_567.5), "1.2345675e+06");
/// ```
pub fn format_g(value: f64) -> String {
    let mut out = String::new();
    if !special(&mut out, value, ["NaN", "+Inf", "-Inf"]) {
        write_g(&mut out, &Decimal::of(&format!("{value:e}")));
    }
    out
}

/// Like [`format_g`], with the shortest digits that tell apart two `float32` values.
pub fn format_g32(value: f64) -> String {
    let value = value as f32;
    let mut out = String::new();
    if !special(&mut out, f64::from(value), ["NaN", "+Inf", "-Inf"]) {
        write_g(&mut out, &Decimal::of(&format!("{value:e}")));
    }
    out
}

/// A float as encoding/json writes it: plain digits from 1e-6 up to 1e21, else an exponent; `None` for NaN and infinities.
///
/// ```
/// assert_eq!(go_yaml::float::format_json(1e20).as_deref(), Some("100000000000000000000"));
/// assert_eq!(go_yaml::float::format_json(1e-7).as_deref(), Some("1e-7"));
/// ```
pub fn format_json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return Some(format!("{value}"));
    }
    let text = format!("{value:e}");
    Some(match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    })
}

/// A float as the YAML printers write it: [`format_g`] with `.inf`, `-.inf` and `.nan`.
pub(crate) fn format_yaml(value: f64) -> String {
    let mut out = String::new();
    if !special(&mut out, value, [".nan", ".inf", "-.inf"]) {
        write_g(&mut out, &Decimal::of(&format!("{value:e}")));
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

/// The digits of Rust's shortest `{:e}` text, taken apart.
struct Decimal<'a> {
    negative: bool,
    first: &'a str,
    rest: &'a str,
    exponent: i32,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
        Self {
            negative,
            first,
            rest,
            exponent: exponent.parse().unwrap_or(0),
        }
    }
}

fn write_g(out: &mut String, number: &Decimal<'_>) {
    use std::fmt::Write as _;
    let &Decimal {
        negative,
        first,
        rest,
        exponent,
    } = number;
    if negative {
        out.push('-');
    }
    if !(-4..6).contains(&exponent) {
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    } else if exponent < 0 {
        out.push_str("0.");
        for _ in 1..-exponent {
            out.push('0');
        }
        out.push_str(first);
        out.push_str(rest);
    } else {
        let whole = exponent as usize;
        out.push_str(first);
        if rest.len() > whole {
            let (integer, fraction) = rest.split_at(whole);
            out.push_str(integer);
            out.push('.');
            out.push_str(fraction);
        } else {
            out.push_str(rest);
            for _ in rest.len()..whole {
                out.push('0');
            }
        }
    }
}
