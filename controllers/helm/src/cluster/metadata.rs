//! What the metadata of objects is made of, and what Go's decoder says of what is made of something else.

use go_std::record::json_type;
use serde_json::{Map, Value};
use sprig::dates::{Time, Zone};

use super::manifest::ManifestError;

/// How Kubernetes writes times.
const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

/// What a field is made of.
#[derive(Clone, Copy)]
enum Made {
    Text,
    Integer,
    Bool,
    Time,
    Texts,
    TextsByName,
    Objects(&'static Type),
}

/// A type of Go, with its fields in the order in which they are read.
struct Type {
    name: &'static str,
    /// What Go calls one, and several ones.
    full_names: [&'static str; 2],
    fields: &'static [(&'static str, Made)],
}

const METADATA: Type = Type {
    name: "ObjectMeta",
    full_names: ["v1.ObjectMeta", "[]v1.ObjectMeta"],
    fields: &[
        ("annotations", Made::TextsByName),
        ("creationTimestamp", Made::Time),
        ("deletionGracePeriodSeconds", Made::Integer),
        ("deletionTimestamp", Made::Time),
        ("finalizers", Made::Texts),
        ("generateName", Made::Text),
        ("generation", Made::Integer),
        ("labels", Made::TextsByName),
        ("managedFields", Made::Objects(&MANAGER)),
        ("name", Made::Text),
        ("namespace", Made::Text),
        ("ownerReferences", Made::Objects(&OWNER)),
        ("resourceVersion", Made::Text),
        ("selfLink", Made::Text),
        ("uid", Made::Text),
    ],
};

const MANAGER: Type = Type {
    name: "ManagedFieldsEntry",
    full_names: ["v1.ManagedFieldsEntry", "[]v1.ManagedFieldsEntry"],
    fields: &[
        ("apiVersion", Made::Text),
        ("fieldsType", Made::Text),
        ("manager", Made::Text),
        ("operation", Made::Text),
        ("subresource", Made::Text),
        ("time", Made::Time),
    ],
};

const OWNER: Type = Type {
    name: "OwnerReference",
    full_names: ["v1.OwnerReference", "[]v1.OwnerReference"],
    fields: &[
        ("apiVersion", Made::Text),
        ("blockOwnerDeletion", Made::Bool),
        ("controller", Made::Bool),
        ("kind", Made::Text),
        ("name", Made::Text),
        ("uid", Made::Text),
    ],
};

/// Looks whether the metadata of an object can be read, as Helm does for whatever it builds.
///
/// # Errors
/// It is of another type.
pub(crate) fn check_metadata(object: &Value) -> Result<(), ManifestError> {
    let fields = match object.get("metadata") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            let [wanted, _] = METADATA.full_names;
            return Err(wrong(other, "metadataOnlyObject.metadata", wanted));
        }
    };
    let mut first = None;
    METADATA.check(fields, "metadata", &mut first)?;
    first.map_or(Ok(()), Err)
}

impl Type {
    /// Looks at the fields of an object that lies at a path; keeps the first thing that is wrong.
    ///
    /// # Errors
    /// A time is wrong, which ends the reading, whatever was wrong before.
    fn check(
        &self,
        fields: &Map<String, Value>,
        path: &str,
        first: &mut Option<ManifestError>,
    ) -> Result<(), ManifestError> {
        for (name, made) in self.fields {
            let Some(value) = fields.get(*name).filter(|value| !value.is_null()) else {
                continue;
            };
            let at = format!("{}.{path}.{name}", self.name);
            if let Made::Time = made {
                check_time(value, &at)?;
            } else if let (Made::Objects(of), Value::Array(items)) = (made, value) {
                let path = format!("{path}.{name}");
                let [wanted, _] = of.full_names;
                for item in items {
                    match item {
                        Value::Null => {}
                        Value::Object(fields) => of.check(fields, &path, first)?,
                        other => keep(first, || wrong(other, &at, wanted)),
                    }
                }
            } else if let Some((found, wanted)) = misfit(value, *made) {
                keep(first, || wrong(found, &at, wanted));
            }
        }
        Ok(())
    }
}

fn keep(first: &mut Option<ManifestError>, error: impl FnOnce() -> ManifestError) {
    first.get_or_insert_with(error);
}

fn check_time(value: &Value, at: &str) -> Result<(), ManifestError> {
    let text = value.as_str().ok_or_else(|| wrong(value, at, "string"))?;
    Time::parse(RFC3339, text, &Zone::Utc)?;
    Ok(())
}

/// What of a value is not what it ought to be, and what that is.
fn misfit(value: &Value, made: Made) -> Option<(&Value, &'static str)> {
    let text = |value: &&Value| !(value.is_string() || value.is_null());
    match (made, value) {
        (Made::Text, value) => (!value.is_string()).then_some((value, "string")),
        (Made::Bool, value) => (!value.is_boolean()).then_some((value, "bool")),
        (Made::Integer, value) => value.as_i64().is_none().then_some((value, "int64")),
        (Made::Texts, Value::Array(items)) => items.iter().find(text).map(|item| (item, "string")),
        (Made::Texts, other) => Some((other, "[]string")),
        (Made::TextsByName, Value::Object(fields)) => {
            let wrong = fields.iter().filter(|(_, value)| text(value));
            let first = wrong.min_by_key(|(key, _)| *key);
            first.map(|(_, value)| (value, "string"))
        }
        (Made::TextsByName, other) => Some((other, "map[string]string")),
        (Made::Objects(of), other) => {
            let [_, wanted] = of.full_names;
            Some((other, wanted))
        }
        (Made::Time, _) => None,
    }
}

/// A value at a path that is not of the wanted type.
fn wrong(found: &Value, at: &str, wanted: &'static str) -> ManifestError {
    let name = json_type(found);
    let found = match found {
        // Where a number is wanted, Go tells which one it has found.
        Value::Number(number) if wanted == "int64" => format!("{name} {number}"),
        _ => name.to_owned(),
    };
    ManifestError::Metadata {
        found,
        field: at.to_owned(),
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_of_the_types_of_objects() {
        let text = |field: &str, found: &str, wanted: &str| {
            format!(
                "unable to decode \"\": json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
            )
        };
        let of = |field: &str, found: &str, wanted: &str| {
            Some(text(&format!("ObjectMeta.metadata.{field}"), found, wanted))
        };
        let no_time = |value: &str, at: &str, element: &str| {
            Some(format!(
                "unable to decode \"\": parsing time \"{value}\" as \"{RFC3339}\": cannot parse \"{at}\" as \"{element}\""
            ))
        };
        for (metadata, expected) in [
            (json!(null), None),
            (
                json!({"name": "a", "labels": {"a": "b", "c": null}, "annotations": null, "other": 1}),
                None,
            ),
            (json!({"labels": {"a": 1}}), of("labels", "number", "string")),
            (
                json!({"labels": {"z": 1, "a": {}}, "annotations": {"x": true}}),
                of("annotations", "bool", "string"),
            ),
            (
                json!({"labels": {"z": 1, "a": {}}}),
                of("labels", "object", "string"),
            ),
            (
                json!({"labels": ["a"]}),
                of("labels", "array", "map[string]string"),
            ),
            (json!({"name": 7}), of("name", "number", "string")),
            (json!({"finalizers": "a"}), of("finalizers", "string", "[]string")),
            (
                json!({"labels": {"a": 1}, "generation": "a", "ownerReferences": [null]}),
                of("generation", "string", "int64"),
            ),
            (
                json!({"generation": 1.5}),
                of("generation", "number 1.5", "int64"),
            ),
            (
                json!({"deletionGracePeriodSeconds": {}}),
                of("deletionGracePeriodSeconds", "object", "int64"),
            ),
            (
                json!({"ownerReferences": {}}),
                of("ownerReferences", "object", "[]v1.OwnerReference"),
            ),
            (
                json!({"ownerReferences": ["a"]}),
                of("ownerReferences", "string", "v1.OwnerReference"),
            ),
            (
                json!({"ownerReferences": [{"name": "a", "uid": 1}]}),
                Some(text(
                    "OwnerReference.metadata.ownerReferences.uid",
                    "number",
                    "string",
                )),
            ),
            (
                json!({"ownerReferences": [{"controller": "true"}]}),
                Some(text(
                    "OwnerReference.metadata.ownerReferences.controller",
                    "string",
                    "bool",
                )),
            ),
            (
                json!({"managedFields": [{"fieldsV1": 1}, 1]}),
                of("managedFields", "number", "v1.ManagedFieldsEntry"),
            ),
            (
                json!({"annotations": {"a": 1}, "creationTimestamp": 1}),
                of("creationTimestamp", "number", "string"),
            ),
            (
                json!({"annotations": {"a": 1}, "creationTimestamp": "a"}),
                no_time("a", "a", "2006"),
            ),
            (
                json!({"deletionTimestamp": "2020-01-01"}),
                no_time("2020-01-01", "", "T"),
            ),
            (
                json!({"managedFields": [{"manager": 1, "time": "x"}]}),
                no_time("x", "x", "2006"),
            ),
            (
                json!({"creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": null, "generation": 1}),
                None,
            ),
            (json!({"finalizers": [1]}), of("finalizers", "number", "string")),
            (
                json!("a"),
                Some(text("metadataOnlyObject.metadata", "string", "v1.ObjectMeta")),
            ),
        ] {
            let found = check_metadata(&json!({"metadata": metadata})).err();
            assert_eq!(found.map(|error| error.to_string()), expected, "{metadata}");
        }
        assert!(check_metadata(&json!({})).is_ok());
    }
}
