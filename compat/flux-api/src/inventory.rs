//! The list of applied objects in a status, and the identifiers it is made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::decode::or_default;

/// The objects that a Kustomization applied, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// One entry per object.
    #[serde(deserialize_with = "or_default")]
    pub entries: Vec<InventoryEntry>,
}

/// One applied object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InventoryEntry {
    /// The object's identifier; parse it into an [`ObjectId`].
    pub id: String,
    /// The API version without the group, such as `v1`.
    #[serde(rename = "v")]
    pub version: String,
}

impl InventoryEntry {
    /// Returns the entry for an object in an API version.
    pub fn new(id: &ObjectId, version: impl Into<String>) -> Self {
        Self {
            id: id.to_string(),
            version: version.into(),
        }
    }

    /// Parses the identifier.
    pub fn object_id(&self) -> Result<ObjectId, ObjectIdError> {
        self.id.parse()
    }
}

/// Group, kind, namespace and name of an object; its text form is `namespace_name_group_Kind`.
///
/// Namespace and group may be empty. Names of RBAC roles and bindings may hold colons, which are written as `__`;
/// `__` is read as a colon for every kind, as upstream's `object.ObjMetadata` does it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
}

impl ObjectId {
    /// Returns whether the object's name may hold colons that have to be written as `__`.
    fn is_rbac(&self) -> bool {
        self.group == "rbac.authorization.k8s.io"
            && matches!(
                self.kind.as_str(),
                "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding"
            )
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_", self.namespace)?;
        if self.is_rbac() && self.name.contains(':') {
            f.write_str(&self.name.replace(':', "__"))?;
        } else {
            f.write_str(&self.name)?;
        }
        write!(f, "_{}_{}", self.group, self.kind)
    }
}

/// A string is not an object identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse stored object metadata: {0}")]
pub struct ObjectIdError(String);

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    /// Parses from both ends inwards, so that the name may hold underscores.
    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let malformed = || ObjectIdError(text.to_owned());
        let (namespace, rest) = text.split_once('_').ok_or_else(malformed)?;
        let (rest, kind) = rest.rsplit_once('_').ok_or_else(malformed)?;
        let (name, group) = rest.rsplit_once('_').ok_or_else(malformed)?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.replace("__", ":"),
            group: group.to_owned(),
            kind: kind.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(namespace: &str, name: &str, group: &str, kind: &str) -> ObjectId {
        ObjectId {
            namespace: namespace.into(),
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
        }
    }

    #[test]
    fn writes_and_reads_identifiers() {
        let rbac = "rbac.authorization.k8s.io";
        let rows = [
            (id("apps", "web", "", "Service"), "apps_web__Service"),
            (
                id("apps", "web", "apps", "Deployment"),
                "apps_web_apps_Deployment",
            ),
            (
                id("", "cluster-admin", rbac, "ClusterRole"),
                "_cluster-admin_rbac.authorization.k8s.io_ClusterRole",
            ),
            (
                id("", "system:a:b", rbac, "ClusterRole"),
                "_system__a__b_rbac.authorization.k8s.io_ClusterRole",
            ),
            (
                id("n", "a:b", "example.org", "Widget"),
                "n_a:b_example.org_Widget",
            ),
            (
                id("n", "a_b", "example.org", "Widget"),
                "n_a_b_example.org_Widget",
            ),
        ];
        for (id, text) in rows {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_too_few_parts() {
        for text in ["", "a", "a_b", "a_b_c"] {
            assert!(text.parse::<ObjectId>().is_err(), "{text}");
        }
    }
}
