//! The object that an Artifact is made for.

use artifact_store::Place;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

/// An object that has an Artifact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `group/version`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, which is also that of the Artifact.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

impl Owner {
    /// Names an object.
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }

    /// Gives the API group; empty for the core group.
    pub fn group(&self) -> &str {
        group_of(&self.api_version)
    }

    /// Tells whether an owner reference names this object, in whatever version and incarnation.
    pub fn is_named_by(&self, reference: &OwnerReference) -> bool {
        group_of(&reference.api_version) == self.group()
            && reference.kind == self.kind
            && reference.name == self.name
    }

    /// Gives the reference by which an Artifact goes away with the object.
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Gives the place of the object's files; `None` for a name that is no folder.
    pub fn place(&self) -> Option<Place> {
        Place::new(&self.kind, &self.namespace, &self.name)
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
