//! Which transformations are made of which: circles, and who comes before whom.

use std::collections::{BTreeMap, BTreeSet};

use controller_kit::ObjectKey;

/// Of each transformation, those that it is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph(BTreeMap<ObjectKey, BTreeSet<ObjectKey>>);

impl Graph {
    pub(crate) fn new(edges: impl IntoIterator<Item = (ObjectKey, BTreeSet<ObjectKey>)>) -> Self {
        Self(edges.into_iter().collect())
    }

    /// The transformations that one is made of, directly or not.
    pub(crate) fn before(&self, key: &ObjectKey) -> BTreeSet<ObjectKey> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&ObjectKey> = self.0.get(key).into_iter().flatten().collect();
        while let Some(next) = left.pop() {
            if found.insert(next.clone()) {
                left.extend(self.0.get(next).into_iter().flatten());
            }
        }
        found
    }

    /// The shortest circle through a transformation, which it begins and ends.
    pub(crate) fn circle(&self, key: &ObjectKey) -> Option<Vec<ObjectKey>> {
        let mut paths: Vec<Vec<&ObjectKey>> = vec![vec![key]];
        let mut seen = BTreeSet::new();
        while !paths.is_empty() {
            let mut next = Vec::new();
            for path in paths {
                let last = path.last().copied().unwrap_or(key);
                for target in self.0.get(last).into_iter().flatten() {
                    let mut path = path.clone();
                    path.push(target);
                    if target == key {
                        return Some(path.into_iter().cloned().collect());
                    }
                    if seen.insert(target) {
                        next.push(path);
                    }
                }
            }
            paths = next;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("apps", name)
    }

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        Graph::new(
            edges
                .iter()
                .map(|(from, to)| (key(from), to.iter().map(|to| key(to)).collect())),
        )
    }

    #[test]
    fn circles_are_found_and_told_as_a_way() {
        let of = |edges: &[(&str, &[&str])], name: &str| {
            let circle = graph(edges).circle(&key(name))?;
            Some(
                circle
                    .into_iter()
                    .map(|key| key.name)
                    .collect::<Vec<_>>()
                    .join(" -> "),
            )
        };
        let edges: &[(&str, &[&str])] = &[
            ("a", &["b"]),
            ("b", &["c", "a"]),
            ("c", &["a"]),
            ("d", &["a"]),
            ("e", &["e"]),
        ];
        assert_eq!(of(edges, "a").as_deref(), Some("a -> b -> a"));
        assert_eq!(of(edges, "c").as_deref(), Some("c -> a -> b -> c"));
        assert_eq!(of(edges, "d"), None);
        assert_eq!(of(edges, "e").as_deref(), Some("e -> e"));
    }

    #[test]
    fn those_before_are_all_that_lead_here() {
        let graph = graph(&[("c", &["a", "b"]), ("b", &["a"]), ("a", &["b"])]);
        let before: Vec<_> = graph.before(&key("c")).into_iter().map(|key| key.name).collect();
        assert_eq!(before, ["a", "b"]);
        assert!(graph.before(&key("x")).is_empty());
    }
}
