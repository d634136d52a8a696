//! The stock Flux kinds as types, with their labels, annotations, reasons and identifiers.
//!
//! Every kind ignores fields that it does not know, so that objects of newer Flux versions can be read; those of
//! the specs of Kustomizations and HelmReleases are named ([`KustomizationSpec::unknown_field`],
//! [`HelmReleaseSpec::unknown_field`]), so that they can be refused. Durations that cannot be read are kept
//! ([`Duration`]), and [`Tolerant`] carries objects through a watch that do not decode at all: one odd object never
//! hides the others.
//!
//! [`Claims`] says which objects a stock controller reconciles, as its Deployment's arguments have it.
//!
//! The kinds that deployers reconcile have in common what [`Deployed`] says.
//!
//! The kinds implement [`kube_core::Resource`]. They are for reading, and for writing `status` as a patch; an object
//! must not be written back as a whole, for that would drop what the types do not know.

mod arguments;
mod artifact;
mod claims;
mod conditions;
mod decode;
mod deployed;
mod duration;
mod helm_release;
mod history;
mod inventory;
mod key;
mod kind;
mod kustomization;
mod names;
mod reference;
pub mod selector;
mod source;
mod tolerant;

pub use arguments::Arguments;
pub use artifact::SourceArtifact;
pub use claims::{Claims, FLUX_DEPLOYMENTS, Rival, controller_container};
pub use conditions::{ConditionStatus, ConditionsExt, MAX_CONDITION_MESSAGE};
pub use decode::UnknownFields;
pub use deployed::{Deployed, DeployedStatus};
pub use duration::{Duration, DurationError, GoDuration};
pub use helm_release::{
    ActionStrategy, ChartReference, DriftDetection, HelmChartTemplate, HelmChartTemplateMeta,
    HelmChartTemplateSpec, HelmChartVerification, HelmRelease, HelmReleaseSpec, HelmReleaseStatus, Install,
    InstallRemediation, KustomizePostRenderer, PostRendererSpec, RELEASE_HISTORY_MAX_SIZE, ReleaseAction,
    ReleaseHistory, ReleaseSnapshot, Remediation, RemediationStrategy, Rollback, SNAPSHOT_API_VERSION, Test,
    TestFilter, TestHook, Uninstall, Upgrade, UpgradeRemediation, ValuesReference, WaitStrategy,
    shorten_release_name,
};
pub use history::{Attempt, HISTORY_MAX_SIZE, History, Snapshot};
pub use inventory::{Inventory, InventoryEntry, ObjectId, ObjectIdError};
pub use key::ObjectKey;
pub use kustomization::{
    CommonMetadata, CustomHealthCheck, Decryption, DeletionPolicy, IgnoreRule, Image, Kustomization,
    KustomizationSpec, KustomizationStatus, Patch, PostBuild, Selector, SubstituteReference,
};
pub use names::*;
pub use reference::{
    CrossNamespaceSourceReference, DependencyReference, KubeConfigReference, LocalObjectReference,
    NamespacedObjectKindReference, SecretKeyReference,
};
pub use source::{
    Bucket, BucketSpec, ExternalArtifact, ExternalArtifactSpec, GitRepository, GitRepositoryRef,
    GitRepositorySpec, HelmChart, HelmChartSpec, HelmRepository, HelmRepositorySpec, OCILayerSelector,
    OCIRepository, OCIRepositoryRef, OCIRepositorySpec, Source, SourceStatus,
};
pub use tolerant::{Tolerant, Undecodable};
