//! Defaults and choices.

use gotmpl::{FuncError, FuncMap, Rest, Str, Value};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("default", |default: Value, given: Rest<Value>| {
            match given.0.into_iter().next() {
                Some(value) if !is_empty(&value) => value,
                _ => default,
            }
        })
        .add("empty", |value: Value| is_empty(&value))
        .add("coalesce", |values: Rest<Value>| {
            values
                .0
                .into_iter()
                .find(|value| !is_empty(value))
                .unwrap_or_default()
        })
        .add("all", |values: Rest<Value>| !values.0.iter().any(is_empty))
        .add("any", |values: Rest<Value>| !values.0.iter().all(is_empty))
        .add(
            "ternary",
            |yes: Value, no: Value, condition: bool| if condition { yes } else { no },
        )
        .add("fail", |message: Str| {
            Err::<Str, _>(FuncError::new(message.to_string_lossy()))
        });
}

/// Whether a value counts as not set: nil, false, 0, and everything of length 0.
pub(crate) fn is_empty(value: &Value) -> bool {
    !value.truth()
}
