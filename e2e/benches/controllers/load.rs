//! What is deployed: sources, artifacts and Kustomizations, written by this program in the place of people and of
//! source-controller.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use axum::Router;
use axum::routing::get;
use controller_kit::artifact::Digest;
use e2e::testbed::{
    Audit, GIT_REPOSITORY, HttpServer, KUSTOMIZATION, Kind, Namespace, Options, Process, Stock, Testbed,
    condition,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

/// How long one phase may take before the scenario counts as failed.
const PATIENCE: Duration = Duration::from_mins(4);

/// Connections by which this program writes.
const WRITERS: usize = 16;

/// The kind of what is deployed.
pub(crate) const OBJECT: Kind = KUSTOMIZATION;

/// The kind of its sources.
pub(crate) const SOURCE: Kind = GIT_REPOSITORY;

/// The time-out of what never becomes ready.
pub(crate) const STUCK_FOR: &str = "30s";

/// What one object consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// Four objects.
    Four,
}

/// Who reconciles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// kustomize-controller.
    Stock,
    /// openflux-controller.
    Ours,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stock => "kustomize-controller",
            Self::Ours => "openflux-controller",
        }
    }

    /// Starts it for all Kustomizations of the cluster.
    pub(crate) fn start(self, testbed: &Testbed, concurrent: usize) -> Result<Process> {
        let concurrent = format!("--concurrent={concurrent}");
        match self {
            // A shorter wait for dependencies than the default of 30 s, in stock's favour.
            Self::Stock => testbed.start_stock(Stock::Kustomize, &[&concurrent, "--requeue-dependency=5s"]),
            Self::Ours => {
                testbed.start_openflux("openflux-controller", &[&concurrent, "--watch-label-selector="])
            }
        }
    }
}

/// A control plane with a tenant, and a server of artifacts.
pub(crate) struct Stage {
    pub(crate) testbed: Testbed,
    pub(crate) namespace: Namespace,
    server: HttpServer,
    downloads: Arc<AtomicUsize>,
}

impl Stage {
    /// Starts it with a service account that may do everything in its namespace, as tenants have it.
    pub(crate) async fn set(releases: &[&Release], audit: Audit) -> Result<Self> {
        let options = Options {
            audit,
            ..Options::default()
        };
        let testbed = Testbed::start(options).await?;
        let namespace = testbed.namespace("load").await?;
        let name = namespace.name();
        namespace
            .apply(&format!(
                "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: deployer}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: deployer}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: deployer, namespace: {name}}}]
"
            ))
            .await?;
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

    /// Creates GitRepositories.
    pub(crate) async fn create_sources(&self, names: &[String]) -> Result<()> {
        let create = names.iter().map(|name| {
            let object = json!({
                "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": name},
                "spec": {"url": "https://example.org/app", "interval": "1h"},
            });
            self.create(GIT_REPOSITORY, object)
        });
        stream::iter(create).buffer_unordered(WRITERS).try_collect().await
    }

    /// Writes what source-controller writes when GitRepositories have a new artifact.
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
                self.namespace.patch_status(GIT_REPOSITORY, name, status).await?;
                anyhow::Ok(())
            }
        });
        stream::iter(write).buffer_unordered(WRITERS).try_collect().await
    }

    /// Creates Kustomizations.
    pub(crate) async fn deploy(&self, apps: impl IntoIterator<Item = App>) -> Result<()> {
        let create = apps.into_iter().map(|app| {
            let App { name, source, .. } = &app;
            let variables = json!({"name": name, "image": "registry.example.org/app:1", "host": format!("{name}.example.org")});
            let mut spec = json!({
                "interval": "1h", "prune": true, "wait": app.wait, "timeout": app.timeout, "retryInterval": "5s", "path": "./",
                "targetNamespace": self.namespace.name(), "serviceAccountName": "deployer",
                "sourceRef": {"kind": GIT_REPOSITORY.kind, "name": source}, "postBuild": {"substitute": variables},
            });
            if let Some(dependency) = &app.depends_on {
                spec["dependsOn"] = json!([{"name": dependency}]);
            }
            let object = json!({"apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
                "metadata": {"name": name}, "spec": spec});
            self.create(KUSTOMIZATION, object)
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

    /// Waits until the named Kustomizations are ready with the revision of `release`.
    pub(crate) async fn ready(&self, names: &[String], release: &Release) -> Result<()> {
        let mut missing: HashSet<&str> = names.iter().map(String::as_str).collect();
        let all = async {
            let mut changes = std::pin::pin!(watcher::watcher(
                self.namespace.api(KUSTOMIZATION),
                watcher::Config::default()
            ));
            while !missing.is_empty() {
                let Some(event) = changes.next().await else {
                    bail!("the watch of Kustomizations ended")
                };
                // A watch that breaks is opened again by the next call.
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                let is_ready =
                    condition(&object, "Ready").and_then(|ready| ready.get("status")) == Some(&json!("True"));
                if is_ready
                    && object.data.pointer("/status/lastAppliedRevision") == Some(&json!(release.revision))
                {
                    missing.remove(object.name_any().as_str());
                }
            }
            Ok(())
        };
        if let Ok(result) = tokio::time::timeout(PATIENCE, all).await {
            return result;
        }
        let example = missing.iter().next().copied().unwrap_or_default();
        let object = self.namespace.get(KUSTOMIZATION, example).await?;
        let ready = object.as_ref().and_then(|object| condition(object, "Ready"));
        Err(anyhow!(
            "after {PATIENCE:?} {} of {} Kustomizations are not ready; of {example} it is said: {ready:?}",
            missing.len(),
            names.len()
        ))
    }
}

/// A Kustomization to create.
pub(crate) struct App {
    pub(crate) name: String,
    /// The name of its GitRepository.
    pub(crate) source: String,
    pub(crate) wait: bool,
    pub(crate) timeout: &'static str,
    pub(crate) depends_on: Option<String>,
}

/// One artifact: its archive and what describes it.
pub(crate) struct Release {
    archive: Vec<u8>,
    digest: String,
    pub(crate) revision: String,
}

impl Release {
    /// Packs four objects; `version` changes one of them. With replicas, on a cluster without nodes, they never
    /// become ready.
    pub(crate) fn pack(version: &str, replicas: u32, Size::Four: Size) -> Result<Self> {
        let documents = objects("${name}", "${image}", "${host}", version, replicas);
        let yaml = documents
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join("\n---\n");
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(yaml.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, "app.yaml", yaml.as_bytes())?;
        let archive = tar.into_inner()?.finish()?;
        let digest = Digest::sha256(&archive).to_string();
        Ok(Self {
            archive,
            digest,
            revision: format!("main@sha1:{version}"),
        })
    }

    fn path(&self) -> String {
        format!("/{}.tar.gz", self.revision.replace([':', '@'], "-"))
    }
}

fn objects(name: &str, image: &str, host: &str, version: &str, replicas: u32) -> [Value; 4] {
    let labels = json!({"app": name});
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "annotations": {"version": version}},
            "spec": {"selector": labels, "ports": [{"port": 80, "protocol": "TCP"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": image}]}}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {"rules": [{"host": host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
    ]
}

/// `count` names; the number is always four digits, by which the floor tells what belongs together.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:04}")).collect()
}
