//! A cluster with stock Flux and ours beside each other, as a user has installed them, and what is deployed there.
//!
//! The controllers are processes here; what is installed says the same of them as Deployments, whose pods are
//! said to run by a thread in place of a kubelet.

use std::convert::Infallible;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    Audit, CONFIG_MAP, DEPLOYMENT, GIT_REPOSITORY, GitRepo, HELM_RELEASE, KUSTOMIZATION, Kind, Namespace,
    Options, SECRET, Testbed, condition, controller, eventually, is_ready, program,
};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::app::{config_map, deployment};

pub(crate) const KEY: &str = "sharding.fluxcd.io/key";
pub(crate) const EXCLUDED: &str = "--watch-label-selector=!sharding.fluxcd.io/key";

/// A cluster with stock and ours beside each other.
pub(crate) struct Beside {
    pub(crate) testbed: Testbed,
}

/// A cluster that the tests take in turn, started by the first of them: the commands look at the whole cluster.
struct Place {
    beside: OnceCell<Beside>,
    turn: Mutex<()>,
}

impl Place {
    const fn new() -> Self {
        Self {
            beside: OnceCell::const_new(),
            turn: Mutex::const_new(()),
        }
    }
}

impl Beside {
    /// The cluster that is free first, with its controllers; nobody else has it before the turn is dropped.
    pub(crate) async fn shared() -> Result<(&'static Self, MutexGuard<'static, ()>)> {
        // Most of a move is waiting, so that two get along with few cores.
        static PLACES: [Place; 2] = [Place::new(), Place::new()];
        let [first, second] = &PLACES;
        // In this order, so that a test alone starts one cluster.
        let (place, turn) = tokio::select! {
            biased;
            turn = first.turn.lock() => (first, turn),
            turn = second.turn.lock() => (second, turn),
        };
        let beside = place.beside.get_or_try_init(|| Self::start(true)).await?;
        beside.testbed.stock_kustomize_controller().await?;
        beside.testbed.stock_helm_controller().await?;
        beside.testbed.openflux_controller().await?;
        Ok((beside, turn))
    }

    /// Starts a cluster with everything that a user has installed, and with stock prepared or not.
    pub(crate) async fn start(prepared: bool) -> Result<Self> {
        let options = Options {
            audit: Audit::Writes,
            ..Options::default()
        };
        let testbed = Testbed::start(options).await?;
        testbed.source_controller().await?;
        let flux = testbed.home().await?;
        for name in ["source-controller", "kustomize-controller", "helm-controller"] {
            let excluded = prepared && name != "source-controller";
            flux.apply(&stock(name, excluded).to_string()).await?;
        }
        let output = std::process::Command::new(controller()?)
            .args(["install", "--export"])
            .output()?;
        flux.apply(&String::from_utf8(output.stdout)?).await?;
        run_pods(&testbed)?;
        let beside = Self { testbed };
        beside.await_deployments(4).await?;
        Ok(beside)
    }

    /// Waits until all Deployments of the controllers are ready.
    pub(crate) async fn await_deployments(&self, number: usize) -> Result<()> {
        let flux = self.testbed.home().await?;
        eventually("the Deployments to be ready", async || {
            let is_ready = |object: &DynamicObject| {
                let status = &object.data["status"];
                status["readyReplicas"] == 1
                    && status["replicas"] == 1
                    && status["observedGeneration"].as_i64() == object.metadata.generation
            };
            let all = flux.list(DEPLOYMENT).await?;
            Ok((all.iter().filter(|object| is_ready(object)).count() == number).then_some(()))
        })
        .await
    }

    pub(crate) fn command(&self, words: &[&str]) -> Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(program("openflux")?);
        command
            .args(words)
            .current_dir(self.testbed.dir())
            .env("KUBECONFIG", self.testbed.kubeconfig())
            .env("HOME", self.testbed.dir())
            .env("OPENFLUX_SHADOW_URL", self.testbed.shadow_url())
            .env_remove("LC_ALL")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    pub(crate) async fn openflux(&self, words: &[&str]) -> Result<Output> {
        Ok(self.command(words)?.output().await?)
    }

    /// Runs the tool, which has to end like this; gives what it printed.
    pub(crate) async fn ends(&self, code: i32, words: &[&str]) -> Result<String> {
        let output = self.openflux(words).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(code),
            "openflux {}: {}\n{text}{errors}",
            words.join(" "),
            output.status
        );
        Ok(text)
    }
}

/// Says in place of a kubelet that all pods of the controllers run, for as long as this process and the cluster live.
fn run_pods(testbed: &Testbed) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let kubeconfig = testbed.kubeconfig().to_owned();
    std::thread::spawn(move || runtime.block_on(say_that_pods_run(&kubeconfig)));
    Ok(())
}

async fn say_that_pods_run(kubeconfig: &Path) -> Result<Infallible> {
    let client = client(kubeconfig).await?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
    let api: Api<DynamicObject> = Api::namespaced_with(client, "flux-system", &resource);
    let status = running();
    loop {
        for pod in api.list(&ListParams::default()).await? {
            if pod.data["status"]["phase"] != "Running" {
                let name = pod.metadata.name.unwrap_or_default();
                // One that has ended meanwhile is not waited for.
                let _ = api
                    .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
                    .await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What a kubelet says of a pod that runs.
pub(crate) fn running() -> Value {
    let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    json!({"status": {"phase": "Running", "conditions": ready}})
}

/// A client of an administrator, on the current runtime.
async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// A Deployment as Flux installs it.
pub(crate) fn stock(name: &str, excluded: bool) -> Value {
    let mut arguments = vec!["--watch-all-namespaces=true"];
    if excluded {
        arguments.push(EXCLUDED);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "flux",
            "app.kubernetes.io/component": name, "app.kubernetes.io/version": "v2.9.5"}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
                {"name": "manager", "image": format!("ghcr.io/fluxcd/{name}:v1.9.5"), "args": arguments}]}},
        },
    })
}

const CHART: &str = "{apiVersion: v2, name: web, version: 1.0.0}\n";
const TEMPLATE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data: {colour: '{{ .Values.colour }}'}
";

/// A namespace with a repository that defines, by the Kustomization `root`, the Kustomization `app` and the HelmRelease `web`.
pub(crate) struct Fleet {
    pub(crate) beside: &'static Beside,
    pub(crate) namespace: Namespace,
    pub(crate) repo: GitRepo,
    /// Nobody else has the cluster meanwhile.
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    pub(crate) async fn start(prefix: &str) -> Result<Self> {
        let (beside, turn) = Beside::shared().await?;
        let testbed = &beside.testbed;
        let namespace = testbed.namespace(prefix).await?;
        let repo = testbed.git().await?.create(namespace.name()).await?;
        let fleet = Self {
            beside,
            repo,
            namespace,
            _turn: turn,
        };
        fleet.commit(None).await?;
        let url = fleet.repo.url();
        let source = json!({
            "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": "app"},
            "spec": {"interval": "1h", "url": url, "ref": {"branch": "main"}},
        });
        fleet.namespace.apply(&source.to_string()).await?;
        fleet
            .namespace
            .apply(&fleet.kustomization("root", "root", None))
            .await?;
        for (kind, name) in [
            (KUSTOMIZATION, "root"),
            (KUSTOMIZATION, "app"),
            (HELM_RELEASE, "web"),
        ] {
            fleet.settled(kind, name).await?;
        }
        Ok(fleet)
    }

    /// A Kustomization of a folder of the repository.
    pub(crate) fn kustomization(&self, name: &str, path: &str, label: Option<&str>) -> String {
        let labels: std::collections::BTreeMap<_, _> = label.map(|label| (KEY, label)).into_iter().collect();
        json!({
            "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
            "metadata": {"name": name, "namespace": self.namespace.name(), "labels": labels},
            "spec": {"interval": "1h", "retryInterval": "2s", "prune": true, "path": path, "wait": path == "deploy",
                "targetNamespace": self.namespace.name(), "sourceRef": {"kind": "GitRepository", "name": "app"}},
        })
        .to_string()
    }

    /// Commits everything, the Kustomization `app` with this label.
    pub(crate) async fn commit(&self, label: Option<&str>) -> Result<String> {
        let release = json!({
            "apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind,
            "metadata": {"name": "web", "namespace": self.namespace.name()},
            "spec": {"interval": "1h", "chart": {"spec": {"chart": "chart",
                "sourceRef": {"kind": "GitRepository", "name": "app"}}}, "values": {"colour": "blue"}},
        });
        let files = [
            ("root/app.yaml", self.kustomization("app", "deploy", label)),
            ("root/web.yaml", release.to_string()),
            ("deploy/settings.yaml", config_map("settings", "blue")),
            ("deploy/web.yaml", deployment("app", 0)),
            ("chart/Chart.yaml", CHART.to_owned()),
            ("chart/templates/settings.yaml", TEMPLATE.to_owned()),
        ];
        let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
        self.repo.commit("next", &files).await
    }

    /// Commits, and waits until the parent has applied that.
    pub(crate) async fn push(&self, label: Option<&str>) -> Result<()> {
        let commit = self.commit(label).await?;
        self.follow(&commit).await
    }

    /// Asks for a commit, and waits until the parent has applied it.
    pub(crate) async fn follow(&self, commit: &str) -> Result<()> {
        self.request(GIT_REPOSITORY, "app", commit).await?;
        let applied = |object: &DynamicObject| {
            let revision = object.data["status"]["lastAppliedRevision"].as_str();
            is_ready(object) && revision.is_some_and(|revision| revision.ends_with(commit))
        };
        self.namespace
            .wait(KUSTOMIZATION, "root", "has applied the commit", applied)
            .await?;
        Ok(())
    }

    /// Asks for a commit, and waits until it was fetched.
    pub(crate) async fn fetch(&self, commit: &str) -> Result<()> {
        self.request(GIT_REPOSITORY, "app", commit).await?;
        let fetched = |object: &DynamicObject| {
            let revision = object.data["status"]["artifact"]["revision"].as_str();
            revision.is_some_and(|revision| revision.ends_with(commit))
        };
        self.namespace
            .wait(GIT_REPOSITORY, "app", "has the commit", fetched)
            .await?;
        Ok(())
    }

    pub(crate) async fn request(&self, kind: Kind, name: &str, value: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": value}}});
        self.namespace.patch(kind, name, patch).await?;
        Ok(())
    }

    /// Suspends a Kustomization, or lets it go on.
    pub(crate) async fn suspend(&self, name: &str, suspend: bool) -> Result<()> {
        let patch = json!({"spec": {"suspend": suspend}});
        self.namespace.patch(KUSTOMIZATION, name, patch).await?;
        Ok(())
    }

    /// Asks for a run and waits until it has ended.
    pub(crate) async fn reconcile(&self, name: &str, value: &str) -> Result<()> {
        self.request(KUSTOMIZATION, name, value).await?;
        let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == value;
        self.namespace
            .wait(KUSTOMIZATION, name, "has handled the request", handled)
            .await?;
        Ok(())
    }

    pub(crate) async fn settled(&self, kind: Kind, name: &str) -> Result<()> {
        let settled = |object: &DynamicObject| is_ready(object) && condition(object, "Reconciling").is_none();
        self.namespace.wait(kind, name, "is ready", settled).await?;
        Ok(())
    }

    pub(crate) fn handle(&self, short: &str, name: &str) -> String {
        format!("{short}/{}/{name}", self.namespace.name())
    }

    /// What a write to any workload object would change.
    pub(crate) async fn traces(&self) -> Result<Value> {
        let mut traces = Vec::new();
        for (kind, name) in [(CONFIG_MAP, "settings"), (DEPLOYMENT, "app"), (CONFIG_MAP, "web")] {
            let object = self.namespace.get(kind, name).await?;
            let metadata = object.with_context(|| format!("{} {name}", kind.kind))?.metadata;
            traces.push(json!([
                name,
                metadata.uid,
                metadata.resource_version,
                metadata.managed_fields
            ]));
        }
        let mut records = Vec::new();
        for secret in self.namespace.list(SECRET).await? {
            records.push(json!([secret.metadata.name, secret.metadata.resource_version]));
        }
        traces.push(json!(records));
        Ok(json!(traces))
    }

    pub(crate) async fn label(&self, kind: Kind, name: &str) -> Result<Option<String>> {
        let object = self.namespace.get(kind, name).await?.context("it is gone")?;
        Ok(object.metadata.labels.and_then(|labels| labels.get(KEY).cloned()))
    }

    pub(crate) async fn app(&self) -> Result<DynamicObject> {
        self.namespace
            .get(KUSTOMIZATION, "app")
            .await?
            .context("app is gone")
    }

    /// The name of the newest migration.
    pub(crate) async fn migration(&self) -> Result<String> {
        let text = self.beside.ends(0, &["migrate", "status", "-o", "json"]).await?;
        let status: Value = serde_json::from_str(&text)?;
        let name = status["migrations"][0]["migration"].as_str();
        Ok(name.with_context(|| text.clone())?.to_owned())
    }

    pub(crate) async fn move_app(&self) -> Result<String> {
        let app = self.handle("ks", "app");
        self.moves(0, &[&app], &[]).await
    }

    /// Commits without the label while the parent is suspended.
    pub(crate) async fn push_suspended(&self) -> Result<()> {
        let commit = self.commit(None).await?;
        self.fetch(&commit).await
    }
}
