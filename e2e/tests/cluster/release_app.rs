//! What tests of HelmReleases deploy: a chart in a Helm repository, and HelmReleases of it.

use std::io::Read as _;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{
    DEPLOYMENT, EVENT, HELM_RELEASE, Kind, Namespace, SECRET, Testbed, condition, eventually, is_ready,
};
use e2e::tools::Tool;
use flate2::read::GzDecoder;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::app::Owner;

/// The files of the chart, but for its metadata.
pub(crate) const FILES: [(&str, &str); 7] = [
    (
        "values.yaml",
        "name: settings\ncolour: blue\nreplicas: 0\nlarge: 12345678901\ntests: {}\nraw: \"\"\n",
    ),
    (
        "templates/settings.yaml",
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Values.name }}
  labels: {helm.sh/chart: '{{ .Chart.Name }}-{{ .Chart.Version | replace \"+\" \"_\" }}'}
data:
  colour: {{ .Values.colour | quote }}
  revision: '{{ .Release.Revision }}'
",
    ),
    (
        "templates/web.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}-web'}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'app:{{ .Chart.AppVersion }}'}]}
",
    ),
    (
        "templates/hook.yaml",
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: '{{ .Release.Name }}-hook'
  annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}
data: {colour: {{ .Values.colour | quote }}}
",
    ),
    (
        "templates/tests/test.yaml",
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: '{{ .Release.Name }}-test'
  annotations: {helm.sh/hook: test}
",
    ),
    ("templates/raw.yaml", "{{ .Values.raw }}\n"),
    (
        "templates/NOTES.txt",
        "{{ .Release.Name }} is {{ .Values.colour }}.\n",
    ),
];

/// A namespace with a HelmRepository `charts` that has a chart named like the namespace, and somebody who reconciles.
pub(crate) struct ReleaseApp {
    pub(crate) testbed: &'static Testbed,
    owner: Owner,
    namespace: Namespace,
}

impl Deref for ReleaseApp {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl ReleaseApp {
    /// Starts with the chart in these versions, for one of the two controllers.
    pub(crate) async fn owned_by(owner: Owner, prefix: &str, versions: &[&str]) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        let namespace = testbed.namespace(prefix).await?;
        testbed.source_controller().await?;
        // The adapters are ours, whoever deploys.
        testbed.openflux_controller().await?;
        if owner == Owner::Stock {
            testbed.stock_helm_controller().await?;
        }
        // One index serves all tests.
        static INDEX: Mutex<()> = Mutex::const_new(());
        let guard = INDEX.lock().await;
        let charts = testbed.helm_repository().await?;
        for version in versions {
            let metadata = metadata(namespace.name(), version);
            let metadata = ("Chart.yaml", metadata.as_str());
            let files: Vec<_> = FILES.into_iter().chain([metadata]).collect();
            charts.add(&files).await?;
        }
        drop(guard);
        namespace
            .apply(&format!(
                "
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {{name: charts}}
spec: {{interval: 1h, url: '{}'}}
",
                charts.url()
            ))
            .await?;
        Ok(Self {
            testbed,
            owner,
            namespace,
        })
    }

    /// Pushes the chart into the registry, and gives the URL of its repository.
    pub(crate) async fn push_chart(&self, version: &str) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let metadata = metadata(self.name(), version);
        for (path, content) in FILES.into_iter().chain([("Chart.yaml", metadata.as_str())]) {
            let path = folder.path().join("chart").join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            std::fs::write(path, content)?;
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (chart, packed) = (at("chart"), at(&format!("{}-{version}.tgz", self.name())));
        let url = self.testbed.registry().await?.url("charts");
        let destination = format!("--destination={}", folder.path().display());
        self.testbed
            .run(Tool::Helm, &["package", &chart, &destination])
            .await?;
        self.testbed
            .run(Tool::Helm, &["push", &packed, &url, "--plain-http"])
            .await?;
        Ok(format!("{url}/{}", self.name()))
    }

    /// Runs `flux` in the namespace.
    pub(crate) async fn flux(&self, command: &str) -> Result<String> {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--namespace", self.name()]);
        self.testbed.run(Tool::Flux, &arguments).await
    }

    /// Runs `helm` in the namespace.
    pub(crate) async fn helm(&self, command: &str) -> Result<String> {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--namespace", self.name()]);
        self.testbed.run(Tool::Helm, &arguments).await
    }

    /// Applies a HelmRelease of the chart; the fields of `spec` win over the usual ones.
    pub(crate) async fn release(&self, name: &str, spec: Value) -> Result<()> {
        let mut fields = json!({
            "interval": "1h", "timeout": "30s",
            "chart": {"spec": {"chart": self.name(), "version": "1.0.0",
                "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            fields[key] = value.clone();
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let labels: std::collections::BTreeMap<_, _> = self
            .owner
            .label()
            .map(|shard| ("sharding.fluxcd.io/key", shard))
            .into_iter()
            .collect();
        let object = json!({
            "apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind,
            "metadata": {"name": name, "labels": labels}, "spec": fields,
        });
        self.apply(&object.to_string()).await
    }

    /// Applies a HelmRelease, and waits until it is ready for that.
    pub(crate) async fn release_ready(&self, name: &str, spec: Value) -> Result<DynamicObject> {
        self.release(name, spec).await?;
        self.wait_released(name).await
    }

    /// Applies a change of the spec, and waits until the release is ready for that.
    pub(crate) async fn change(&self, name: &str, spec: Value) -> Result<DynamicObject> {
        self.patch(HELM_RELEASE, name, json!({"spec": spec})).await?;
        self.wait_released(name).await
    }

    /// Waits until the newest generation is ready.
    pub(crate) async fn wait_released(&self, name: &str) -> Result<DynamicObject> {
        // Another run, of which nothing comes, may begin at once: its condition goes with it.
        let ready = |object: &DynamicObject| {
            is_ready(object) && is_observed(object) && condition(object, "Reconciling").is_none()
        };
        self.wait(HELM_RELEASE, name, "is released", ready).await
    }

    /// Waits until nothing more is tried, with this reason of `Ready`.
    pub(crate) async fn wait_stalled(&self, name: &str, reason: &str) -> Result<DynamicObject> {
        let stalled = |object: &DynamicObject| {
            is_observed(object)
                && condition(object, "Stalled").is_some()
                && condition(object, "Ready").is_some_and(|ready| ready["reason"] == reason)
        };
        let what = format!("is stalled with {reason}");
        self.wait(HELM_RELEASE, name, &what, stalled).await
    }

    /// Asks for a run, as `flux reconcile` does, and waits until it has ended.
    pub(crate) async fn reconcile(&self, name: &str, further: &[&str]) -> Result<DynamicObject> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let request = format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut annotations = json!({"reconcile.fluxcd.io/requestedAt": request});
        for further in further {
            annotations[format!("reconcile.fluxcd.io/{further}")] = request.as_str().into();
        }
        self.patch(
            HELM_RELEASE,
            name,
            json!({"metadata": {"annotations": annotations}}),
        )
        .await?;
        let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == request;
        self.wait(HELM_RELEASE, name, "has handled the request", handled)
            .await
    }

    /// Hands a HelmRelease over to one of the two controllers.
    pub(crate) async fn hand_over(&self, owner: Owner, name: &str) -> Result<()> {
        let patch = json!({"metadata": {"labels": {"sharding.fluxcd.io/key": owner.label()}}});
        self.patch(HELM_RELEASE, name, patch).await?;
        Ok(())
    }

    /// Hands a HelmRelease over to one of the two controllers, asks for a run there, and gives what that leaves.
    pub(crate) async fn move_to(&self, owner: Owner, name: &str) -> Result<DynamicObject> {
        self.hand_over(owner, name).await?;
        self.reconcile(name, &[]).await?;
        self.wait_released(name).await
    }

    /// The release records, by revision, as Helm reads them.
    pub(crate) async fn records(&self) -> Result<Vec<Value>> {
        records_in(self).await
    }

    /// Waits until the records, by revision, have these statuses.
    pub(crate) async fn wait_statuses(&self, expected: &[&str]) -> Result<()> {
        eventually(&format!("records that are {expected:?}"), async || {
            let records = self.records().await?;
            let statuses: Vec<_> = records
                .iter()
                .map(|record| record["release"]["info"]["status"].as_str().unwrap_or_default())
                .collect();
            Ok((statuses == expected).then_some(()))
        })
        .await
    }

    /// Has nobody wait any longer for the Deployment of a release.
    pub(crate) async fn scale_down(&self, release: &str) -> Result<()> {
        let patch = json!({"spec": {"replicas": 0}});
        self.patch(DEPLOYMENT, &format!("{release}-web"), patch).await?;
        Ok(())
    }

    /// Has nobody wait any longer for the Deployment of a release, as often as it is scaled up again, until it is released.
    pub(crate) async fn release_scaled_down(&self, release: &str) -> Result<()> {
        eventually("the release is done", async || {
            self.scale_down(release).await?;
            let object = self.existing(HELM_RELEASE, release).await?;
            Ok((is_ready(&object) && is_observed(&object)).then_some(()))
        })
        .await
    }

    /// All events about HelmReleases, once there is one with this text: they are written when there is time.
    pub(crate) async fn events_with(&self, text: &str) -> Result<Vec<DynamicObject>> {
        let has_text = |event: &DynamicObject| {
            let message = event.data["message"].as_str().unwrap_or_default();
            message.contains(text)
        };
        eventually(&format!("an event with {text:?}"), async || {
            let events = self.events().await?;
            Ok(events.iter().any(has_text).then_some(events))
        })
        .await
    }

    /// The events about HelmReleases with a reason, once there are so many.
    pub(crate) async fn events_of(&self, reason: &str, count: usize) -> Result<Vec<DynamicObject>> {
        eventually(&format!("{count} events of {reason}"), async || {
            let mut events = self.events().await?;
            events.retain(|event| event.data["reason"] == reason);
            Ok((events.len() >= count).then_some(events))
        })
        .await
    }

    /// The events about HelmReleases that have been written so far.
    pub(crate) async fn events(&self) -> Result<Vec<DynamicObject>> {
        let mut events = self.list(EVENT).await?;
        events.retain(|event| event.data["involvedObject"]["kind"] == HELM_RELEASE.kind);
        Ok(events)
    }

    /// An object that must be there.
    pub(crate) async fn existing(&self, kind: Kind, name: &str) -> Result<DynamicObject> {
        let object = self.get(kind, name).await?;
        object.with_context(|| format!("{} {name} is not there", kind.kind))
    }
}

/// The release records of a namespace, by revision, as Helm reads them.
pub(crate) async fn records_in(namespace: &Namespace) -> Result<Vec<Value>> {
    let mut records = Vec::new();
    for secret in namespace.list(SECRET).await? {
        if secret.data["type"] == "helm.sh/release.v1" {
            let labels = secret.metadata.labels.clone().unwrap_or_default();
            let mut labels = json!(labels);
            for time in ["createdAt", "modifiedAt"] {
                labels[time] = labels[time].is_string().into();
            }
            let name = secret.metadata.name.clone().unwrap_or_default();
            records.push(json!({"name": name, "labels": labels, "release": decode(&secret)?}));
        }
    }
    records.sort_by_key(|record| record["release"]["version"].as_i64());
    Ok(records)
}

fn metadata(chart: &str, version: &str) -> String {
    format!("apiVersion: v2\nname: {chart}\nversion: {version}\nappVersion: '{version}'\n")
}

/// Whether the status speaks of the newest generation.
fn is_observed(object: &DynamicObject) -> bool {
    object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
}

fn decode(secret: &DynamicObject) -> Result<Value> {
    let text = secret.data["data"]["release"].as_str().context("a record")?;
    let packed = STANDARD.decode(STANDARD.decode(text)?)?;
    let mut json = Vec::new();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// A value without what differs between two runs of anything: the namespace, times, and digests over them.
pub(crate) fn neutral(value: &Value, namespace: &str) -> Value {
    const CHANGING: [&str; 14] = [
        "lastTransitionTime",
        "lastAttemptedReleaseActionDuration",
        "firstDeployed",
        "lastDeployed",
        "lastStarted",
        "lastCompleted",
        "deleted",
        "first_deployed",
        "last_deployed",
        "started_at",
        "completed_at",
        "modtime",
        "lastHandledReconcileAt",
        // The namespace is part of what is digested.
        "digest",
    ];
    match value {
        Value::String(text) => text.replace(namespace, "NAMESPACE").into(),
        Value::Array(items) => items.iter().map(|item| neutral(item, namespace)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let value = match key.as_str() {
                    // Whether there is one counts all the same.
                    changing if CHANGING.contains(&changing) => "CHANGING".into(),
                    // Files of the chart, which name it.
                    "data" if value.is_string() => "DATA".into(),
                    _ => neutral(value, namespace),
                };
                (key.clone(), value)
            })
            .collect(),
        other => other.clone(),
    }
}
