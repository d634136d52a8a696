//! Which Artifact belongs to which source.
//!
//! A source is told by its name, not by its UID: a consumer does not read source kinds, so that it cannot know the live
//! one's. It has no need to. An Artifact whose owner is gone, replaced by another of the same name, or never existed
//! is deleted by Kubernetes' garbage collector, which compares UIDs; until then it is at worst what was deployed
//! before, and beside the new owner's a [`LookupError::Conflict`] that the deletion ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use artifact_crd::Artifact;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::SourceKey;

/// The most owners of one Artifact that count; more would let one object fill the index.
pub const MAX_OWNERS: usize = 32;

/// Namespace and name of an Artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ArtifactName {
    /// Reads the name of an Artifact.
    pub fn of(artifact: &Artifact) -> Self {
        Self {
            namespace: artifact.metadata.namespace.clone().unwrap_or_default(),
            name: artifact.metadata.name.clone().unwrap_or_default(),
        }
    }
}

/// Why there is no Artifact for a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is none yet. An event will come when there is.
    #[error("{}", not_found(.0))]
    NotFound(SourceKey),
    /// There are several, and nothing tells which one is meant. Somebody has to delete all but one.
    #[error(
        "{key} has more than one Artifact in namespace {}: {}. Delete all but one, or refer to one with \
         'kind: Artifact'", .key.namespace, .artifacts.join(", ")
    )]
    Conflict {
        /// The source.
        key: SourceKey,
        /// The names of its Artifacts.
        artifacts: Vec<String>,
    },
}

fn not_found(key: &SourceKey) -> String {
    if key.is_artifact() {
        return format!("Artifact '{}/{}' not found", key.namespace, key.name);
    }
    format!(
        "no Artifact is owned by {key}: check that the source exists and is ready, and that something makes \
         Artifacts for its kind (for Flux's own kinds, the source adapters)"
    )
}

/// All Artifacts, by their own keys and by those of their owners.
#[derive(Debug, Default)]
pub struct ArtifactIndex {
    artifacts: HashMap<ArtifactName, Arc<Artifact>>,
    by_owner: HashMap<SourceKey, BTreeSet<ArtifactName>>,
}

impl ArtifactIndex {
    /// Puts in a new or changed Artifact, and returns the keys whose consumers have something to do.
    ///
    /// These are its own key and its owners' keys, old and new, when the Artifact is new, when its revision, digest
    /// or URL changed, or when its owners did; otherwise there are none.
    pub fn apply(&mut self, artifact: &Arc<Artifact>) -> Vec<SourceKey> {
        let name = ArtifactName::of(artifact);
        let old = self.artifacts.insert(name.clone(), Arc::clone(artifact));
        let owners = owner_keys(artifact);
        let Some(old) = old else {
            for owner in &owners {
                self.by_owner
                    .entry(owner.clone())
                    .or_default()
                    .insert(name.clone());
            }
            return with_self(owners, name);
        };
        if owner_keys(&old) == owners && old.metadata.owner_references == artifact.metadata.owner_references {
            let differs = old.spec.differs_for_consumers(&artifact.spec);
            return if differs {
                with_self(owners, name)
            } else {
                Vec::new()
            };
        }
        let mut touched = owner_keys(&old);
        self.unlink(&touched, &name);
        for owner in owners {
            self.by_owner
                .entry(owner.clone())
                .or_default()
                .insert(name.clone());
            touched.insert(owner);
        }
        with_self(touched, name)
    }

    /// Takes out an Artifact, and returns the keys whose consumers have something to do.
    pub fn remove(&mut self, name: &ArtifactName) -> Vec<SourceKey> {
        let Some(old) = self.artifacts.remove(name) else {
            return Vec::new();
        };
        let owners = owner_keys(&old);
        self.unlink(&owners, name);
        with_self(owners, name.clone())
    }

    fn unlink(&mut self, owners: &BTreeSet<SourceKey>, name: &ArtifactName) {
        for owner in owners {
            if let Some(names) = self.by_owner.get_mut(owner) {
                names.remove(name);
                if names.is_empty() {
                    self.by_owner.remove(owner);
                }
            }
        }
    }

    /// Returns an Artifact by its own name.
    pub fn get(&self, name: &ArtifactName) -> Option<&Arc<Artifact>> {
        self.artifacts.get(name)
    }

    /// Finds the Artifact that a key means.
    ///
    /// A key that names an Artifact means that one, whatever it owns. Any other key means the Artifact that the source
    /// owns, or that is bridged to the ExternalArtifact; of several, the one that the source controls
    /// (`controller: true`) wins.
    pub fn find(&self, key: &SourceKey) -> Result<&Arc<Artifact>, LookupError> {
        if key.is_artifact() {
            let name = ArtifactName {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
            };
            return self
                .artifacts
                .get(&name)
                .ok_or_else(|| LookupError::NotFound(key.clone()));
        }
        let mut owned: Vec<&Arc<Artifact>> = self
            .by_owner
            .get(key)
            .into_iter()
            .flatten()
            .filter_map(|name| self.artifacts.get(name))
            .collect();
        let controlled = |artifact: &&Arc<Artifact>| {
            owners(artifact).any(|owner| names(owner, key) && owner.controller == Some(true))
        };
        if owned.len() > 1 && owned.iter().any(controlled) {
            owned.retain(controlled);
        }
        match owned.as_slice() {
            [] => Err(LookupError::NotFound(key.clone())),
            [artifact] => Ok(artifact),
            several => Err(LookupError::Conflict {
                key: key.clone(),
                artifacts: several
                    .iter()
                    .map(|artifact| ArtifactName::of(artifact).name)
                    .collect(),
            }),
        }
    }
}

/// The keys that mean an Artifact: its own, and those of its owners.
pub fn consumed_as(artifact: &Artifact) -> Vec<SourceKey> {
    with_self(owner_keys(artifact), ArtifactName::of(artifact))
}

fn owners(artifact: &Artifact) -> impl Iterator<Item = &OwnerReference> {
    artifact
        .metadata
        .owner_references
        .iter()
        .flatten()
        .take(MAX_OWNERS)
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn names(owner: &OwnerReference, key: &SourceKey) -> bool {
    owner.name == key.name && owner.kind == key.kind && group_of(&owner.api_version) == key.group
}

fn owner_keys(artifact: &Artifact) -> BTreeSet<SourceKey> {
    let namespace = artifact.metadata.namespace.clone().unwrap_or_default();
    let key = |owner: &OwnerReference| SourceKey {
        group: group_of(&owner.api_version).to_owned(),
        kind: owner.kind.clone(),
        namespace: namespace.clone(),
        name: owner.name.clone(),
    };
    let bridged = artifact.metadata.annotations.as_ref();
    let bridged = bridged.and_then(|annotations| annotations.get(artifact_crd::BRIDGED_TO_ANNOTATION));
    let bridged = bridged.map(|name| SourceKey {
        group: flux_api::SOURCE_GROUP.to_owned(),
        kind: "ExternalArtifact".to_owned(),
        namespace: namespace.clone(),
        name: name.clone(),
    });
    owners(artifact).map(key).chain(bridged).collect()
}

fn with_self(owners: BTreeSet<SourceKey>, name: ArtifactName) -> Vec<SourceKey> {
    let own = SourceKey {
        group: artifact_crd::GROUP.to_owned(),
        kind: artifact_crd::KIND.to_owned(),
        namespace: name.namespace,
        name: name.name,
    };
    std::iter::once(own).chain(owners).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &str = "source.toolkit.fluxcd.io/v1";

    /// An Artifact in `apps` with owners given as `Kind name uid`, or `Kind name uid controller`.
    fn artifact(name: &str, revision: &str, owners: &[&str]) -> Arc<Artifact> {
        let owner = |text: &&str| {
            let words: Vec<_> = text.split(' ').collect();
            OwnerReference {
                api_version: SOURCES.into(),
                kind: words[0].into(),
                name: words[1].into(),
                uid: words[2].into(),
                controller: (words.len() > 3).then_some(true),
                ..OwnerReference::default()
            }
        };
        let mut artifact = Artifact::default();
        artifact.metadata.namespace = Some("apps".into());
        artifact.metadata.name = Some(name.into());
        artifact.metadata.owner_references = Some(owners.iter().map(owner).collect());
        artifact.spec.revision = revision.into();
        Arc::new(artifact)
    }

    fn source(kind: &str, name: &str) -> SourceKey {
        let group = flux_api::SOURCE_GROUP.into();
        SourceKey {
            group,
            kind: kind.into(),
            namespace: "apps".into(),
            name: name.into(),
        }
    }

    fn itself(name: &str) -> SourceKey {
        let (group, kind) = (artifact_crd::GROUP.into(), artifact_crd::KIND.into());
        SourceKey {
            group,
            kind,
            namespace: "apps".into(),
            name: name.into(),
        }
    }

    /// Looks up `GitRepository web` in an index of the given Artifacts and returns the name of what is found.
    fn check(artifacts: &[(&str, &[&str])], expected: Result<&str, &str>) {
        let mut index = ArtifactIndex::default();
        for (name, owners) in artifacts {
            index.apply(&artifact(name, "r", owners));
        }
        let found = index.find(&source("GitRepository", "web"));
        let found = found
            .map(|artifact| ArtifactName::of(artifact).name)
            .map_err(|error| match error {
                LookupError::NotFound(_) => "not found".to_owned(),
                LookupError::Conflict { artifacts, .. } => artifacts.join(" "),
            });
        assert_eq!(
            found.as_deref().map_err(String::as_str),
            expected,
            "{artifacts:?}"
        );
    }

    #[test]
    fn the_artifact_of_a_source_is_found_by_its_owner() {
        check(&[], Err("not found"));
        check(&[("a", &["GitRepository web 1 c"])], Ok("a"));
        check(&[("a", &["GitRepository web 1"])], Ok("a"));
        check(&[("a", &["Bucket web 1 c"])], Err("not found"));
        check(&[("a", &["GitRepository other 1 c"])], Err("not found"));
        check(&[("a", &["Bucket b 9", "GitRepository web 1"])], Ok("a"));
    }

    #[test]
    fn a_bridged_artifact_is_found_by_its_external_artifact() {
        let mut index = ArtifactIndex::default();
        index.apply(&artifact("a", "r", &["Http web 1 c"]));
        let key = source("ExternalArtifact", "web");
        assert_eq!(index.find(&key), Err(LookupError::NotFound(key.clone())));
        let mut bridged = Artifact::clone(&artifact("a", "r", &["Http web 1 c"]));
        let annotation = (artifact_crd::BRIDGED_TO_ANNOTATION.to_owned(), "web".to_owned());
        bridged.metadata.annotations = Some([annotation].into());
        assert!(index.apply(&Arc::new(bridged)).contains(&key));
        assert_eq!(
            index.find(&key).map(|found| ArtifactName::of(found).name),
            Ok("a".into())
        );
    }

    #[test]
    fn of_several_the_controlled_one_wins_and_a_tie_is_a_conflict() {
        check(
            &[("a", &["GitRepository web 1"]), ("b", &["GitRepository web 1 c"])],
            Ok("b"),
        );
        check(
            &[
                ("a", &["GitRepository web 1 c"]),
                ("b", &["GitRepository web 1 c"]),
            ],
            Err("a b"),
        );
        check(
            &[("a", &["GitRepository web 1"]), ("b", &["GitRepository web 1"])],
            Err("a b"),
        );
    }

    #[test]
    fn an_artifact_that_is_named_wins_over_those_that_it_owns() {
        let mut index = ArtifactIndex::default();
        index.apply(&artifact("input", "r", &[]));
        let mut output = Artifact::clone(&artifact("output", "r", &["x input 1 c"]));
        if let Some([owner, ..]) = output.metadata.owner_references.as_deref_mut() {
            owner.api_version = format!("{}/{}", artifact_crd::GROUP, artifact_crd::VERSION);
            owner.kind = artifact_crd::KIND.into();
        }
        index.apply(&Arc::new(output));
        let found = index.find(&itself("input")).expect("found");
        assert_eq!(found.metadata.name.as_deref(), Some("input"));
        assert_eq!(
            index.find(&itself("none")),
            Err(LookupError::NotFound(itself("none")))
        );
    }

    #[test]
    fn events_matter_when_bytes_or_owners_change() {
        let mut index = ArtifactIndex::default();
        let git = source("GitRepository", "web");
        let owners: &[&str] = &["GitRepository web 1 c"];
        assert_eq!(
            index.apply(&artifact("a", "r1", owners)),
            [itself("a"), git.clone()]
        );
        assert_eq!(index.apply(&artifact("a", "r1", owners)), []);
        let mut later = Artifact::clone(&artifact("a", "r1", owners));
        later.spec.size = Some(5);
        assert_eq!(index.apply(&Arc::new(later)), []);
        assert_eq!(
            index.apply(&artifact("a", "r2", owners)),
            [itself("a"), git.clone()]
        );
        let bucket = source("Bucket", "b");
        assert_eq!(
            index.apply(&artifact("a", "r2", &["Bucket b 1 c"])),
            [itself("a"), bucket.clone(), git.clone()]
        );
        assert_eq!(index.find(&git), Err(LookupError::NotFound(git)));
        let name = ArtifactName {
            namespace: "apps".into(),
            name: "a".into(),
        };
        assert_eq!(index.remove(&name), [itself("a"), bucket]);
        assert_eq!(index.remove(&name), []);
    }

    #[test]
    fn the_owners_of_one_artifact_are_bounded() {
        let owners: Vec<String> = (0..1000).map(|n| format!("GitRepository g{n} 1")).collect();
        let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
        let mut index = ArtifactIndex::default();
        assert_eq!(index.apply(&artifact("a", "r", &owners)).len(), 1 + MAX_OWNERS);
    }
}
