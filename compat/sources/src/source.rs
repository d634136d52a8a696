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
    /// It failed to look for something newer.
    Failed {
        /// The reason of its condition.
        reason: String,
        /// The message of its condition.
        message: String,
    },
    /// It needs an edit; with the message of its condition.
    Stalled(String),
    /// It was edited and has not been reconciled since; with what it says about that.
    Outdated(String),
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
    /// The last generation that it reconciled, if it tells.
    pub generation: Option<i64>,
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
            generation: (K::KIND != SourceKind::ExternalArtifact)
                .then_some(source.status().observed_generation),
        }
    }
}

fn state<K: Mirrored>(source: &K) -> SourceState {
    let status = source.status();
    let with = |type_: &str, is: ConditionStatus| {
        let condition = status.conditions.get_condition(type_);
        condition.filter(|condition| condition.status == is.as_str())
    };
    let failed = with(READY, ConditionStatus::False);
    // What stock's helm-controller asks of a source: reconciled in its present generation, and not stalled. An
    // ExternalArtifact has no observed generation, and its producer may set no conditions.
    let is_external = K::KIND == SourceKind::ExternalArtifact;
    if !is_external && source.meta().generation != Some(status.observed_generation) {
        let message = failed.map_or(OUTDATED, |failed| failed.message.as_str());
        return SourceState::Outdated(message.to_owned());
    }
    if let Some(stalled) = with(STALLED, ConditionStatus::True) {
        return SourceState::Stalled(stalled.message.clone());
    }
    if let Some(failed) = failed {
        return SourceState::Failed {
            reason: failed.reason.clone(),
            message: failed.message.clone(),
        };
    }
    if with(READY, ConditionStatus::True).is_some() || (is_external && status.conditions.is_empty()) {
        SourceState::Ready
    } else {
        SourceState::Progressing
    }
}

/// What stock says of a source that was edited.
const OUTDATED: &str = "latest generation of object has not been reconciled";

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
        let row = |generation: i64, conditions: &[(&str, &str)]| {
            let conditions: Vec<_> = conditions
                .iter()
                .map(|(type_, is)| condition(type_, is))
                .collect();
            json!({"observedGeneration": generation, "conditions": conditions})
        };
        let failed = SourceState::Failed {
            reason: "R".into(),
            message: "m".into(),
        };
        let outdated = SourceState::Outdated(OUTDATED.into());
        check(&json!({}), &outdated);
        check(&row(2, &[("Ready", "True")]), &SourceState::Ready);
        check(&row(1, &[("Ready", "True")]), &outdated);
        check(&row(1, &[("Ready", "False")]), &SourceState::Outdated("m".into()));
        check(&row(2, &[("Ready", "Unknown")]), &SourceState::Progressing);
        check(&row(2, &[]), &SourceState::Progressing);
        check(&row(2, &[("Ready", "False")]), &failed);
        for ready in ["True", "False"] {
            let stalled = SourceState::Stalled("m".into());
            check(&row(2, &[("Ready", ready), ("Stalled", "True")]), &stalled);
        }
    }
}
