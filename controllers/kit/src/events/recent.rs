//! What was said lately: repetitions become a count, similar events become one, and nobody may say too much.
//!
//! The rules and figures are those of client-go's event correlator, which stock's controllers record through.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

use tokio::time::Instant;

use super::report::{EventRecord, Severity};

/// Decides what becomes of an event, by the events before it.
#[derive(Default)]
pub(super) struct Correlator {
    groups: Memory<Group>,
    written: Memory<Written>,
    budgets: Memory<Budget>,
    hasher: std::hash::RandomState,
}

/// What is to be written for an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Correlated {
    /// Names the Kubernetes Event among those of this process.
    pub(super) key: u64,
    /// The text, which may stand for similar events too.
    pub(super) message: String,
    /// Whether it stands for similar events, and has no metadata of its own then.
    pub(super) combined: bool,
    /// Name of the Kubernetes Event that exists for it, and the count that it is to have.
    pub(super) repeats: Option<(String, u32)>,
}

/// Events of one kind about one object, which differ in their text.
struct Group {
    messages: HashSet<u64>,
    last: Instant,
}

struct Written {
    name: String,
    count: u32,
}

/// How many events are left, and when that was reckoned.
struct Budget {
    left: f64,
    at: Instant,
}

/// How many texts of one kind are written as they are.
const SIMILAR: usize = 10;
/// Pause after which an event is like no earlier one.
const SIMILAR_FOR: Duration = Duration::from_mins(10);
/// Events that one object may cause at once.
const BURST: f64 = 25.0;
/// Time after which one more is allowed.
const REFILL: Duration = Duration::from_mins(5);

impl Correlator {
    /// Correlates an event that `controller` reports; `None` when the object has caused too many.
    pub(super) fn correlate(
        &mut self,
        controller: &str,
        event: &EventRecord,
        now: Instant,
    ) -> Option<Correlated> {
        let regarding = &event.regarding;
        let severity = event.severity == Severity::Error;
        let object = (
            controller,
            &regarding.api_version,
            &regarding.kind,
            &regarding.namespace,
        );
        let object = (object, &regarding.name, &regarding.uid, severity);
        let group = self.hasher.hash_one((object, "group", &event.reason));
        let text = self.hasher.hash_one(&event.message);
        let budget = self.hasher.hash_one((object, "budget"));

        let combined = self.is_one_of_many(group, text, now);
        let (key, message) = if combined {
            (
                group,
                format!("(combined from similar events): {}", event.message),
            )
        } else {
            let key = self.hasher.hash_one((object, &event.reason, &event.message));
            (key, event.message.clone())
        };
        let repeats = self.written.get_mut(key).map(|written| {
            written.count = written.count.saturating_add(1);
            (written.name.clone(), written.count)
        });
        self.may_speak(budget, now).then_some(Correlated {
            key,
            message,
            combined,
            repeats,
        })
    }

    /// Remembers the Kubernetes Event that was created for `key`.
    pub(super) fn remember(&mut self, key: u64, name: String) {
        self.written.insert(key, Written { name, count: 1 });
    }

    /// Forgets a Kubernetes Event that has expired.
    pub(super) fn forget(&mut self, key: u64) {
        self.written.remove(key);
    }

    fn is_one_of_many(&mut self, group: u64, text: u64, now: Instant) -> bool {
        if let Some(known) = self.groups.get_mut(group)
            && now.duration_since(known.last) <= SIMILAR_FOR
        {
            known.last = now;
            if known.messages.len() + 1 >= SIMILAR && !known.messages.contains(&text) {
                return true;
            }
            known.messages.insert(text);
            return false;
        }
        let messages = [text].into();
        self.groups.insert(group, Group { messages, last: now });
        false
    }

    fn may_speak(&mut self, budget: u64, now: Instant) -> bool {
        let full = Budget { left: BURST, at: now };
        let Budget { left, at } = match self.budgets.get_mut(budget) {
            Some(budget) => std::mem::replace(budget, full),
            None => full,
        };
        let more = now.duration_since(at).as_secs_f64() / REFILL.as_secs_f64();
        let left = (left + more).min(BURST);
        let allowed = left >= 1.0;
        let left = if allowed { left - 1.0 } else { left };
        self.budgets.insert(budget, Budget { left, at: now });
        allowed
    }
}

/// A bounded memory, which forgets first what came first.
struct Memory<V> {
    values: HashMap<u64, V>,
    order: VecDeque<u64>,
}

/// Entries of one memory, as many as client-go keeps.
const ENTRIES: usize = 4096;

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<V> Memory<V> {
    fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        self.values.get_mut(&key)
    }

    fn insert(&mut self, key: u64, value: V) {
        if self.values.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.order.len() > ENTRIES {
            if let Some(oldest) = self.order.pop_front() {
                self.values.remove(&oldest);
            }
        }
    }

    fn remove(&mut self, key: u64) {
        if self.values.remove(&key).is_some() {
            self.order.retain(|known| *known != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::report::Regarding;
    use super::*;

    fn event(uid: &str, message: &str) -> EventRecord {
        EventRecord {
            regarding: Regarding {
                uid: uid.into(),
                ..Regarding::default()
            },
            severity: Severity::Info,
            reason: "Progressing".into(),
            message: message.into(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn repetitions_are_counted() {
        let (mut correlator, now) = (Correlator::default(), Instant::now());
        let mut say = |message: &str| {
            correlator
                .correlate("c", &event("u", message), now)
                .expect("allowed")
        };
        let first = say("a");
        assert_eq!((first.message.as_str(), &first.repeats), ("a", &None));
        correlator.remember(first.key, "a.1".into());
        let mut count = |message: &str| {
            let said = correlator.correlate("c", &event("u", message), now);
            said.expect("allowed").repeats.map(|(_, count)| count)
        };
        assert_eq!([count("a"), count("a"), count("b")], [Some(2), Some(3), None]);
        correlator.forget(first.key);
        let again = correlator.correlate("c", &event("u", "a"), now).expect("allowed");
        assert_eq!(again.repeats, None);
    }

    #[test]
    fn from_the_tenth_on_similar_events_are_one() {
        let (mut correlator, start) = (Correlator::default(), Instant::now());
        let mut say = |number: usize, at: Instant| {
            let event = event("u", &format!("finished in {number}ms"));
            let said = correlator.correlate("c", &event, at).expect("allowed");
            if said.repeats.is_none() {
                correlator.remember(said.key, format!("u.{number}"));
            }
            said
        };
        for number in 1..10 {
            assert!(!say(number, start).combined, "{number}");
        }
        let tenth = say(10, start);
        assert_eq!(tenth.message, "(combined from similar events): finished in 10ms");
        assert_eq!(tenth.repeats, None);
        assert_eq!(say(11, start).repeats, Some(("u.10".into(), 2)));
        assert!(!say(12, start + SIMILAR_FOR * 2).combined, "long ago");
    }

    #[test]
    fn an_object_that_fails_for_ever_does_not_flood_the_cluster() {
        let (mut correlator, start) = (Correlator::default(), Instant::now());
        let mut within = |uid: &str, at| {
            let allowed = (0..100).filter(|_| correlator.correlate("c", &event(uid, "m"), at).is_some());
            allowed.count()
        };
        assert_eq!(within("a", start), 25);
        assert_eq!(within("b", start), 25, "others are not affected");
        assert_eq!(within("a", start + REFILL * 2), 2);
        for number in 0..ENTRIES * 2 {
            correlator.correlate("c", &event(&number.to_string(), "m"), start);
        }
        assert!(correlator.budgets.values.len() <= ENTRIES && correlator.groups.order.len() <= ENTRIES);
    }
}
