//! What a queue tells operators about its runs.

use std::fmt::Display;
use std::hash::Hash;

use tokio::time::Instant;

use super::{Phase, Shared};
use crate::inspect::{Parked, QueueReport, Queued, Running, Runs, Scheduled};

/// How many of the timers are told.
const TOLD_TIMERS: usize = 100;

impl<K: Clone + Eq + Hash + Display + Send + Sync> Runs for Shared<K> {
    fn runs(&self) -> QueueReport {
        let (state, now) = (self.state.lock(), Instant::now());
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let queued = state.ready.iter().filter_map(|key| {
            let entry = state.entries.get(key)?;
            let Phase::Queued { since } = entry.phase else {
                return None;
            };
            Some(Queued {
                object: key.to_string(),
                seconds: seconds(since),
                because_of: entry.triggers.names(),
            })
        });
        let running = state.entries.iter().filter_map(|(key, entry)| {
            let Phase::Running {
                since,
                triggers,
                superseded,
                note,
                ..
            } = &entry.phase
            else {
                return None;
            };
            let parked = note.lock().as_ref().map(|(on, since)| Parked {
                on: on.to_string(),
                seconds: seconds(*since),
            });
            Some(Running {
                object: key.to_string(),
                seconds: seconds(*since),
                because_of: triggers.names(),
                is_superseded: superseded.is_set(),
                parked,
            })
        });
        let mut running: Vec<_> = running.collect();
        running.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let scheduled = state.timers.iter().filter_map(|(at, number)| {
            let key = state.timer_keys.get(number)?;
            let in_seconds = at.saturating_duration_since(now).as_secs_f64();
            Some(Scheduled {
                object: key.to_string(),
                in_seconds,
            })
        });
        QueueReport {
            queue: self.metrics.name().to_owned(),
            queued: queued.collect(),
            running,
            scheduled: scheduled.take(TOLD_TIMERS).collect(),
            scheduled_in_all: state.timers.len(),
        }
    }
}
