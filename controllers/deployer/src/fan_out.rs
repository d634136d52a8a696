//! Whom an event about an artifact wakes, and in which order.

use std::collections::HashSet;

use controller_kit::{ObjectKey, Triggers};

use crate::context::Context;
use crate::kind::Kind;
use crate::step::{Step, dependencies};

impl<K: Kind> Context<K> {
    /// Wakes the consumers of an artifact that changed, dependencies before their dependents.
    ///
    /// A dependent whose dependency is woken too, and has to deploy the new revision first, would only say that it
    /// waits; it begins to wait at once instead, and says so if that takes long.
    pub(crate) fn wake_consumers(&self, consumers: &HashSet<ObjectKey>) {
        let dependencies = |key: &ObjectKey| {
            let object = self.objects.get(key);
            object
                .map(|object| dependencies(object.as_ref()))
                .unwrap_or_default()
        };
        for key in dependencies_first(consumers, dependencies) {
            let follows = dependencies(&key).iter().any(|on| consumers.contains(on));
            // A run in progress began with the old revision, and has to hear of the new one.
            if follows && !self.queue.is_active(&key) && self.awaits_dependency(&key) {
                self.queue.add_after(key, self.settings.requeue_dependency);
            } else {
                self.queue.add(key, Triggers::ARTIFACT);
            }
        }
    }

    /// Has an object wait for its dependencies, if it is to wait for one.
    fn awaits_dependency(&self, key: &ObjectKey) -> bool {
        let Some(object) = self.objects.get(key) else {
            return false;
        };
        if dependencies(object.as_ref())
            .iter()
            .any(|on| !self.is_watched(on))
        {
            // Nobody would wake it, and what it has read may be old.
            return false;
        }
        // Whoever waits is woken from here on; what has changed before is seen by the look.
        let is_new = self.awaiting.lock().insert(key.clone());
        let waits = matches!(K::decide(&self.observe(&object)), Step::AwaitDependency(_));
        if is_new && !waits {
            self.awaiting.lock().remove(key);
        }
        waits
    }
}

/// Sorts keys so that each comes after those of them that it depends on; cycles end somewhere.
fn dependencies_first(
    keys: &HashSet<ObjectKey>,
    dependencies: impl Fn(&ObjectKey) -> Vec<ObjectKey>,
) -> Vec<ObjectKey> {
    let mut names: Vec<_> = keys.iter().collect();
    names.sort();
    let (mut sorted, mut seen) = (Vec::with_capacity(keys.len()), HashSet::new());
    for name in names {
        // Each entry is visited twice: first for what it depends on, then for itself.
        let mut path = vec![(name.clone(), false)];
        while let Some((key, ready)) = path.pop() {
            if ready {
                sorted.push(key);
            } else if keys.contains(&key) && seen.insert(key.clone()) {
                let on = dependencies(&key);
                path.push((key, true));
                path.extend(on.into_iter().rev().map(|key| (key, false)));
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(edges: &[(&str, &str)], expected: &str) {
        let key = |name: &str| ObjectKey::new("apps", name);
        let keys = ["a", "b", "c", "d"].map(key).into_iter().collect();
        let dependencies = |of: &ObjectKey| {
            let on = edges.iter().filter(|(name, _)| key(name) == *of);
            on.map(|(_, on)| key(on)).collect()
        };
        let sorted = dependencies_first(&keys, dependencies);
        let names: Vec<_> = sorted.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names.join(" "), expected, "{edges:?}");
    }

    #[test]
    fn dependencies_come_first() {
        check(&[], "a b c d");
        check(&[("a", "b"), ("b", "d")], "d b a c");
        check(&[("a", "d"), ("a", "c"), ("d", "c")], "c d a b");
        check(&[("a", "elsewhere"), ("b", "a")], "a b c d");
        check(&[("a", "b"), ("b", "a"), ("c", "a")], "b a c d");
    }
}
