//! Whose an Artifact is, seen from an object that has one.

use artifact_crd::Artifact;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

use crate::Owner;

/// Whose an Artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The object's own, as it says itself.
    Own,
    /// The object's own, which does not quite say so any more: somebody has taken its owner reference out, or weakened it.
    Stray,
    /// That of an earlier object of the same name.
    Earlier,
    /// Somebody else's.
    Foreign,
}

/// Tells whose an Artifact is that has one of the [`names`](super::names) of an object, whose controller writes as `manager`.
///
/// One that names no controller is known by who wrote it: nobody else makes Artifacts of these names under that name, and one that
/// is not known again would be served for ever, and in the way of its own source.
pub fn whose(owner: &Owner, manager: &str, artifact: &Artifact) -> Whose {
    let mut owners = artifact.metadata.owner_references.iter().flatten();
    match owners.find(|reference| owner.is_named_by(reference)) {
        Some(reference) if reference.uid != owner.uid => Whose::Earlier,
        Some(reference) if reference.controller == Some(true) => Whose::Own,
        Some(_) => Whose::Stray,
        None if is_abandoned(artifact, manager) => Whose::Stray,
        None => Whose::Foreign,
    }
}

/// Tells whether `manager` wrote an Artifact that nobody controls: its owner reference was taken out.
pub fn is_abandoned(artifact: &Artifact, manager: &str) -> bool {
    let mut owners = artifact.metadata.owner_references.iter().flatten();
    !owners.any(|reference| reference.controller == Some(true)) && is_written_by(artifact, manager)
}

/// Tells whether a field manager wrote something of an Artifact beside its status.
pub fn is_written_by(artifact: &Artifact, manager: &str) -> bool {
    let is_its = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(manager)
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    artifact.metadata.managed_fields.iter().flatten().any(is_its)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{owner, written_by as entry};
    use super::*;

    #[test]
    fn who_wrote_an_artifact_that_nobody_controls_has_it_back() {
        let mut artifact = Artifact::default();
        let whose = |artifact: &Artifact| whose(&owner("1"), "feeds", artifact);
        assert_eq!(whose(&artifact), Whose::Foreign);
        artifact.metadata.managed_fields =
            Some(vec![entry("kubectl-edit", None), entry("feeds", Some("status"))]);
        assert_eq!(whose(&artifact), Whose::Foreign, "a status says nothing");
        artifact.metadata.managed_fields = Some(vec![entry("kubectl-edit", None), entry("feeds", None)]);
        assert_eq!(whose(&artifact), Whose::Stray);

        let mut reference = owner("1").reference();
        artifact.metadata.owner_references = Some(vec![reference.clone()]);
        assert_eq!(whose(&artifact), Whose::Own);
        reference.controller = None;
        artifact.metadata.owner_references = Some(vec![reference.clone()]);
        assert_eq!(whose(&artifact), Whose::Stray);
        reference.uid = "0".into();
        artifact.metadata.owner_references = Some(vec![reference]);
        assert_eq!(whose(&artifact), Whose::Earlier);

        // Somebody has made it somebody else's, or only goes away with it.
        let mut other = owner("2");
        other.name = "other".into();
        artifact.metadata.owner_references = Some(vec![other.reference()]);
        assert_eq!(whose(&artifact), Whose::Foreign);
        let mut loose = other.reference();
        loose.controller = None;
        artifact.metadata.owner_references = Some(vec![loose]);
        assert_eq!(whose(&artifact), Whose::Stray);
    }
}
