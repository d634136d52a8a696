//! The `Artifact` type.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube_core::{NamespaceResourceScope, Resource};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// API group of the kind.
pub const GROUP: &str = "openfluxcd.ocm.software";
/// API version of the kind.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "Artifact";
/// Plural name of the kind, as in request paths.
pub const PLURAL: &str = "artifacts";

/// Annotation of a Kustomization or HelmRelease that names the true kind of a custom source.
///
/// With the stock CRDs a reference to a custom source says `kind: ExternalArtifact`, `apiVersion: <its group>`, and
/// this annotation says the kind.
pub const SOURCE_KIND_ANNOTATION: &str = "openfluxcd.ocm.software/source-kind";

/// Annotation of an Artifact that names the ExternalArtifact of its namespace which offers it to stock deployers.
///
/// A reference to that ExternalArtifact means the Artifact, so that what uses it can move between the controllers.
pub const BRIDGED_TO_ANNOTATION: &str = "openfluxcd.ocm.software/bridged-to";

/// Annotation of a source that names the namespaces, with commas between them, whose Transformations may have it for an input; `*`
/// names all of them.
pub const ALLOW_FROM_ANNOTATION: &str = "openfluxcd.ocm.software/allow-from";

/// Field manager of what the adapters write.
pub const ADAPTER_MANAGER: &str = "openflux-source-adapter";

/// Condition: the source still offers what the Artifact names.
pub const READY: &str = "Ready";
/// Condition: the source reconciled its newest generation with success.
///
/// Deployers that, like stock's helm-controller, want a source that is up to date and not failing read this one.
pub const SOURCE_READY: &str = "SourceReady";

/// Reasons of the conditions that adapters and producers write.
pub mod reason {
    /// The Artifact is that of the source's status.
    pub const MIRRORED: &str = "Mirrored";
    /// The source's status has no artifact at the moment; the last one is kept.
    pub const SOURCE_UNAVAILABLE: &str = "SourceUnavailable";
    /// The source's artifact was not taken over, because its URL is not allowed; the last one is kept.
    pub const URL_NOT_ALLOWED: &str = "URLNotAllowed";
    /// The source's artifact was not taken over, because it is incomplete; the last one is kept.
    pub const INVALID_ARTIFACT: &str = "InvalidArtifact";
    /// The source was edited, and has not been reconciled since: its artifact is what it offered before.
    pub const SOURCE_OUTDATED: &str = "SourceOutdated";
    /// The source needs an edit before it offers anything else.
    pub const SOURCE_STALLED: &str = "SourceStalled";
    /// The bytes are stored and served.
    pub const STORED: &str = "Stored";
    /// The stored bytes are gone, and are being made anew.
    pub const REBUILDING: &str = "Rebuilding";
}

/// Where the bytes of one revision of something are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Artifact {
    /// Name, namespace and owners.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// The artifact.
    pub spec: ArtifactSpec,
    /// What is known about it.
    #[serde(default)]
    pub status: ArtifactStatus,
}

/// Address, revision and digest of the bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ArtifactSpec {
    /// Absolute `http` or `https` address.
    pub url: String,
    /// What the producer calls this state: a commit, a tag, a version, a digest.
    pub revision: String,
    /// Digest of the bytes as served, `algorithm:hex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When the producer last changed the artifact; always present in the API.
    pub last_update_time: Option<Time>,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Upstream information, such as OCI annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// What is known about an artifact; objects of the Go libraries have none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ArtifactStatus {
    /// The generation that the conditions speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// [`READY`] and [`SOURCE_READY`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last generation of the source that was reconciled, and that [`SOURCE_READY`] speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_generation: Option<i64>,
}

impl ArtifactStatus {
    /// Tells why what the source is asked for now is not what the artifact holds; nothing if it is, or if nobody knows.
    ///
    /// A source that fails to look for something newer still offers what it has.
    pub fn source_problem(&self) -> Option<&str> {
        let condition = self.source_ready()?;
        let is_outdated = matches!(
            condition.reason.as_str(),
            reason::SOURCE_OUTDATED | reason::SOURCE_STALLED
        );
        (condition.status == "False" && is_outdated).then_some(condition.message.as_str())
    }

    /// Returns whether the source has become ready in a newer status, again or for a newer generation.
    ///
    /// Where nothing was said of it before, nobody has waited for that.
    pub fn source_comes_up(&self, newer: &Self) -> bool {
        let is_ready = |status: &Self| status.source_ready().map(|ready| ready.status == "True");
        let is_newer = |generation| Some(generation) < newer.source_generation;
        is_ready(newer) == Some(true)
            && (is_ready(self) == Some(false) || self.source_generation.is_some_and(is_newer))
    }

    fn source_ready(&self) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == SOURCE_READY)
    }
}

impl ArtifactSpec {
    /// Returns whether a consumer of `self` has to act on `newer`: revision, digest or address differ.
    ///
    /// Time, size and metadata alone say nothing about the bytes.
    pub fn differs_for_consumers(&self, newer: &Self) -> bool {
        self.revision != newer.revision || self.digest != newer.digest || self.url != newer.url
    }
}

impl Serialize for Artifact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let with_status = self.status != ArtifactStatus::default();
        let mut object = serializer.serialize_struct(KIND, 4 + usize::from(with_status))?;
        object.serialize_field("apiVersion", &Self::api_version(&()))?;
        object.serialize_field("kind", KIND)?;
        object.serialize_field("metadata", &self.metadata)?;
        object.serialize_field("spec", &self.spec)?;
        if with_status {
            object.serialize_field("status", &self.status)?;
        }
        object.end()
    }
}

impl Resource for Artifact {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        PLURAL.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(revision: &str, digest: &str, url: &str, size: i64) -> ArtifactSpec {
        ArtifactSpec {
            revision: revision.into(),
            digest: Some(digest.into()),
            url: url.into(),
            size: Some(size),
            ..ArtifactSpec::default()
        }
    }

    #[test]
    fn a_source_comes_up_when_it_is_ready_again_or_for_a_newer_generation() {
        let status = |is: &str, reason: &str, generation: i64| {
            let ready = serde_json::json!({"type": SOURCE_READY, "status": is, "reason": reason, "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z"});
            ArtifactStatus {
                conditions: vec![serde_json::from_value(ready).expect("a condition")],
                source_generation: Some(generation),
                ..ArtifactStatus::default()
            }
        };
        let (ready, outdated) = (
            status("True", "Ready", 1),
            status("False", reason::SOURCE_OUTDATED, 1),
        );
        let failed = status("False", "Failed", 1);
        assert_eq!(outdated.source_problem(), Some("m"));
        assert_eq!(
            status("False", reason::SOURCE_STALLED, 1).source_problem(),
            Some("m")
        );
        assert_eq!((ready.source_problem(), failed.source_problem()), (None, None));
        assert_eq!(ArtifactStatus::default().source_problem(), None);
        assert!(outdated.source_comes_up(&ready) && failed.source_comes_up(&ready));
        assert!(!ArtifactStatus::default().source_comes_up(&ready));
        assert!(ready.source_comes_up(&status("True", "Ready", 2)));
        assert!(!ready.source_comes_up(&ready) && !ready.source_comes_up(&outdated));
    }

    #[test]
    fn consumers_act_on_revision_digest_and_url_only() {
        let old = spec("r", "sha256:a", "http://s/a", 1);
        let rows = [
            (spec("r", "sha256:a", "http://s/a", 2), false),
            (spec("q", "sha256:a", "http://s/a", 1), true),
            (spec("r", "sha256:b", "http://s/a", 1), true),
            (spec("r", "sha256:a", "http://s/b", 1), true),
        ];
        for (newer, expected) in rows {
            assert_eq!(old.differs_for_consumers(&newer), expected, "{newer:?}");
        }
    }
}
