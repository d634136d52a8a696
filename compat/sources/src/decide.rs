//! What to do about a source: a pure function of what is known.

use artifact_crd::{Artifact, ArtifactSpec, reason};
use controller_kit::artifact::HostAllowList;
use flux_api::SourceArtifact;

use crate::name::is_ours;
use crate::{ObservedSource, SourceId};

/// The Artifacts that matter for a source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Existing<'a> {
    /// The Artifacts that have the two names of [`artifact_names`](crate::artifact_names), if they exist.
    pub named: [Option<&'a Artifact>; 2],
    /// The name of an Artifact that somebody else made for this very source and controls.
    pub foreign: Option<&'a str>,
}

/// The next step, and what the conditions are to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What to write.
    pub step: Step,
    /// The state of the conditions `Ready`: reason and message. `None` when there is no Artifact to hold them.
    pub ready: Option<(&'static str, String)>,
}

/// What to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write the Artifact with this name; it does not exist, or differs.
    Apply {
        /// Name of the Artifact.
        name: String,
        /// Its content.
        spec: ArtifactSpec,
    },
    /// Delete this Artifact first, because it belongs to an earlier source of the same name.
    Replace {
        /// Name of the Artifact.
        name: String,
        /// UID of the Artifact to delete.
        uid: String,
        /// Its new content.
        spec: ArtifactSpec,
    },
    /// Delete this Artifact: its source is gone, or of a type that has none.
    Delete {
        /// Name of the Artifact.
        name: String,
        /// UID of the Artifact to delete.
        uid: String,
    },
    /// The Artifact with this name stays as it is; only its conditions may have to change.
    Keep {
        /// Name of the Artifact.
        name: String,
    },
    /// There is no Artifact and none to make, for this reason.
    Nothing {
        /// Why.
        why: Nothing,
    },
}

/// Why there is no Artifact and none to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The source is gone, and so is its Artifact.
    Gone,
    /// The source has no artifact yet, never will, or is on its way out.
    NoArtifact,
    /// The source was made from an Artifact.
    Bridged,
    /// Somebody else makes Artifacts for this source; the name of theirs.
    Foreign(String),
    /// Both names are taken by other Artifacts.
    NamesTaken,
    /// The source's artifact cannot be taken over: condition reason and message.
    Refused(&'static str, String),
}

/// Compares a source with the Artifacts that exist.
///
/// `source` is `None` when the source is known not to exist. `names` are those of
/// [`artifact_names`](crate::artifact_names).
pub fn decide(
    id: &SourceId,
    source: Option<&ObservedSource>,
    names: &[String; 2],
    existing: Existing<'_>,
    hosts: &HostAllowList,
) -> Decision {
    let ours = existing
        .named
        .into_iter()
        .flatten()
        .find(|artifact| is_ours(artifact) && owner(artifact).is_none_or(|owner| owns(owner, id)));
    let Some(source) = source else {
        return match ours {
            Some(artifact) => Decision {
                step: delete(artifact),
                ready: None,
            },
            None => nothing(Nothing::Gone),
        };
    };
    if source.bridged {
        return nothing(Nothing::Bridged);
    }
    if source.never_has_artifact {
        return match ours {
            Some(artifact) => Decision {
                step: delete(artifact),
                ready: None,
            },
            None => nothing(Nothing::NoArtifact),
        };
    }
    let offered = match &source.artifact {
        _ if source.deleting => Err((reason::SOURCE_UNAVAILABLE, format!("{id} is being deleted"))),
        None => Err((
            reason::SOURCE_UNAVAILABLE,
            format!("{id} has no artifact in its status at the moment; the last one is kept"),
        )),
        Some(artifact) => spec(id, artifact, hosts),
    };
    match (ours, offered) {
        (Some(artifact), Err(refusal)) => Decision {
            step: Step::Keep { name: name(artifact) },
            ready: Some(refusal),
        },
        (None, Err((reason::SOURCE_UNAVAILABLE, _))) => nothing(Nothing::NoArtifact),
        (None, Err((reason, message))) => nothing(Nothing::Refused(reason, message)),
        (Some(artifact), Ok(spec)) => {
            let step = match owner(artifact) {
                Some(owner) if owner.uid != source.uid => {
                    let uid = artifact.metadata.uid.clone().unwrap_or_default();
                    Step::Replace {
                        name: name(artifact),
                        uid,
                        spec,
                    }
                }
                Some(_) if same(&artifact.spec, &spec) => Step::Keep { name: name(artifact) },
                _ => Step::Apply {
                    name: name(artifact),
                    spec,
                },
            };
            Decision {
                step,
                ready: Some(mirrored(id)),
            }
        }
        (None, Ok(spec)) => {
            if let Some(foreign) = existing.foreign {
                return nothing(Nothing::Foreign(foreign.to_owned()));
            }
            let free = existing
                .named
                .iter()
                .zip(names)
                .find(|(artifact, _)| artifact.is_none());
            match free {
                Some((_, name)) => Decision {
                    step: Step::Apply {
                        name: name.clone(),
                        spec,
                    },
                    ready: Some(mirrored(id)),
                },
                None => nothing(Nothing::NamesTaken),
            }
        }
    }
}

fn nothing(why: Nothing) -> Decision {
    Decision {
        step: Step::Nothing { why },
        ready: None,
    }
}

fn mirrored(id: &SourceId) -> (&'static str, String) {
    (reason::MIRRORED, format!("mirrors the artifact of {id}"))
}

type Owner = k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// The controlling owner of an Artifact.
fn owner(artifact: &Artifact) -> Option<&Owner> {
    artifact
        .metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
}

/// Whether an owner reference names a source, in whatever version and incarnation.
fn owns(owner: &Owner, id: &SourceId) -> bool {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    group == flux_api::SOURCE_GROUP && owner.kind == id.kind.as_str() && owner.name == id.name
}

fn name(artifact: &Artifact) -> String {
    artifact.metadata.name.clone().unwrap_or_default()
}

fn delete(artifact: &Artifact) -> Step {
    Step::Delete {
        name: name(artifact),
        uid: artifact.metadata.uid.clone().unwrap_or_default(),
    }
}

/// Whether there is nothing to write: a new time alone is not worth it.
fn same(old: &ArtifactSpec, new: &ArtifactSpec) -> bool {
    !old.differs_for_consumers(new) && old.size == new.size && old.metadata == new.metadata
}

/// Checks a source's artifact, and gives it the form of ours.
fn spec(
    id: &SourceId,
    artifact: &SourceArtifact,
    hosts: &HostAllowList,
) -> Result<ArtifactSpec, (&'static str, String)> {
    let missing = [
        ("url", artifact.url.is_empty()),
        ("revision", artifact.revision.is_empty()),
        ("digest", artifact.digest.is_empty()),
        ("lastUpdateTime", artifact.last_update_time.is_none()),
    ];
    if let Some((field, _)) = missing.iter().find(|(_, missing)| *missing) {
        return Err((
            reason::INVALID_ARTIFACT,
            format!("status.artifact.{field} of {id} is empty; its producer has to set it"),
        ));
    }
    if let Err(error) = hosts.check(&artifact.url) {
        return Err((
            reason::URL_NOT_ALLOWED,
            format!("status.artifact.url of {id}: {error}"),
        ));
    }
    Ok(ArtifactSpec {
        url: artifact.url.clone(),
        revision: artifact.revision.clone(),
        digest: Some(artifact.digest.clone()),
        last_update_time: artifact.last_update_time.clone(),
        size: artifact.size,
        metadata: (!artifact.metadata.is_empty()).then(|| artifact.metadata.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceKind, SourceState, artifact_names, name};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    const UID: &str = "uid-1";

    fn id() -> SourceId {
        SourceId {
            kind: SourceKind::GitRepository,
            namespace: "apps".into(),
            name: "web".into(),
        }
    }

    fn source(change: impl FnOnce(&mut ObservedSource)) -> ObservedSource {
        let mut source = ObservedSource {
            uid: UID.into(),
            api_version: "source.toolkit.fluxcd.io/v1".into(),
            artifact: Some(SourceArtifact {
                digest: "sha256:aa".into(),
                path: "p".into(),
                url: "http://source-controller.flux-system.svc.cluster.local./p".into(),
                revision: "main@sha1:1".into(),
                last_update_time: Some(Time(Timestamp::UNIX_EPOCH)),
                size: Some(7),
                ..SourceArtifact::default()
            }),
            never_has_artifact: false,
            deleting: false,
            bridged: false,
            state: SourceState::Ready,
            generation: Some(1),
        };
        change(&mut source);
        source
    }

    fn with_artifact(change: impl FnOnce(&mut SourceArtifact)) -> ObservedSource {
        source(|source| {
            if let Some(artifact) = &mut source.artifact {
                change(artifact);
            }
        })
    }

    /// The Artifact that mirrors `source(..)`, made by the adapters.
    fn ours(change: impl FnOnce(&mut Artifact)) -> Artifact {
        let mut artifact = Artifact::default();
        artifact.metadata.name = Some(artifact_names(&id())[0].clone());
        artifact.metadata.uid = Some("artifact-uid".into());
        artifact.metadata.labels = Some([(name::MANAGED_BY.into(), name::MANAGED_BY_VALUE.into())].into());
        artifact.metadata.owner_references = Some(vec![Owner {
            api_version: "source.toolkit.fluxcd.io/v1".into(),
            kind: "GitRepository".into(),
            name: "web".into(),
            uid: UID.into(),
            controller: Some(true),
            ..Owner::default()
        }]);
        let mirrored = source(|_| {}).artifact.expect("an artifact");
        artifact.spec = spec(&id(), &mirrored, &HostAllowList::in_cluster()).expect("allowed");
        change(&mut artifact);
        artifact
    }

    /// Decides and prints the step, and the reason of `Ready` where there is one.
    fn check(source: Option<&ObservedSource>, artifact: Option<&Artifact>, expected: &str) {
        let existing = Existing {
            named: [artifact, None],
            foreign: None,
        };
        assert_eq!(step(source, existing), expected);
    }

    fn step(source: Option<&ObservedSource>, existing: Existing<'_>) -> String {
        let names = artifact_names(&id());
        let decision = decide(&id(), source, &names, existing, &HostAllowList::in_cluster());
        let which = |name: &str| if name == names[0] { "first" } else { "second" };
        let step = match &decision.step {
            Step::Apply { name, spec } => format!("apply {} {}", which(name), spec.revision),
            Step::Replace { name, uid, .. } => format!("replace {} {uid}", which(name)),
            Step::Delete { name, uid } => format!("delete {} {uid}", which(name)),
            Step::Keep { name } => format!("keep {}", which(name)),
            Step::Nothing {
                why: Nothing::Refused(reason, message),
            } => format!("nothing: {reason} {message}"),
            Step::Nothing { why } => format!("nothing: {why:?}"),
        };
        let ready = decision
            .ready
            .map(|(reason, _)| format!(", {reason}"))
            .unwrap_or_default();
        step + &ready
    }

    #[test]
    fn a_new_artifact_is_mirrored_and_an_equal_one_is_left_alone() {
        check(Some(&source(|_| {})), None, "apply first main@sha1:1, Mirrored");
        check(Some(&source(|_| {})), Some(&ours(|_| {})), "keep first, Mirrored");
        let later = with_artifact(|a| a.last_update_time = Some(Time(Timestamp::MAX)));
        check(Some(&later), Some(&ours(|_| {})), "keep first, Mirrored");
    }

    #[test]
    fn every_change_of_content_is_followed() {
        let old = ours(|_| {});
        check(
            Some(&with_artifact(|a| a.revision = "main@sha1:2".into())),
            Some(&old),
            "apply first main@sha1:2, Mirrored",
        );
        check(
            Some(&with_artifact(|a| a.digest = "sha256:bb".into())),
            Some(&old),
            "apply first main@sha1:1, Mirrored",
        );
        check(
            Some(&with_artifact(|a| a.url += "2")),
            Some(&old),
            "apply first main@sha1:1, Mirrored",
        );
        check(
            Some(&with_artifact(|a| a.size = None)),
            Some(&old),
            "apply first main@sha1:1, Mirrored",
        );
    }

    #[test]
    fn a_good_artifact_is_never_emptied() {
        let old = ours(|_| {});
        check(
            Some(&source(|s| s.artifact = None)),
            Some(&old),
            "keep first, SourceUnavailable",
        );
        check(
            Some(&source(|s| s.deleting = true)),
            Some(&old),
            "keep first, SourceUnavailable",
        );
        check(
            Some(&with_artifact(|a| a.revision.clear())),
            Some(&old),
            "keep first, InvalidArtifact",
        );
        check(
            Some(&with_artifact(|a| a.url = "http://169.254.169.254/".into())),
            Some(&old),
            "keep first, URLNotAllowed",
        );
        check(Some(&source(|s| s.artifact = None)), None, "nothing: NoArtifact");
    }

    #[test]
    fn it_goes_away_with_its_source_and_comes_back_with_a_new_one() {
        check(None, Some(&ours(|_| {})), "delete first artifact-uid");
        check(None, None, "nothing: Gone");
        check(
            Some(&source(|s| s.uid = "uid-2".into())),
            Some(&ours(|_| {})),
            "replace first artifact-uid, Mirrored",
        );
        check(
            Some(&source(|s| s.never_has_artifact = true)),
            Some(&ours(|_| {})),
            "delete first artifact-uid",
        );
        check(Some(&source(|s| s.bridged = true)), None, "nothing: Bridged");
    }

    #[test]
    fn a_lost_owner_is_put_back() {
        let orphan = ours(|a| a.metadata.owner_references = None);
        check(
            Some(&source(|_| {})),
            Some(&orphan),
            "apply first main@sha1:1, Mirrored",
        );
    }

    #[test]
    fn artifacts_of_others_are_left_alone() {
        let theirs = ours(|a| {
            a.metadata.labels = None;
            a.metadata.owner_references = None;
        });
        let live = source(|_| {});
        check(Some(&live), Some(&theirs), "apply second main@sha1:1, Mirrored");
        check(None, Some(&theirs), "nothing: Gone");
        let both = Existing {
            named: [Some(&theirs), Some(&theirs)],
            foreign: None,
        };
        assert_eq!(step(Some(&live), both), "nothing: NamesTaken");
        let foreign = Existing {
            foreign: Some("custom"),
            ..Existing::default()
        };
        assert_eq!(step(Some(&live), foreign), "nothing: Foreign(\"custom\")");
    }

    #[test]
    fn a_refused_artifact_says_object_field_and_next_step() {
        check(
            Some(&with_artifact(|a| a.url = "http://169.254.169.254/latest".into())),
            None,
            "nothing: URLNotAllowed status.artifact.url of GitRepository/apps/web: artifact host \"169.254.169.254\" is \
             not on the allow-list; add it with --artifact-hosts if it serves artifacts",
        );
        check(
            Some(&with_artifact(|a| a.digest.clear())),
            None,
            "nothing: InvalidArtifact status.artifact.digest of GitRepository/apps/web is empty; its producer has to set it",
        );
    }
}
