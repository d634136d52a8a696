//! What is stored for a source, and what its Artifact says.

use std::collections::BTreeMap;

use artifact_crd::{Artifact, ArtifactSpec, reason};
use artifact_store::{Adopted, Place, PutError, Store, Stored};
use controller_kit::ObjectKey;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};
use tokio::task::spawn_blocking;

use crate::content::revision;
use crate::controller::Controller;
use crate::controller::report::STORAGE_FAILED;
use crate::publish::{self, Said, Step, Whose, decide, names};
use crate::{Content, Failure, Owner, Produce};

/// What there is for a source before it is looked at.
#[derive(Clone, Debug)]
pub(crate) enum Inventory {
    /// No Artifact.
    Nothing,
    /// An Artifact, whose file is there.
    Stored(Box<Artifact>, Box<Stored>),
    /// An Artifact, whose file is gone: it has to be made anew.
    Lost(Box<Artifact>),
}

impl Inventory {
    pub(crate) fn artifact(&self) -> Option<&Artifact> {
        match self {
            Self::Nothing => None,
            Self::Stored(artifact, _) | Self::Lost(artifact) => Some(artifact),
        }
    }

    pub(crate) fn stored(&self) -> Option<&Stored> {
        match self {
            Self::Stored(_, stored) => Some(stored),
            Self::Nothing | Self::Lost(_) => None,
        }
    }
}

impl<P: Produce> Controller<P> {
    /// The Artifacts that have the names of a source's, as they are known.
    pub(crate) fn existing(&self, owner: &Owner) -> ([String; 2], [Option<Artifact>; 2]) {
        let names = names(owner.group(), &owner.kind, &owner.namespace, &owner.name);
        let existing = [&names[0], &names[1]].map(|name| {
            let key = ObjectKey::new(&owner.namespace, name);
            self.written.newest(&key, || {
                let cached = self.artifacts.get(&key)?;
                let version = cached.resource_version().unwrap_or_default();
                Some((version, Artifact::clone(&cached)))
            })
        });
        (names, existing)
    }

    /// Whether an Artifact is that of this very source, even if it does not quite say so any more.
    fn is_own(&self, owner: &Owner, artifact: &Artifact) -> bool {
        let whose = publish::whose(owner, self.writer.manager, artifact);
        matches!(whose, Whose::Own | Whose::Stray)
    }

    /// Compares what the Artifact of a source says with what is stored.
    pub(crate) async fn inventory(&self, owner: &Owner, place: &Place) -> Inventory {
        let (_, existing) = self.existing(owner);
        let mut existing = existing.into_iter().flatten();
        let Some(artifact) = existing.find(|artifact| self.is_own(owner, artifact)) else {
            return Inventory::Nothing;
        };
        match self.store.look_up(place, &artifact.spec.url).await {
            Adopted::Here(stored) => Inventory::Stored(Box::new(artifact), stored),
            Adopted::Missing => Inventory::Lost(Box::new(artifact)),
        }
    }

    /// Stores a content; gives it back with what became of it.
    pub(crate) async fn put(&self, place: &Place, content: Content) -> Result<(Content, Stored), Failure> {
        let (store, place): (Store, _) = (self.store.clone(), place.clone());
        let stored = spawn_blocking(move || {
            let stored = store.put(&place, &content.stored());
            (content, stored)
        });
        let (content, stored) = stored.await.map_err(|error| {
            Failure::new(
                crate::Fate::Bug,
                "InternalError",
                format!("storing panicked: {error}"),
            )
        })?;
        let stored = stored.map_err(|error| match &error {
            PutError::Archive(_) => Failure::later("InvalidContent", error.to_string()),
            PutError::TooLong(_) => Failure::later("LimitExceeded", error.to_string()),
            PutError::Full { .. } | PutError::Io { .. } => {
                Failure::retry(STORAGE_FAILED, error.to_string()).as_condition(STORAGE_FAILED)
            }
        })?;
        Ok((content, stored))
    }

    /// Sees to it that the Artifact of a source offers what is stored, and gives it.
    pub(crate) async fn publish(
        &self,
        owner: &Owner,
        place: &Place,
        stored: &Stored,
        word: Option<&str>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Artifact, Failure> {
        let (names, existing) = self.existing(owner);
        let ending = format!("@sha256:{}", stored.content);
        let same_content = existing
            .iter()
            .flatten()
            .find(|artifact| self.is_own(owner, artifact) && artifact.spec.revision.ends_with(&ending));
        let mut wanted = ArtifactSpec {
            url: stored.url.clone(),
            revision: revision(word.unwrap_or("latest"), &stored.content),
            digest: Some(stored.digest.clone()),
            last_update_time: Some(Time(timestamp(stored))),
            size: i64::try_from(stored.size).ok(),
            metadata: (!metadata.is_empty()).then(|| metadata.clone()),
        };
        if let Some(known) = same_content {
            // What is said about a content is written together with it, and not again.
            wanted.metadata.clone_from(&known.spec.metadata);
            wanted.last_update_time.clone_from(&known.spec.last_update_time);
            if word.is_none() {
                wanted.revision.clone_from(&known.spec.revision);
            }
        }
        let step = decide(
            owner,
            self.writer.manager,
            &wanted,
            &names,
            [existing[0].as_ref(), existing[1].as_ref()],
        );
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let written = match &step {
            Step::Keep(name) => {
                let mut kept = existing.into_iter().flatten();
                let kept = kept.find(|artifact| artifact.name_any() == *name);
                self.store.advertise(place, &stored.file).await;
                return kept.ok_or_else(|| Failure::retry("ArtifactFailed", "the Artifact is gone"));
            }
            Step::Create(name) => self.writer.create(&api, name, owner, &wanted).await,
            Step::Apply(name, uid) => self.writer.apply(&api, name, Some(uid), owner, &wanted).await,
            Step::Replace(name, uid) => {
                self.written.forget(&ObjectKey::new(&owner.namespace, name));
                match publish::delete(&api, name, uid).await {
                    Ok(()) => self.writer.create(&api, name, owner, &wanted).await,
                    Err(error) => Err(error),
                }
            }
            Step::Taken => {
                let message = format!(
                    "Artifacts named {} exist and belong to somebody else; delete one to have the source stored",
                    names.join(" and ")
                );
                return Err(Failure::later("NameTaken", message));
            }
        };
        match written {
            Ok(artifact) => {
                self.remember(&artifact);
                self.store.advertise(place, &stored.file).await;
                tracing::info!(artifact = %ObjectKey::of(&artifact), revision = %artifact.spec.revision, "artifact written");
                Ok(artifact)
            }
            Err(error) => {
                for name in &names {
                    self.written.forget(&ObjectKey::new(&owner.namespace, name));
                }
                Err(Failure::retry(
                    "ArtifactFailed",
                    format!("cannot write the Artifact: {error}"),
                ))
            }
        }
    }

    /// Writes the conditions of an Artifact, if they say something else by now.
    pub(crate) async fn tell(
        &self,
        artifact: &Artifact,
        is_stored: bool,
        source: &Said,
        source_generation: Option<i64>,
    ) {
        let ready = if is_stored {
            Said::new(true, reason::STORED, "the artifact is stored and served")
        } else {
            Said::new(
                false,
                reason::REBUILDING,
                "the stored artifact is gone and is being made anew; consumers keep what they have",
            )
        };
        let Some(status) = publish::status(artifact, &ready, source, source_generation, Timestamp::now())
        else {
            return;
        };
        let namespace = artifact.namespace().unwrap_or_default();
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &namespace);
        match self
            .writer
            .apply_status(&api, &artifact.name_any(), &status)
            .await
        {
            Ok(artifact) => self.remember(&artifact),
            Err(error) => {
                tracing::warn!(artifact = %ObjectKey::of(artifact), %error, "cannot write the status of an Artifact");
            }
        }
    }

    fn remember(&self, artifact: &Artifact) {
        let version = artifact.resource_version().unwrap_or_default();
        self.written
            .remember(&ObjectKey::of(artifact), version, artifact.clone());
    }
}

/// The time at which a content was first stored, in whole seconds as the API has them.
fn timestamp(stored: &Stored) -> Timestamp {
    Timestamp::from_second(stored.published.as_second()).unwrap_or_default()
}
