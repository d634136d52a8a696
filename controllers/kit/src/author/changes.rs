//! What of a change of an object is a reason to look at it.

use flux_api::REQUESTED_AT;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};

use crate::queue::Triggers;

/// Gives the objects of a kind: those of a namespace, or of all.
pub fn scope<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Tells why an object is to be looked at that was another before; nothing where only that has changed which nobody reads here, such
/// as its own status.
pub fn reason<K: Resource>(old: Option<&K>, new: &K) -> Option<Triggers> {
    let Some(old) = old else {
        return Some(Triggers::STARTUP);
    };
    let (before, after) = (old.meta(), new.meta());
    let is_edited = before.uid != after.uid
        || before.generation != after.generation
        || before.deletion_timestamp.is_some() != after.deletion_timestamp.is_some();
    if is_edited {
        return Some(Triggers::OBJECT);
    }
    let requested = |object: &K| object.annotations().get(REQUESTED_AT).cloned();
    (requested(old) != requested(new)).then_some(Triggers::REQUESTED)
}

#[cfg(test)]
mod tests {
    use artifact_crd::Artifact;

    use super::*;

    #[test]
    fn edits_and_requests_are_reasons_and_a_status_is_none() {
        let mut old = Artifact::default();
        old.metadata.uid = Some("1".into());
        old.metadata.generation = Some(1);
        let after = |change: fn(&mut Artifact)| {
            let mut new = old.clone();
            change(&mut new);
            reason(Some(&old), &new)
        };
        assert_eq!(reason(None, &old), Some(Triggers::STARTUP));
        assert_eq!(after(|new| new.status.source_generation = Some(3)), None);
        assert_eq!(
            after(|new| new.metadata.resource_version = Some("2".into())),
            None
        );
        assert_eq!(
            after(|new| new.metadata.uid = Some("2".into())),
            Some(Triggers::OBJECT)
        );
        assert_eq!(
            after(|new| new.metadata.generation = Some(2)),
            Some(Triggers::OBJECT)
        );
        let request = |new: &mut Artifact| {
            new.annotations_mut()
                .insert(REQUESTED_AT.to_owned(), "now".to_owned());
        };
        assert_eq!(after(request), Some(Triggers::REQUESTED));
        let other = |new: &mut Artifact| {
            new.annotations_mut().insert("other".to_owned(), "now".to_owned());
        };
        assert_eq!(after(other), None);
    }
}
