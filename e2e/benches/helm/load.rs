//! What is released: charts in OCIRepositories whose statuses this program writes, and HelmReleases of them.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use axum::Router;
use axum::routing::get;
use controller_kit::artifact::Digest;
use e2e::testbed::{
    Archive, Audit, HELM_RELEASE, HttpServer, Kind, Namespace, OCI_REPOSITORY, Options, Process, Stock,
    Testbed, condition,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

/// How long one phase may take before the scenario counts as failed.
const PATIENCE: Duration = Duration::from_mins(8);

/// Connections by which this program writes.
const WRITERS: usize = 16;

/// The kind of what is deployed.
pub(crate) const OBJECT: Kind = HELM_RELEASE;

/// The kind of its sources.
pub(crate) const SOURCE: Kind = OCI_REPOSITORY;

/// The time-out of what never becomes ready.
pub(crate) const STUCK_FOR: &str = "30s";

/// What one release consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// Four objects.
    Four,
    /// As many as a release of kube-prometheus-stack has: about a hundred, some of them long.
    Many,
}

/// Who reconciles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// helm-controller.
    Stock,
    /// openflux-controller.
    Ours,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stock => "helm-controller",
            Self::Ours => "openflux-controller",
        }
    }

    /// Starts it for all HelmReleases of the cluster.
    pub(crate) fn start(self, testbed: &Testbed, concurrent: usize) -> Result<Process> {
        let concurrent = format!("--concurrent={concurrent}");
        match self {
            Self::Stock => testbed.start_stock(Stock::Helm, &[&concurrent]),
            Self::Ours => {
                testbed.start_openflux("openflux-controller", &[&concurrent, "--watch-label-selector="])
            }
        }
    }
}

/// A control plane, and a server of charts.
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

    /// Creates OCIRepositories.
    pub(crate) async fn create_sources(&self, names: &[String]) -> Result<()> {
        let create = names.iter().map(|name| {
            let object = json!({
                "apiVersion": SOURCE.api_version, "kind": SOURCE.kind, "metadata": {"name": name},
                "spec": {"url": "oci://example.org/app", "interval": "1h"},
            });
            self.create(SOURCE, object)
        });
        stream::iter(create).buffer_unordered(WRITERS).try_collect().await
    }

    /// Writes what source-controller writes when OCIRepositories have a new artifact.
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

    /// Creates HelmReleases.
    pub(crate) async fn deploy(&self, apps: impl IntoIterator<Item = App>) -> Result<()> {
        let create = apps.into_iter().map(|app| {
            let App {
                name,
                source,
                wait,
                timeout,
                ..
            } = app;
            let again = json!({"disableWait": !wait, "strategy": {"name": "RetryOnFailure", "retryInterval": "5s"}});
            let object = json!({"apiVersion": OBJECT.api_version, "kind": OBJECT.kind, "metadata": {"name": name},
                "spec": {"interval": "1h", "timeout": timeout, "chartRef": {"kind": SOURCE.kind, "name": source},
                    "install": again, "upgrade": again, "values": {"host": format!("{name}.example.org")}}});
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

    /// Waits until the named HelmReleases are ready with the chart of `release`.
    pub(crate) async fn ready(&self, names: &[String], release: &Release) -> Result<()> {
        let mut missing: HashSet<&str> = names.iter().map(String::as_str).collect();
        let all = async {
            let mut changes = std::pin::pin!(watcher::watcher(
                self.namespace.api(OBJECT),
                watcher::Config::default()
            ));
            while !missing.is_empty() {
                let Some(event) = changes.next().await else {
                    bail!("the watch of HelmReleases ended")
                };
                // A watch that breaks is opened again by the next call.
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                let is_ready =
                    condition(&object, "Ready").and_then(|ready| ready.get("status")) == Some(&json!("True"));
                let version = object.data.pointer("/status/history/0/appVersion");
                if is_ready && version == Some(&json!(release.version)) {
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
            "after {PATIENCE:?} {} of {} HelmReleases are not ready; of {example} it is said: {ready:?}",
            missing.len(),
            names.len()
        ))
    }
}

/// A HelmRelease to create.
pub(crate) struct App {
    pub(crate) name: String,
    /// The name of its OCIRepository.
    pub(crate) source: String,
    pub(crate) wait: bool,
    pub(crate) timeout: &'static str,
    /// Nothing depends on anything here.
    #[expect(dead_code, reason = "the loads are those of the other benchmark, too")]
    pub(crate) depends_on: Option<String>,
}

/// One chart: its archive and what describes it.
pub(crate) struct Release {
    archive: Vec<u8>,
    digest: String,
    revision: String,
    /// The version of the application in it.
    version: String,
}

impl Release {
    /// Packs a chart; `version` changes one of its objects. With replicas, on a cluster without nodes, they never become
    /// ready.
    pub(crate) fn pack(version: &str, replicas: u32, size: Size) -> Result<Self> {
        let number = version.parse::<u32>().unwrap_or_default();
        let head = format!("apiVersion: v2\nname: app\nversion: 1.{number}.0\nappVersion: {version:?}\n");
        let values = format!(
            "version: {version:?}\nreplicas: {replicas}\nhost: ''\nimage: registry.example.org/app:1\n"
        );
        let mut files = vec![
            ("app/Chart.yaml".to_owned(), head),
            ("app/values.yaml".to_owned(), values),
            ("app/templates/app.yaml".to_owned(), FOUR.to_owned()),
        ];
        if matches!(size, Size::Many) {
            files.extend(many());
        }
        let files: Vec<_> = files
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_str()))
            .collect();
        let archive = Archive::of(&files).pack()?;
        let digest = Digest::sha256(&archive).to_string();
        Ok(Self {
            revision: format!("1.{number}.0@{digest}"),
            digest,
            archive,
            version: version.to_owned(),
        })
    }

    fn path(&self) -> String {
        format!("/{}.tgz", self.version)
    }
}

const FOUR: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: '{{ .Release.Name }}'}
---
apiVersion: v1
kind: Service
metadata: {name: '{{ .Release.Name }}', annotations: {version: {{ .Values.version | quote }}}}
spec: {selector: {app: '{{ .Release.Name }}'}, ports: [{port: 80, protocol: TCP}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}'}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: '{{ .Release.Name }}'}}
  template:
    metadata: {labels: {app: '{{ .Release.Name }}'}}
    spec: {containers: [{name: app, image: '{{ .Values.image }}'}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: '{{ .Release.Name }}'}
spec:
  rules:
  - host: {{ .Values.host }}
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: '{{ .Release.Name }}', port: {number: 80}}}}]}
";

/// Thirty dashboards, and as many rules, services and accounts; what is long in it compresses as well as what it stands for.
fn many() -> Vec<(String, String)> {
    let mut files = vec![(
        "app/templates/_helpers.tpl".to_owned(),
        "{{- define \"app.labels\" }}\napp.kubernetes.io/name: {{ .Chart.Name }}\napp.kubernetes.io/instance: {{ .Release.Name }}\nhelm.sh/chart: {{ printf \"%s-%s\" .Chart.Name .Chart.Version | replace \"+\" \"_\" }}\n{{- end }}\n"
            .to_owned(),
    )];
    for number in 0..30 {
        let mut dashboard = String::new();
        for panel in 0..120 {
            // Writing to a string cannot fail.
            let _ = writeln!(
                dashboard,
                "      {{\"id\": {panel}, \"title\": \"Panel {panel} of {number}\", \"type\": \"timeseries\", \"targets\": [{{\"expr\": \
                 \"sum(rate(requests_{number}_{panel}_total{{{{ `{{namespace=\\\"$namespace\\\"}}` }}}}[5m])) by (code)\"}}]}},"
            );
        }
        files.push((
            format!("app/templates/dashboard-{number:02}.yaml"),
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-dashboard-{number:02}\n  labels:\n    \
                 {{{{- include \"app.labels\" . | nindent 4 }}}}\ndata:\n  dashboard.json: |\n    {{\"panels\": [\n{dashboard}      {{}}]}}\n"
            ),
        ));
        files.push((
            format!("app/templates/more-{number:02}.yaml"),
            format!(
                "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {{{{ .Release.Name }}}}-{number:02}\n  labels:\n    \
                 {{{{- include \"app.labels\" . | nindent 4 }}}}\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: \
                 {{{{ .Release.Name }}}}-{number:02}\n  labels:\n    {{{{- include \"app.labels\" . | nindent 4 }}}}\nspec:\n  selector: \
                 {{app: {{{{ .Release.Name }}}}}}\n  ports: [{{port: 80}}]\n"
            ),
        ));
    }
    files
}

/// `count` names; the number is always four digits, by which the floor tells what belongs together.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:04}")).collect()
}
