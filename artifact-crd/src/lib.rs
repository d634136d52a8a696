//! The `Artifact` resource of Open Flux, and the kinds of sources that this project adds: types and CustomResourceDefinitions.
//!
//! An `Artifact` says where the bytes of one revision of something are: address, digest, revision. Producers write
//! it, deployers read it, and neither has to know the other's kinds. Group, version, kind and `spec` are those of
//! Open Flux, so that objects written by its Go libraries are valid here and ours are valid there; `status` is what
//! this project adds.

mod artifact;
mod crd;
mod http;
mod http_crd;
mod source;
mod transformation_crd;

pub use artifact::{
    ADAPTER_MANAGER, ALLOW_FROM_ANNOTATION, Artifact, ArtifactSpec, ArtifactStatus, BRIDGED_TO_ANNOTATION,
    GROUP, KIND, PLURAL, READY, SOURCE_KIND_ANNOTATION, SOURCE_READY, VERSION, reason,
};
pub use crd::crd;
pub use http::{
    Checksums, ContentType, HTTP_GROUP, HTTP_KIND, HTTP_PLURAL, HTTP_VERSION, Http, HttpContent, HttpSpec,
    HttpVerification, Redirects,
};
pub use http_crd::http_crd;
pub use source::{ConsumerStatus, LocalReference, Schedule, SourceStatus};
pub use transformation_crd::{TRANSFORMATION_KIND, TRANSFORMATION_PLURAL, transformation_crd};

/// The CustomResourceDefinition as YAML, ready to be applied; the committed form of [`crd`].
pub const CRD_YAML: &str = include_str!("../crds/artifacts.yaml");

/// The CustomResourceDefinition of `Http` as YAML; the committed form of [`http_crd`].
pub const HTTP_CRD_YAML: &str = include_str!("../crds/https.yaml");

/// The CustomResourceDefinition of `Transformation` as YAML; the committed form of [`transformation_crd`].
pub const TRANSFORMATION_CRD_YAML: &str = include_str!("../crds/transformations.yaml");
