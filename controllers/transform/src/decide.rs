//! What there is to do about the Artifact of an output: a pure function of what is to be and what is there.

use std::collections::BTreeMap;

use artifact_crd::{Artifact, ArtifactSpec, BRIDGED_TO_ANNOTATION};
use artifact_producer::Owner;
use artifact_producer::publish::{is_abandoned, is_same};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::kind::CONTROLLER;

/// Label with the name of the transformation that an Artifact was made by.
pub(crate) const TRANSFORMATION_LABEL: &str = "openfluxcd.ocm.software/transformation";

/// The Artifact of an output, as it is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wished {
    pub(crate) name: String,
    pub(crate) spec: ArtifactSpec,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Whether it is what a reference to the transformation means.
    pub(crate) is_first: bool,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make it.
    Create,
    /// Write the Artifact of this UID.
    Apply(String),
    /// Delete the Artifact of this UID, which belongs to an earlier transformation of the same name, and make it anew.
    Replace(String),
    /// It is as it should be.
    Keep,
    /// Somebody else has an Artifact of this name.
    Taken,
}

/// The owner reference of the Artifact of an output.
pub(crate) fn reference(owner: &Owner, is_first: bool) -> OwnerReference {
    OwnerReference {
        controller: is_first.then_some(true),
        ..owner.reference()
    }
}

/// What an Artifact that a transformation made is to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ours {
    /// Whether it was made by this incarnation of the transformation.
    pub(crate) is_same: bool,
    /// Whether it is what a reference to the transformation means.
    pub(crate) is_first: bool,
    /// Whether it does not say any more whose it is: somebody has taken its owner reference out.
    pub(crate) is_stray: bool,
}

/// Tells whether an Artifact was made by this transformation, in whatever incarnation, and what it is to it.
pub(crate) fn ours(owner: &Owner, artifact: &Artifact) -> Option<Ours> {
    let mut owners = artifact.metadata.owner_references.iter().flatten();
    if let Some(found) = owners.find(|reference| owner.is_named_by(reference)) {
        return Some(Ours {
            is_same: found.uid == owner.uid,
            is_first: found.controller == Some(true),
            is_stray: false,
        });
    }
    (maker_of(artifact) == Some(label_of(&owner.name))).then_some(Ours {
        is_same: true,
        is_first: false,
        is_stray: true,
    })
}

/// The transformation that made an Artifact which nobody owns, as its label has it: its owner reference was taken out.
pub(crate) fn maker_of(artifact: &Artifact) -> Option<&str> {
    let labels = artifact.metadata.labels.as_ref();
    let label = labels.and_then(|labels| labels.get(TRANSFORMATION_LABEL))?;
    let is_owned = artifact
        .metadata
        .owner_references
        .iter()
        .flatten()
        .next()
        .is_some();
    (!is_owned && is_abandoned(artifact, CONTROLLER)).then_some(label)
}

/// The name of a transformation as a value of a label.
pub(crate) fn label_of(name: &str) -> &str {
    let end = name.char_indices().nth(63).map_or(name.len(), |(end, _)| end);
    name[..end].trim_end_matches(['-', '.'])
}

/// Tells whether something is there that is not to be there, and may be ours; what the bridge says of it is not.
pub(crate) fn takes_away(existing: &Artifact, wished: &Wished) -> bool {
    let lacks = |there: Option<&BTreeMap<String, String>>, wished: Option<&BTreeMap<String, String>>| {
        let mut there = there.into_iter().flat_map(BTreeMap::keys);
        there.any(|key| key != BRIDGED_TO_ANNOTATION && wished.is_none_or(|wished| !wished.contains_key(key)))
    };
    let meta = &existing.metadata;
    lacks(meta.labels.as_ref(), Some(&wished.labels))
        || lacks(meta.annotations.as_ref(), Some(&wished.annotations))
        || lacks(existing.spec.metadata.as_ref(), wished.spec.metadata.as_ref())
}

/// Compares what is to be with what is there. `is_new` writes even what only lacks what is not to be there any more.
pub(crate) fn decide(owner: &Owner, wished: &Wished, existing: Option<&Artifact>, is_new: bool) -> Step {
    let Some(existing) = existing else {
        return Step::Create;
    };
    let uid = existing.metadata.uid.clone().unwrap_or_default();
    let Some(ours) = ours(owner, existing) else {
        return Step::Taken;
    };
    if !ours.is_same {
        return Step::Replace(uid);
    }
    let has = |there: Option<&BTreeMap<String, String>>, wished: &BTreeMap<String, String>| {
        wished
            .iter()
            .all(|(key, value)| there.and_then(|there| there.get(key)) == Some(value))
    };
    let is_as_wished = is_same(&existing.spec, &wished.spec)
        && !ours.is_stray
        && ours.is_first == wished.is_first
        && has(existing.metadata.labels.as_ref(), &wished.labels)
        && has(existing.metadata.annotations.as_ref(), &wished.annotations);
    if is_as_wished && !is_new {
        Step::Keep
    } else {
        Step::Apply(uid)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

    use super::*;
    use crate::fixture::owner;

    fn artifact(owners: Vec<OwnerReference>, revision: &str) -> Artifact {
        let mut artifact = Artifact::default();
        artifact.metadata.uid = Some("a".into());
        artifact.metadata.owner_references = Some(owners);
        artifact.metadata.labels = Some(
            [
                ("a".to_owned(), "1".to_owned()),
                ("more".to_owned(), "2".to_owned()),
            ]
            .into(),
        );
        artifact.spec.revision = revision.into();
        artifact
    }

    #[test]
    fn what_others_say_is_not_taken_away() {
        let mut there = artifact(Vec::new(), "r");
        let mut wished = Wished {
            labels: [("a".to_owned(), "1".to_owned())].into(),
            ..Wished::default()
        };
        assert!(takes_away(&there, &wished));
        wished.labels.insert("more".to_owned(), String::new());
        assert!(!takes_away(&there, &wished));
        there.metadata.annotations = Some([(BRIDGED_TO_ANNOTATION.to_owned(), "x".to_owned())].into());
        assert!(!takes_away(&there, &wished));
        there.spec.metadata = Some([("origin".to_owned(), "x".to_owned())].into());
        assert!(takes_away(&there, &wished));
    }

    #[test]
    fn only_what_differs_is_written_and_what_is_not_ours_left_alone() {
        let wished = Wished {
            name: "out".into(),
            labels: [("a".to_owned(), "1".to_owned())].into(),
            is_first: true,
            spec: ArtifactSpec {
                revision: "r".into(),
                ..ArtifactSpec::default()
            },
            ..Wished::default()
        };
        let step = |existing: Option<&Artifact>, is_new| decide(&owner("1"), &wished, existing, is_new);
        assert_eq!(step(None, false), Step::Create);
        let same = artifact(vec![reference(&owner("1"), true)], "r");
        assert_eq!(step(Some(&same), false), Step::Keep);
        assert_eq!(step(Some(&same), true), Step::Apply("a".into()));
        let second = artifact(vec![reference(&owner("1"), false)], "r");
        assert_eq!(step(Some(&second), false), Step::Apply("a".into()));
        let other = artifact(vec![reference(&owner("1"), true)], "q");
        assert_eq!(step(Some(&other), false), Step::Apply("a".into()));
        let mut unlabelled = same.clone();
        unlabelled.metadata.labels = None;
        assert_eq!(step(Some(&unlabelled), false), Step::Apply("a".into()));
        let earlier = artifact(vec![reference(&owner("0"), true)], "r");
        assert_eq!(step(Some(&earlier), false), Step::Replace("a".into()));
        assert_eq!(step(Some(&artifact(Vec::new(), "r")), false), Step::Taken);
    }

    #[test]
    fn what_lost_its_owner_is_known_by_its_maker() {
        let mut stray = artifact(Vec::new(), "r");
        let wished = Wished {
            spec: stray.spec.clone(),
            ..Wished::default()
        };
        let step = |existing: &Artifact| decide(&owner("1"), &wished, Some(existing), false);
        let label = |name: &str| Some([(TRANSFORMATION_LABEL.to_owned(), name.to_owned())].into());
        stray.metadata.labels = label("web");
        assert_eq!(step(&stray), Step::Taken, "anybody can write a label");
        stray.metadata.managed_fields = Some(vec![ManagedFieldsEntry {
            manager: Some(CONTROLLER.into()),
            ..ManagedFieldsEntry::default()
        }]);
        assert_eq!(step(&stray), Step::Apply("a".into()));
        stray.metadata.labels = label("other");
        assert_eq!(step(&stray), Step::Taken, "it is that of another one");
        stray.metadata.labels = label("web");
        let mut other = owner("2");
        other.name = "other".into();
        stray.metadata.owner_references = Some(vec![reference(&other, false)]);
        assert_eq!(step(&stray), Step::Taken, "it was given to another one");
    }

    #[test]
    fn names_are_cut_to_labels() {
        assert_eq!(label_of("web"), "web");
        let long = format!("{}.-x", "a".repeat(61));
        assert_eq!(label_of(&long), "a".repeat(61));
    }
}
