//! The last reconciliation attempts in a status.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::decode::is_default;
use crate::{Duration, GoDuration};

/// The most snapshots that a history keeps.
pub const HISTORY_MAX_SIZE: usize = 5;

/// The last attempts, newest first, at most [`HISTORY_MAX_SIZE`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History(Vec<Snapshot>);

/// Attempts with one digest and one outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Digest of the rendered objects, `algorithm:hex`.
    pub digest: String,
    /// When this was first reconciled.
    pub first_reconciled: Time,
    /// When this was last reconciled.
    pub last_reconciled: Time,
    /// How long the last reconciliation took.
    pub last_reconciled_duration: Duration,
    /// The reason that the last reconciliation ended with.
    pub last_reconciled_status: String,
    /// How often this was reconciled.
    pub total_reconciliations: i64,
    /// Revision and origin revision.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
}

/// The outcome of one reconciliation, to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Digest of the rendered objects, `algorithm:hex`.
    pub digest: String,
    /// The reason that the reconciliation ended with.
    pub status: String,
    /// When it ended.
    pub at: Time,
    /// How long it took.
    pub took: GoDuration,
    /// Revision and origin revision.
    pub metadata: BTreeMap<String, String>,
}

impl History {
    /// Returns the newest snapshot.
    pub fn latest(&self) -> Option<&Snapshot> {
        self.0.first()
    }

    /// Returns the snapshots, newest first.
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.0
    }

    /// Records an attempt: one of the same digest and status counts up and moves to the front, any other is added.
    pub fn record(&mut self, attempt: Attempt) {
        let known = |s: &Snapshot| s.digest == attempt.digest && s.last_reconciled_status == attempt.status;
        let (first_reconciled, count) = match self.0.iter().position(known) {
            Some(at) => {
                let earlier = self.0.remove(at);
                (earlier.first_reconciled, earlier.total_reconciliations)
            }
            None => (attempt.at.clone(), 0),
        };
        let snapshot = Snapshot {
            digest: attempt.digest,
            first_reconciled,
            last_reconciled: attempt.at,
            last_reconciled_duration: attempt.took.into(),
            last_reconciled_status: attempt.status,
            total_reconciliations: count.saturating_add(1),
            metadata: attempt.metadata,
        };
        self.0.insert(0, snapshot);
        self.0.truncate(HISTORY_MAX_SIZE);
    }
}

impl Serialize for History {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for History {
    /// Reads a list; a snapshot that does not have the form of one is dropped, for history is only information.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let snapshots = Option::<Vec<serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self(
            snapshots
                .iter()
                .filter_map(|snapshot| Snapshot::deserialize(snapshot).ok())
                .collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn attempt(digest: &str, status: &str, second: i64) -> Attempt {
        Attempt {
            digest: digest.into(),
            status: status.into(),
            at: Time(Timestamp::from_second(second).expect("in range")),
            took: GoDuration::from_nanos(second),
            metadata: BTreeMap::new(),
        }
    }

    /// Records attempts given as `digest status` and returns what is kept as `digest status count`.
    fn check(attempts: &[&str], kept: &[&str]) {
        let mut history = History::default();
        for (second, text) in (1..).zip(attempts) {
            let (digest, status) = text.split_once(' ').expect("two words");
            history.record(attempt(digest, status, second));
        }
        let rows: Vec<_> = history
            .snapshots()
            .iter()
            .map(|s| {
                format!(
                    "{} {} {}",
                    s.digest, s.last_reconciled_status, s.total_reconciliations
                )
            })
            .collect();
        assert_eq!(rows, kept);
    }

    #[test]
    fn equal_attempts_are_counted_and_moved_to_the_front() {
        check(&[], &[]);
        check(&["a ok", "a ok"], &["a ok 2"]);
        check(&["a ok", "a failed"], &["a failed 1", "a ok 1"]);
        check(&["a ok", "b ok", "a ok"], &["a ok 2", "b ok 1"]);
        check(
            &["a x", "b x", "c x", "d x", "e x", "f x"],
            &["f x 1", "e x 1", "d x 1", "c x 1", "b x 1"],
        );
    }
}
