//! From the text of a manifest to objects.

use controller_kit::object::kind;
use serde_json::Value;

/// A manifest that does not hold Kubernetes objects, in Helm's words.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not YAML.
    #[error("error parsing : error converting YAML to JSON: {0}")]
    Yaml(#[from] go_yaml::Error),
    /// A document is no object.
    #[error("unable to decode \"\": Object 'Kind' is missing in '{0}'")]
    NoKind(String),
    /// The metadata of a document is not what that of objects is.
    #[error(
        "unable to decode \"\": json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    )]
    Metadata {
        /// What it is.
        found: &'static str,
        /// Where.
        field: String,
        /// What it ought to be.
        wanted: &'static str,
    },
}

impl ManifestError {
    fn metadata(found: &Value, field: &str, wanted: &'static str) -> Self {
        Self::Metadata {
            found: match found {
                Value::Null => "null",
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            },
            field: field.to_owned(),
            wanted,
        }
    }
}

/// An object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) object: Value,
    /// Whether it is an item of a `List`.
    pub(crate) is_item: bool,
}

/// The text of a document that messages repeat, of which a hostile one has a lot.
const SHOWN: usize = 4096;

/// Reads all objects of a manifest; those of a `List` stand for it.
pub(crate) fn documents(manifest: &str) -> Vec<Result<Document, ManifestError>> {
    let mut documents = Vec::new();
    for text in helm::split_manifests(manifest) {
        match go_yaml::sigs::to_value(text.as_bytes(), &go_yaml::Limits::default()) {
            Ok(Value::Null) => {}
            Ok(object) => add(object, false, &mut documents),
            // Where the text goes on after what is not YAML, nobody knows.
            Err(error) => {
                documents.push(Err(error.into()));
                break;
            }
        }
    }
    documents
}

/// Fields of metadata in the order in which they are read, with what they are made of.
const METADATA: [(&str, Made); 8] = [
    ("annotations", Made::Texts("map[string]string")),
    ("finalizers", Made::Texts("[]string")),
    ("generateName", Made::Text),
    ("labels", Made::Texts("map[string]string")),
    ("name", Made::Text),
    ("namespace", Made::Text),
    ("resourceVersion", Made::Text),
    ("uid", Made::Text),
];

/// What a field of metadata is made of.
#[derive(Clone, Copy)]
enum Made {
    Text,
    /// Several ones, which Go keeps in this type.
    Texts(&'static str),
}

/// Looks whether the metadata of an object can be read, as Helm does for whatever it builds.
///
/// # Errors
/// It is of another type.
pub(crate) fn check_metadata(object: &Value) -> Result<(), ManifestError> {
    let fields = match object.get("metadata") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            let (field, wanted) = ("metadataOnlyObject.metadata", "v1.ObjectMeta");
            return Err(ManifestError::metadata(other, field, wanted));
        }
    };
    for (name, made) in METADATA {
        let Some(value) = fields.get(name) else { continue };
        let wrong = |found: &Value, wanted| {
            ManifestError::metadata(found, &format!("ObjectMeta.metadata.{name}"), wanted)
        };
        let texts: Vec<&Value> = match (made, value) {
            (_, Value::Null) => continue,
            (Made::Text, text) => vec![text],
            (Made::Texts("[]string"), Value::Array(items)) => items.iter().collect(),
            (Made::Texts("map[string]string"), Value::Object(fields)) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| *key);
                fields.into_iter().map(|(_, value)| value).collect()
            }
            (Made::Texts(wanted), other) => return Err(wrong(other, wanted)),
        };
        let is_text = |value: &&Value| value.is_string() || value.is_null();
        if let Some(other) = texts.into_iter().find(|value| !is_text(value)) {
            return Err(wrong(other, "string"));
        }
    }
    Ok(())
}

fn add(mut object: Value, is_item: bool, documents: &mut Vec<Result<Document, ManifestError>>) {
    if kind(&object).is_empty() {
        let mut shown = object.to_string();
        shown.truncate(shown.floor_char_boundary(SHOWN));
        documents.push(Err(ManifestError::NoKind(shown)));
    } else if kind(&object) == "List"
        && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
    {
        for item in items {
            add(item, true, documents);
        }
    } else {
        documents.push(Ok(Document { object, is_item }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(manifest: &str) -> Vec<String> {
        let read = documents(manifest).into_iter();
        read.map(|document| match document {
            Ok(document) => {
                let mark = if document.is_item { "*" } else { "" };
                format!("{}{mark}", controller_kit::object::name(&document.object))
            }
            Err(error) => error.to_string(),
        })
        .collect()
    }

    #[test]
    fn objects_are_those_of_all_documents_and_lists() {
        let manifest = "---\n# Source: a.yaml\nkind: A\nmetadata: {name: a}\n---\n# nothing\n---\nkind: List\nitems:\n- kind: B\n  \
                        metadata: {name: b}\n- kind: List\n  items: [{kind: C, metadata: {name: c}}]\n";
        assert_eq!(names(manifest), ["a", "b*", "c*"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(
            names("metadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n"),
            [
                r#"unable to decode "": Object 'Kind' is missing in '{"metadata":{"name":"a"}}'"#,
                "b"
            ]
        );
        let broken = names("a: [\n---\nkind: B\n");
        assert_eq!(broken.len(), 1);
        assert!(
            broken[0].starts_with("error parsing : error converting YAML to JSON: yaml: "),
            "{broken:?}"
        );
        let long = format!("a: {}", "x".repeat(SHOWN * 2));
        assert!(names(&long)[0].len() < SHOWN + 100);
    }

    #[test]
    fn metadata_is_of_the_types_of_objects() {
        use serde_json::json;

        let text = |field: &str, found: &str, wanted: &str| {
            format!(
                "unable to decode \"\": json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
            )
        };
        let of = |field: &str, found: &str, wanted: &str| {
            Some(text(&format!("ObjectMeta.metadata.{field}"), found, wanted))
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
