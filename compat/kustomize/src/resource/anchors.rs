//! Aliases and merge keys, resolved the way kyaml resolves them.

use std::collections::HashMap;

use go_yaml::{Kind, Node, Tag};

use super::Reader;
use crate::Error;

/// Replaces every alias by a copy of its target, applies merge keys and removes anchors.
pub(super) fn expand_anchors(node: &mut Node, reader: &Reader) -> Result<(), Error> {
    if has_anchors(node) {
        let mut expander = Expander {
            anchors: HashMap::new(),
            reader,
        };
        expander.expand(node)?;
    }
    Ok(())
}

fn has_anchors(node: &Node) -> bool {
    node.kind() == Kind::Alias
        || !node.anchor().is_empty()
        || node.items().iter().any(has_anchors)
        || node
            .entries()
            .iter()
            .any(|(key, value)| key.text() == "<<" || has_anchors(key) || has_anchors(value))
}

struct Expander<'r> {
    /// Targets by name; `None` while the target itself is being read.
    anchors: HashMap<String, Option<Node>>,
    /// Knows how much aliases may still expand to.
    reader: &'r Reader,
}

impl Expander<'_> {
    fn expand(&mut self, node: &mut Node) -> Result<(), Error> {
        if node.kind() == Kind::Alias {
            *node = self.target(node.text())?;
            return Ok(());
        }
        let anchor = node.anchor().to_owned();
        node.set_anchor("");
        if !anchor.is_empty() {
            self.anchors.insert(anchor.clone(), None);
        }
        if node.is_mapping() {
            self.merge(node)?;
        }
        for (key, value) in node.entries_mut().into_iter().flatten() {
            self.expand(key)?;
            self.expand(value)?;
        }
        for item in node.items_mut().into_iter().flatten() {
            self.expand(item)?;
        }
        if !anchor.is_empty() {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(())
    }

    fn target(&mut self, name: &str) -> Result<Node, Error> {
        match self.anchors.get(name) {
            Some(Some(target)) => {
                self.reader.charge_alias(count(target))?;
                Ok(target.clone())
            }
            Some(None) => Err(Error::invalid(format!("anchor '{name}' value contains itself"))),
            None => Err(Error::invalid(format!(
                "yaml: unknown anchor '{name}' referenced"
            ))),
        }
    }

    /// Applies the merge key of a mapping: its own fields win and keep their places, merged ones follow.
    fn merge(&mut self, map: &mut Node) -> Result<(), Error> {
        let mut merge_keys = map
            .entries()
            .iter()
            .filter(|(key, _)| key.core_tag() == Some(Tag::Merge));
        let merged = merge_keys.next().map(|(_, value)| value.clone());
        if merge_keys.next().is_some() {
            return Err(Error::invalid("duplicate merge key"));
        }
        // kyaml removes by text: a quoted "<<" goes as well.
        map.remove("<<");
        let Some(merged) = merged else { return Ok(()) };
        let own = map.entries().len();
        for source in self.merge_sources(merged)? {
            for (key, value) in source.into_entries() {
                let position = map.position(key.text());
                let Some(entries) = map.entries_mut() else {
                    continue;
                };
                match position {
                    Some(at) if at < own => {}
                    Some(at) => {
                        if let Some(entry) = entries.get_mut(at) {
                            *entry = (key, value);
                        }
                    }
                    None => entries.push((key, value)),
                }
            }
        }
        Ok(())
    }

    /// The maps to merge, the one that wins last.
    fn merge_sources(&mut self, node: Node) -> Result<Vec<Node>, Error> {
        match node.kind() {
            Kind::Mapping => Ok(vec![node]),
            Kind::Alias => {
                let target = self.target(node.text())?;
                if !target.is_mapping() {
                    return Err(Error::invalid(
                        "invalid map merge: received alias for a non-map value",
                    ));
                }
                Ok(vec![target])
            }
            Kind::Sequence => {
                let mut sources = Vec::new();
                for item in node.into_items().into_iter().rev() {
                    if item.is_sequence() {
                        return Err(Error::invalid("invalid map merge: received a nested sequence"));
                    }
                    sources.extend(self.merge_sources(item)?);
                }
                Ok(sources)
            }
            Kind::Scalar => Err(Error::invalid(
                "map merge requires map or sequence of maps as the value",
            )),
        }
    }
}

fn count(node: &Node) -> usize {
    1 + node.items().iter().map(count).sum::<usize>()
        + node
            .entries()
            .iter()
            .map(|(k, v)| count(k) + count(v))
            .sum::<usize>()
}
