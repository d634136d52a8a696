//! Fields of objects of any shape, read as the Go library reads them, with its words for what it cannot read.

use serde_json::Value;

/// A field of a type that nobody expects there, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Malformed {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(super) fn field(path: &[&str], value: &Value, expected: &str) -> Self {
        let (path, shown, found) = (path.join("."), shown(value), go_type(value));
        Self(format!(
            ".{path} accessor error: {shown} is of the type {found}, expected {expected}"
        ))
    }

    pub(super) fn looking_up(self, path: &[&str]) -> Self {
        Self(format!("looking up {} from resource: {self}", path.join(".")))
    }
}

/// Gives the field at `path`, which may be null.
pub(super) fn get<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, Malformed> {
    let mut value = object;
    for (at, name) in path.iter().enumerate() {
        value = match value {
            Value::Null => return Ok(None),
            Value::Object(fields) => match fields.get(*name) {
                Some(field) => field,
                None => return Ok(None),
            },
            odd => {
                return Err(Malformed::field(&path[..=at], odd, "map[string]interface{}"));
            }
        };
    }
    Ok(Some(value))
}

/// Gives a number that has to be an integer where it is set.
pub(super) fn integer(object: &Value, path: &[&str]) -> Result<Option<i64>, Malformed> {
    let looked_up = |error: Malformed| error.looking_up(path);
    match get(object, path).map_err(looked_up)? {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(looked_up(Malformed::field(path, value, "int64"))),
        },
    }
}

/// Gives an integer, or `default` for whatever else is there.
pub(super) fn int(object: &Value, path: &[&str], default: i64) -> i64 {
    let value = get(object, path).ok().flatten();
    value.and_then(Value::as_i64).unwrap_or(default)
}

/// Gives a text, or `default` for whatever else is there.
pub(super) fn string<'a>(object: &'a Value, path: &[&str], default: &'a str) -> &'a str {
    let value = get(object, path).ok().flatten();
    value.and_then(Value::as_str).unwrap_or(default)
}

/// The kind as messages have it.
pub(super) fn shown_kind(object: &Value) -> &str {
    string(object, &["kind"], "")
}

/// One entry of `status.conditions`; what is not set is empty.
#[derive(Default)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// Gives all conditions of an object, or an error if one of them is odd.
pub(super) fn conditions(object: &Value) -> Result<Vec<Condition<'_>>, Malformed> {
    let list = match object.get("status") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(status)) => status.get("conditions"),
        Some(odd) => return Err(no_struct(odd)),
    };
    match list {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(condition).collect(),
        Some(odd) => Err(Malformed::new(format!(
            "cannot restore slice from {}",
            go_kind(odd)
        ))),
    }
}

fn condition(value: &Value) -> Result<Condition<'_>, Malformed> {
    let fields = match value {
        Value::Null => return Ok(Condition::default()),
        Value::Object(fields) => fields,
        odd => return Err(no_struct(odd)),
    };
    let text = |name: &str, go: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        // Go would convert an integer to the letter of that number, which the library refuses by name.
        Some(number) if number.is_i64() => Err(Malformed::new(format!("cannot convert int64 to {go}"))),
        Some(_) => Err(Malformed::new("unrecognized type: string")),
    };
    Ok(Condition {
        kind: text("type", "string")?,
        status: text("status", "v1.ConditionStatus")?,
        reason: text("reason", "string")?,
        message: text("message", "string")?,
    })
}

fn no_struct(value: &Value) -> Malformed {
    Malformed::new(format!("cannot restore struct from: {}", go_kind(value)))
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        other => go_kind(other),
    }
}

/// Shows a value as Go's `%v` does.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_i64() => number.as_f64().unwrap_or_default().to_string(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut entries: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", shown(value)))
                .collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
    }
}
