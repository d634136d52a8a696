//! The artifact in the status of a stock source.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::decode::{is_default, or_default};

/// What a stock source produced, as `fluxcd/pkg/apis/meta` defines it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SourceArtifact {
    /// Digest of the file, `algorithm:hex`.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: String,
    /// Path of the file in the source controller's storage.
    pub path: String,
    /// Address of the file.
    pub url: String,
    /// Readable revision, such as `main@sha1:...`, `sha256:...` or a chart version.
    pub revision: String,
    /// When the artifact was last updated.
    pub last_update_time: Option<Time>,
    /// Size of the file in bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub size: Option<i64>,
    /// Upstream information, such as OCI annotations.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
}
