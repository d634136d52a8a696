//! The names of kinds, and where their objects are.

use kube::core::{ApiResource, GroupVersionKind};

/// The name of a kind in one version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KindVersion {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// The endpoint and scope of one kind in one version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Resource name in URLs, such as `deployments`.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Mapping {
    /// Gives `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Gives the URL path of an object.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let mut path = self.collection(namespace);
        path.push('/');
        path.extend(percent_encoding::utf8_percent_encode(
            name,
            percent_encoding::NON_ALPHANUMERIC,
        ));
        path
    }

    /// Gives the URL path of the collection; of all namespaces when `namespace` is empty.
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() {
            "/api".to_owned()
        } else {
            format!("/apis/{}", self.group)
        };
        let version = &self.version;
        let plural = &self.plural;
        if self.namespaced && !namespace.is_empty() {
            let namespace =
                percent_encoding::utf8_percent_encode(namespace, percent_encoding::NON_ALPHANUMERIC);
            format!("{root}/{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("{root}/{version}/{plural}")
        }
    }

    /// Gives the mapping as kube's client wants it.
    pub fn api_resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(&self.group, &self.version, &self.kind);
        ApiResource::from_gvk_with_plural(&gvk, &self.plural)
    }
}
