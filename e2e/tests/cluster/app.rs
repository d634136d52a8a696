//! What most tests deploy: a git repository that the source-controller fetches, and Kustomizations of it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use e2e::testbed::{
    CONFIG_MAP, EVENT, GIT_REPOSITORY, GitRepo, KUSTOMIZATION, Kind, Namespace, Process, Testbed, Write,
    condition, eventually, is_ready,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// Who reconciles a Kustomization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Stock,
    Ours,
    /// A controller of ours that selects this shard, which the test starts by itself.
    Shard(&'static str),
}

impl Owner {
    /// The label as a merge patch has it: present for ours, absent for stock.
    pub(crate) fn label(self) -> Option<&'static str> {
        match self {
            Self::Stock => None,
            Self::Ours => Some("openflux"),
            Self::Shard(shard) => Some(shard),
        }
    }
}

/// A namespace with a repository, the GitRepository `app` that fetches it, and somebody who reconciles.
pub(crate) struct App {
    pub(crate) testbed: &'static Testbed,
    owner: Owner,
    namespace: Namespace,
    repo: GitRepo,
    first: String,
}

impl Deref for App {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl App {
    /// Starts with these files committed, for our controller.
    pub(crate) async fn start(prefix: &str, files: &[(&str, &str)]) -> Result<Self> {
        Self::owned_by(Owner::Ours, prefix, files).await
    }

    /// Starts with these files committed, for one of the two controllers.
    pub(crate) async fn owned_by(owner: Owner, prefix: &str, files: &[(&str, &str)]) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        let namespace = testbed.namespace(prefix).await?;
        testbed.source_controller().await?;
        match owner {
            Owner::Stock => {
                testbed.stock_kustomize_controller().await?;
            }
            Owner::Ours => {
                testbed.openflux_controller().await?;
            }
            Owner::Shard(_) => {}
        }
        let repo = testbed.git().await?.create(namespace.name()).await?;
        let first = repo.commit("first", files).await?;
        let url = repo.url();
        namespace
            .apply(&format!(
                "
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: app}}
spec: {{interval: 1h, url: '{url}', ref: {{branch: main}}}}
"
            ))
            .await?;
        Ok(Self {
            testbed,
            owner,
            namespace,
            repo,
            first,
        })
    }

    /// Applies a Kustomization of the folder `deploy`; the fields of `spec` win over the usual ones.
    pub(crate) async fn deploy(&self, name: &str, spec: Value) -> Result<()> {
        let source = json!({"path": "deploy", "sourceRef": {"kind": "GitRepository", "name": "app"}});
        deploy(self, self.owner, name, &[source, spec]).await
    }

    /// Applies the Kustomization and waits until it is ready with the first commit.
    pub(crate) async fn deploy_ready(&self, name: &str, spec: Value) -> Result<DynamicObject> {
        self.deploy(name, spec).await?;
        self.wait_applied(name, &self.first).await
    }

    /// The URL of the repository.
    pub(crate) fn url(&self) -> &str {
        self.repo.url()
    }

    /// Commits these files; nobody is told.
    pub(crate) async fn commit(&self, files: &[(&str, &str)]) -> Result<String> {
        self.repo.commit("next", files).await
    }

    /// Commits these files and has the source-controller fetch them; gives the commit.
    pub(crate) async fn push(&self, files: &[(&str, &str)]) -> Result<String> {
        let commit = self.commit(files).await?;
        self.patch(GIT_REPOSITORY, "app", requested_at(&commit)).await?;
        Ok(commit)
    }

    /// Waits until a Kustomization is ready with a commit.
    pub(crate) async fn wait_applied(&self, name: &str, commit: &str) -> Result<DynamicObject> {
        let applied = |object: &DynamicObject| {
            let revision = object.data["status"]["lastAppliedRevision"].as_str();
            is_ready(object) && revision.is_some_and(|revision| revision.ends_with(commit))
        };
        self.wait(KUSTOMIZATION, name, &format!("has applied {commit}"), applied)
            .await
    }

    /// Waits until a Kustomization has failed with a reason at the first commit; gives the message.
    pub(crate) async fn wait_failed_at_first(&self, name: &str, reason: &str) -> Result<String> {
        self.wait_failed_at(name, &self.first, reason).await
    }

    /// Waits until a run has failed with a reason at a commit, and has ended; gives the message.
    pub(crate) async fn wait_failed_at(&self, name: &str, commit: &str, reason: &str) -> Result<String> {
        let failed = |object: &DynamicObject| {
            let revision = object.data["status"]["lastAttemptedRevision"].as_str();
            revision.is_some_and(|revision| revision.ends_with(commit))
                && condition(object, "Ready").is_some_and(|ready| ready["reason"] == reason)
                && condition(object, "Reconciling").is_none_or(|goes_on| goes_on["reason"] != "Progressing")
        };
        self.wait(
            KUSTOMIZATION,
            name,
            &format!("has failed with {reason} at {commit}"),
            failed,
        )
        .await?;
        self.wait_failed(KUSTOMIZATION, name, reason).await
    }

    /// Asks for a run, as `flux reconcile` does, and waits until it has ended.
    pub(crate) async fn reconcile(&self, name: &str) -> Result<DynamicObject> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let request = format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.patch(KUSTOMIZATION, name, requested_at(&request)).await?;
        let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == request;
        self.wait(KUSTOMIZATION, name, "has handled the request", handled)
            .await
    }

    /// Every write to the namespace so far.
    pub(crate) async fn writes(&self) -> Result<Vec<Write>> {
        self.testbed.writes(self).await
    }

    /// All events about Kustomizations, once there is one with this text: they are written when there is time.
    pub(crate) async fn events_with(&self, text: &str) -> Result<Vec<DynamicObject>> {
        let has_text = |field: &Value| field.as_str().is_some_and(|field| field.contains(text));
        eventually(&format!("an event with {text:?}"), async || {
            let events = self.events().await?;
            let found = events
                .iter()
                .any(|event| has_text(&event.data["message"]) || has_text(&event.data["reason"]));
            Ok(found.then_some(events))
        })
        .await
    }

    /// The events about Kustomizations that have been written so far.
    pub(crate) async fn events(&self) -> Result<Vec<DynamicObject>> {
        let mut events = self.list(EVENT).await?;
        events.retain(|event| event.data["involvedObject"]["kind"] == KUSTOMIZATION.kind);
        Ok(events)
    }

    /// The value of a ConfigMap of [`config_map`]; nothing when it does not exist.
    pub(crate) async fn colour(&self, name: &str) -> Result<Option<String>> {
        let object = self.get(CONFIG_MAP, name).await?;
        Ok(object.and_then(|object| Some(object.data["data"]["colour"].as_str()?.to_owned())))
    }

    /// An object that must be there.
    pub(crate) async fn existing(&self, kind: Kind, name: &str) -> Result<DynamicObject> {
        let object = self.get(kind, name).await?;
        object.with_context(|| format!("{} {name} is not there", kind.kind))
    }
}

/// Starts a controller of ours for one shard; Artifacts of stock sources come from the shared one.
pub(crate) fn start_shard(testbed: &Testbed, shard: &str) -> Result<Process> {
    let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={shard}");
    let arguments = [selector.as_str(), "--controllers=kustomize"];
    testbed.start_openflux(&format!("openflux-controller-{shard}"), &arguments)
}

/// Applies a Kustomization with the usual fields of these tests; later specs win.
pub(crate) async fn deploy(namespace: &Namespace, owner: Owner, name: &str, specs: &[Value]) -> Result<()> {
    let mut fields = json!({
        "interval": "1h", "retryInterval": "2s", "prune": true, "targetNamespace": namespace.name(),
    });
    for (key, value) in specs.iter().filter_map(Value::as_object).flatten() {
        fields[key] = value.clone();
    }
    let labels: BTreeMap<_, _> = owner
        .label()
        .map(|shard| ("sharding.fluxcd.io/key", shard))
        .into_iter()
        .collect();
    let object = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {"name": name, "labels": labels}, "spec": fields,
    });
    namespace.apply(&object.to_string()).await
}

fn requested_at(value: &str) -> Value {
    json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": value}}})
}

/// A ConfigMap whose data a test can tell apart.
pub(crate) fn config_map(name: &str, colour: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{colour: '{colour}'}}}}\n")
}

/// A Deployment: ready at once with no replicas, never with some, since there is no node.
pub(crate) fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: 600
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: app, image: app}}]}}
"
    )
}
