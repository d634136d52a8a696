//! The releases that a HelmRelease made, as its status keeps them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer, Serialize};

use super::ReleaseAction;
use crate::decode::is_default;

/// The way in which digests of snapshots are made; those of other snapshots cannot be compared.
pub const SNAPSHOT_API_VERSION: &str = "v2";

/// The most snapshots that are kept when none of them can be gone back to.
pub const RELEASE_HISTORY_MAX_SIZE: usize = 5;

/// The phase of a test that failed.
const FAILED: &str = "Failed";
/// The phase of a test that succeeded.
const SUCCEEDED: &str = "Succeeded";

/// A release at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReleaseSnapshot {
    /// How `digest` was made; [`SNAPSHOT_API_VERSION`].
    #[serde(skip_serializing_if = "is_default")]
    pub api_version: String,
    /// Digest of the record, `algorithm:hex`.
    pub digest: String,
    /// Name of the release.
    pub name: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Revision of the release.
    pub version: i64,
    /// Helm's status of the release.
    pub status: String,
    /// What made this state of the release, a [`ReleaseAction`].
    #[serde(skip_serializing_if = "is_default")]
    pub action: String,
    /// Name of the chart.
    pub chart_name: String,
    /// Version of the chart.
    pub chart_version: String,
    /// Version of the application in the chart.
    #[serde(skip_serializing_if = "is_default")]
    pub app_version: String,
    /// Digest of the values, `algorithm:hex`.
    pub config_digest: String,
    /// When the release was first deployed.
    pub first_deployed: Option<Time>,
    /// When it was last deployed.
    pub last_deployed: Option<Time>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: Option<Time>,
    /// The tests that were run, by name; absent if none was looked for.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "tests")]
    pub test_hooks: Option<BTreeMap<String, TestHook>>,
    /// Digest of the OCI artifact that held the chart.
    #[serde(skip_serializing_if = "is_default")]
    pub oci_digest: String,
}

/// A run of a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TestHook {
    /// When it began.
    #[serde(skip_serializing_if = "is_default")]
    pub last_started: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "is_default")]
    pub last_completed: Option<Time>,
    /// `Succeeded`, `Failed`, `Running` or `Unknown`; empty if it never ran.
    #[serde(skip_serializing_if = "is_default")]
    pub phase: String,
}

/// Reads tests, of which Go writes those that never ran as `null`.
fn tests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, TestHook>>, D::Error> {
    let tests = Option::<BTreeMap<String, Option<TestHook>>>::deserialize(deserializer)?;
    Ok(tests.map(|tests| {
        let all = tests.into_iter();
        all.map(|(name, test)| (name, test.unwrap_or_default())).collect()
    }))
}

impl ReleaseSnapshot {
    /// Returns whether this is a state of the given release.
    pub fn targets(&self, name: &str, namespace: &str, version: i64) -> bool {
        self.name == name && self.namespace == namespace && self.version == version
    }

    /// Returns `namespace/name.vN`.
    pub fn full_name(&self) -> String {
        format!("{}/{}.v{}", self.namespace, self.name, self.version)
    }

    /// Returns `chart@version`.
    pub fn chart(&self) -> String {
        format!("{}@{}", self.chart_name, self.chart_version)
    }

    /// Returns whether tests were run to their end, or there are none.
    pub fn has_been_tested(&self) -> bool {
        let Some(tests) = &self.test_hooks else {
            return false;
        };
        self.has_failed_test() || tests.values().all(|test| test.phase == SUCCEEDED)
    }

    /// Returns whether a test failed.
    pub fn has_failed_test(&self) -> bool {
        let mut tests = self.test_hooks.iter().flat_map(BTreeMap::values);
        tests.any(|test| test.phase == FAILED)
    }

    /// Returns whether a rollback may lead here.
    fn is_good(&self, ignore_tests: bool) -> bool {
        matches!(self.status.as_str(), "deployed" | "superseded") && (ignore_tests || !self.has_failed_test())
    }

    /// Says what made this state of the release.
    #[must_use]
    pub fn made_by(mut self, action: ReleaseAction) -> Self {
        action.as_str().clone_into(&mut self.action);
        self
    }
}

impl fmt::Display for ReleaseSnapshot {
    /// Writes `namespace/name.vN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name())
    }
}

/// The releases that were made, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ReleaseHistory(Vec<ReleaseSnapshot>);

impl<'de> Deserialize<'de> for ReleaseHistory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let snapshots = Option::<Vec<Option<ReleaseSnapshot>>>::deserialize(deserializer)?;
        Ok(snapshots.unwrap_or_default().into_iter().flatten().collect())
    }
}

impl FromIterator<ReleaseSnapshot> for ReleaseHistory {
    fn from_iter<I: IntoIterator<Item = ReleaseSnapshot>>(snapshots: I) -> Self {
        let mut history = Self(snapshots.into_iter().collect());
        history.sort();
        history
    }
}

impl ReleaseHistory {
    fn sort(&mut self) {
        self.0.sort_by_key(|snapshot| Reverse(snapshot.version));
    }

    /// Returns the snapshots, newest first.
    pub fn snapshots(&self) -> &[ReleaseSnapshot] {
        &self.0
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the newest snapshot.
    pub fn latest(&self) -> Option<&ReleaseSnapshot> {
        self.0.first()
    }

    /// Returns the newest snapshot before the latest that a rollback may lead to.
    pub fn previous(&self, ignore_tests: bool) -> Option<&ReleaseSnapshot> {
        self.0
            .iter()
            .skip(1)
            .find(|snapshot| snapshot.is_good(ignore_tests))
    }

    /// Returns the snapshot of a release.
    pub fn find(&self, name: &str, namespace: &str, version: i64) -> Option<&ReleaseSnapshot> {
        self.0
            .iter()
            .find(|snapshot| snapshot.targets(name, namespace, version))
    }

    /// Adds a snapshot.
    pub fn add(&mut self, snapshot: ReleaseSnapshot) {
        self.0.insert(0, snapshot);
        self.sort();
    }

    /// Puts a snapshot in the place of the one of the same release; returns whether there is one.
    pub fn replace(&mut self, snapshot: ReleaseSnapshot) -> bool {
        let same = |other: &&mut ReleaseSnapshot| {
            other.targets(&snapshot.name, &snapshot.namespace, snapshot.version)
        };
        match self.0.iter_mut().find(same) {
            Some(place) => {
                *place = snapshot;
                true
            }
            None => false,
        }
    }

    /// Forgets what is older than the snapshot that a rollback may lead to; if there is none, all but the newest
    /// [`RELEASE_HISTORY_MAX_SIZE`].
    pub fn truncate(&mut self, ignore_tests: bool) {
        let older = self.0.iter().skip(1);
        let good = older
            .enumerate()
            .find(|(_, snapshot)| snapshot.is_good(ignore_tests));
        self.0
            .truncate(good.map_or(RELEASE_HISTORY_MAX_SIZE, |(at, _)| at + 2));
    }

    /// Forgets all but the newest [`RELEASE_HISTORY_MAX_SIZE`].
    pub fn truncate_to_size(&mut self) {
        self.0.truncate(RELEASE_HISTORY_MAX_SIZE);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
