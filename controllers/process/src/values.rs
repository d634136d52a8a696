//! The values of flags in the forms that Go's flags have.

use std::time::Duration;

use flux_api::GoDuration;

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("not a boolean, such as true or false".to_owned()),
    }
}

/// Reads an integer as Go's `strconv.ParseInt` does without a base: decimal, or with the prefix of its base.
pub fn integer<T: TryFrom<i64>>(text: &str) -> Result<T, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let read = |digits: &str| i64::from_str_radix(&format!("{sign}{digits}"), base).ok();
    Some(digits)
        .filter(|digits| !digits.starts_with(['+', '-']))
        .and_then(read)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| "not an integer in the range of this flag".to_owned())
}

/// Reads a duration as Go's `time.ParseDuration` does.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<GoDuration>()
        .map(GoDuration::to_std)
        .map_err(|error| error.to_string())
}

/// Reads a percentage below one hundred.
pub fn percentage(text: &str) -> Result<u8, String> {
    integer(text).and_then(|percentage: u8| match percentage {
        0..=99 => Ok(percentage),
        _ => Err("must be less than 100".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_booleans_have_the_forms_of_go() {
        for (text, expected) in [
            ("10", Some(10)),
            ("+10", Some(10)),
            ("-3", Some(-3)),
            ("0", Some(0)),
            ("0x1F", Some(31)),
            ("010", Some(8)),
            ("0b11", Some(3)),
            ("-0o7", Some(-7)),
            ("08", None),
            ("--1", None),
            ("0x-1", None),
            ("", None),
            ("ten", None),
        ] {
            assert_eq!(integer::<i32>(text).ok(), expected, "{text}");
        }
        assert!(integer::<usize>("-1").is_err());
        assert_eq!(boolean("T"), Ok(true));
        assert_eq!(boolean("0"), Ok(false));
        assert!(boolean("yes").is_err() && boolean("tRUE").is_err());
        assert_eq!(percentage("99"), Ok(99));
        assert!(percentage("100").is_err());
    }
}
