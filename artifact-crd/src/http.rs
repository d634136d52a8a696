//! The `Http` type: something to download, as a source.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::{NamespaceResourceScope, Resource};
use serde::{Deserialize, Serialize};

use crate::{LocalReference, Schedule, SourceStatus};

/// API group of [`Http`], which is that of the reference implementation.
pub const HTTP_GROUP: &str = "openfluxcd.openfluxcd";
/// API version of [`Http`].
pub const HTTP_VERSION: &str = "v1alpha1";
/// The kind.
pub const HTTP_KIND: &str = "Http";
/// Plural name of the kind, as in request paths.
pub const HTTP_PLURAL: &str = "https";

/// Something to download from an HTTP server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Http {
    /// Name and namespace.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What to download.
    pub spec: HttpSpec,
    /// What became of it.
    pub status: Option<SourceStatus>,
}

/// What to download, how, and what to take of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpSpec {
    /// Absolute `http` or `https` address.
    pub url: String,
    /// When.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// Secret with credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Secret with certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Secret with the address of a proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// The digest that the body must have, `algorithm:hex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How else the body is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<HttpVerification>,
    /// What the body is, and what to take of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<HttpContent>,
    /// Rules in the form of gitignore about what to leave out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// The longest body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// The longest body in bytes once it is unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unpacked_size: Option<u64>,
    /// Which redirects are followed; `Follow` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirects: Option<Redirects>,
}

/// How a body is verified but for a digest in the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpVerification {
    /// A list of check sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Checksums>,
}

/// A list of check sums, as `sha256sum` writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Checksums {
    /// Where the list is.
    pub url: String,
    /// The name in it; by default the last part of the URL of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What a body is, and what to take of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpContent {
    /// What it is; `Auto` when absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ContentType>,
    /// Components that are cut off each path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_components: Option<usize>,
    /// The directory that becomes the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Globs, one of which a path has to match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Name of a body that is one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentType {
    /// What its first bytes say.
    #[default]
    Auto,
    /// An archive.
    Archive,
    /// One file.
    File,
    /// A Helm chart, which is stored as it is.
    Chart,
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redirects {
    /// Some, to any host that may be asked.
    #[default]
    Follow,
    /// Some, on the same host.
    SameHost,
    /// None.
    None,
}

impl Resource for Http {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        HTTP_KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        HTTP_GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        HTTP_VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        HTTP_PLURAL.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
