//! What the adapters know of a source, the same for all six kinds.

use std::fmt;

use flux_api::{
    Bucket, ConditionStatus, ConditionsExt, ExternalArtifact, GitRepository, HelmChart, HelmRepository,
    OCIRepository, READY, STALLED, Source, SourceArtifact,
};

/// Label of ExternalArtifacts that were made from an Artifact; mirroring them back would be a loop.
pub const BRIDGED_FROM: &str = "openfluxcd.ocm.software/bridged-from";

/// The kinds that are mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// `GitRepository`
    GitRepository,
    /// `OCIRepository`
    OciRepository,
    /// `Bucket`
    Bucket,
    /// `HelmRepository`
    HelmRepository,
    /// `HelmChart`
    HelmChart,
    /// `ExternalArtifact`
    ExternalArtifact,
}

impl SourceKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::GitRepository,
        Self::OciRepository,
        Self::Bucket,
        Self::HelmRepository,
        Self::HelmChart,
        Self::ExternalArtifact,
    ];

    /// Returns the kind as the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitRepository => "GitRepository",
            Self::OciRepository => "OCIRepository",
            Self::Bucket => "Bucket",
            Self::HelmRepository => "HelmRepository",
            Self::HelmChart => "HelmChart",
            Self::ExternalArtifact => "ExternalArtifact",
        }
    }

    /// Returns the name of the kind's resource in URLs and in RBAC rules.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::GitRepository => "gitrepositories",
            Self::OciRepository => "ocirepositories",
            Self::Bucket => "buckets",
            Self::HelmRepository => "helmrepositories",
            Self::HelmChart => "helmcharts",
            Self::ExternalArtifact => "externalartifacts",
        }
    }

    /// Returns the kind with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Kind, namespace and name of a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId {
    /// Kind.
    pub kind: SourceKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for SourceId {
    /// Writes `Kind/namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// How a source is doing, for consumers that want one that is up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It reconciled its newest generation with success.
    Ready,
    /// It failed, or needs an edit.
    Failed {
        /// The reason of its condition.
        reason: String,
        /// The message of its condition.
        message: String,
    },
    /// It is at work; what was known before still stands.
    Progressing,
}

/// What the adapters know of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSource {
    /// UID.
    pub uid: String,
    /// `apiVersion`, for the owner reference.
    pub api_version: String,
    /// The artifact in its status.
    pub artifact: Option<SourceArtifact>,
    /// Whether it is of a type that never has an artifact, so that an earlier one is obsolete.
    pub never_has_artifact: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it was itself made from an Artifact.
    pub bridged: bool,
    /// How it is doing.
    pub state: SourceState,
}

impl ObservedSource {
    /// Reads a source.
    pub fn of<K: Mirrored>(source: &K) -> Self {
        let meta = source.meta();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            api_version: K::api_version(&()).into_owned(),
            artifact: source.artifact().cloned(),
            never_has_artifact: source.never_has_artifact(),
            deleting: meta.deletion_timestamp.is_some(),
            bridged: meta
                .labels
                .as_ref()
                .is_some_and(|labels| labels.contains_key(BRIDGED_FROM)),
            state: state(source),
        }
    }
}

fn state<K: Mirrored>(source: &K) -> SourceState {
    let status = source.status();
    let failed = |type_: &str, is: ConditionStatus| {
        status
            .conditions
            .get_condition(type_)
            .filter(|c| c.status == is.as_str())
            .map(|c| SourceState::Failed {
                reason: c.reason.clone(),
                message: c.message.clone(),
            })
    };
    // What stock's helm-controller asks of a source: not stalled, ready, and ready for its present generation.
    if let Some(stalled) = failed(STALLED, ConditionStatus::True) {
        return stalled;
    }
    if let Some(not_ready) = failed(READY, ConditionStatus::False) {
        return not_ready;
    }
    let ready = status.conditions.has_status(READY, ConditionStatus::True)
        // An ExternalArtifact has no observed generation, and its producer may set no conditions.
        || (K::KIND == SourceKind::ExternalArtifact && status.conditions.is_empty());
    let current = K::KIND == SourceKind::ExternalArtifact
        || source.meta().generation == Some(status.observed_generation);
    if ready && current {
        SourceState::Ready
    } else {
        SourceState::Progressing
    }
}

/// A stock kind that is mirrored.
pub trait Mirrored: Source {
    /// Which kind it is.
    const KIND: SourceKind;

    /// Returns whether the object is of a type that never has an artifact.
    fn never_has_artifact(&self) -> bool {
        false
    }
}

impl Mirrored for GitRepository {
    const KIND: SourceKind = SourceKind::GitRepository;
}
impl Mirrored for OCIRepository {
    const KIND: SourceKind = SourceKind::OciRepository;
}
impl Mirrored for Bucket {
    const KIND: SourceKind = SourceKind::Bucket;
}
impl Mirrored for HelmRepository {
    const KIND: SourceKind = SourceKind::HelmRepository;

    /// A repository of type `oci` has no index; charts are pulled one by one.
    fn never_has_artifact(&self) -> bool {
        self.spec.repository_type == "oci"
    }
}
impl Mirrored for HelmChart {
    const KIND: SourceKind = SourceKind::HelmChart;
}
impl Mirrored for ExternalArtifact {
    const KIND: SourceKind = SourceKind::ExternalArtifact;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(status: &serde_json::Value, expected: &SourceState) {
        let object = json!({"metadata": {"name": "web", "generation": 2}, "status": status});
        let source: GitRepository = serde_json::from_value(object).expect("a GitRepository");
        assert_eq!(
            ObservedSource::of(&source).state,
            *expected,
            "{:?}",
            source.status
        );
    }

    #[test]
    fn a_source_is_ready_for_its_present_generation_only() {
        let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let failed = SourceState::Failed {
            reason: "R".into(),
            message: "m".into(),
        };
        check(&json!({}), &SourceState::Progressing);
        check(
            &json!({"observedGeneration": 2, "conditions": [condition("Ready", "True")]}),
            &SourceState::Ready,
        );
        check(
            &json!({"observedGeneration": 1, "conditions": [condition("Ready", "True")]}),
            &SourceState::Progressing,
        );
        check(
            &json!({"observedGeneration": 2, "conditions": [condition("Ready", "Unknown")]}),
            &SourceState::Progressing,
        );
        check(
            &json!({"observedGeneration": 2, "conditions": [condition("Ready", "False")]}),
            &failed,
        );
        check(
            &json!({"observedGeneration": 2, "conditions": [condition("Ready", "True"), condition("Stalled", "True")]}),
            &failed,
        );
    }
}
