//! The metadata that every object must have.

use std::collections::BTreeMap;
use std::fmt;

use go_yaml::Node;

use crate::Error;

/// Type, name and maps of an object.
#[derive(Debug, Default)]
pub(crate) struct Metadata<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    namespace: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, &'a str>,
}

impl<'a> Metadata<'a> {
    /// Reads the metadata of a node; an error if it has none, no kind, or no name although it is no list.
    pub(crate) fn validated(node: &'a Node) -> Result<Self, Error> {
        let field = |n: &'a Node, name: &str| n.get(name).filter(|v| !v.is_empty());
        let text = |n: &'a Node, name: &str| field(n, name).map(Node::text);
        let map = |n: &'a Node, name: &str| {
            field(n, name).map(|m| m.entries().iter().map(|(k, v)| (k.text(), v.text())).collect())
        };
        let (api_version, kind) = (text(node, "apiVersion"), text(node, "kind"));
        let mut found = api_version.is_some() || kind.is_some();
        let mut metadata = Self {
            api_version: api_version.unwrap_or(""),
            kind: kind.unwrap_or(""),
            ..Self::default()
        };
        if let Some(meta) = field(node, "metadata") {
            let (name, namespace) = (text(meta, "name"), text(meta, "namespace"));
            let (labels, annotations) = (map(meta, "labels"), map(meta, "annotations"));
            found |= name.is_some() || namespace.is_some() || labels.is_some() || annotations.is_some();
            metadata.name = name.unwrap_or("");
            metadata.namespace = namespace.unwrap_or("");
            metadata.labels = labels.unwrap_or_default();
            metadata.annotations = annotations.unwrap_or_default();
        }
        if !found {
            return Err(Error::invalid("missing Resource metadata"));
        }
        if metadata.kind.is_empty() {
            return Err(Error::invalid(format!("missing kind in object {metadata}")));
        }
        if metadata.name.is_empty() && !metadata.kind.ends_with("List") {
            return Err(Error::invalid(format!(
                "missing metadata.name in object {metadata}"
            )));
        }
        Ok(metadata)
    }
}

/// As Go prints the struct with `%v`.
impl fmt::Display for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = |m: &BTreeMap<&str, &str>| {
            m.iter()
                .map(|(k, v)| format!("{k}:{v}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        write!(
            f,
            "{{{{{} {}}} {{{{{} {}}} map[{}] map[{}]}}}}",
            self.api_version,
            self.kind,
            self.name,
            self.namespace,
            map(&self.labels),
            map(&self.annotations)
        )
    }
}
