//! From the text of a manifest to objects.

use controller_kit::object::{kind, metadata_map};
use serde_json::Value;
use sprig::dates::TimeError;

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
        found: String,
        /// Where.
        field: String,
        /// What it ought to be.
        wanted: &'static str,
    },
    /// A time in the metadata of a document is none.
    #[error("unable to decode \"\": {0}")]
    Time(#[from] TimeError),
}

/// An object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) object: Value,
    /// Whether it is an item of a `List`.
    pub(crate) is_item: bool,
    /// Whether its document says what is to become of it when its release ends; an item of a `List` has no say in that.
    pub(crate) has_policy: bool,
}

/// The annotation that says what is to become of what is not wanted any more.
pub(crate) const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// The text of a document that messages repeat, of which a hostile one has a lot.
const SHOWN: usize = 4096;

/// Reads all objects of a manifest; those of a `List` stand for it.
pub(crate) fn documents(manifest: &str) -> Vec<Result<Document, ManifestError>> {
    let mut documents = Vec::new();
    for text in helm::split_manifests(manifest) {
        match go_yaml::sigs::to_value(text.as_bytes(), &go_yaml::Limits::default()) {
            Ok(Value::Null) => {}
            Ok(object) => {
                let policy = metadata_map(&object, "annotations").and_then(|all| all.get(RESOURCE_POLICY));
                let has_policy = policy.is_some_and(Value::is_string);
                add(object, false, has_policy, &mut documents);
            }
            // Where the text goes on after what is not YAML, nobody knows.
            Err(error) => {
                documents.push(Err(error.into()));
                break;
            }
        }
    }
    documents
}

fn add(
    mut object: Value,
    is_item: bool,
    has_policy: bool,
    documents: &mut Vec<Result<Document, ManifestError>>,
) {
    if kind(&object).is_empty() {
        let mut shown = object.to_string();
        shown.truncate(shown.floor_char_boundary(SHOWN));
        documents.push(Err(ManifestError::NoKind(shown)));
    } else if kind(&object) == "List"
        && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
    {
        for item in items {
            add(item, true, has_policy, documents);
        }
    } else {
        documents.push(Ok(Document {
            object,
            is_item,
            has_policy,
        }));
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
    fn a_document_has_the_policy_for_all_its_items() {
        let policy = |manifest: &str| -> Vec<bool> {
            let read = documents(manifest).into_iter();
            read.map(|document| document.expect("an object").has_policy)
                .collect()
        };
        let keep = "annotations: {helm.sh/resource-policy: keep}";
        assert_eq!(
            policy(&format!(
                "kind: A\nmetadata: {{{keep}}}\n---\nkind: A\nmetadata: {{annotations: {{a: b}}}}\n"
            )),
            [true, false]
        );
        let list = |of_list: &str, of_item: &str| {
            format!("kind: List\n{of_list}items: [{{kind: B{of_item}}}, {{kind: C}}]\n")
        };
        assert_eq!(
            policy(&list(&format!("metadata: {{{keep}}}\n"), "")),
            [true, true]
        );
        assert_eq!(
            policy(&list("", &format!(", metadata: {{{keep}}}"))),
            [false, false]
        );
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
}
