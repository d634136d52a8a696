//! How Go prints things in error messages.

use gotmpl::Value;

/// Quotes text as `%q` does.
pub(crate) fn quote(text: &str) -> String {
    gotmpl::quote(text.as_bytes())
}

/// Quotes a character as `%q` does for runes.
pub(crate) fn quote_rune(c: char) -> String {
    let quoted = quote(c.encode_utf8(&mut [0; 4]));
    match c {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => format!("'{}'", quoted.trim_matches('"')),
    }
}

/// The name of a value's type in the text of a failed type assertion.
pub(crate) fn type_name(value: &Value) -> String {
    if value.is_nil() {
        "nil".to_owned()
    } else {
        value.type_name()
    }
}

/// Reads a decimal integer; fails with the text of `strconv.Atoi`.
pub(crate) fn atoi(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let reason = if number {
            "value out of range"
        } else {
            "invalid syntax"
        };
        format!("strconv.Atoi: parsing {}: {reason}", quote(text))
    })
}
