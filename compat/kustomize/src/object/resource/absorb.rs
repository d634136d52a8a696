//! How a generated object takes over from one of the same id.

use std::collections::HashSet;

use go_yaml::Node;

use super::{ORIGIN, Resource};
use crate::Error;
use crate::edit::{mapping_of, push_field};

impl Resource {
    /// Takes name, namespace and history of `old`; labels and annotations are those of both, its own first.
    pub(crate) fn take_identity_of(&mut self, old: &Resource) -> Result<(), Error> {
        self.set_labels(overlay(old.labels(), self.labels()))?;
        self.set_annotations(overlay(old.annotations(), self.annotations()))?;
        let wants_hash = self.history.needs_hash;
        self.history = old.history.clone();
        self.history.needs_hash &= wants_hash;
        self.set_name(old.name())?;
        self.set_namespace(old.namespace())?;
        self.var_names.clone_from(&old.var_names);
        Ok(())
    }

    /// Like [`take_identity_of`](Self::take_identity_of), and keeps the data of `old` that it does not have itself.
    pub(crate) fn merge_from(&mut self, old: &Resource) -> Result<(), Error> {
        self.take_identity_of(old)?;
        self.merge_map(old, "data");
        self.merge_map(old, "binaryData");
        if let Some(origin) = old.annotation(ORIGIN) {
            let mut annotations = self.annotations();
            annotations.retain(|(key, _)| key != ORIGIN);
            annotations.push((ORIGIN.to_owned(), origin.to_owned()));
            self.set_annotations(annotations)?;
        }
        Ok(())
    }

    fn merge_map(&mut self, old: &Resource, field: &str) {
        let texts = |r: &Resource| {
            let entries = r.node.get(field).map_or(&[][..], Node::entries);
            let text = |n: &Node| {
                if n.is_null() {
                    String::new()
                } else {
                    n.text().to_owned()
                }
            };
            entries
                .iter()
                .map(|(k, v)| (text(k), text(v)))
                .collect::<Vec<_>>()
        };
        let mut merged = overlay(texts(old), texts(self));
        merged.sort();
        self.node.remove(field);
        if merged.is_empty() {
            return;
        }
        let texts = merged
            .iter()
            .map(|(key, value)| (key.as_str(), Node::string(value)));
        push_field(&mut self.node, field, mapping_of(texts));
    }
}

/// The entries of both, those of `over` winning.
fn overlay(under: Vec<(String, String)>, over: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut merged = under;
    let winning: HashSet<&str> = over.iter().map(|(key, _)| key.as_str()).collect();
    merged.retain(|(key, _)| !winning.contains(key.as_str()));
    merged.extend(over);
    merged
}
