//! Offering an output: its files are stored, and its Artifact written, if they are others than before.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_crd::{Artifact, ArtifactSpec, GROUP, KIND, TRANSFORMATION_KIND, VERSION, reason};
use artifact_producer::Owner;
use artifact_producer::publish::{Said, Writer, delete, status};
use artifact_store::{Adopted, Content, Place, PutError, Stored};
use controller_kit::ObjectKey;
use flux_api::ORIGIN_REVISION;
use flux_transform::spec::{CommonMetadata, OriginUpdate};
use flux_transform::{Built, Wanted};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::controller::{CONTROLLER, Controller};
use crate::decide::{Step, Wished, decide, ours, reference};
use crate::failure::{Failure, Fate};
use crate::inputs::{HOPS, Snapshot};
use crate::kind::OutputStatus;

/// Label with the name of the transformation that an Artifact was made by.
const TRANSFORMATION_LABEL: &str = "openfluxcd.ocm.software/transformation";
/// What labels with captures begin with.
const CAPTURE_LABEL: &str = "openfluxcd.ocm.software/capture-";
/// What the artifact was made of, in its metadata.
const INPUTS: &str = "openfluxcd.ocm.software/inputs";
/// The longest text about that.
const LONGEST_INPUTS: usize = 4096;

/// What all outputs of a run have in common.
pub(crate) struct Common<'r> {
    pub(crate) owner: &'r Owner,
    pub(crate) metadata: Option<&'r CommonMetadata>,
    pub(crate) snapshot: &'r Snapshot,
    pub(crate) bare_capture_labels: bool,
}

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
            || !ours(owner, &artifact).is_some_and(|(_, is_same)| is_same)
        {
            return false;
        }
        let adopted = self.adopt(owner, &artifact).await;
        adopted.is_some_and(|stored| stored.url == spec.url && Some(&stored.digest) == spec.digest.as_ref())
    }

    async fn adopt(&self, owner: &Owner, artifact: &Artifact) -> Option<Box<Stored>> {
        let place = place(owner, &artifact.name_any())?;
        let (store, url) = (self.store.clone(), artifact.spec.url.clone());
        match spawn_blocking(move || store.adopt(&place, &url)).await {
            Ok(Adopted::Here(stored)) => Some(stored),
            Ok(Adopted::Missing) | Err(_) => None,
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
        built: Built,
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
            Some(stored) => stored,
            None => self.put(&place, built).await?,
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
        let labels_left = existing.as_ref().is_some_and(|existing| {
            existing
                .labels()
                .keys()
                .any(|label| !wished.labels.contains_key(label))
                || existing.owner_references().len() != 1
        });
        let step = decide(owner, &wished, existing.as_deref(), is_new_key && labels_left);
        self.write(owner, &wished, &step).await?;
        let (store, file) = (self.store.clone(), stored.file.clone());
        // From here on what was stored before is superseded; what is lost here is found at the next run.
        let _ = spawn_blocking(move || store.publish(&place, &file)).await;
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

    async fn put(&self, place: &Place, built: Built) -> Result<Stored, Failure> {
        let (store, place) = (self.store.clone(), place.clone());
        let stored = spawn_blocking(move || store.put(&place, &Content::Files(built.files.archived())));
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

    async fn write(&self, owner: &Owner, wished: &Wished, step: &Step) -> Result<(), Failure> {
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let key = ObjectKey::new(&owner.namespace, &wished.name);
        let written = match step {
            Step::Keep | Step::Taken => return Ok(()),
            Step::Create => create(&api, owner, wished).await,
            Step::Apply(uid) => {
                let mut body = body(owner, wished);
                body["metadata"]["uid"] = uid.as_str().into();
                let params = PatchParams::apply(CONTROLLER).force();
                api.patch(&wished.name, &params, &Patch::Apply(&body)).await
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

    /// Writes the conditions of an Artifact, if they say something else by now.
    pub(crate) async fn tell_artifact(
        &self,
        owner: &Owner,
        name: &str,
        source: &Said,
        generation: Option<i64>,
    ) {
        let Some(artifact) = self.artifact(&owner.namespace, name) else {
            return;
        };
        if ours(owner, &artifact).is_none() {
            return;
        }
        let ready = Said::new(true, reason::STORED, "the artifact is stored and served");
        let Some(status) = status(&artifact, &ready, source, generation, Timestamp::now()) else {
            return;
        };
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let writer = Writer {
            manager: CONTROLLER,
            labels: BTreeMap::new(),
        };
        match writer.apply_status(&api, name, &status).await {
            Ok(artifact) => self.remember(artifact),
            Err(error) => tracing::warn!(artifact = %name, %error, "cannot write the status of an Artifact"),
        }
    }

    /// Deletes the Artifacts of a transformation but those that are wanted, and gives their names.
    pub(crate) async fn withdraw(&self, owner: &Owner, keep: &[&str]) -> Result<Vec<String>, Failure> {
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &owner.namespace);
        let mut gone = Vec::new();
        for artifact in self.artifacts.all() {
            let name = artifact.name_any();
            let is_ours = artifact.namespace().as_deref() == Some(&owner.namespace)
                && ours(owner, &artifact).is_some_and(|(_, is_same)| is_same || owner.uid.is_empty());
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

fn labels(common: &Common<'_>, wanted: &Wanted) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if common.bare_capture_labels {
        labels.extend(wanted.captures.clone());
    }
    for (name, value) in &wanted.captures {
        labels.insert(format!("{CAPTURE_LABEL}{name}"), value.clone());
    }
    labels.extend(wanted.output.labels.clone());
    labels.extend(
        common
            .metadata
            .into_iter()
            .flat_map(|metadata| metadata.labels.clone()),
    );
    labels.insert("app.kubernetes.io/managed-by".to_owned(), CONTROLLER.to_owned());
    let name: String = common.owner.name.chars().take(63).collect();
    labels.insert(
        TRANSFORMATION_LABEL.to_owned(),
        name.trim_end_matches(['-', '.']).to_owned(),
    );
    labels
}

fn annotations(common: &Common<'_>, wanted: &Wanted) -> BTreeMap<String, String> {
    let mut annotations = wanted.output.annotations.clone();
    annotations.extend(
        common
            .metadata
            .into_iter()
            .flat_map(|metadata| metadata.annotations.clone()),
    );
    annotations
}

/// What is said about a content.
fn metadata(common: &Common<'_>, wanted: &Wanted, origin: Option<&str>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    if let Some(origin) = origin {
        metadata.insert(ORIGIN_REVISION.to_owned(), origin.to_owned());
    }
    let used = wanted.inputs();
    let mut inputs = String::new();
    for input in common
        .snapshot
        .status
        .iter()
        .filter(|input| used.contains(&input.name))
    {
        let revision = if input.revision.is_empty() {
            &input.digest
        } else {
            &input.revision
        };
        let entry = format!("{}={revision}", input.name);
        if inputs.len() + entry.len() < LONGEST_INPUTS {
            if !inputs.is_empty() {
                inputs.push(' ');
            }
            inputs.push_str(&entry);
        }
    }
    metadata.insert(INPUTS.to_owned(), inputs);
    metadata.insert(HOPS.to_owned(), (common.snapshot.hops + 1).to_string());
    metadata
}
