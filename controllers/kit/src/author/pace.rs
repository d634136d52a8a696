//! When each object is looked at next.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Fate, lengthened};
use crate::backoff::{Backoff, spread};
use crate::queue::Requeue;
use crate::watch::ObjectKey;

/// The longest time that a failure may ask to be left alone for.
const LONGEST: Duration = Duration::from_hours(1);

/// When an object is looked at next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At a time.
    At(Instant),
    /// When something changes.
    Never,
}

/// What is remembered of an object between two looks; safe to lose.
#[derive(Default)]
struct Memory {
    due: Option<Due>,
    failures: u32,
}

/// Keeps objects to their pace, whatever else happens to them until their next look.
pub struct Pace {
    memory: Mutex<HashMap<ObjectKey, Memory>>,
    backoff: Backoff,
    jitter: u8,
}

impl Pace {
    /// Looks again after failures by `backoff`, and otherwise up to `jitter` percent later than asked.
    pub fn new(backoff: Backoff, jitter: u8) -> Self {
        Self {
            memory: Mutex::default(),
            backoff,
            jitter,
        }
    }

    /// Tells when an object is due; nothing if it was not looked at since the start.
    pub fn due(&self, key: &ObjectKey) -> Option<Due> {
        self.memory.lock().get(key)?.due
    }

    /// Tells how many looks at an object have failed in a row.
    pub fn failures(&self, key: &ObjectKey) -> u32 {
        self.memory.lock().get(key).map_or(0, |memory| memory.failures)
    }

    /// Sees to it that an object is looked at by a time.
    pub fn schedule(&self, key: &ObjectKey, due: Due) -> Requeue {
        self.memory.lock().entry(key.clone()).or_default().due = Some(due);
        match due {
            Due::At(at) => Requeue::After(at.saturating_duration_since(Instant::now())),
            Due::Never => Requeue::Never,
        }
    }

    /// Sees to it that an object is looked at after a pause.
    pub fn schedule_after(&self, key: &ObjectKey, pause: Duration) -> Requeue {
        self.schedule(key, Due::At(Instant::now() + pause))
    }

    /// Forgets when an object is due.
    pub fn rest(&self, key: &ObjectKey) {
        self.memory.lock().entry(key.clone()).or_default().due = None;
    }

    /// Forgets an object.
    pub fn forget(&self, key: &ObjectKey) {
        self.memory.lock().remove(key);
    }

    /// Says when an object is looked at again after a look that went well, or did not.
    pub fn next(&self, key: &ObjectKey, pause: Duration, result: Result<(), Fate>) -> Requeue {
        let later = lengthened(pause, self.jitter);
        let failures = {
            let mut memory = self.memory.lock();
            let memory = memory.entry(key.clone()).or_default();
            memory.failures = match result {
                Ok(()) => 0,
                Err(_) => memory.failures.saturating_add(1),
            };
            memory.failures
        };
        match result {
            Ok(()) | Err(Fate::Later | Fate::Bug) => self.schedule_after(key, later),
            Err(Fate::Retry) => {
                let delay = spread(self.backoff.delay(failures));
                self.schedule_after(key, delay.min(later))
            }
            Err(Fate::After(pause)) => self.schedule_after(key, pause.min(LONGEST)),
            Err(Fate::Edit) => self.schedule(key, Due::Never),
        }
    }
}

/// Gives what a look counts as: what could not be told is not over, since nobody knows what became of it.
///
/// # Errors
/// The fate of a look that failed, or could not be told.
pub fn once_told(result: Result<(), Fate>, is_told: bool) -> Result<(), Fate> {
    if is_told { result } else { Err(Fate::Retry) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_told_is_tried_again() {
        let long = Fate::After(LONGEST);
        for result in [Ok(()), Err(Fate::Edit), Err(Fate::Later), Err(long)] {
            assert_eq!(once_told(result, true), result);
            assert_eq!(once_told(result, false), Err(Fate::Retry));
        }
    }

    #[test]
    fn failures_have_their_fate() {
        let pace = Pace::new(Backoff::default(), 0);
        let key = ObjectKey::new("apps", "web");
        let minute = Duration::from_mins(1);
        let after = |requeue| match requeue {
            Requeue::After(pause) => pause,
            other => panic!("{other:?}"),
        };
        assert_eq!(pace.due(&key), None);
        assert!(after(pace.next(&key, minute, Ok(()))) > Duration::from_secs(59));
        for failures in 1..20 {
            let pause = after(pace.next(&key, minute, Err(Fate::Retry)));
            assert!(pause <= minute, "{pause:?}");
            assert_eq!(pace.failures(&key), failures);
        }
        assert!(after(pace.next(&key, minute, Err(Fate::After(Duration::from_hours(9))))) <= LONGEST);
        assert_eq!(pace.next(&key, minute, Err(Fate::Edit)), Requeue::Never);
        assert_eq!(pace.due(&key), Some(Due::Never));
        assert!(after(pace.next(&key, minute, Ok(()))) <= minute);
        assert_eq!(pace.failures(&key), 0);
        pace.forget(&key);
        assert_eq!(pace.due(&key), None);
    }
}
