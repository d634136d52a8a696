//! JSON as Go's encoding/json writes it.

use serde::Serialize;
use serde_json::Value;

use crate::{Error, finite};
use go_std::float;

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options<'a> {
    /// Whether `<`, `>` and `&` become `\u003c`, `\u003e` and `\u0026`. Go's default is true.
    pub escape_html: bool,
    /// The text of one level of indentation; `None` writes everything on one line.
    pub indent: Option<&'a str>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            escape_html: true,
            indent: None,
        }
    }
}

/// The text of `json.Marshal`: HTML-escaped, keys sorted bytewise, no final newline.
///
/// ```
/// let value = serde_json::json!({"b": 1e21, "a": "<&>"});
/// assert_eq!(go_yaml::gojson::to_string(&value)?, r#"{"a":"\u003c\u0026\u003e","b":1e+21}"#);
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    to_string_with(value, &Options::default())
}

/// The text of `json.MarshalIndent(value, "", indent)`.
pub fn to_string_indent<T: Serialize + ?Sized>(value: &T, indent: &str) -> Result<String, Error> {
    to_string_with(
        value,
        &Options {
            indent: Some(indent),
            ..Options::default()
        },
    )
}

/// The text of a Go JSON encoder with the given settings, without the final newline. Infinities and NaN are errors.
pub fn to_string_with<T: Serialize + ?Sized>(value: &T, options: &Options<'_>) -> Result<String, Error> {
    finite::check(value)?;
    let value = serde_json::to_value(value).map_err(|error| Error::encode(format!("json: {error}")))?;
    let mut out = String::new();
    write_value(&mut out, &value, options, 0);
    Ok(out)
}

fn write_value(out: &mut String, value: &Value, options: &Options<'_>, level: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => match number
            .as_f64()
            .filter(|_| number.is_f64())
            .and_then(float::format_json)
        {
            Some(text) => out.push_str(&text),
            None => out.push_str(&number.to_string()),
        },
        Value::String(text) => write_string(out, text, options.escape_html),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index, options, level + 1);
                write_value(out, item, options, level + 1);
            }
            new_line(out, options, level);
            out.push(']');
        }
        Value::Object(entries) if entries.is_empty() => out.push_str("{}"),
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                separate(out, index, options, level + 1);
                write_string(out, key, options.escape_html);
                out.push_str(if options.indent.is_some() { ": " } else { ":" });
                write_value(out, value, options, level + 1);
            }
            new_line(out, options, level);
            out.push('}');
        }
    }
}

fn separate(out: &mut String, index: usize, options: &Options<'_>, level: usize) {
    if index > 0 {
        out.push(',');
    }
    new_line(out, options, level);
}

fn new_line(out: &mut String, options: &Options<'_>, level: usize) {
    if let Some(indent) = options.indent {
        out.push('\n');
        for _ in 0..level {
            out.push_str(indent);
        }
    }
}

/// Appends a JSON string literal as encoding/json writes it.
pub fn write_string(out: &mut String, text: &str, escape_html: bool) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let mut start = 0;
    for (index, c) in text.char_indices() {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            '<' if escape_html => "\\u003c",
            '>' if escape_html => "\\u003e",
            '&' if escape_html => "\\u0026",
            '\0'..'\u{20}' => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        out.push_str(short);
        if short.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(HEX[c as usize >> 4 & 15]));
            out.push(char::from(HEX[c as usize & 15]));
        }
        start = index + c.len_utf8();
    }
    out.push_str(&text[start..]);
    out.push('"');
}
