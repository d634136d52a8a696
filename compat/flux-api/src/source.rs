//! The six source kinds of `source.toolkit.fluxcd.io/v1`, as far as a reader of sources needs them.
//!
//! Their specs hold what identifies and steers a source; credentials, verification and provider settings are the
//! source controller's business and are not read here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

use crate::decode::{is_default, or_default};
use crate::kind::api_kind;
use crate::{Duration, NamespacedObjectKindReference, SourceArtifact};

macro_rules! source_kind {
    ($(#[$doc:meta])* $kind:ident { spec: $spec:ty, plural: $plural:literal }) => {
        api_kind! {
            $(#[$doc])*
            $kind { spec: $spec, status: SourceStatus, group: "source.toolkit.fluxcd.io", version: "v1", plural: $plural }
        }

        impl Source for $kind {
            fn artifact(&self) -> Option<&SourceArtifact> {
                self.status.artifact.as_ref()
            }
            fn status(&self) -> &SourceStatus {
                &self.status
            }
        }
    };
}

/// A stock source: an object with an artifact in its status.
pub trait Source: kube_core::Resource<DynamicType = ()> {
    /// Returns the artifact, if the source has one at the moment.
    fn artifact(&self) -> Option<&SourceArtifact>;

    /// Returns the status.
    fn status(&self) -> &SourceStatus;
}

/// The status that the source kinds have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SourceStatus {
    /// The last generation that was reconciled; an `ExternalArtifact` has none.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_generation: i64,
    /// `Ready` and others.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
    /// What the source produced last.
    #[serde(skip_serializing_if = "is_default")]
    pub artifact: Option<SourceArtifact>,
    /// The `reconcile.fluxcd.io/requestedAt` value that was handled last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_handled_reconcile_at: String,
}

source_kind! {
    /// A Git repository at a reference.
    GitRepository { spec: GitRepositorySpec, plural: "gitrepositories" }
}

/// Where the repository is and what to check out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepositorySpec {
    /// Address of the repository.
    pub url: String,
    /// Time between two checks.
    pub interval: Duration,
    /// What to check out; absent means the branch `master`.
    #[serde(rename = "ref", skip_serializing_if = "is_default")]
    pub reference: Option<GitRepositoryRef>,
    /// Ignore rules that replace the default ones.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore: Option<String>,
    /// Whether checks are switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
}

/// What to check out; `commit` wins, then `name`, `semver`, `tag`, `branch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepositoryRef {
    /// Branch.
    #[serde(skip_serializing_if = "is_default")]
    pub branch: String,
    /// Tag.
    #[serde(skip_serializing_if = "is_default")]
    pub tag: String,
    /// Range of tags.
    #[serde(skip_serializing_if = "is_default")]
    pub semver: String,
    /// Full reference name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Commit.
    #[serde(skip_serializing_if = "is_default")]
    pub commit: String,
}

source_kind! {
    /// An OCI artifact in a registry.
    OCIRepository { spec: OCIRepositorySpec, plural: "ocirepositories" }
}

/// Where the artifact is and which of its versions to use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OCIRepositorySpec {
    /// Address of the repository, with the scheme `oci`.
    pub url: String,
    /// Time between two checks.
    pub interval: Duration,
    /// The version; absent means the tag `latest`.
    #[serde(rename = "ref", skip_serializing_if = "is_default")]
    pub reference: Option<OCIRepositoryRef>,
    /// The layer to use; absent means the first.
    #[serde(skip_serializing_if = "is_default")]
    pub layer_selector: Option<OCILayerSelector>,
    /// Ignore rules that replace the default ones.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore: Option<String>,
    /// Whether checks are switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
}

/// The version of an OCI artifact; `digest` wins, then `semver`, `tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OCIRepositoryRef {
    /// Digest.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: String,
    /// Range of tags.
    #[serde(skip_serializing_if = "is_default")]
    pub semver: String,
    /// Regular expression that tags of the range must match.
    #[serde(skip_serializing_if = "is_default")]
    pub semver_filter: String,
    /// Tag.
    #[serde(skip_serializing_if = "is_default")]
    pub tag: String,
}

/// The layer of an OCI artifact to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OCILayerSelector {
    /// Media type of the layer.
    #[serde(skip_serializing_if = "is_default")]
    pub media_type: String,
    /// `extract` (the default) repacks the layer's files, `copy` keeps the layer as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub operation: String,
}

source_kind! {
    /// A bucket of an object store.
    Bucket { spec: BucketSpec, plural: "buckets" }
}

/// Where the bucket is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BucketSpec {
    /// Name of the bucket.
    pub bucket_name: String,
    /// Address of the object store.
    pub endpoint: String,
    /// Time between two checks.
    pub interval: Duration,
    /// Prefix of the objects to use.
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: String,
    /// Ignore rules that replace the default ones.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore: Option<String>,
    /// Whether checks are switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
}

source_kind! {
    /// A Helm chart repository; one of type `oci` never has an artifact.
    HelmRepository { spec: HelmRepositorySpec, plural: "helmrepositories" }
}

/// Where the repository is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmRepositorySpec {
    /// Address of the repository.
    pub url: String,
    /// Time between two checks; absent or zero means a minute.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: Duration,
    /// `default` (also when empty) or `oci`.
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub repository_type: String,
    /// Whether checks are switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
}

source_kind! {
    /// A Helm chart from a repository, a Git repository or a bucket.
    HelmChart { spec: HelmChartSpec, plural: "helmcharts" }
}

/// Which chart to get, from where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmChartSpec {
    /// Name of the chart in the repository, or its path in the source.
    pub chart: String,
    /// Version or range; empty means `*`.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Where the chart comes from.
    pub source_ref: NamespacedObjectKindReference,
    /// Time between two checks.
    pub interval: Duration,
    /// `ChartVersion` (also when empty) or `Revision`.
    #[serde(skip_serializing_if = "is_default")]
    pub reconcile_strategy: String,
    /// Values files to merge into the chart's own.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub values_files: Vec<String>,
    /// Whether values files may be absent.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_values_files: bool,
    /// Whether checks are switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
}

source_kind! {
    /// An artifact that a controller outside Flux produced (Flux RFC-0012).
    ExternalArtifact { spec: ExternalArtifactSpec, plural: "externalartifacts" }
}

/// Where the artifact came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExternalArtifactSpec {
    /// The object that produced the artifact.
    #[serde(skip_serializing_if = "is_default")]
    pub source_ref: Option<NamespacedObjectKindReference>,
}
