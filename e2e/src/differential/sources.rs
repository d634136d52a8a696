//! What sources of Kustomizations publish: no source-controller is asked, so that both sides get the same to the byte.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::scenario::{Named, Step};
use super::stage::{COMPAT, Stage};
use crate::testbed::{Archive, EXTERNAL_ARTIFACT, hex};
use crate::tools::Tool;

/// When everything was published.
const TIME: &str = "2026-01-01T00:00:00Z";

impl Stage<'_> {
    /// Publishes the files of a step, and those of the steps before, as an artifact of a source.
    pub(super) async fn publish(&self, step: &Step) -> Result<()> {
        let app = || Named {
            kind: "GitRepository".to_owned(),
            name: "app".to_owned(),
            namespace: None,
        };
        let source = step.source.clone().unwrap_or_else(app);
        let (namespace, kind) = (self.namespace_of(&source), source.kind()?);
        let name = self.filled_text(&source.name);
        let id = format!("{}/{}/{name}", namespace.name(), kind.kind);
        let mut published = self.sources.lock().get(&id).cloned().unwrap_or_default();
        if let Some(files) = &step.files {
            self.change_files(&mut published.files, files)?;
            published.times += 1;
            let path = format!("/{id}/{}.tar.gz", published.times);
            let files: Vec<_> = published
                .files
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str()))
                .collect();
            let archive = Archive::of(&files).pack()?;
            published.artifact = json!({
                "path": path, "url": self.offered.shelf.url(&path), "metadata": null, "lastUpdateTime": TIME,
                "digest": format!("sha256:{}", hex(&Sha256::digest(&archive))), "size": archive.len(),
                "revision": format!("main@sha1:{:040x}", published.times),
            });
            self.offered.shelf.put(&path, archive);
        }
        match &step.artifact {
            Some(Value::String(_)) => published.artifact = Value::Null,
            Some(fields) => {
                for (key, value) in self.filled(fields)?.as_object().into_iter().flatten() {
                    published.artifact[key] = value.clone();
                }
            }
            None => {}
        }
        let object = namespace.get(kind, &name).await?;
        let object = object.with_context(|| format!("there is no {} {name}", kind.kind))?;
        let ready = json!({"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
            "lastTransitionTime": TIME, "observedGeneration": object.metadata.generation});
        let mut status = json!({"conditions": [ready], "artifact": published.artifact});
        if kind != EXTERNAL_ARTIFACT {
            status["observedGeneration"] = json!(object.metadata.generation);
        }
        self.sources.lock().insert(id, published);
        namespace
            .patch_status(kind, &name, json!({"status": status}))
            .await?;
        Ok(())
    }

    fn change_files(
        &self,
        files: &mut BTreeMap<String, String>,
        changes: &BTreeMap<String, Value>,
    ) -> Result<()> {
        for (path, content) in changes {
            let text = match content {
                Value::Null => {
                    files.remove(path);
                    continue;
                }
                Value::String(text) => match text.strip_prefix("COMPAT/") {
                    Some(path) => {
                        std::fs::read_to_string(Path::new(COMPAT).join(path)).context(path.to_owned())?
                    }
                    None => text.clone(),
                },
                Value::Array(objects) => {
                    let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
                    documents.join("\n---\n")
                }
                object => object.to_string(),
            };
            files.insert(path.clone(), self.filled_text(&text));
        }
        Ok(())
    }

    /// Applies an object as somebody does who has `kubectl`.
    pub(super) async fn apply_by_hand(&self, object: &Value) -> Result<()> {
        let file = tempfile::NamedTempFile::with_suffix(".json")?;
        std::fs::write(file.path(), object.to_string())?;
        let namespace = format!("--namespace={}", self.namespace.name());
        let path = file.path().display().to_string();
        let arguments = ["apply", "--filename", &path, &namespace];
        self.side.testbed().run(Tool::Kubectl, &arguments).await?;
        Ok(())
    }
}
