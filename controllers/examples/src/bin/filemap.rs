//! A deployer: keeps a ConfigMap equal to the text files of one directory of an artifact.

use std::{collections::BTreeMap, process::ExitCode};

use artifact_consumer::prelude::*;
use controller_process::Manager;
use kube::ResourceExt;
use kube_derive::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize)]
#[kube(group = "deploy.example.org", version = "v1", kind = "FileMap", namespaced)]
#[kube(status = "ConsumerStatus", schema = "disabled")]
#[serde(rename_all = "camelCase")]
struct FileMapSpec {
    source_ref: SourceReference,
    #[serde(default)]
    path: String,
    #[serde(flatten)]
    schedule: Schedule,
}

impl Consumer for FileMap {
    fn schedule(&self) -> &Schedule {
        &self.spec.schedule
    }
    fn status(&self) -> Option<&ConsumerStatus> {
        self.status.as_ref()
    }
    fn references(&self) -> Vec<&SourceReference> {
        vec![&self.spec.source_ref]
    }
}

struct Copier;

impl Deploy for Copier {
    type Object = FileMap;

    async fn deploy(&self, map: &FileMap, inputs: &Inputs, run: &mut Run) -> Result<Deployed, Failure> {
        let (tree, mut data) = (inputs.first().tree().await?, BTreeMap::new());
        for (path, file) in tree.at(&map.spec.path).edit("PathNotFound")? {
            let text = std::str::from_utf8(&file.content).edit("NotText")?;
            data.insert(path.replace('/', "."), text);
        }
        let metadata = json!({"name": map.name_any()});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        run.apply_owned(map, &object).await?;
        let message = format!("{} files of {}", data.len(), inputs.first().revision());
        Ok(Deployed::with_message(message))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    Manager::new("filemap-controller").deployer(Copier).run().await
}
