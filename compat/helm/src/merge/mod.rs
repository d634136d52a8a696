//! The patch by which Helm's client-side apply brings a live object to what a chart says.
//!
//! Three documents decide: what the last release said (`original`), what this one says (`modified`) and what the
//! cluster has (`current`). What the chart no longer says is deleted, what it says differently from the cluster is
//! set, and what it never said is left alone. Objects of built-in kinds are merged by the Go types of these kinds
//! ([`schema`]), which tell how lists are merged; others become a plain JSON merge patch.
//!
//! [`three_way`] is upstream's `createPatch` (Helm 4.2.4, `pkg/kube`), to the byte of the patch.

mod combine;
mod difference;
mod json;
mod list;
mod schema;
mod value;

use serde_json::{Map, Value};

pub(crate) use value::canonical;

/// A patch, and how the API server is to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The kind of the patch.
    pub patch_type: PatchType,
    /// The document that is sent.
    pub body: String,
}

impl Patch {
    /// Says whether the patch changes nothing, in which case Helm sends none.
    pub fn is_empty(&self) -> bool {
        self.body == "{}"
    }
}

/// How the API server reads a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// By the schema of a built-in kind.
    StrategicMerge,
    /// By RFC 7386.
    Merge,
}

impl PatchType {
    /// The content type of a request that carries such a patch.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::StrategicMerge => "application/strategic-merge-patch+json",
            Self::Merge => "application/merge-patch+json",
        }
    }
}

/// What else decides about a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOptions {
    /// Whether the object fits the Go type of its kind. One that does not is merged as if its kind had none, which
    /// leaves it to the API server to refuse it. Kinds without a type need no answer.
    pub fits_type: bool,
    /// Whether objects without a Go type are compared with the live object too, as when an upgrade takes ownership.
    /// Otherwise only what changed between the two releases is sent.
    pub three_way_for_untyped: bool,
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self {
            fits_type: true,
            three_way_for_untyped: false,
        }
    }
}

/// Says whether Helm merges objects of a kind by its Go type.
///
/// ```
/// assert!(helm::merge::has_type("apps/v1", "Deployment"));
/// assert!(!helm::merge::has_type("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"));
/// assert!(!helm::merge::has_type("example.org/v1", "Deployment"));
/// ```
pub fn has_type(api_version: &str, kind: &str) -> bool {
    schema_of(api_version, kind).is_some()
}

fn schema_of(api_version: &str, kind: &str) -> Option<schema::Schema> {
    if (api_version, kind) == ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition") {
        return None;
    }
    schema::Schema::of_kind(api_version, kind)
}

/// Makes the patch that brings the object `current`, which `original` said before, to what `modified` says.
///
/// A `current` of null is an object that is not there. The kind is that of `modified`.
pub fn three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
    options: MergeOptions,
) -> Result<Patch, MergeError> {
    let text = |name: &str| modified.get(name).and_then(Value::as_str).unwrap_or_default();
    let schema = schema_of(text("apiVersion"), text("kind")).filter(|_| options.fits_type);
    let Some(schema) = schema else {
        let body = if options.three_way_for_untyped {
            let read = |document| object(value::float(document));
            json::three_way(&read(original)?, &read(modified)?, &read(current)?)?
        } else {
            let read = |document| object(value::canonical(document));
            json::two_way(&read(original)?, &read(modified)?)
        };
        return Ok(Patch {
            patch_type: PatchType::Merge,
            body: write(&body)?,
        });
    };
    let read = |document| object(value::canonical(document));
    let (original, modified, current) = (read(original)?, read(modified)?, read(current)?);
    let set = difference::objects(&current, &modified, schema, difference::Pass::Set, false)?;
    let delete = difference::objects(&original, &modified, schema, difference::Pass::Delete, false)?;
    Ok(Patch {
        patch_type: PatchType::StrategicMerge,
        body: write(&combine::objects(delete, set, schema)?)?,
    })
}

fn object(document: Value) -> Result<Map<String, Value>, MergeError> {
    match document {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        _ => Err(MergeError::NotAnObject),
    }
}

fn write(patch: &Map<String, Value>) -> Result<String, MergeError> {
    go_yaml::gojson::to_string(patch).map_err(|_| MergeError::NotAnObject)
}

/// Why there is no patch, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A document is no object.
    #[error("invalid JSON document")]
    NotAnObject,
    /// A field that changed is not one of its type.
    #[error("unable to find api field in struct {structure} for the json field {field:?}")]
    UnknownField {
        /// The bare name of the Go type.
        structure: String,
        /// The field.
        field: String,
    },
    /// An object stands where its type has none.
    #[error("merging an object in json but data type is not struct, instead is: {0}")]
    NotAStruct(String),
    /// A list stands where its type has none.
    #[error("expected slice or array type, but got: {0}")]
    NotASlice(String),
    /// A type has lists in a list.
    #[error("unexpected slice of slice")]
    SliceOfSlices,
    /// A list that is merged has lists in it.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// The elements of a list that is merged are not of one kind.
    #[error("list element types are not identical: {0}")]
    MixedList(String),
    /// There is nothing in a list whose order is given.
    #[error("no elements in any of the given slices")]
    NoElements,
    /// An element of a list has no key to be merged by.
    #[error("map: {element} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The element as Go prints it.
        element: String,
        /// The field that is the key.
        key: String,
    },
    /// Objects in a list that has no key to merge them by.
    #[error("cannot merge lists without merge key for {0}")]
    NoKeyInType(String),
    /// A value is of another kind than the one that its place asks for.
    #[error("expected a {expected}, but received a {actual}")]
    WrongKind {
        /// The Go type that is asked for.
        expected: &'static str,
        /// The Go type that is there.
        actual: &'static str,
    },
    /// The document says itself how it is merged, in a way that is none.
    #[error("invalid value for special key: $patch")]
    InvalidDirective,
    /// The document asks for a merge that there is not.
    #[error("unknown patch type: {directive} in map: {element}")]
    UnknownDirective {
        /// What it asks for.
        directive: String,
        /// Where, as Go prints it.
        element: String,
    },
    /// The document asks for merged lists.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeDirective,
    /// A list of the order of elements is damaged.
    #[error("invalid patch format of setElementOrder list")]
    InvalidOrder,
    /// A list is in another order than its list of the order says.
    #[error("The order in patch list:\n{list}\n doesn't match $setElementOrder list:\n{order}\n")]
    OtherOrder {
        /// The list as Go prints it.
        list: String,
        /// The order as Go prints it.
        order: String,
    },
    /// The two halves of a patch keep different fields.
    #[error("{0} and {1} are not deep equal: this may happen when calculating the 3-way diff patch")]
    OtherRetainedKeys(String, String),
    /// The patch would make another object of it.
    #[error("precondition failed for: {0}")]
    OtherObject(String),
    /// A list begins with a null, or has objects or lists for keys; upstream panics.
    #[error("an element of a list that is merged cannot be compared: {0}")]
    Incomparable(String),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        original: Value,
        modified: Value,
        current: Value,
        #[serde(default)]
        adopt: bool,
        fits: bool,
        #[serde(default)]
        r#type: String,
        #[serde(default)]
        patch: String,
        #[serde(default)]
        error: String,
    }

    /// What is different from the recorded outcome.
    fn difference(case: &Case, is_random: bool) -> Option<String> {
        let options = MergeOptions {
            fits_type: case.fits,
            three_way_for_untyped: case.adopt,
        };
        let ours = three_way(&case.original, &case.modified, &case.current, options);
        let theirs = (case.r#type.as_str(), case.patch.as_str(), case.error.as_str());
        match &ours {
            Err(error) if error.to_string() == case.error => None,
            // Where upstream panics, an error is told; of two mistakes upstream finds any, by the order of its maps.
            Err(_) if case.error.starts_with("panic: ") || is_random && !case.error.is_empty() => None,
            Ok(patch) if (patch.patch_type.content_type(), patch.body.as_str(), "") == theirs => None,
            _ => Some(format!("ours:   {ours:?}\ntheirs: {theirs:?}")),
        }
    }

    fn check(text: &str, is_random: bool) -> usize {
        let differences = text.lines().filter_map(|line| {
            let found = difference(&serde_json::from_str(line).unwrap(), is_random)?;
            Some(format!("{line}\n{found}"))
        });
        let differences: Vec<_> = differences.collect();
        if let Some(shortest) = differences.iter().min_by_key(|text| text.len()) {
            panic!("{} cases differ; the shortest:\n{shortest}", differences.len());
        }
        text.lines().count()
    }

    /// `cargo xtask record three-way` writes the cases; more random ones than are kept may be given by their file.
    #[test]
    fn patches_are_those_of_helm() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/three-way");
        let random = std::env::var_os("THREE_WAY_CASES").map(Into::into);
        for file in [folder.join("chosen.jsonl"), folder.join("random.jsonl")]
            .into_iter()
            .chain(random)
        {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(
                check(&text, !file.ends_with("chosen.jsonl")) > 10,
                "{}",
                file.display()
            );
        }
    }

    #[test]
    fn numbers_are_compared_as_go_reads_them() {
        let object = |number: Value| {
            json!({
                "apiVersion": "example.org/v1", "kind": "Thing", "n": number, "big": 9_007_199_254_740_993_i64,
            })
        };
        let patch = |old, new| three_way(&object(old), &object(new), &Value::Null, MergeOptions::default());
        assert!(patch(json!(1.0), json!(1)).unwrap().is_empty());
        assert_eq!(patch(json!(1), json!(1e21)).unwrap().body, r#"{"n":1e+21}"#);
        let adopt = MergeOptions {
            three_way_for_untyped: true,
            ..MergeOptions::default()
        };
        // The other library reads all numbers as floats.
        let patch = three_way(&Value::Null, &object(json!(2)), &object(json!(1)), adopt);
        assert_eq!(patch.unwrap().body, r#"{"n":2}"#);
        assert_eq!(
            three_way(&json!([]), &object(json!(2)), &Value::Null, adopt),
            Err(MergeError::NotAnObject)
        );
    }
}
