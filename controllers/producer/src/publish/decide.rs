//! What there is to do about the Artifact of an object: a pure function of what is known.

use artifact_crd::{Artifact, ArtifactSpec};

use super::whose::{Whose, whose};
use crate::Owner;

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the Artifact under this name, which is free.
    Create(String),
    /// Write the Artifact with this name and UID.
    Apply(String, String),
    /// Delete this Artifact, which belongs to an earlier object of the same name, and make it anew.
    Replace(String, String),
    /// The Artifact with this name is as it should be.
    Keep(String),
    /// Both names are taken by somebody else.
    Taken,
}

/// Compares what is to be with the Artifacts that have the two names of [`names`](super::names); `manager` is who writes them.
pub fn decide(
    owner: &Owner,
    manager: &str,
    wanted: &ArtifactSpec,
    names: &[String; 2],
    existing: [Option<&Artifact>; 2],
) -> Step {
    let named = || existing.into_iter().zip(names);
    let known = named().filter_map(|(artifact, name)| {
        let artifact = artifact?;
        Some((artifact, name, whose(owner, manager, artifact)))
    });
    let known: Vec<_> = known.filter(|(_, _, whose)| *whose != Whose::Foreign).collect();
    // One of this very owner comes before one of an earlier owner of its name.
    let own = known.iter().find(|(_, _, whose)| *whose == Whose::Own);
    let stray = || known.iter().find(|(_, _, whose)| *whose == Whose::Stray);
    if let Some((artifact, name, whose)) = own.or_else(stray).or_else(|| known.first()) {
        let (name, uid) = ((*name).clone(), artifact.metadata.uid.clone().unwrap_or_default());
        return match whose {
            Whose::Own if is_same(&artifact.spec, wanted) => Step::Keep(name),
            Whose::Own | Whose::Stray => Step::Apply(name, uid),
            Whose::Earlier | Whose::Foreign => Step::Replace(name, uid),
        };
    }
    let free = named().find(|(artifact, _)| artifact.is_none());
    free.map_or(Step::Taken, |(_, name)| Step::Create(name.clone()))
}

/// Tells whether there is nothing to write: a new time alone is not worth it.
pub fn is_same(old: &ArtifactSpec, new: &ArtifactSpec) -> bool {
    !old.differs_for_consumers(new) && old.size == new.size && old.metadata == new.metadata
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{owner, written_by};
    use super::*;

    fn spec(revision: &str) -> ArtifactSpec {
        ArtifactSpec {
            revision: revision.into(),
            ..ArtifactSpec::default()
        }
    }

    fn artifact(owner: Option<&Owner>, revision: &str) -> Artifact {
        let mut artifact = Artifact {
            spec: spec(revision),
            ..Artifact::default()
        };
        artifact.metadata.uid = Some("a".into());
        artifact.metadata.owner_references = owner.map(|owner| vec![owner.reference()]);
        artifact
    }

    #[track_caller]
    fn check(existing: [Option<&Artifact>; 2], expected: &str) {
        let names = ["first".to_owned(), "second".to_owned()];
        let step = decide(&owner("1"), "feeds", &spec("r"), &names, existing);
        assert_eq!(format!("{step:?}"), expected);
    }

    #[test]
    fn only_what_differs_is_written() {
        let (ours, old) = (artifact(Some(&owner("1")), "r"), artifact(Some(&owner("1")), "q"));
        check([None, None], "Create(\"first\")");
        check([Some(&ours), None], "Keep(\"first\")");
        check([Some(&old), None], "Apply(\"first\", \"a\")");
        let mut loose = ours.clone();
        if let Some(owners) = &mut loose.metadata.owner_references {
            owners[0].controller = None;
        }
        check([Some(&loose), None], "Apply(\"first\", \"a\")");
        let earlier = artifact(Some(&owner("0")), "r");
        check([Some(&earlier), None], "Replace(\"first\", \"a\")");
        check([Some(&earlier), Some(&ours)], "Keep(\"second\")");
        let mut abandoned = artifact(None, "r");
        abandoned.metadata.managed_fields = Some(vec![written_by("feeds", None)]);
        check([Some(&abandoned), None], "Apply(\"first\", \"a\")");
        check([Some(&abandoned), Some(&ours)], "Keep(\"second\")");
        check([Some(&earlier), Some(&abandoned)], "Apply(\"second\", \"a\")");
    }

    #[test]
    fn what_belongs_to_somebody_else_is_left_alone() {
        let foreign = artifact(None, "r");
        let mut other = owner("1");
        other.api_version = "example.com/v1".into();
        let other = artifact(Some(&other), "r");
        check([Some(&foreign), None], "Create(\"second\")");
        check([Some(&foreign), Some(&other)], "Taken");
        check(
            [Some(&foreign), Some(&artifact(Some(&owner("1")), "r"))],
            "Keep(\"second\")",
        );
    }
}
