//! One object of a build: its tree and the history that the build keeps about it.

mod absorb;
mod anchors;
mod annotations;
mod history;
mod metadata;
mod read;
mod shared;

pub(crate) use annotations::{HELM_GENERATED, ORIGIN, TRANSFORMATIONS};
pub(crate) use history::{Behavior, History, Previous};
pub(crate) use metadata::Metadata;
pub(crate) use read::Reader;

use shared::Shared;

use go_yaml::{Kind, Node};

use crate::budget::Budget;
use crate::edit::{expect_kind, get_or_create, mapping_of, push_field, set_field};
use crate::object::resid::effective_namespace;
use crate::openapi::{Scopes, split_api_version};
use crate::{Error, Gvk, ResId};

/// An object of the build.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// The object's tree; null once a patch deleted it.
    pub(crate) node: Node,
    /// What upstream keeps in annotations that never reach the output.
    pub(crate) history: History,
    /// Names of the vars that take their value from this object.
    pub(crate) var_names: Vec<String>,
    /// Values that several places of the tree share.
    pub(crate) shared: Vec<Shared>,
    scopes: Scopes,
}

impl Resource {
    /// An object from its tree; build annotations written in the tree become history.
    pub(crate) fn new(node: Node, scopes: &Scopes) -> Self {
        let mut resource = Self {
            node,
            history: History::default(),
            var_names: Vec::new(),
            shared: Vec::new(),
            scopes: scopes.clone(),
        };
        resource.absorb_build_annotations();
        resource
    }

    /// Whether nothing is left of the object.
    pub(crate) fn is_empty(&self) -> bool {
        self.node.is_empty()
    }

    /// The text of `kind`, empty if there is none.
    pub(crate) fn kind(&self) -> &str {
        text_field(&self.node, "kind")
    }

    /// The text of `apiVersion`, empty if there is none.
    pub(crate) fn api_version(&self) -> &str {
        text_field(&self.node, "apiVersion")
    }

    /// The text of `metadata.name`, empty if there is none.
    pub(crate) fn name(&self) -> &str {
        meta_text(&self.node, "name")
    }

    /// The text of `metadata.namespace`, empty if there is none.
    pub(crate) fn namespace(&self) -> &str {
        meta_text(&self.node, "namespace")
    }

    /// The type as it is now.
    pub(crate) fn gvk(&self) -> Gvk {
        self.type_of_kind(self.kind())
    }

    /// The identity as it is now.
    pub(crate) fn id(&self) -> ResId {
        ResId::new(self.gvk(), self.name(), self.namespace())
    }

    /// The identities that were stored before names or namespaces changed, oldest first, with today's group and version.
    pub(crate) fn previous_ids(&self) -> Vec<ResId> {
        let ids = self.history.previous.iter();
        ids.map(|previous| self.id_of(previous)).collect()
    }

    fn id_of(&self, previous: &Previous) -> ResId {
        ResId::new(
            self.type_of_kind(&previous.kind),
            &previous.name,
            &previous.namespace,
        )
    }

    fn type_of_kind(&self, kind: &str) -> Gvk {
        Gvk::from_api_version(self.api_version(), kind).with_scope(&self.scopes)
    }

    /// The namespace that counts for a kind with today's group and version.
    pub(crate) fn effective_namespace<'n>(&self, kind: &str, namespace: &'n str) -> &'n str {
        let (group, version) = split_api_version(self.api_version());
        effective_namespace(self.scopes.is_cluster_scoped(group, version, kind), namespace)
    }

    /// The oldest identity known.
    pub(crate) fn original_id(&self) -> ResId {
        let oldest = self.history.previous.first();
        oldest.map_or_else(|| self.id(), |previous| self.id_of(previous))
    }

    /// Whether any identity, previous or current, satisfies the test.
    pub(crate) fn any_id(&self, test: impl Fn(&ResId) -> bool) -> bool {
        test(&self.id()) || self.history.previous.iter().any(|p| test(&self.id_of(p)))
    }

    /// Whether any name, previous or current, satisfies the test.
    pub(crate) fn any_name(&self, test: impl Fn(&str) -> bool) -> bool {
        test(self.name()) || self.history.previous.iter().any(|previous| test(&previous.name))
    }

    /// Keeps the current identity in the history, before it changes.
    pub(crate) fn store_previous_id(&mut self, budget: &Budget) -> Result<(), Error> {
        let id = self.id();
        budget.make(size_of::<Previous>() + id.name.len() + id.namespace.len() + id.gvk.kind.len())?;
        self.history
            .push_previous(id.effective_namespace(), &id.name, &id.gvk.kind);
        Ok(())
    }

    /// Sets `kind`, keeping the style that was there.
    pub(crate) fn set_kind(&mut self, kind: &str) -> Result<(), Error> {
        set_field(&mut self.node, "kind", Node::scalar(kind))
    }

    /// Sets `apiVersion`, keeping the style that was there.
    pub(crate) fn set_api_version(&mut self, api_version: &str) -> Result<(), Error> {
        set_field(&mut self.node, "apiVersion", Node::scalar(api_version))
    }

    /// Sets `metadata.name`, keeping the style that was there.
    pub(crate) fn set_name(&mut self, name: &str) -> Result<(), Error> {
        self.set_meta("name", Node::scalar(name))
    }

    /// Sets `metadata.namespace`, or removes it when `namespace` is empty.
    pub(crate) fn set_namespace(&mut self, namespace: &str) -> Result<(), Error> {
        if namespace.is_empty() {
            if let Some(meta) = self.node.get_mut("metadata") {
                meta.remove("namespace");
            }
            return Ok(());
        }
        self.set_meta("namespace", Node::scalar(namespace))
    }

    fn set_meta(&mut self, field: &str, value: Node) -> Result<(), Error> {
        match get_or_create(&mut self.node, "metadata", Node::mapping)? {
            Some(meta) => set_field(meta, field, value),
            None => Ok(()),
        }
    }

    /// `metadata.labels` with the source text of each value.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        self.meta_map("labels")
    }

    /// `metadata.annotations` with the source text of each value.
    pub(crate) fn annotations(&self) -> Vec<(String, String)> {
        self.meta_map("annotations")
    }

    /// One annotation's source text.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.node
            .get_path(&["metadata", "annotations", key])
            .map(Node::text)
    }

    fn meta_map(&self, field: &str) -> Vec<(String, String)> {
        let map = self.node.get_path(&["metadata", field]);
        let entries = map.map_or(&[][..], Node::entries);
        entries
            .iter()
            .map(|(k, v)| (k.text().to_owned(), v.text().to_owned()))
            .collect()
    }

    /// Rebuilds `metadata.labels` as strings in key order; an empty map removes it.
    pub(crate) fn set_labels(&mut self, labels: Vec<(String, String)>) -> Result<(), Error> {
        self.set_meta_map("labels", labels)
    }

    /// Rebuilds `metadata.annotations` as strings in key order; an empty map removes it.
    pub(crate) fn set_annotations(&mut self, annotations: Vec<(String, String)>) -> Result<(), Error> {
        self.set_meta_map("annotations", annotations)
    }

    fn set_meta_map(&mut self, field: &str, mut map: Vec<(String, String)>) -> Result<(), Error> {
        map.sort_by(|a, b| a.0.cmp(&b.0));
        self.unshare(field);
        let Some(meta) = get_or_create(&mut self.node, "metadata", Node::mapping)? else {
            return Ok(());
        };
        expect_kind(meta, Kind::Mapping)?;
        meta.remove(field);
        if map.is_empty() {
            return Ok(());
        }
        // A key given twice keeps its last value, as Go's maps do.
        let texts = map.iter().map(|(key, value)| (key.as_str(), Node::string(value)));
        push_field(meta, field, mapping_of(texts));
        Ok(())
    }
}

fn text_field<'a>(node: &'a Node, field: &str) -> &'a str {
    node.get(field).map_or("", Node::text)
}

fn meta_text<'a>(node: &'a Node, field: &str) -> &'a str {
    let value = node.get("metadata").and_then(|meta| meta.get(field));
    value.filter(|v| !v.is_null()).map_or("", Node::text)
}
