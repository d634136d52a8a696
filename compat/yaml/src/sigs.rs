//! The `sigs.k8s.io/yaml` flavour: YAML as a way to write JSON, with the `yaml.v2` resolver and printer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Limits, Node};

/// Reads the first document into a JSON value (`YAMLToJSON`): numbers stay exact, the last of equal keys wins.
pub fn to_value(input: &[u8], limits: &Limits) -> Result<serde_json::Value, Error> {
    let _ = (input, limits);
    Err(Error::limit("reading is not available yet"))
}

/// Like [`to_value`], but a key given twice is an error (`YAMLToJSONStrict`).
pub fn to_value_strict(input: &[u8], limits: &Limits) -> Result<serde_json::Value, Error> {
    let _ = (input, limits);
    Err(Error::limit("reading is not available yet"))
}

/// Reads the first document into `any` (`Unmarshal` into `interface{}`): every number becomes a float.
pub fn to_any(input: &[u8], limits: &Limits) -> Result<serde_json::Value, Error> {
    let mut value = to_value(input, limits)?;
    floats(&mut value);
    Ok(value)
}

fn floats(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(floats),
        Value::Object(entries) => entries.iter_mut().for_each(|(_, value)| floats(value)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Reads the first document into a typed value (`Unmarshal`).
///
/// As in Go: numbers and booleans are accepted where a string is wanted, null leaves a field at its default, field names
/// match without regard to case if no exact one is there, unknown fields are ignored.
pub fn from_slice<T: DeserializeOwned>(input: &[u8], limits: &Limits) -> Result<T, Error> {
    let _ = (input, limits);
    Err(Error::limit("reading is not available yet"))
}

/// Like [`from_slice`], but a key given twice and a field that `T` does not have are errors (`UnmarshalStrict`).
pub fn from_slice_strict<T: DeserializeOwned>(input: &[u8], limits: &Limits) -> Result<T, Error> {
    let _ = (input, limits);
    Err(Error::limit("reading is not available yet"))
}

/// Prints a value (`Marshal`): keys in natural order, long text folded at column 80, a final newline.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let _ = value;
    Err(Error::limit("printing is not available yet"))
}

/// Converts JSON text to YAML (`JSONToYAML`).
pub fn json_to_yaml(json: &[u8], limits: &Limits) -> Result<String, Error> {
    let _ = (json, limits);
    Err(Error::limit("printing is not available yet"))
}

/// Prints a tree as `kustomize build` does: `JSONToYAML` of [`v3::to_json`](crate::v3::to_json), without the detours.
pub fn node_to_string(node: &Node) -> Result<String, Error> {
    let _ = node;
    Err(Error::limit("printing is not available yet"))
}
