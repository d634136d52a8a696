//! Objects with their places in the cluster.

use controller_kit::object::{self, id_of, metadata_map, split_api_version};
use controller_kit::{MapError, Mapper, Mapping, ObjectPath};
use flux_api::ObjectId;
use serde_json::{Map, Value};

use super::manifest::{Document, ManifestError, documents};
use super::metadata::check_metadata;

/// An object of a release, on its way into the cluster or out of it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// Where objects of its kind are.
    pub(crate) mapping: Mapping,
    /// Its namespace; empty if it lies in none.
    pub(crate) namespace: String,
    /// Its name; empty if the API server makes one up.
    pub(crate) name: String,
    /// The object: as it is wanted, then as the API server answered.
    pub(crate) object: Value,
}

/// Objects that the cluster has no place for, in Helm's words.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The manifest does not hold objects.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The cluster does not serve the kind.
    #[error(
        "resource mapping not found for name: {} namespace: {} from \"\": {error}\nensure CRDs are installed first",
        quote(.name),
        quote(.namespace)
    )]
    NoMapping {
        /// The object's name.
        name: String,
        /// Its namespace, as its manifest has it.
        namespace: String,
        /// Which kind.
        error: MapError,
    },
    /// Whether the cluster serves the kind is not known, or it does not serve that of an item of a list.
    #[error("unable to recognize {}{error}", if *.is_item { "" } else { "\"\": " })]
    Unknown {
        /// Whether it is an item of a list.
        is_item: bool,
        /// Why.
        error: MapError,
    },
    /// All of these.
    #[error("[{}]", join(.0))]
    Several(Vec<BuildError>),
}

fn quote(text: &str) -> String {
    gotmpl::quote(text.as_bytes())
}

/// Go's aggregates say the same thing once.
fn join(errors: &[BuildError]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(", ")
}

impl Resource {
    /// Finds the places of all objects of a manifest; those of a namespaced kind that name no namespace lie in
    /// `namespace`.
    pub(crate) async fn build(
        mapper: &Mapper,
        manifest: &str,
        namespace: &str,
    ) -> Result<Vec<Self>, BuildError> {
        Self::build_some(mapper, manifest, namespace, |_| true).await
    }

    /// The same for those objects that are wanted; whether the others have a place does not matter.
    pub(crate) async fn build_some(
        mapper: &Mapper,
        manifest: &str,
        namespace: &str,
        is_wanted: impl Fn(&Document) -> bool,
    ) -> Result<Vec<Self>, BuildError> {
        let (mut resources, mut errors) = (Vec::new(), Vec::new());
        for document in documents(manifest) {
            match document {
                Ok(document) if !is_wanted(&document) => {}
                Ok(document) => match Self::place(mapper, document, namespace).await {
                    Ok(resource) => resources.push(resource),
                    Err(error) => errors.push(error),
                },
                Err(error) => errors.push(error.into()),
            }
        }
        match errors.len() {
            0 => Ok(resources),
            1 => Err(errors.remove(0)),
            _ => Err(BuildError::Several(errors)),
        }
    }

    async fn place(mapper: &Mapper, document: Document, namespace: &str) -> Result<Self, BuildError> {
        let Document {
            mut object, is_item, ..
        } = document;
        check_metadata(&object)?;
        let (group, version) = split_api_version(object::api_version(&object));
        let kind = object::kind(&object);
        let mapping = if version.is_empty() {
            mapper.preferred(group, kind).await
        } else {
            mapper.mapping(group, version, kind).await
        };
        let mapping = mapping.map_err(|error| match error {
            MapError::NoMatch { .. } if !is_item => BuildError::NoMapping {
                name: object::name(&object).to_owned(),
                namespace: object::namespace(&object).to_owned(),
                error,
            },
            error => BuildError::Unknown { is_item, error },
        })?;
        let own = object::namespace(&object);
        let namespace = match (mapping.namespaced, own) {
            (false, _) => "",
            (true, "") => namespace,
            (true, own) => own,
        };
        let namespace = namespace.to_owned();
        set_namespace(&mut object, &namespace);
        Ok(Self {
            mapping,
            namespace,
            name: object::name(&object).to_owned(),
            object,
        })
    }

    /// Where the object lies.
    pub(crate) fn at(&self) -> ObjectPath<'_> {
        ObjectPath {
            mapping: &self.mapping,
            namespace: &self.namespace,
            name: &self.name,
        }
    }

    /// Group, version and kind as Go prints them.
    pub(crate) fn gvk(&self) -> String {
        let Mapping {
            group, version, kind, ..
        } = &self.mapping;
        format!("{group}/{version}, Kind={kind}")
    }

    /// Namespace, name and kind as Helm's messages have them.
    pub(crate) fn place_and_kind(&self) -> String {
        format!("{}/{} {}", self.namespace, self.name, self.gvk())
    }

    /// Its identity, regardless of its version.
    pub(crate) fn id(&self) -> ObjectId {
        ObjectId {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            group: self.mapping.group.clone(),
            kind: self.mapping.kind.clone(),
        }
    }

    /// Whether it is a Secret, whose values no message may repeat.
    pub(crate) fn is_secret(&self) -> bool {
        (self.mapping.group.as_str(), self.mapping.kind.as_str()) == ("", "Secret")
    }

    /// Whether the API server makes up its name.
    pub(crate) fn has_generated_name(&self) -> bool {
        !object::metadata_text(&self.object, "generateName").is_empty()
    }

    /// Takes what the API server answered for the object, but who manages which field, which is long and of no use.
    pub(crate) fn refresh(&mut self, mut answer: Value) {
        let id = id_of(&answer);
        self.name = id.name;
        self.namespace = id.namespace;
        if let Some(metadata) = answer.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        self.object = answer;
    }

    /// Keeps nothing but where the object lies.
    pub(crate) fn forget_content(&mut self) {
        self.object = Value::Null;
    }
}

/// An annotation of an object.
pub(crate) fn annotation<'o>(object: &'o Value, key: &str) -> Option<&'o str> {
    metadata_map(object, "annotations")?.get(key)?.as_str()
}

fn set_namespace(object: &mut Value, namespace: &str) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    if namespace.is_empty() {
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata.remove("namespace");
        }
        return;
    }
    let metadata = fields.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Map::new().into();
    }
    if let Value::Object(metadata) = metadata {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn namespaces_are_set_and_taken_away() {
        let set = |mut object: Value, namespace: &str| {
            set_namespace(&mut object, namespace);
            object
        };
        let lies = |namespace: &str| json!({"metadata": {"namespace": namespace}});
        assert_eq!(set(json!({}), "a"), lies("a"));
        assert_eq!(set(json!({"metadata": null}), "a"), lies("a"));
        assert_eq!(set(lies("b"), "a"), lies("a"));
        assert_eq!(set(lies("b"), ""), json!({"metadata": {}}));
        assert_eq!(set(json!({}), ""), json!({}));
    }

    #[test]
    fn errors_read_as_those_of_helm() {
        let no_match = || MapError::NoMatch {
            kind: "Widget".into(),
            api_version: "example.com/v1".into(),
        };
        let missing = BuildError::NoMapping {
            name: "a".into(),
            namespace: String::new(),
            error: no_match(),
        };
        let text = "resource mapping not found for name: \"a\" namespace: \"\" from \"\": no matches for kind \"Widget\" in version \
                    \"example.com/v1\"\nensure CRDs are installed first";
        assert_eq!(missing.to_string(), text);
        let unknown = |is_item| BuildError::Unknown {
            is_item,
            error: no_match(),
        };
        let said = "no matches for kind \"Widget\" in version \"example.com/v1\"";
        assert_eq!(
            unknown(false).to_string(),
            format!("unable to recognize \"\": {said}")
        );
        assert_eq!(unknown(true).to_string(), format!("unable to recognize {said}"));
        let several = BuildError::Several(vec![missing, unknown(true), unknown(true)]);
        assert_eq!(
            several.to_string(),
            format!("[{text}, unable to recognize {said}]")
        );
    }
}
