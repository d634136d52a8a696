//! Offering an output: its files are stored, and its Artifact written, if they are others than before.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_crd::{Artifact, ArtifactSpec, GROUP, KIND, TRANSFORMATION_KIND, VERSION, reason};
use artifact_producer::Owner;
use artifact_producer::publish::{Said, Writer, claim, delete, status};
use artifact_store::{Adopted, Content, Place, PutError, Stored};
use controller_kit::ObjectKey;
use flux_api::ORIGIN_REVISION;
use flux_transform::spec::OriginUpdate;
use flux_transform::{Built, Wanted};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::controller::Controller;
use crate::decide::{Step, Wished, decide, ours, reference, takes_away};
use crate::failure::{Failure, Fate};
use crate::heavy::Permit;
use crate::kind::{CONTROLLER, OutputStatus};
use crate::said::{Common, annotations, labels, metadata};

impl Controller {
    /// Tells whether an output is offered as the status says, and its file is there; nothing is written for that.
    pub(crate) async fn is_intact(&self, owner: &Owner, output: &OutputStatus) -> bool {
        let Some(artifact) = self.artifact(&owner.namespace, &output.artifact_name) else {
            return false;
        };
        let spec = &artifact.spec;
        let is_as_told = spec.revision == output.revision && spec.digest.as_deref() == Some(&output.digest);
        if !is_as_told
            || output.failure.is_some()
            || !ours(owner, &artifact).is_some_and(|ours| ours.is_same && !ours.is_stray)
        {
            return false;
        }
        let adopted = self.adopt(owner, &artifact).await;
        adopted.is_some_and(|stored| stored.url == spec.url && Some(&stored.digest) == spec.digest.as_ref())
    }

    pub(crate) async fn adopt(&self, owner: &Owner, artifact: &Artifact) -> Option<Box<Stored>> {
        let place = place(owner, &artifact.name_any())?;
        match self.store.look_up(&place, &artifact.spec.url).await {
            Adopted::Here(stored) => Some(stored),
            Adopted::Missing => None,
        }
    }

    /// Stores an output and writes its Artifact, as far as they are others than before. Tells whether the content is another.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that is known about an output"
    )]
    pub(crate) async fn offer(
        &self,
        common: &Common<'_>,
        wanted: &Wanted,
        name: &str,
        is_first: bool,
        (built, permit): (Built, Permit),
        key: String,
        before: Option<&OutputStatus>,
    ) -> Result<(OutputStatus, bool), Failure> {
        let owner = common.owner;
        let existing = self.artifact(&owner.namespace, name);
        if existing
            .as_ref()
            .is_some_and(|existing| ours(owner, existing).is_none())
        {
            let message = format!(
                "output {name}: Artifact '{}/{name}' belongs to somebody else; delete it, or rename the output",
                owner.namespace
            );
            return Err(Failure::new(Fate::Wait, "NameTaken", message));
        }
        let Some(place) = place(owner, name) else {
            return Err(Failure::new(
                Fate::Edit,
                "ValidationFailed",
                format!("output {name}: this is no name"),
            ));
        };
        if let Some(existing) = &existing {
            // What is advertised is the one that the new one follows.
            self.adopt(owner, existing).await;
        }
        let (word, content, origin) = (built.word.clone(), built.content.clone(), built.origin.clone());
        let stored = match self
            .store
            .current(&place)
            .filter(|stored| stored.content == content)
        {
            Some(stored) => {
                drop((built, permit));
                stored
            }
            None => self.put(&place, built, permit).await?,
        };
        let revision = format!("{word}@sha256:{content}");
        let mut wished = Wished {
            name: name.to_owned(),
            spec: ArtifactSpec {
                url: stored.url.clone(),
                revision,
                digest: Some(stored.digest.clone()),
                last_update_time: Some(Time(
                    Timestamp::from_second(stored.published.as_second()).unwrap_or_default(),
                )),
                size: i64::try_from(stored.size).ok(),
                metadata: Some(metadata(common, wanted, origin.as_deref())),
            },
            labels: labels(common, wanted),
            annotations: annotations(common, wanted),
            is_first,
        };
        let ending = format!("@sha256:{content}");
        let known = existing
            .as_ref()
            .filter(|existing| existing.spec.revision.ends_with(&ending));
        if let Some(known) = known {
            // What is said about a content is written together with it, and not again, but for what is asked for.
            wished
                .spec
                .last_update_time
                .clone_from(&known.spec.last_update_time);
            let mut metadata = known.spec.metadata.clone().unwrap_or_default();
            if wanted.output.origin_update == OriginUpdate::Always
                && let Some(origin) = origin
            {
                metadata.insert(ORIGIN_REVISION.to_owned(), origin);
            }
            wished.spec.metadata = Some(metadata);
        }
        let is_new_key = before.is_none_or(|before| before.build_key != key);
        let is_left = existing
            .as_ref()
            .is_some_and(|existing| takes_away(existing, &wished) || existing.owner_references().len() != 1);
        let step = decide(owner, &wished, existing.as_deref(), is_new_key && is_left);
        if is_first && step != Step::Keep {
            self.step_down(owner, name).await?;
        }
        self.write(owner, &wished, &step).await?;
        // From here on what was stored before is superseded.
        self.store.advertise(&place, &stored.file).await;
        let output = OutputStatus {
            artifact_name: name.to_owned(),
            revision: wished.spec.revision.clone(),
            digest: stored.digest,
            size: wished.spec.size,
            build_key: key,
            failure: None,
        };
        Ok((output, known.is_none()))
    }

    /// Those that were what a reference to the transformation means no longer are, so that there are never two.
    async fn step_down(&self, owner: &Owner, first: &str) -> Result<(), Failure> {
        for artifact in self.artifacts_of(owner) {
            if artifact.name_any() == first {
                continue;
            }
            if let Some((wished, step)) = no_longer_first(owner, &artifact) {
                self.write(owner, &wished, &step).await?;
            }
        }
        Ok(())
    }

    /// The Artifacts of a transformation, as they are known.
    fn artifacts_of(&self, owner: &Owner) -> Vec<Arc<Artifact>> {
        let all = self.artifacts.all().into_iter();
        let own = all.filter(|artifact| {
            artifact.namespace().as_deref() == Some(&owner.namespace) && ours(owner, artifact).is_some()
        });
        own.map(|seen| self.artifact(&owner.namespace, &seen.name_any()).unwrap_or(seen))
            .collect()
    }

    async fn put(&self, place: &Place, built: Built, permit: Permit) -> Result<Stored, Failure> {
        let (store, place) = (self.store.clone(), place.clone());
        let stored = spawn_blocking(move || {
            let stored = store.put(&place, &Content::Files(built.files.archived()));
            drop(permit);
            stored
        });
        let stored = stored.await.map_err(|error| {
            Failure::new(Fate::Retry, "InternalError", format!("storing panicked: {error}"))
        })?;
        stored.map_err(|error| match &error {
            PutError::Archive(_) => Failure::new(Fate::Edit, "BuildFailed", error.to_string()),
            PutError::TooLong(_) => Failure::new(Fate::Edit, "LimitExceeded", error.to_string()),
            PutError::Full { .. } | PutError::Io { .. } => {
                Failure::new(Fate::Retry, "StorageOperationFailed", error.to_string())
            }
        })
    }

    pub(crate) async fn write(&self, owner: &Owner, wished: &Wished, step: &Step) -> Result<(), Failure> {
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let key = ObjectKey::new(&owner.namespace, &wished.name);
        let written = match step {
            Step::Keep | Step::Taken => return Ok(()),
            Step::Create => create(&api, owner, wished).await,
            Step::Apply(uid) => {
                let known = self.artifact(&owner.namespace, &wished.name);
                let known = known.filter(|known| takes_away(known, wished));
                let known = known.map(|known| known.metadata.clone()).unwrap_or_default();
                // What was written on creation can be taken away by an apply only once it is an apply's.
                match claim(&api, &known, CONTROLLER).await {
                    Ok(()) => {
                        let mut body = body(owner, wished);
                        body["metadata"]["uid"] = uid.as_str().into();
                        let params = PatchParams::apply(CONTROLLER).force();
                        api.patch(&wished.name, &params, &Patch::Apply(&body)).await
                    }
                    Err(error) => Err(error),
                }
            }
            Step::Replace(uid) => {
                self.written.forget(&key);
                match delete(&api, &wished.name, uid).await {
                    Ok(()) => create(&api, owner, wished).await,
                    Err(error) => Err(error),
                }
            }
        };
        let artifact = written.map_err(|error| {
            self.written.forget(&key);
            let message = format!("output {}: cannot write the Artifact: {error}", wished.name);
            Failure::new(Fate::Retry, "ArtifactFailed", message)
        })?;
        tracing::info!(artifact = %key, revision = %artifact.spec.revision, "artifact written");
        self.remember(artifact);
        Ok(())
    }

    /// What the Artifact of an output says about its file.
    pub(crate) async fn said_of(&self, owner: &Owner, artifact: &Artifact) -> Said {
        match self.adopt(owner, artifact).await {
            Some(stored) if stored.url == artifact.spec.url => {
                Said::new(true, reason::STORED, "the artifact is stored and served")
            }
            _ => Said::new(
                false,
                reason::REBUILDING,
                "the stored artifact is gone and is made anew as soon as its inputs allow it; consumers keep what they have",
            ),
        }
    }

    /// Writes the conditions of an Artifact, if they say something else by now.
    pub(crate) async fn tell_artifact(
        &self,
        owner: &Owner,
        artifact: &Artifact,
        ready: &Said,
        source: &Said,
        generation: Option<i64>,
    ) -> bool {
        let Some(status) = status(artifact, ready, source, generation, Timestamp::now()) else {
            return true;
        };
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let writer = Writer {
            manager: CONTROLLER,
            labels: BTreeMap::new(),
        };
        let name = artifact.name_any();
        match writer.apply_status(&api, &name, &status).await {
            Ok(artifact) => {
                self.remember(artifact);
                true
            }
            Err(error) => {
                tracing::warn!(artifact = %name, %error, "cannot write the status of an Artifact");
                false
            }
        }
    }

    /// Deletes the Artifacts of a transformation but those that are wanted, and gives their names.
    pub(crate) async fn withdraw(&self, owner: &Owner, keep: &[&str]) -> Result<Vec<String>, Failure> {
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let mut gone = Vec::new();
        for artifact in self.artifacts.all() {
            let name = artifact.name_any();
            let is_ours = artifact.namespace().as_deref() == Some(&owner.namespace)
                && ours(owner, &artifact).is_some_and(|ours| ours.is_same || owner.uid.is_empty());
            if !is_ours || keep.contains(&name.as_str()) {
                continue;
            }
            let uid = artifact.uid().unwrap_or_default();
            delete(&api, &name, &uid).await.map_err(|error| {
                Failure::new(
                    Fate::Retry,
                    "ArtifactFailed",
                    format!("cannot delete Artifact '{name}': {error}"),
                )
            })?;
            self.written.forget(&ObjectKey::of(artifact.as_ref()));
            if let Some(place) = place(owner, &name) {
                self.store.remove(&place);
            }
            gone.push(name);
        }
        Ok(gone)
    }

    fn remember(&self, artifact: Artifact) {
        let (key, version) = (
            ObjectKey::of(&artifact),
            artifact.resource_version().unwrap_or_default(),
        );
        self.written.remember(&key, version, artifact.clone());
        self.put_artifact(&Arc::new(artifact));
    }
}

/// The place of the files of an output.
fn place(owner: &Owner, name: &str) -> Option<Place> {
    Place::new(TRANSFORMATION_KIND, &owner.namespace, name)
}

async fn create(api: &Api<Artifact>, owner: &Owner, wished: &Wished) -> kube::Result<Artifact> {
    // Not by apply, which would take over what somebody else has just created.
    let artifact: Artifact = serde_json::from_value(body(owner, wished)).map_err(kube::Error::SerdeError)?;
    let params = PostParams {
        field_manager: Some(CONTROLLER.to_owned()),
        ..PostParams::default()
    };
    api.create(&params, &artifact).await
}

/// Gives an Artifact as it is, but for that it is not what a reference to its transformation means.
fn no_longer_first(owner: &Owner, artifact: &Artifact) -> Option<(Wished, Step)> {
    ours(owner, artifact).filter(|ours| ours.is_same && ours.is_first)?;
    let wished = Wished {
        name: artifact.name_any(),
        spec: artifact.spec.clone(),
        labels: artifact.labels().clone(),
        annotations: artifact.annotations().clone(),
        is_first: false,
    };
    Some((wished, Step::Apply(artifact.uid()?)))
}

fn body(owner: &Owner, wished: &Wished) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND,
        "metadata": {
            "name": wished.name, "labels": wished.labels, "annotations": wished.annotations,
            "ownerReferences": [reference(owner, wished.is_first)],
        },
        "spec": wished.spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::owner;

    #[test]
    fn who_steps_down_stays_as_it_is_otherwise() {
        let owner = owner("1");
        let mut artifact = Artifact::default();
        artifact.metadata.name = Some("a".into());
        artifact.metadata.uid = Some("u".into());
        artifact.metadata.labels = Some([("x".to_owned(), "1".to_owned())].into());
        artifact.metadata.owner_references = Some(vec![reference(&owner, true)]);
        artifact.spec.revision = "r".into();
        let (wished, step) = no_longer_first(&owner, &artifact).expect("it was the first");
        assert_eq!((step, wished.is_first), (Step::Apply("u".into()), false));
        assert_eq!(
            (wished.spec.revision.as_str(), wished.labels["x"].as_str()),
            ("r", "1")
        );
        artifact.metadata.owner_references = Some(vec![reference(&owner, false)]);
        assert!(no_longer_first(&owner, &artifact).is_none());
    }
}
