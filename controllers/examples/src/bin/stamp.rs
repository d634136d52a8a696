//! A transformation: replaces words in the text files of another artifact, of whatever source that is.

use std::{collections::BTreeMap, process::ExitCode};

use artifact_consumer::{Inputs, SourceReference};
use artifact_producer::prelude::*;
use controller_process::{Manager, Transform};
use kube_derive::CustomResource;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize)]
#[kube(group = "change.example.org", version = "v1", kind = "Stamp", namespaced)]
#[kube(status = "SourceStatus", schema = "disabled")]
#[serde(rename_all = "camelCase")]
struct StampSpec {
    source_ref: SourceReference,
    replace: BTreeMap<String, String>,
    #[serde(flatten)]
    schedule: Schedule,
}

impl Source for Stamp {
    fn schedule(&self) -> &Schedule {
        &self.spec.schedule
    }
    fn status(&self) -> Option<&SourceStatus> {
        self.status.as_ref()
    }
}

struct Press;

impl Transform for Press {
    type Object = Stamp;
    const ENGINE: &'static str = "1";

    fn references<'o>(&self, stamp: &'o Stamp) -> Vec<&'o SourceReference> {
        vec![&stamp.spec.source_ref]
    }

    async fn transform(&self, stamp: &Stamp, inputs: &Inputs, _: &mut Run) -> Result<Content, Failure> {
        let tree = inputs.first().tree().await?;
        let files = tree.files().map(|(path, file)| {
            let content = match std::str::from_utf8(&file.content) {
                Ok(text) => {
                    let replace = |text: String, (word, by): (&String, &String)| text.replace(word, by);
                    stamp.spec.replace.iter().fold(text.to_owned(), replace).into()
                }
                Err(_) => file.content.to_vec(),
            };
            let executable = file.executable;
            (path.to_owned(), Loaded { content, executable })
        });
        Ok(Content::files(files.collect()).word(inputs.first().word()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    Manager::new("stamp-controller").transformation(Press).run().await
}
