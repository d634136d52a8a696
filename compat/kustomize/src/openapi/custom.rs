//! Schemas that a user brings: `openapi.path` files, and comments that are schemas.

use serde_json::{Map as Object, Value};

use super::builtin::TYPE_PREFIX;
use super::schema::{List, Map, Name, Schema, Shape};

/// What is wrong with a custom schema, without a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaError(pub(crate) String);

/// The prefix of a reference to a type of the same document.
const DEFINITIONS: &str = "#/definitions/";

impl Schema {
    /// Adds the `definitions` of an OpenAPI v2 document to this schema.
    pub(crate) fn add_document(&mut self, document: &Value) -> Result<(), SchemaError> {
        let Some(document) = document.as_object() else {
            return Err(SchemaError("an OpenAPI document is a mapping".into()));
        };
        let definitions = match document.get("definitions") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(definitions)) => definitions,
            Some(_) => return Err(SchemaError("definitions: a mapping is needed".into())),
        };
        for (name, definition) in definitions {
            let at = |error: SchemaError| SchemaError(format!("definitions.{name}: {}", error.0));
            let shape = shape(definition).map_err(at)?;
            for kind in definition
                .get("x-kubernetes-group-version-kind")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let text = |key| kind.get(key).and_then(Value::as_str).unwrap_or_default();
                let api_version = match text("group") {
                    "" => text("version").to_owned(),
                    group => format!("{group}/{}", text("version")),
                };
                self.insert_kind(
                    api_version.into(),
                    text("kind").to_owned().into(),
                    type_name(name),
                );
            }
            self.insert(type_name(name), shape);
        }
        Ok(())
    }
}

/// The shape that a JSON schema describes.
pub(crate) fn shape(schema: &Value) -> Result<Shape, SchemaError> {
    let Some(schema) = schema.as_object() else {
        return Err(SchemaError("a schema is a mapping".into()));
    };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return Ok(Shape::Ref(type_name(
            reference.strip_prefix(DEFINITIONS).unwrap_or(reference),
        )));
    }
    let merge = merge_keys(schema)?;
    if is_array(schema) || merge.is_some() {
        let items = match schema.get("items") {
            Some(items @ Value::Object(_)) if is_array(schema) => Some(Box::new(shape(items)?)),
            _ => None,
        };
        return Ok(Shape::List(List { items, merge }));
    }
    let mut map = Map::default();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let property = shape(property).map_err(|e| SchemaError(format!("properties.{name}: {}", e.0)))?;
            map.fields.push((Name::Owned(name.clone()), property));
        }
        map.fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    if let Some(values @ Value::Object(_)) = schema.get("additionalProperties") {
        map.values = Some(Box::new(shape(values)?));
    }
    Ok(if map == Map::default() {
        Shape::Plain
    } else {
        Shape::Map(map)
    })
}

fn type_name(name: &str) -> Name {
    Name::Owned(name.strip_prefix(TYPE_PREFIX).unwrap_or(name).to_owned())
}

fn is_array(schema: &Object<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == "array",
        Some(Value::Array(several)) => matches!(several.as_slice(), [Value::String(one)] if one == "array"),
        _ => false,
    }
}

/// The keys that elements are merged by; the list of keys wins over the single one.
fn merge_keys(schema: &Object<String, Value>) -> Result<Option<Vec<Name>>, SchemaError> {
    let text = |value: &Value, field: &str| match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(SchemaError(format!("{field}: a string is needed"))),
    };
    const STRATEGY: &str = "x-kubernetes-patch-strategy";
    const KEYS: &str = "x-kubernetes-list-map-keys";
    const KEY: &str = "x-kubernetes-patch-merge-key";
    let Some(strategy) = schema.get(STRATEGY) else {
        return Ok(None);
    };
    if !text(strategy, STRATEGY)?.split(',').any(|part| part == "merge") {
        return Ok(None);
    }
    let keys = match (schema.get(KEYS), schema.get(KEY)) {
        (Some(Value::Array(keys)), _) => keys
            .iter()
            .map(|key| text(key, KEYS).map(Name::Owned))
            .collect::<Result<_, _>>()?,
        (Some(_), _) => return Err(SchemaError(format!("{KEYS}: a list is needed"))),
        (None, Some(key)) => vec![Name::Owned(text(key, KEY)?)],
        (None, None) => Vec::new(),
    };
    Ok(Some(keys))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_describes_own_kinds() {
        let mut schema = Schema::default();
        schema
            .add_document(&json!({"definitions": {
                "v1.Widget": {
                    "properties": {"spec": {"$ref": "#/definitions/v1.Spec"}},
                    "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Widget"}],
                },
                "v1.Spec": {"type": "object", "properties": {
                    "parts": {
                        "type": "array",
                        "items": {"additionalProperties": {"type": "array", "x-kubernetes-patch-strategy": "merge"}},
                        "x-kubernetes-patch-strategy": "replace,merge",
                        "x-kubernetes-patch-merge-key": "id",
                    },
                }},
            }}))
            .unwrap();
        let widget = schema.of_kind("example.com/v1", "Widget").unwrap();
        let parts = schema
            .field(schema.field(widget, "spec").unwrap(), "parts")
            .unwrap();
        assert_eq!(parts.merge_keys().unwrap(), ["id"]);
        let set = schema.field(schema.elements(parts).unwrap(), "any").unwrap();
        assert!(set.merge_keys().unwrap().is_empty());
    }

    #[test]
    fn a_reference_to_itself_is_unknown() {
        let mut schema = Schema::default();
        schema
            .add_document(&json!({"definitions": {"a": {"$ref": "#/definitions/a"}, "b": {"properties": {"a": {"$ref": "#/definitions/a"}}}}}))
            .unwrap();
        let b = Shape::Ref("b".into());
        assert!(schema.field(schema.resolve(&b).unwrap(), "a").is_none());
    }

    #[test]
    fn wrong_types_are_named() {
        let error = shape(&json!({"properties": {"a": {"x-kubernetes-patch-strategy": 1}}})).unwrap_err();
        assert_eq!(
            error.0,
            "properties.a: x-kubernetes-patch-strategy: a string is needed"
        );
    }
}
