//! Values that upstream keeps connected.
//!
//! A transformer that sets a label or an annotation makes one value and hangs it into every place where the key was
//! missing. From then on these places hold the same value: what changes it in one of them changes it in all.

use go_yaml::Node;

use super::Resource;
use crate::edit::quote_for_yaml_1_1;

/// One value and the places that share it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    value: Node,
    places: Vec<Vec<String>>,
}

impl Resource {
    /// Connects the value that is at all these places.
    pub(crate) fn share(&mut self, places: Vec<Vec<String>>) {
        let value = places.first().and_then(|place| at(&self.node, place)).cloned();
        if let (Some(value), true) = (value, places.len() > 1) {
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
            shared.places.retain(|place| at(&self.node, place).is_some());
            let places = shared.places.iter();
            let values: Vec<_> = places
                .filter_map(|place| Some((place.as_slice(), at(&self.node, place)?)))
                .collect();
            let Some(value) = choose(&shared.value, &values) else {
                continue;
            };
            for place in &shared.places {
                if let Some(node) = at_mut(&mut self.node, place) {
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
                |place| !matches!(place.as_slice(), [metadata, f, _] if metadata == "metadata" && f == field),
            );
        }
    }
}

fn at<'n>(node: &'n Node, place: &[String]) -> Option<&'n Node> {
    place.iter().try_fold(node, |node, key| node.get(key))
}

fn at_mut<'n>(node: &'n mut Node, place: &[String]) -> Option<&'n mut Node> {
    place.iter().try_fold(node, |node, key| node.get_mut(key))
}

fn same(a: &Node, b: &Node) -> bool {
    same_text(a, b) && a.style() == b.style()
}

fn same_text(a: &Node, b: &Node) -> bool {
    a.kind() == b.kind() && a.text() == b.text() && a.tag() == b.tag()
}
