//! The hash suffix of generated objects.

use go_yaml::{Node, gojson, v3};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::budget::Budget;
use crate::error::Context;
use crate::object::resmap::ResMap;
use crate::object::resource::Resource;

/// Appends the hash of its content to the name of every object that asks for it.
pub(crate) fn add_hashes(objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
    for object in objects.resources.iter_mut().filter(|r| r.history.needs_hash) {
        // Into JSON, and through the hash.
        budget.walk(&object.node)?;
        budget.walk(&object.node)?;
        budget.as_json(&object.node).limit_at(|| object.id())?;
        let name = format!("{}-{}", object.name(), hash(object)?);
        object.store_previous_id(budget)?;
        object.set_name(&name)?;
    }
    Ok(())
}

/// The ten characters that stand for the content of a ConfigMap or Secret.
fn hash(object: &Resource) -> Result<String, Error> {
    let text = match object.kind() {
        "ConfigMap" => content_text(&object.node, "ConfigMap", &["data"], "binaryData")?,
        "Secret" => content_text(&object.node, "Secret", &["data", "type"], "stringData")?,
        kind => {
            return Err(Error::invalid(format!(
                "objects of kind {kind} cannot get a hash suffix"
            )));
        }
    };
    let digest = Sha256::digest(text.as_bytes());
    Ok(digest
        .iter()
        .take(5)
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect())
}

/// A hex digit, but for those that could make the suffix a word.
fn digit(value: u8) -> char {
    const DIGITS: [char; 16] = [
        'g', 'h', '2', 'k', '4', '5', '6', '7', '8', '9', 'm', 'b', 'c', 'd', 't', 'f',
    ];
    DIGITS.get(usize::from(value)).copied().unwrap_or_default()
}

fn content_text(node: &Node, kind: &str, fields: &[&str], optional: &str) -> Result<String, Error> {
    let mut content = Map::new();
    content.insert("kind".to_owned(), kind.into());
    // Upstream looks for a top-level field `metadata/name`, which is never there.
    content.insert("name".to_owned(), "".into());
    for field in fields {
        content.insert((*field).to_owned(), field_value(node.get(field))?);
    }
    if node.get(optional).is_some_and(|n| !n.is_scalar()) {
        content.insert(optional.to_owned(), field_value(node.get(optional))?);
    }
    gojson::to_string(&Value::Object(content)).map_err(|e| Error::invalid(e.to_string()))
}

fn field_value(node: Option<&Node>) -> Result<Value, Error> {
    match node {
        None => Ok("".into()),
        Some(node) if node.is_scalar() => Ok(node.text().into()),
        Some(node) => {
            let mut value = v3::to_json(node).map_err(|e| Error::invalid(e.to_string()))?;
            numbers_to_floats(&mut value);
            // What is not a map comes out of Go's decoder as null.
            Ok(if value.is_object() { value } else { Value::Null })
        }
    }
}

fn numbers_to_floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(numbers_to_floats),
        Value::Object(entries) => entries.values_mut().for_each(numbers_to_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
