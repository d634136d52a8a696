//! What was said lately: repetitions become a count, and nobody may say too much.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{EventRecord, Regarding, Severity};

/// Events that were recorded lately: a repetition raises a counter instead of creating another object.
#[derive(Default)]
pub(super) struct Recent {
    names: HashMap<u64, (String, u32)>,
    order: VecDeque<u64>,
    hasher: std::hash::RandomState,
}

const RECENT: usize = 2048;

impl Recent {
    fn key(&self, event: &EventRecord) -> u64 {
        use std::hash::BuildHasher;
        let severity = event.severity == Severity::Error;
        self.hasher.hash_one((
            &event.regarding.uid,
            severity,
            &event.reason,
            &event.message,
            &event.metadata,
        ))
    }

    pub(super) fn repeat(&mut self, event: &EventRecord) -> Option<(String, u32)> {
        let (name, count) = self.names.get_mut(&self.key(event))?;
        *count = count.saturating_add(1);
        Some((name.clone(), *count))
    }

    pub(super) fn remember(&mut self, event: &EventRecord, name: String) {
        let key = self.key(event);
        self.names.insert(key, (name, 1));
        self.order.push_back(key);
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    pub(super) fn forget(&mut self, event: &EventRecord) {
        self.names.remove(&self.key(event));
    }
}

/// How many Kubernetes Events one object may still cause: a few at once, then one now and then, as client-go has it.
#[derive(Default)]
pub(super) struct Budgets {
    left: HashMap<String, (f64, Instant)>,
}

/// Events that one object may cause at once.
const BURST: f64 = 25.0;
/// Time after which one more is allowed.
const REFILL: Duration = Duration::from_mins(5);
/// Objects whose budgets are remembered.
const BUDGETS: usize = 4096;

impl Budgets {
    /// Takes an event off the budget of an object; `false` when nothing is left of it.
    pub(super) fn allow(&mut self, regarding: &Regarding, now: Instant) -> bool {
        let refilled = |(left, since): &(f64, Instant)| {
            let more = now.duration_since(*since).as_secs_f64() / REFILL.as_secs_f64();
            (left + more).min(BURST)
        };
        if self.left.len() >= BUDGETS {
            self.left.retain(|_, budget| refilled(budget) < BURST);
            if self.left.len() >= BUDGETS {
                self.left.clear();
            }
        }
        let budget = self.left.entry(regarding.uid.clone()).or_insert((BURST, now));
        let left = refilled(budget);
        let allowed = left >= 1.0;
        *budget = (if allowed { left - 1.0 } else { left }, now);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event(message: &str) -> EventRecord {
        EventRecord {
            regarding: Regarding {
                uid: "u".into(),
                ..Regarding::default()
            },
            severity: Severity::Info,
            reason: "Progressing".into(),
            message: message.into(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn repetitions_are_counted_and_the_memory_is_bounded() {
        let mut recent = Recent::default();
        recent.remember(&event("a"), "a.1".into());
        assert_eq!(recent.repeat(&event("a")), Some(("a.1".into(), 2)));
        assert_eq!(recent.repeat(&event("a")), Some(("a.1".into(), 3)));
        assert_eq!(recent.repeat(&event("b")), None);
        for i in 0..RECENT + 10 {
            recent.remember(&event(&i.to_string()), i.to_string());
        }
        assert!(recent.names.len() <= RECENT && recent.order.len() <= RECENT);
        assert_eq!(recent.repeat(&event("a")), None);
    }

    #[test]
    fn an_object_that_fails_for_ever_does_not_flood_the_cluster() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        let object = |uid: &str| Regarding {
            uid: uid.to_owned(),
            ..Regarding::default()
        };
        let within = |budgets: &mut Budgets, at| (0..100).filter(|_| budgets.allow(&object("a"), at)).count();
        assert_eq!(within(&mut budgets, start), 25);
        assert!(budgets.allow(&object("b"), start), "others are not affected");
        assert_eq!(within(&mut budgets, start + REFILL * 2), 2);
        for number in 0..BUDGETS * 2 {
            budgets.allow(&object(&number.to_string()), start);
        }
        assert!(budgets.left.len() <= BUDGETS);
    }
}
