//! Values that upstream keeps connected.
//!
//! A transformer that sets a label or an annotation makes one value and hangs it into every place where the key was
//! missing. From then on these places hold the same value: what changes it in one of them changes it in all.

use std::cell::Cell;

use go_yaml::Node;

use super::Resource;
use crate::edit::quote_for_yaml_1_1;

/// One value and the places that share it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    value: Node,
    places: Vec<Place>,
}

/// A place in a tree.
#[derive(Debug, Clone)]
struct Place {
    /// The keys that lead to it.
    path: Vec<String>,
    /// Where the last key was found the last time: maps of many shared values are not searched for each of them.
    position: Cell<usize>,
}

impl Resource {
    /// Connects the value that is at all these places.
    pub(crate) fn share(&mut self, places: Vec<Vec<String>>) {
        if places.len() < 2 {
            return;
        }
        let place = |path| Place {
            path,
            position: Cell::new(0),
        };
        let places: Vec<_> = places.into_iter().map(place).collect();
        if let Some(value) = places.first().and_then(|place| place.find(&self.node)).cloned() {
            self.shared.push(Shared { value, places });
        }
    }

    /// Carries a value that changed in one place to the others; of several changes the last one in byte order of the
    /// places counts, a new style alone least. A place that is gone is forgotten.
    pub(crate) fn follow_shared(&mut self) {
        self.carry_shared(|shared, places| {
            let changed = places.iter().filter(|(_, value)| !same(value, shared));
            let last = changed.max_by_key(|(place, value)| (!same_text(value, shared), *place));
            last.map(|(_, value)| (*value).clone())
        });
    }

    /// As [`follow_shared`](Self::follow_shared), after a strategic merge: it visits all places in byte order, a new
    /// text takes the style that it finds there, and a later visit quotes what YAML 1.1 would not read as a string.
    pub(crate) fn follow_shared_after_merge(&mut self) {
        self.carry_shared(|shared, places| {
            let mut places = places.to_vec();
            places.sort_by_key(|(place, _)| *place);
            let mut value: Option<Node> = None;
            for (_, visited) in places {
                if !same_text(visited, shared) {
                    let style = value.as_ref().unwrap_or(shared).style();
                    value.insert(visited.clone()).set_style(style);
                } else if let Some(value) = &mut value {
                    quote_for_yaml_1_1(value);
                }
            }
            value
        });
        self.follow_shared();
    }

    /// Puts the value that `choose` makes of the shared one and of what is in its places now into all of them.
    fn carry_shared(&mut self, choose: impl Fn(&Node, &[(&[String], &Node)]) -> Option<Node>) {
        for shared in &mut self.shared {
            shared.places.retain(|place| place.find(&self.node).is_some());
            let places = shared.places.iter();
            let values: Vec<_> = places
                .filter_map(|place| Some((place.path.as_slice(), place.find(&self.node)?)))
                .collect();
            let Some(value) = choose(&shared.value, &values) else {
                continue;
            };
            for place in &shared.places {
                if let Some(node) = place.find_mut(&mut self.node) {
                    node.clone_from(&value);
                }
            }
            shared.value = value;
        }
    }

    /// Disconnects the values below a field of the metadata, because it was rebuilt.
    pub(super) fn unshare(&mut self, field: &str) {
        for shared in &mut self.shared {
            shared.places.retain(
                |place| !matches!(place.path.as_slice(), [metadata, f, _] if metadata == "metadata" && f == field),
            );
        }
    }
}

impl Place {
    fn find<'n>(&self, node: &'n Node) -> Option<&'n Node> {
        let (key, above) = self.path.split_last()?;
        let map = above.iter().try_fold(node, |node, key| node.get(key))?;
        let position = self.position_in(map, key)?;
        map.entries().get(position).map(|(_, value)| value)
    }

    fn find_mut<'n>(&self, node: &'n mut Node) -> Option<&'n mut Node> {
        let (key, above) = self.path.split_last()?;
        let map = above.iter().try_fold(node, |node, key| node.get_mut(key))?;
        let position = self.position_in(map, key)?;
        map.entries_mut()?.get_mut(position).map(|(_, value)| value)
    }

    fn position_in(&self, map: &Node, key: &str) -> Option<usize> {
        let entries = map.entries();
        let is_wanted = |(found, _): &(Node, Node)| found.as_str() == Some(key);
        if !entries.get(self.position.get()).is_some_and(is_wanted) {
            self.position.set(entries.iter().position(is_wanted)?);
        }
        Some(self.position.get())
    }
}

fn same(a: &Node, b: &Node) -> bool {
    same_text(a, b) && a.style() == b.style()
}

fn same_text(a: &Node, b: &Node) -> bool {
    a.kind() == b.kind() && a.text() == b.text() && a.tag() == b.tag()
}
