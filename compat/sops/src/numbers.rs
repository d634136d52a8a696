//! Numbers as Go's `strconv` reads and writes them.

/// Go's `FormatFloat(value, 'f', -1, 64)`.
pub(crate) fn plain(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    // The shortest digits that read back, never with an exponent.
    format!("{value}")
}

/// A float in a file that knows texts only: `1000.0`, `1.5`, `1E+21`.
pub(crate) fn in_text(value: f64) -> String {
    let text = go_std::float::format_g(value);
    let upper = if value.is_finite() {
        text.to_uppercase()
    } else {
        text
    };
    if !value.is_finite() || upper.contains(['.', 'E']) {
        upper
    } else {
        upper + ".0"
    }
}

/// Go's `ParseFloat`, with hexadecimal ones and underscores left out, which no writer makes.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["inf", "infinity", "nan"]
        .iter()
        .any(|word| bare.eq_ignore_ascii_case(word))
    {
        return text.parse().ok();
    }
    let is_plain = bare
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let value: f64 = text.parse().ok().filter(|_| is_plain)?;
    value.is_finite().then_some(value)
}

/// Go's `Atoi`.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Go's `ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_the_digits_of_go() {
        assert_eq!(plain(1e21), "1000000000000000000000");
        assert_eq!(plain(1.5e-7), "0.00000015");
        assert_eq!(plain(f64::INFINITY), "+Inf");
        assert_eq!(in_text(1000.0), "1000.0");
        assert_eq!(in_text(1e21), "1E+21");
        assert_eq!(in_text(1e-5), "1E-05");
        assert_eq!(in_text(1.5), "1.5");
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        assert_eq!(parse_float("1e3"), Some(1000.0));
        assert_eq!(parse_float("+Inf"), Some(f64::INFINITY));
        for wrong in ["1e400", "", "x", "1 ", "infx"] {
            assert_eq!(parse_float(wrong), None, "{wrong}");
        }
        assert_eq!(parse_int("+5"), Some(5));
        for wrong in [" 5", "0x10", "9223372036854775808", "", "-"] {
            assert_eq!(parse_int(wrong), None, "{wrong}");
        }
    }
}
