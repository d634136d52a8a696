//! One recorded case, which the fuzzer reads as well.

use controller_kit::apply::{Normalized, normalize};
use serde_json::{Map, Value, json};

/// Compares a line of a case file with what we make of it.
pub(crate) fn check(line: &str) -> Result<(), String> {
    let case: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
    let mut object = case["in"].clone();
    let normalized = normalize(&mut object).map_err(|error| format!("{error}: {line}"))?;
    // An object that does not fit its type is recorded without an answer.
    let expected = case
        .get("out")
        .cloned()
        .unwrap_or_else(|| untyped(case["in"].clone()));
    if !same(&object, &expected) {
        return Err(format!(
            "in:       {}\nexpected: {expected}\nours:     {object}",
            case["in"]
        ));
    }
    let unknown = match normalized {
        Normalized::Typed { unknown } => unknown.len(),
        Normalized::Untyped => 0,
    };
    // The paths differ below maps, whose keys upstream does not name.
    if unknown != case["unknown"].as_array().map_or(0, Vec::len) {
        return Err(format!(
            "other unknown fields than {}: {}",
            case["unknown"], case["in"]
        ));
    }
    Ok(())
}

fn untyped(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        let metadata = fields.entry("metadata").or_insert_with(|| json!(Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("creationTimestamp".into(), Value::Null);
        }
    }
    object
}

/// Go prints 1.0 as 1, and reads what does not fit into 64 bits as a float.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => ours == theirs,
    }
}
