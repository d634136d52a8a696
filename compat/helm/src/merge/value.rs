//! JSON values as Go reads, compares and prints them.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::MergeError;

/// The types that Go has for JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    String,
    List,
    Object,
}

impl Kind {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Float,
            Value::Number(_) => Self::Int,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    /// The name of the Go type; `%!s(<nil>)` is what Go prints for none.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "%!s(<nil>)",
            Self::Bool => "bool",
            Self::Int => "int64",
            Self::Float => "float64",
            Self::String => "string",
            Self::List => "[]interface {}",
            Self::Object => "map[string]interface {}",
        }
    }
}

/// Whether two values are equal for Go's `==`, which panics on two lists and on two objects.
pub(super) fn equal(a: &Value, b: &Value) -> Result<bool, MergeError> {
    match (Kind::of(a), Kind::of(b)) {
        (kind @ (Kind::List | Kind::Object), other) if kind == other => {
            Err(MergeError::Incomparable(kind.name().to_owned()))
        }
        _ => Ok(a == b),
    }
}

/// A document as it is after Go has written it and read it again: numbers are `int64` if their text is one.
pub(crate) fn canonical(value: &Value) -> Value {
    map_numbers(value, &|number| match number.as_i64() {
        Some(_) => number.clone(),
        None => reread(number.as_f64().unwrap_or_default()),
    })
}

/// Like [`canonical`], for a reader that knows floats only.
pub(super) fn float(value: &Value) -> Value {
    map_numbers(value, &|number| reread(number.as_f64().unwrap_or_default()))
}

fn reread(float: f64) -> Number {
    let text = go_std::float::format_json(float).unwrap_or_default();
    match text.parse::<i64>() {
        Ok(integer) => integer.into(),
        Err(_) => Number::from_f64(float).unwrap_or_else(|| 0.into()),
    }
}

fn map_numbers(value: &Value, number: &impl Fn(&Number) -> Number) -> Value {
    match value {
        Value::Number(given) => Value::Number(number(given)),
        Value::Array(items) => items.iter().map(|item| map_numbers(item, number)).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), map_numbers(value, number)))
            .collect(),
        _ => value.clone(),
    }
}

/// What Go's `%v` prints.
pub(super) fn print(value: &Value) -> String {
    let mut out = String::new();
    print_into(&mut out, value);
    out
}

/// What Go's `%v` prints for a list.
pub(super) fn print_list(items: &[Value]) -> String {
    let mut out = String::new();
    print_items(&mut out, items);
    out
}

fn print_into(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(text) => out.push_str(text),
        Value::Number(number) if number.is_f64() => {
            out.push_str(&go_std::float::format_g(number.as_f64().unwrap_or_default()));
        }
        Value::Array(items) => print_items(out, items),
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push_str("map[");
            for (at, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                out.push_str(key);
                out.push(':');
                print_into(out, value);
            }
            out.push(']');
        }
        // Writing into a text does not fail.
        scalar => _ = write!(out, "{scalar}"),
    }
}

fn print_items(out: &mut String, items: &[Value]) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at > 0 { " " } else { "" });
        print_into(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        let value = json!({"b": [1, null, "x y", true], "a": {"f": 1e6, "e": {}}});
        assert_eq!(print(&value), "map[a:map[e:map[] f:1e+06] b:[1 <nil> x y true]]");
    }

    #[test]
    fn a_number_is_what_its_text_is() {
        assert_eq!(
            canonical(&json!([1.0, -0.0, 1e20, 1.5])),
            json!([1, 0, 1e20, 1.5])
        );
        assert_eq!(
            canonical(&json!(18_446_744_073_709_551_615_u64)),
            json!(18_446_744_073_709_551_615_f64)
        );
        assert_eq!(
            float(&json!(9_007_199_254_740_993_i64)),
            json!(9_007_199_254_740_992_i64)
        );
    }
}
