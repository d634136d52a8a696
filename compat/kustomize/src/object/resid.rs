//! Identity of an object: group, version, kind, name and namespace.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::openapi::{Scopes, builtin_scope, split_api_version};

/// Group, version and kind; empty parts are unknown or, in a selector, match anything.
#[derive(Debug, Clone, Default)]
pub struct Gvk {
    /// API group, empty for the core group.
    pub group: String,
    /// Version inside the group.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Whether objects of this type have no namespace, if the build that the type is from has said so.
    is_cluster_scoped: Option<bool>,
}

/// The namespace that objects without one live in.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";
/// What upstream takes for the namespace of a cluster-scoped object.
pub(crate) const NOT_A_NAMESPACE: &str = "_non_namespaceable_";

impl Gvk {
    /// A Gvk from its three parts.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            is_cluster_scoped: None,
        }
    }

    /// A Gvk from `apiVersion` and `kind`.
    pub fn from_api_version(api_version: &str, kind: impl Into<String>) -> Self {
        let (group, version) = split_api_version(api_version);
        Self::new(group, version, kind)
    }

    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The same type, knowing what a build knows about its scope.
    pub(crate) fn with_scope(mut self, scopes: &Scopes) -> Self {
        self.is_cluster_scoped = Some(scopes.is_cluster_scoped(&self.group, &self.version, &self.kind));
        self
    }

    /// Whether the schema says that objects of this type have no namespace.
    pub fn is_cluster_scoped(&self) -> bool {
        self.is_cluster_scoped
            .unwrap_or_else(|| builtin_scope(&self.group, &self.version, &self.kind) == Some(true))
    }

    fn parts(&self) -> (&str, &str, &str) {
        (&self.group, &self.version, &self.kind)
    }

    /// Whether each part that `selector` names is equal.
    pub fn is_selected(&self, selector: &Gvk) -> bool {
        (selector.group.is_empty() || selector.group == self.group)
            && (selector.version.is_empty() || selector.version == self.version)
            && (selector.kind.is_empty() || selector.kind == self.kind)
    }

    /// `group_version_kind` with `~G`, `~V`, `~K` for empty parts: the text that legacy ordering compares.
    pub(crate) fn sort_text(&self) -> String {
        format!(
            "{}_{}_{}",
            or(&self.group, "~G"),
            or(&self.version, "~V"),
            or(&self.kind, "~K")
        )
    }

    /// What default order compares: the rank of the kind, then [`Gvk::sort_text`].
    pub(crate) fn sort_key(&self) -> (isize, String) {
        (kind_rank(&self.kind), self.sort_text())
    }

    /// Order by the default rank of the kind, then by [`Gvk::sort_text`].
    pub(crate) fn compare(&self, other: &Gvk) -> Ordering {
        kind_rank(&self.kind)
            .cmp(&kind_rank(&other.kind))
            .then_with(|| self.sort_text().cmp(&other.sort_text()))
    }
}

impl PartialEq for Gvk {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Gvk {}

impl Hash for Gvk {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialOrd for Gvk {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Gvk {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// `Kind.Version.Group` with `[noKind]`, `[noVer]`, `[noGrp]` for empty parts.
impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            or(&self.kind, "[noKind]"),
            or(&self.version, "[noVer]"),
            or(&self.group, "[noGrp]")
        )
    }
}

/// Kinds that come first in the output, in this order.
pub(crate) const ORDER_FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last in the output, in this order.
pub(crate) const ORDER_LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn kind_rank(kind: &str) -> isize {
    rank_in(&ORDER_FIRST, &ORDER_LAST, kind)
}

/// Negative for a kind of `first`, positive for one of `last`, 0 for any other.
pub(crate) fn rank_in<S: AsRef<str>>(first: &[S], last: &[S], kind: &str) -> isize {
    let position = |list: &[S]| list.iter().rposition(|k| k.as_ref() == kind);
    if let Some(i) = position(last) {
        1 + i as isize
    } else if let Some(i) = position(first) {
        i as isize - first.len() as isize
    } else {
        0
    }
}

/// Identity of an object in a build.
///
/// Two ids are [equal](ResId::same_as) when type and name are equal and the *effective* namespaces are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ResId {
    /// Type.
    pub gvk: Gvk,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace` as written.
    pub namespace: String,
}

impl ResId {
    /// An id from its parts.
    pub fn new(gvk: Gvk, name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            gvk,
            name: name.into(),
            namespace: namespace.into(),
        }
    }

    /// The namespace that counts: a marker for known cluster-scoped types, `default` for none.
    pub fn effective_namespace(&self) -> &str {
        effective_namespace(self.gvk.is_cluster_scoped(), &self.namespace)
    }

    /// Whether type and name are equal, whatever the namespaces.
    pub fn same_gvkn(&self, other: &ResId) -> bool {
        self.name == other.name && self.gvk == other.gvk
    }

    /// Whether both name the same object.
    pub fn same_as(&self, other: &ResId) -> bool {
        self.same_gvkn(other) && self.effective_namespace() == other.effective_namespace()
    }
}

/// `Kind.Version.Group/name.namespace` with `[noName]` and `[noNs]` for empty parts.
impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}.{}",
            self.gvk,
            or(&self.name, "[noName]"),
            or(&self.namespace, "[noNs]")
        )
    }
}

/// The namespace that counts when ids are compared.
pub(crate) fn effective_namespace(is_cluster_scoped: bool, namespace: &str) -> &str {
    if is_cluster_scoped {
        NOT_A_NAMESPACE
    } else if namespace.is_empty() {
        DEFAULT_NAMESPACE
    } else {
        namespace
    }
}

fn or<'a>(text: &'a str, when_empty: &'a str) -> &'a str {
    if text.is_empty() { when_empty } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_mark_empty_parts() {
        assert_eq!(
            ResId::default().to_string(),
            "[noKind].[noVer].[noGrp]/[noName].[noNs]"
        );
        let id = ResId::new(Gvk::from_api_version("apps/v1", "Deployment"), "web", "prod");
        assert_eq!(id.to_string(), "Deployment.v1.apps/web.prod");
    }

    #[test]
    fn kinds_rank_first_middle_last() {
        let gvk = |kind: &str| Gvk::new("", "v1", kind);
        assert_eq!(gvk("Namespace").compare(&gvk("ConfigMap")), Ordering::Less);
        assert_eq!(
            gvk("Widget").compare(&gvk("PodDisruptionBudget")),
            Ordering::Greater
        );
        assert_eq!(
            gvk("Widget").compare(&gvk("MutatingWebhookConfiguration")),
            Ordering::Less
        );
    }
}
