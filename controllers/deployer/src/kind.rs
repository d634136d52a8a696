//! What has to be known about a deployer before it does anything: the kind that it reconciles, and its names.

use std::time::Duration;

use artifact_consumer::{Access, ReferenceError, SourceKey};
use controller_kit::{Mapping, ObjectKey};
use flux_api::Deployed;
use jiff::Timestamp;

use crate::step::{Observed, Step};

/// The kind that a deployer reconciles, with what the deployer keeps about its objects.
pub trait Kind: Send + Sync + Sized + 'static {
    /// The objects.
    type Object: Deployed;

    /// What the deployer and its labels are called.
    const NAMES: Names;

    /// Gives the source that an object consumes.
    ///
    /// # Errors
    /// The reference cannot be followed, ever.
    fn source(object: &Self::Object, access: &Access) -> Result<SourceKey, ReferenceError>;

    /// Decides the next step; reads no clock, no cluster and no cache.
    fn decide(observed: &Observed<'_, Self::Object>) -> Step;

    /// Whether an object that is suspended gets the finalizer: one that would be refused otherwise has nothing to be dealt
    /// with.
    fn holds_at_rest(_object: &Self::Object) -> bool {
        true
    }

    /// Whether objects ask for sources that are up to date: a run is due once a source has become that, even if its
    /// artifact is still the same.
    const FOLLOWS_SOURCES: bool = false;

    /// How much longer whoever had an object before may be at work on it, by what its status says now and by what it said
    /// when it was still theirs.
    fn is_busy(_now: &StatusOf<Self>, _before: &StatusOf<Self>, _time: Timestamp) -> Option<Duration> {
        None
    }

    /// Drops what is kept about an object that is gone, or not ours any more.
    fn forget(&self, key: &ObjectKey);
}

/// Names that clusters and operators know, which are those of stock's deployer.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Field manager of applied objects, reporter of events, and the stock controller that must not select the same
    /// objects, such as `kustomize-controller`.
    pub controller: &'static str,
    /// Value of the `controller` label of metrics and logs, such as `kustomization`.
    pub label: &'static str,
    /// Field manager of statuses and finalizers.
    pub status_manager: &'static str,
    /// Labels of applied objects that say whose they are: the name and the namespace of the object.
    pub owner_labels: [&'static str; 2],
    /// What metrics call the search for another cluster.
    pub cluster_operation: &'static str,
    /// Types of the conditions that are ours; all others are somebody else's.
    pub conditions: &'static [&'static str],
}

/// The status of a kind.
pub type StatusOf<K> = <<K as Kind>::Object as Deployed>::Status;

/// Gives the name of a kind, such as `Kustomization`.
pub(crate) fn kind_name<O: Deployed>() -> String {
    O::kind(&()).into_owned()
}

/// Gives the endpoint of a kind.
pub(crate) fn mapping<O: Deployed>() -> Mapping {
    Mapping {
        group: O::group(&()).into_owned(),
        version: O::version(&()).into_owned(),
        kind: kind_name::<O>(),
        plural: O::plural(&()).into_owned(),
        namespaced: true,
    }
}
