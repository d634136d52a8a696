//! JSON as Go's encoding/json writes and reads it, straight from and to template values.

use go_std::json::{Error, Limits, read, read_prefix};
use gotmpl::{Context, FuncError, Object, Value};

use crate::bounds::{Budget, check_size, check_text};
use crate::decoded::ToValue;

/// How JSON is written.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Whether `<`, `>` and `&` are escaped.
    pub(crate) escape_html: bool,
    /// Whether values stand on lines of their own, indented by two blanks per level.
    pub(crate) pretty: bool,
}

/// `json.Marshal`, or one of its variants.
pub(crate) fn encode(cx: &mut Context<'_>, value: &Value, style: Style) -> Result<String, FuncError> {
    check_size(cx, value)?;
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out)
}

/// Whether [`encode`] could write the value, and its error if not.
pub(crate) fn check(cx: &mut Context<'_>, value: &Value) -> Result<(), FuncError> {
    check_size(cx, value)?;
    check_nested(value, 0, &mut Budget::default())
}

fn check_nested(value: &Value, level: usize, budget: &mut Budget) -> Result<(), FuncError> {
    budget.spend()?;
    match value {
        Value::List(list) => {
            too_deep(value, level)?;
            list.items()
                .try_for_each(|item| check_nested(&item, level + 1, budget))
        }
        Value::Map(map) => {
            too_deep(value, level)?;
            let entries = map.entries();
            budget.spend_map(entries.len())?;
            entries
                .values()
                .try_for_each(|value| check_nested(value, level + 1, budget))
        }
        Value::Float(f) if !f.is_finite() => Err(not_finite(*f)),
        Value::Complex(..) | Value::Func(_) => Err(unsupported(value)),
        _ => Ok(()),
    }
}

fn too_deep(value: &Value, level: usize) -> Result<(), FuncError> {
    if level <= gotmpl::Limits::VALUE_DEPTH {
        return Ok(());
    }
    let via = value.type_name();
    Err(FuncError::new(format!(
        "json: unsupported value: encountered a cycle via {via}"
    )))
}

fn not_finite(f: f64) -> FuncError {
    let name = if f.is_nan() {
        "NaN"
    } else if f > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    FuncError::new(format!("json: unsupported value: {name}"))
}

fn unsupported(value: &Value) -> FuncError {
    FuncError::new(format!("json: unsupported type: {}", value.type_name()))
}

fn write(out: &mut String, value: &Value, style: Style, level: usize) -> Result<(), FuncError> {
    too_deep(value, level)?;
    check_text(out.len())?;
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, _) => out.push_str(&n.to_string()),
        Value::Uint(n, _) => out.push_str(&n.to_string()),
        Value::Float(f) => {
            let text = go_std::float::format_json(*f).ok_or_else(|| not_finite(*f))?;
            out.push_str(&text);
        }
        Value::Str(s) => write_string(out, s, style),
        Value::List(list) if list.is_nil() => out.push_str("null"),
        Value::List(list) => match list.as_bytes() {
            Some(bytes) => {
                out.push('"');
                out.push_str(&go_std::base64::encode(&bytes));
                out.push('"');
            }
            None => write_items(out, '[', ']', list.items(), style, level, |out, item| {
                write(out, &item, style, level + 1)
            })?,
        },
        Value::Map(map) if map.is_nil() => out.push_str("null"),
        Value::Map(map) => {
            let entries = map.entries();
            write_items(
                out,
                '{',
                '}',
                entries.iter(),
                style,
                level,
                |out, (key, value)| {
                    write_string(out, key, style);
                    out.push_str(if style.pretty { ": " } else { ":" });
                    write(out, value, style, level + 1)
                },
            )?;
        }
        Value::Object(object) => write_object(out, object.as_ref(), style, level)?,
        Value::Complex(..) | Value::Func(_) => return Err(unsupported(value)),
    }
    Ok(())
}

/// Structs keep the order of their fields; other objects say themselves what they are.
fn write_object(out: &mut String, object: &dyn Object, style: Style, level: usize) -> Result<(), FuncError> {
    let plain = object.to_plain();
    if !matches!(plain, Value::Map(_)) {
        return write(out, &plain, style, level + 1);
    }
    if object.basic().is_some() {
        return write(out, &plain, style, level);
    }
    write_items(
        out,
        '{',
        '}',
        object.json_fields().into_iter(),
        style,
        level,
        |out, (key, value)| {
            write_string(out, key.as_bytes(), style);
            out.push_str(if style.pretty { ": " } else { ":" });
            write(out, &value, style, level + 1)
        },
    )
}

fn write_items<I: ExactSizeIterator>(
    out: &mut String,
    open: char,
    close: char,
    items: I,
    style: Style,
    level: usize,
    mut each: impl FnMut(&mut String, I::Item) -> Result<(), FuncError>,
) -> Result<(), FuncError> {
    out.push(open);
    if items.len() > 0 {
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(',');
            }
            new_line(out, style, level + 1);
            each(out, item)?;
        }
        new_line(out, style, level);
    }
    out.push(close);
    Ok(())
}

fn new_line(out: &mut String, style: Style, level: usize) {
    if style.pretty {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}

fn write_string(out: &mut String, text: &[u8], style: Style) {
    if let Ok(text) = std::str::from_utf8(text) {
        go_yaml::gojson::write_string(out, text, style.escape_html);
    } else {
        // Each invalid byte becomes the escape of U+FFFD, a valid U+FFFD stays.
        out.push('"');
        for chunk in text.utf8_chunks() {
            let mut part = String::new();
            go_yaml::gojson::write_string(&mut part, chunk.valid(), style.escape_html);
            out.push_str(part.get(1..part.len() - 1).unwrap_or_default());
            out.extend(chunk.invalid().iter().map(|_| "\\ufffd"));
        }
        out.push('"');
    }
}

/// What was read, and the first complaint about a value that does not fit its Go type.
pub(crate) struct Decoded {
    pub(crate) value: Value,
    pub(crate) misfit: Option<String>,
}

/// Deeper values could not be printed or compared anyway; what they take was counted before.
const LIMITS: Limits = Limits {
    depth: gotmpl::Limits::VALUE_DEPTH,
    bytes: usize::MAX,
};

/// `json.Unmarshal` into `any`: numbers become floats. An error is one of syntax.
pub(crate) fn decode(text: &[u8]) -> Result<Decoded, String> {
    let read = read(text, &LIMITS, &mut ToValue::default()).map_err(message)?;
    Ok(Decoded {
        value: read.value,
        misfit: read.misfit,
    })
}

/// Reads the JSON value that a text begins with, whatever follows it, and tells where it ends; numbers become floats.
pub fn from_json_prefix(text: &[u8]) -> Result<(Value, usize), String> {
    let read = read_prefix(text, &LIMITS, &mut ToValue::default()).map_err(message)?;
    read.misfit.map_or(Ok((read.value, read.end)), Err)
}

fn message(error: Error) -> String {
    match error {
        Error::Depth(_) => "exceeded max depth".to_owned(),
        other => other.to_string(),
    }
}
