//! Aliases and merge keys, resolved the way kyaml resolves them.

use std::collections::{HashMap, HashSet};

use go_yaml::{Kind, Node, Size, Tag};

use crate::Error;
use crate::budget::Budget;
use crate::error::Context;

/// Replaces every alias by a copy of its target, applies merge keys and removes anchors.
///
/// No tree comes out, or is there on the way, that is nested more deeply than a text may be.
pub(super) fn expand_anchors(node: &mut Node, budget: &Budget) -> Result<(), Error> {
    let mut seen = Seen::default();
    seen.look_at(node);
    if seen.anything {
        let mut expander = Expander {
            anchors: HashMap::new(),
            used: seen.aliases,
            budget,
        };
        expander.expand(node, 0)?;
    }
    Ok(())
}

/// What a document has of anchors, aliases and merge keys.
#[derive(Default)]
struct Seen {
    anything: bool,
    aliases: HashSet<String>,
}

impl Seen {
    fn look_at(&mut self, node: &Node) {
        self.anything |= !node.anchor().is_empty();
        if node.kind() == Kind::Alias {
            self.anything = true;
            self.aliases.insert(node.text().to_owned());
        }
        for item in node.items() {
            self.look_at(item);
        }
        for (key, value) in node.entries() {
            self.anything |= key.text() == "<<";
            self.look_at(key);
            self.look_at(value);
        }
    }
}

/// Bytes that an anchor takes, and its place among all others.
const ANCHOR: usize = 800;

struct Expander<'b> {
    /// Targets by name; `None` while the target itself is being read.
    anchors: HashMap<String, Option<(Node, Size)>>,
    /// The names that aliases have; other targets are not kept.
    used: HashSet<String>,
    budget: &'b Budget,
}

impl Expander<'_> {
    /// Expands a node that has `depth` collections around it.
    fn expand(&mut self, node: &mut Node, depth: usize) -> Result<(), Error> {
        if node.kind() == Kind::Alias {
            *node = self.target(node.text(), depth)?;
            return Ok(());
        }
        let anchor = node.anchor().to_owned();
        if !anchor.is_empty() {
            self.budget.make(ANCHOR)?;
        }
        node.set_anchor("");
        let is_used = self.used.contains(&anchor);
        if is_used {
            self.anchors.insert(anchor.clone(), None);
        }
        if node.is_mapping() {
            self.merge(node, depth)?;
        }
        for (key, value) in node.entries_mut().into_iter().flatten() {
            self.expand(key, depth + 1)?;
            let expanded = self.expand(value, depth + 1);
            if depth == 0 {
                expanded.limit_at(|| format!("field '{}'", key.text()))?;
            } else {
                expanded?;
            }
        }
        for item in node.items_mut().into_iter().flatten() {
            self.expand(item, depth + 1)?;
        }
        if is_used {
            let size = node.size();
            self.budget.make(size.bytes)?;
            self.anchors.insert(anchor, Some((node.clone(), size)));
        }
        Ok(())
    }

    fn target(&mut self, name: &str, depth: usize) -> Result<Node, Error> {
        match self.anchors.get(name) {
            Some(Some((target, size))) => {
                let place = || format!("alias '*{name}'");
                self.budget.check_depth(depth + size.depth).limit_at(place)?;
                self.budget.expand(*size).limit_at(place)?;
                Ok(target.clone())
            }
            Some(None) => Err(Error::invalid(format!("anchor '{name}' value contains itself"))),
            None => Err(Error::invalid(format!(
                "yaml: unknown anchor '{name}' referenced"
            ))),
        }
    }

    /// Applies the merge key of a mapping: its own fields win and keep their places, merged ones follow.
    fn merge(&mut self, map: &mut Node, depth: usize) -> Result<(), Error> {
        let mut merge_keys = map
            .entries()
            .iter()
            .filter(|(key, _)| key.core_tag() == Some(Tag::Merge));
        let merged = merge_keys.next().map(|(_, value)| self.budget.copy(value));
        if merge_keys.next().is_some() {
            return Err(Error::invalid("duplicate merge key"));
        }
        // kyaml removes by text: a quoted "<<" goes as well.
        map.remove("<<");
        let Some(merged) = merged else { return Ok(()) };
        let sources = self.merge_sources(merged?, depth)?;
        let Some(entries) = map.entries_mut() else {
            return Ok(());
        };
        let own = entries.len();
        // The first field of each name.
        let mut positions: HashMap<String, usize> = HashMap::with_capacity(own);
        for (position, (key, _)) in entries.iter().enumerate() {
            if let Some(name) = key.as_str() {
                positions.entry(name.to_owned()).or_insert(position);
            }
        }
        for (key, value) in sources.into_iter().flat_map(Node::into_entries) {
            match positions.get(key.text()).copied() {
                Some(at) if at < own => {}
                Some(at) => {
                    if let Some(entry) = entries.get_mut(at) {
                        *entry = (key, value);
                    }
                }
                None => {
                    if let Some(name) = key.as_str() {
                        positions.insert(name.to_owned(), entries.len());
                    }
                    entries.push((key, value));
                }
            }
        }
        Ok(())
    }

    /// The maps to merge, the one that wins last.
    fn merge_sources(&mut self, node: Node, depth: usize) -> Result<Vec<Node>, Error> {
        match node.kind() {
            Kind::Mapping => Ok(vec![node]),
            Kind::Alias => {
                let target = self.target(node.text(), depth)?;
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
                    sources.extend(self.merge_sources(item, depth)?);
                }
                Ok(sources)
            }
            Kind::Scalar => Err(Error::invalid(
                "map merge requires map or sequence of maps as the value",
            )),
        }
    }
}
