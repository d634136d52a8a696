//! Who deploys, and where: control planes, sources, artifacts and objects, written by this program in the place of people
//! and of source-controller.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use axum::Router;
use axum::routing::get;
use controller_kit::artifact::Digest;
use e2e::testbed::{Audit, HttpServer, Kind, Namespace, Options, Process, Testbed, condition};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::load::{self, OBJECT, SOURCE};

/// How long one phase may take before the scenario counts as failed.
const PATIENCE: Duration = Duration::from_mins(8);

/// Connections by which this program writes.
const WRITERS: usize = 16;

/// The time-out of what never becomes ready.
pub(crate) const STUCK_FOR: &str = "30s";

/// Who reconciles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Stock's controller.
    Stock,
    /// openflux-controller.
    Ours,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stock => load::STOCK_NAME,
            Self::Ours => "openflux-controller",
        }
    }

    /// Starts it for all objects of the cluster.
    pub(crate) fn start(self, testbed: &Testbed, concurrent: usize) -> Result<Process> {
        let concurrent = format!("--concurrent={concurrent}");
        let mut flags = vec![concurrent.as_str()];
        match self {
            Self::Stock => {
                flags.extend(load::STOCK_FLAGS);
                testbed.start_stock(load::STOCK, &flags)
            }
            Self::Ours => {
                flags.push("--watch-label-selector=");
                testbed.start_openflux("openflux-controller", &flags)
            }
        }
    }
}

/// A control plane, and a server of artifacts.
pub(crate) struct Stage {
    pub(crate) testbed: Testbed,
    pub(crate) namespace: Namespace,
    server: HttpServer,
    downloads: Arc<AtomicUsize>,
}

impl Stage {
    pub(crate) async fn set(releases: &[&Release], audit: Audit) -> Result<Self> {
        let options = Options {
            audit,
            ..Options::default()
        };
        let testbed = Testbed::start(options).await?;
        let namespace = testbed.namespace("load").await?;
        let before = load::before(namespace.name());
        if !before.is_empty() {
            namespace.apply(&before).await?;
        }
        let downloads = Arc::new(AtomicUsize::new(0));
        let mut router = Router::new();
        for release in releases {
            let (archive, downloads) = (release.archive.clone(), Arc::clone(&downloads));
            let answer = move || {
                downloads.fetch_add(1, Ordering::Relaxed);
                async move { archive }
            };
            router = router.route(&release.path(), get(answer));
        }
        Ok(Self {
            testbed,
            namespace,
            server: HttpServer::start(router)?,
            downloads,
        })
    }

    pub(crate) fn downloads(&self) -> usize {
        self.downloads.load(Ordering::Relaxed)
    }

    /// Creates sources.
    pub(crate) async fn create_sources(&self, names: &[String]) -> Result<()> {
        let create = names.iter().map(|name| {
            let object = json!({
                "apiVersion": SOURCE.api_version, "kind": SOURCE.kind, "metadata": {"name": name},
                "spec": {"url": load::SOURCE_URL, "interval": "1h"},
            });
            self.create(SOURCE, object)
        });
        stream::iter(create).buffer_unordered(WRITERS).try_collect().await
    }

    /// Writes what source-controller writes when sources have a new artifact.
    pub(crate) async fn offer(&self, names: &[String], release: &Release) -> Result<()> {
        let artifact = json!({
            "url": self.server.url(&release.path()), "path": "x", "revision": release.revision,
            "digest": release.digest, "lastUpdateTime": "2026-01-01T00:00:00Z", "size": release.archive.len(),
        });
        let ready = json!([{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let status = json!({"status": {"observedGeneration": 1, "artifact": artifact, "conditions": ready}});
        let write = names.iter().map(|name| {
            let status = status.clone();
            async move {
                self.namespace.patch_status(SOURCE, name, status).await?;
                anyhow::Ok(())
            }
        });
        stream::iter(write).buffer_unordered(WRITERS).try_collect().await
    }

    /// Creates objects to deploy.
    pub(crate) async fn deploy(&self, apps: impl IntoIterator<Item = App>) -> Result<()> {
        let create = apps.into_iter().map(|app| {
            let mut spec = load::spec(&app, self.namespace.name());
            for (field, value) in app.more.as_object().into_iter().flatten() {
                spec[field] = value.clone();
            }
            let object = json!({"apiVersion": OBJECT.api_version, "kind": OBJECT.kind,
                "metadata": {"name": app.name}, "spec": spec});
            self.create(OBJECT, object)
        });
        stream::iter(create).buffer_unordered(WRITERS).try_collect().await
    }

    async fn create(&self, kind: Kind, object: Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(object)?;
        self.namespace
            .api(kind)
            .create(&PostParams::default(), &object)
            .await?;
        Ok(())
    }

    /// Waits until the named objects are ready with `release`.
    pub(crate) async fn ready(&self, names: &[String], release: &Release) -> Result<()> {
        let mut missing: HashSet<&str> = names.iter().map(String::as_str).collect();
        let all = async {
            let mut changes = std::pin::pin!(watcher::watcher(
                self.namespace.api(OBJECT),
                watcher::Config::default()
            ));
            while !missing.is_empty() {
                let Some(event) = changes.next().await else {
                    bail!("the watch of {} ended", OBJECT.plural)
                };
                // A watch that breaks is opened again by the next call.
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                let is_ready =
                    condition(&object, "Ready").and_then(|ready| ready.get("status")) == Some(&json!("True"));
                if is_ready && load::has_deployed(&object, release) {
                    missing.remove(object.name_any().as_str());
                }
            }
            Ok(())
        };
        if let Ok(result) = tokio::time::timeout(PATIENCE, all).await {
            return result;
        }
        let example = missing.iter().next().copied().unwrap_or_default();
        let object = self.namespace.get(OBJECT, example).await?;
        let ready = object.as_ref().and_then(|object| condition(object, "Ready"));
        Err(anyhow!(
            "after {PATIENCE:?} {} of {} {} are not ready; of {example} it is said: {ready:?}",
            missing.len(),
            names.len(),
            OBJECT.plural
        ))
    }
}

/// An object to deploy.
pub(crate) struct App {
    pub(crate) name: String,
    /// The name of its source.
    pub(crate) source: String,
    pub(crate) wait: bool,
    pub(crate) timeout: &'static str,
    /// Further fields of its spec.
    pub(crate) more: Value,
}

/// One artifact: its archive and what describes it.
pub(crate) struct Release {
    archive: Vec<u8>,
    digest: String,
    pub(crate) revision: String,
    /// What tells it from the others.
    pub(crate) version: String,
}

impl Release {
    /// An archive, with the revision that it has by its digest.
    pub(crate) fn of(archive: Vec<u8>, version: &str, revision: impl FnOnce(&str) -> String) -> Self {
        let digest = Digest::sha256(&archive).to_string();
        Self {
            revision: revision(&digest),
            digest,
            archive,
            version: version.to_owned(),
        }
    }

    fn path(&self) -> String {
        format!("/{}.tgz", self.version)
    }
}

/// `count` names; the number is always four digits, by which the floor tells what belongs together.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:04}")).collect()
}
