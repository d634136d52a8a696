//! A source: a release feed, whose `<url>/latest` holds a version and `<url>/<version>.tar.gz` its files.

use std::process::ExitCode;

use artifact_producer::prelude::*;
use controller_process::Manager;
use kube_derive::CustomResource;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize)]
#[kube(group = "feeds.example.org", version = "v1", kind = "Nightly", namespaced)]
#[kube(status = "SourceStatus", schema = "disabled")]
#[serde(rename_all = "camelCase")]
struct NightlySpec {
    url: String,
    secret_ref: Option<LocalReference>,
    #[serde(flatten)]
    schedule: Schedule,
}

impl Source for Nightly {
    fn schedule(&self) -> &Schedule {
        &self.spec.schedule
    }
    fn status(&self) -> Option<&SourceStatus> {
        self.status.as_ref()
    }
}

struct Feed;

impl Produce for Feed {
    type Source = Nightly;

    async fn produce(&self, nightly: &Nightly, run: &mut Run) -> Result<Produced, Failure> {
        let base = nightly.spec.url.trim_end_matches('/');
        let http = run.http(nightly.spec.secret_ref.as_ref()).await?;
        let latest = http.get(&format!("{base}/latest")).await?.text(64).await?;
        let version = latest.trim();
        if version.is_empty() || version.contains('/') {
            return Err(Failure::retry("BadFeed", format!("no version: {version:?}")));
        }
        if run.is_current(version) {
            return Ok(Produced::Unchanged);
        }
        let files = http.get(&format!("{base}/{version}.tar.gz")).await?;
        let files = files.archive().await?;
        Ok(Content::files(files).word(version).token(version).into())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    Manager::new("nightly-controller").source(Feed).run().await
}
