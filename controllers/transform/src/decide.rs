//! What there is to do about the Artifact of an output: a pure function of what is to be and what is there.

use std::collections::BTreeMap;

use artifact_crd::{Artifact, ArtifactSpec, BRIDGED_TO_ANNOTATION};
use artifact_producer::Owner;
use artifact_producer::publish::is_same;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

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

/// Tells whether an Artifact was made by this transformation, in whatever incarnation; and whether by this one.
pub(crate) fn ours<'a>(owner: &Owner, artifact: &'a Artifact) -> Option<(&'a OwnerReference, bool)> {
    let mut owners = artifact.metadata.owner_references.iter().flatten();
    let found = owners.find(|reference| owner.is_named_by(reference))?;
    Some((found, found.uid == owner.uid))
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
    let Some((reference, is_same_owner)) = ours(owner, existing) else {
        return Step::Taken;
    };
    if !is_same_owner {
        return Step::Replace(uid);
    }
    let has = |there: Option<&BTreeMap<String, String>>, wished: &BTreeMap<String, String>| {
        wished
            .iter()
            .all(|(key, value)| there.and_then(|there| there.get(key)) == Some(value))
    };
    let is_as_wished = is_same(&existing.spec, &wished.spec)
        && (reference.controller == Some(true)) == wished.is_first
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
    use super::*;

    fn owner(uid: &str) -> Owner {
        Owner {
            api_version: "openfluxcd.ocm.software/v1alpha1".into(),
            kind: "Transformation".into(),
            namespace: "apps".into(),
            name: "web".into(),
            uid: uid.into(),
        }
    }

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
}
