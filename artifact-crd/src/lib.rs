//! The `Artifact` resource of Open Flux: its type and its CustomResourceDefinition.
//!
//! An `Artifact` says where the bytes of one revision of something are: address, digest, revision. Producers write
//! it, deployers read it, and neither has to know the other's kinds. Group, version, kind and `spec` are those of
//! Open Flux, so that objects written by its Go libraries are valid here and ours are valid there; `status` is what
//! this project adds.

mod artifact;
mod crd;

pub use artifact::{
    ADAPTER_MANAGER, Artifact, ArtifactSpec, ArtifactStatus, BRIDGED_TO_ANNOTATION, GROUP, KIND, PLURAL,
    READY, SOURCE_KIND_ANNOTATION, SOURCE_READY, VERSION, reason,
};
pub use crd::crd;

/// The CustomResourceDefinition as YAML, ready to be applied; the committed form of [`crd`].
pub const CRD_YAML: &str = include_str!("../crds/artifacts.yaml");
