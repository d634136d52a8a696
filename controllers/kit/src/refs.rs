//! Who refers to what: the reverse of a reference, for waking those who refer.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// From what is referred to, to those who refer.
#[derive(Debug)]
pub struct RefIndex<Target, Referrer> {
    forward: HashMap<Referrer, Vec<Target>>,
    reverse: HashMap<Target, HashSet<Referrer>>,
}

impl<Target, Referrer> Default for RefIndex<Target, Referrer> {
    fn default() -> Self {
        Self {
            forward: HashMap::new(),
            reverse: HashMap::new(),
        }
    }
}

impl<Target: Clone + Eq + Hash, Referrer: Clone + Eq + Hash> RefIndex<Target, Referrer> {
    /// Replaces everything that `referrer` refers to; an empty list forgets it.
    pub fn set(&mut self, referrer: &Referrer, targets: Vec<Target>) {
        if self.forward.get(referrer).is_some_and(|known| *known == targets) {
            return;
        }
        for target in self.forward.remove(referrer).unwrap_or_default() {
            if let Some(referrers) = self.reverse.get_mut(&target) {
                referrers.remove(referrer);
                if referrers.is_empty() {
                    self.reverse.remove(&target);
                }
            }
        }
        for target in &targets {
            self.reverse
                .entry(target.clone())
                .or_default()
                .insert(referrer.clone());
        }
        if !targets.is_empty() {
            self.forward.insert(referrer.clone(), targets);
        }
    }

    /// Gives those who refer to `target`, in no order.
    pub fn referrers(&self, target: &Target) -> impl Iterator<Item = &Referrer> {
        self.reverse.get(target).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_as_a_whole() {
        let mut index = RefIndex::default();
        index.set(&1, vec!["a", "b"]);
        index.set(&2, vec!["a"]);
        index.set(&1, vec!["b"]);
        assert_eq!(index.referrers(&"a").collect::<Vec<_>>(), [&2]);
        assert_eq!(index.referrers(&"b").collect::<Vec<_>>(), [&1]);
        index.set(&1, vec![]);
        index.set(&2, vec![]);
        assert!(index.forward.is_empty() && index.reverse.is_empty());
    }
}
