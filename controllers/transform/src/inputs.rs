//! What there is of the inputs of a transformation, all of one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_crd::Artifact;
use controller_kit::artifact::{ArtifactTree, Digest, Refusal};
use flux_api::ORIGIN_REVISION;
use flux_transform::spec::{ConfigMapReference, Input};
use flux_transform::{File, Inputs, Source, Tree};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use sha2::{Digest as _, Sha256};

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::heavy::aside;
use crate::kind::{InputStatus, Transformation};
use crate::references::source_key;

/// How often an artifact has been handed on from one transformation to the next, in its metadata.
pub(crate) const HOPS: &str = "openfluxcd.ocm.software/hops";

/// What an input is at the moment, before its files are got.
enum Found {
    Artifact(Arc<Artifact>),
    ConfigMap(Arc<Tree>),
    /// It may be missing, and is.
    Nothing,
}

/// What there is of all inputs.
#[derive(Default)]
pub(crate) struct Snapshot {
    found: BTreeMap<String, Found>,
    /// As the status tells it.
    pub(crate) status: Vec<InputStatus>,
    /// How often the oldest of them has been handed on.
    pub(crate) hops: u32,
}

impl Snapshot {
    /// The object that an input is.
    fn key(&self, name: &str) -> &str {
        let input = self.status.iter().find(|input| input.name == name);
        input.map_or("", |input| input.key.as_str())
    }

    /// What is in each input.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let inputs = self.status.iter();
        inputs
            .map(|input| (input.name.clone(), input.digest.clone()))
            .collect()
    }
}

impl Controller {
    /// Looks at all inputs.
    pub(crate) async fn snapshot(&self, transformation: &Transformation) -> Result<Snapshot, Failure> {
        let mut snapshot = Snapshot {
            found: BTreeMap::new(),
            status: Vec::new(),
            hops: 0,
        };
        let mut missing = Vec::new();
        for input in &transformation.spec.inputs {
            let (found, status) = match (&input.source_ref, &input.config_map) {
                (Some(_), _) => self.source(transformation, input, &mut missing).await?,
                (None, Some(config_map)) => {
                    self.config_map(transformation, input, config_map, &mut missing)
                        .await?
                }
                (None, None) => continue,
            };
            if let Found::Artifact(artifact) = &found {
                let metadata = artifact.spec.metadata.as_ref();
                let hops = metadata.and_then(|metadata| metadata.get(HOPS)?.parse().ok());
                snapshot.hops = snapshot.hops.max(hops.unwrap_or(0));
            }
            snapshot.found.insert(input.name.clone(), found);
            snapshot.status.push(status);
        }
        if missing.is_empty() {
            return Ok(snapshot);
        }
        Err(Failure::new(Fate::Wait, "InputNotFound", missing.join("; ")))
    }

    async fn source(
        &self,
        transformation: &Transformation,
        input: &Input,
        missing: &mut Vec<String>,
    ) -> Result<(Found, InputStatus), Failure> {
        let reference = input.source_ref.clone().unwrap_or_default();
        let key = source_key(&reference, transformation, &self.reach).map_err(|error| {
            Failure::new(
                Fate::Edit,
                "AccessDenied",
                format!("input {}: {error}", input.name),
            )
        })?;
        let own = transformation.namespace().unwrap_or_default();
        self.may_read(&input.name, &key, &own).await?;
        let mut status = InputStatus {
            name: input.name.clone(),
            key: key.to_string(),
            ..InputStatus::default()
        };
        let found = self.index.lock().find(&key).cloned();
        let artifact = match found {
            Ok(artifact) => artifact,
            Err(error) => {
                if !input.optional {
                    missing.push(format!("input {}: {error}", input.name));
                }
                return Ok((Found::Nothing, status));
            }
        };
        let Some(digest) = artifact.spec.digest.clone().filter(|digest| !digest.is_empty()) else {
            let message = format!(
                "input {}: Artifact '{}' has no digest",
                input.name,
                artifact.name_any()
            );
            return Err(Failure::new(Fate::Wait, "InputNotReady", message));
        };
        status.digest = digest;
        status.revision.clone_from(&artifact.spec.revision);
        Ok((Found::Artifact(artifact), status))
    }

    async fn config_map(
        &self,
        transformation: &Transformation,
        input: &Input,
        reference: &ConfigMapReference,
        missing: &mut Vec<String>,
    ) -> Result<(Found, InputStatus), Failure> {
        let namespace = transformation.namespace().unwrap_or_default();
        let mut status = InputStatus {
            name: input.name.clone(),
            key: format!("/ConfigMap/{namespace}/{}", reference.name),
            ..InputStatus::default()
        };
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        let found = api.get_opt(&reference.name).await.map_err(|error| {
            let message = format!(
                "input {}: cannot read ConfigMap '{}': {error}",
                input.name, reference.name
            );
            Failure::new(Fate::Retry, "InputNotFound", message)
        })?;
        let Some(config_map) = found else {
            if !input.optional {
                missing.push(format!(
                    "input {}: ConfigMap '{namespace}/{}' not found",
                    input.name, reference.name
                ));
            }
            return Ok((Found::Nothing, status));
        };
        let texts = config_map
            .data
            .into_iter()
            .flatten()
            .map(|(key, text)| (key, text.into_bytes()));
        let bytes = config_map
            .binary_data
            .into_iter()
            .flatten()
            .map(|(key, bytes)| (key, bytes.0));
        let (mut tree, mut hash) = (Tree::new(), Sha256::new());
        let all: BTreeMap<String, Vec<u8>> = texts.chain(bytes).collect();
        for (key, content) in all {
            for part in [key.as_bytes(), &content] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            let file = File {
                content: content.into(),
                executable: false,
            };
            // The API server takes no other keys than such that are names of files.
            let _ = tree.insert(&key, file);
        }
        status.digest = format!("sha256:{}", flux_archive::hex(&hash.finalize()));
        Ok((Found::ConfigMap(Arc::new(tree)), status))
    }

    /// Gets the files of all inputs.
    pub(crate) async fn files(&self, snapshot: &Snapshot, is_requested: bool) -> Result<Inputs, Failure> {
        let mut inputs = Inputs::new();
        for (name, found) in &snapshot.found {
            let source = match found {
                Found::Nothing => Source::default(),
                Found::ConfigMap(tree) => Source {
                    files: Arc::clone(tree),
                    ..Source::default()
                },
                Found::Artifact(artifact) => {
                    let metadata = artifact.spec.metadata.as_ref();
                    Source {
                        files: self
                            .tree(name, snapshot.key(name), artifact, is_requested)
                            .await?,
                        revision: Some(artifact.spec.revision.clone()),
                        origin: metadata.and_then(|metadata| metadata.get(ORIGIN_REVISION).cloned()),
                    }
                }
            };
            inputs.insert(name.clone(), source);
        }
        Ok(inputs)
    }

    async fn tree(
        &self,
        name: &str,
        key: &str,
        artifact: &Artifact,
        is_requested: bool,
    ) -> Result<Arc<Tree>, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(Fate::Retry, "SourceFetchFailed", format!("input {name}: {error}"))
        };
        let digest = artifact
            .spec
            .digest
            .as_deref()
            .unwrap_or_default()
            .parse::<Digest>()
            .map_err(|error| failed(&error))?;
        let refusal = if is_requested {
            Refusal::Forgotten
        } else {
            Refusal::Stands
        };
        let namespace = artifact.namespace().unwrap_or_default();
        let got = self
            .content
            .tree(&artifact.spec.url, &digest, &namespace, refusal)
            .await;
        let tree: Arc<ArtifactTree> = got.map_err(|error| failed(&error))?;
        let (name, what) = (name.to_owned(), format!("reading input {name}"));
        let before = self.read.lock().get(key);
        let reading = aside(&what, move |work| {
            let mut files = Tree::new();
            for (path, file) in tree.files() {
                if work.is_cancelled() {
                    break;
                }
                let file = File {
                    content: file.content.clone(),
                    executable: file.executable,
                };
                files.insert(path, file).map_err(|error| {
                    Failure::new(Fate::Retry, "SourceFetchFailed", format!("input {name}: {error}"))
                })?;
            }
            if let Some(before) = before {
                files.learn(&before);
            }
            Ok::<_, Failure>(Arc::new(files))
        });
        let files = reading.await??;
        self.read.lock().keep(key, &files);
        Ok(files)
    }
}
