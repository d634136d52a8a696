//! A real control plane with the stock Flux controllers, and everything that sources are fetched from.
//!
//! ```no_run
//! use e2e::testbed::{KUSTOMIZATION, Testbed};
//! # async fn example() -> anyhow::Result<()> {
//! let testbed = Testbed::shared().await?;
//! let namespace = testbed.namespace("prune").await?;
//! namespace.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}").await?;
//! namespace.wait_ready(KUSTOMIZATION, "app").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Servers and controllers start when they are first asked for. Any number of control planes can run side by side;
//! none outlives the process that started it. Logs are removed at the end, except after a panic or a failed wait, when
//! [`Testbed::logs`] is kept.

mod artifacts;
mod audit;
mod certificates;
mod control_plane;
mod custom;
mod flux;
mod git;
mod kinds;
mod namespace;
mod openflux;
mod ports;
mod process;
mod registry;
mod server;
mod services;
mod watchdog;

pub use artifacts::{Answer, Archive, ArtifactServer};
pub use audit::{Audit, Write};
pub use custom::{Custom, FILE_MAP, Feed, NIGHTLY, STAMP, reference};
pub use flux::{SourceController, Stock, without_unpacked};
pub use git::{GitRepo, GitServer};
pub use kinds::*;
pub use namespace::{Namespace, PATIENCE, condition, eventually, is_ready};
pub use openflux::{controller, program};
pub use ports::free_port;
pub use process::{Process, Usage};
pub use registry::Registry;
pub use server::HttpServer;
pub(crate) use services::hex;
pub use services::{HelmRepository, S3};

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use tokio::sync::OnceCell;

use crate::tools::{self, Tool};
use control_plane::ControlPlane;

/// The selector that keeps the stock controllers away from objects that are ours.
pub const NOT_OURS: &str = "--watch-label-selector=!sharding.fluxcd.io/key";

/// The namespace that all controllers run in.
const HOME: &str = "flux-system";

/// What a control plane has besides the API server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether pods run: starts kube-scheduler and kwok.
    pub pods: bool,
    /// Whether there is nothing but the API server and its store: no CRDs, and nobody who acts on objects.
    pub bare: bool,
    /// What the API server writes down about requests.
    pub audit: Audit,
    /// Another control plane whose service accounts this one knows, by tokens that are for [`AUDIENCE`]; their names begin
    /// with `home:` here.
    pub trusts: Option<&'static Testbed>,
}

/// Whom tokens of another control plane have to be for.
pub const AUDIENCE: &str = "https://far.example";

/// One control plane and what runs beside it; dropped, everything ends.
#[derive(Debug)]
pub struct Testbed {
    dir: PathBuf,
    logs: PathBuf,
    source_controller: OnceCell<SourceController>,
    stock: OnceCell<Process>,
    stock_helm: OnceCell<Process>,
    ours: OnceCell<Process>,
    /// Where ours says what its next run would change.
    shadow_port: u16,
    git: OnceCell<GitServer>,
    registry: OnceCell<Registry>,
    s3: OnceCell<S3>,
    helm_repository: OnceCell<HelmRepository>,
    control_plane: ControlPlane,
    _data: Data,
}

/// What a testbed wrote besides its logs; dropped after the processes, it is removed, since it may be in memory.
#[derive(Debug)]
struct Data(PathBuf);

impl Drop for Data {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let path = entry.path();
            // What cannot be removed now, the watchdog removes at the end.
            let _ = match entry.file_type() {
                _ if entry.file_name() == LOGS => Ok(()),
                Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(path),
                _ => std::fs::remove_file(path),
            };
        }
    }
}

/// The folder of the logs in a testbed's folder.
const LOGS: &str = "logs";

impl Testbed {
    /// Starts a control plane of one's own and installs the CRDs: the stock ones and ours.
    pub async fn start(options: Options) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = scratch_root().join(format!("openflux-testbed-{}-{number}", std::process::id()));
        let logs = dir.join(LOGS);
        std::fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
        watchdog::remove_at_end(&dir)?;
        keep_logs_of_panics();
        let control_plane = control_plane::start(&dir, &logs, &options).await?;
        let client = control_plane::client(&control_plane.kubeconfig).await?;
        if !options.bare {
            install_crds(&client).await?;
        }
        let flux_system =
            serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}});
        namespace::apply(&client, None, flux_system).await?;
        if options.pods {
            namespace::apply(&client, None, node()).await?;
        }
        Ok(Self {
            _data: Data(dir.clone()),
            dir,
            logs,
            source_controller: OnceCell::new(),
            stock: OnceCell::new(),
            stock_helm: OnceCell::new(),
            ours: OnceCell::new(),
            shadow_port: free_port()?,
            git: OnceCell::new(),
            registry: OnceCell::new(),
            s3: OnceCell::new(),
            helm_repository: OnceCell::new(),
            control_plane,
        })
    }

    /// The control plane that the tests of one binary share; it has an audit log.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Testbed> = OnceCell::const_new();
        let options = Options {
            audit: Audit::Writes,
            ..Options::default()
        };
        SHARED.get_or_try_init(|| Self::start(options)).await
    }

    /// Another cluster, with an API server and nobody who acts on objects, which the tests of one binary share. It knows the
    /// service accounts of the one that they share besides.
    pub async fn remote() -> Result<&'static Self> {
        static REMOTE: OnceCell<Testbed> = OnceCell::const_new();
        let options = Options {
            bare: true,
            ..Options::default()
        };
        let start = || async move {
            let home = Self::shared().await?;
            home.publish_keys().await?;
            let trusts = Some(home);
            let far = Self::start(Options { trusts, ..options }).await?;
            far.trusts(home).await?;
            Ok(far)
        };
        REMOTE.get_or_try_init(start).await
    }

    /// Waits until tokens of service accounts of another control plane are taken: keys are fetched beside everything else.
    async fn trusts(&self, other: &Self) -> Result<()> {
        let visitor = serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "visitor", "namespace": HOME}});
        let client = other.client().await?;
        namespace::apply(&client, None, visitor).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, HOME);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request("visitor", &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token).unwrap_or_default();
        let path = self.dir.join("kubeconfig-visitor");
        std::fs::write(&path, self.control_plane.kubeconfig_of(&token))?;
        let visitor = control_plane::client(&path).await?;
        eventually("a token of the other control plane to be taken", async || {
            Ok(visitor.list_core_api_resources("v1").await.ok().map(|_| ()))
        })
        .await
    }

    /// Lets everybody read the keys that tokens of service accounts are signed with.
    async fn publish_keys(&self) -> Result<()> {
        let everybody = serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "openflux-testbed-issuer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "system:service-account-issuer-discovery"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
        });
        namespace::apply(&self.client().await?, None, everybody).await
    }

    /// Every write to objects of a namespace so far, dry-runs included; needs [`Options::audit`].
    ///
    /// A watcher hears of a write before its request has ended and is in the log, so a request of its own goes first:
    /// when that is in the log, what was heard of before is there too.
    pub async fn writes(&self, namespace: &Namespace) -> Result<Vec<Write>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let fence = format!("{}{}", audit::FENCE, NUMBER.fetch_add(1, Ordering::Relaxed));
        let gone = namespace
            .api(CONFIG_MAP)
            .delete(&fence, &DeleteParams::default())
            .await;
        anyhow::ensure!(
            matches!(&gone, Err(kube::Error::Api(status)) if status.code == 404),
            "{fence}: {gone:?}"
        );
        eventually("the audit log has the last request", async || {
            audit::writes(&self.logs, namespace.name(), &fence)
        })
        .await
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.control_plane.kubeconfig
    }

    /// Leaves the API server standing in the middle of everything; it does not go on.
    pub async fn pause_api_server(&self) {
        self.control_plane.pause().await;
    }

    /// Kills the API server in the middle of everything, and waits until it is there again with what it had stored.
    pub async fn restart_api_server(&self) -> Result<()> {
        self.control_plane.restart().await
    }

    /// A kubeconfig of an administrator that refers to no file.
    pub fn portable_kubeconfig(&self) -> Result<String> {
        self.control_plane.portable_kubeconfig(None)
    }

    /// A kubeconfig of a service account that exists, which refers to no file.
    pub async fn portable_kubeconfig_of(&self, namespace: &str, account: &str) -> Result<String> {
        let token = self.token_of(namespace, account).await?;
        self.control_plane.portable_kubeconfig(Some(&token))
    }

    /// A kubeconfig of a service account that exists.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.token_of(namespace, account).await?;
        let path = self.dir.join(format!("kubeconfig-{namespace}-{account}"));
        std::fs::write(&path, self.control_plane.kubeconfig_of(&token))?;
        Ok(path)
    }

    async fn token_of(&self, namespace: &str, account: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest::default();
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .with_context(|| format!("a token of {namespace}/{account}"))?;
        let token = answer.status.and_then(|status| status.token);
        Ok(token.unwrap_or_default())
    }

    /// The folder of all logs.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// A folder for data of this run, removed at the end.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The audit log: one `audit.k8s.io/v1` event a line.
    pub fn audit_log(&self) -> PathBuf {
        audit::log(&self.logs)
    }

    /// A client on the current runtime.
    pub async fn client(&self) -> Result<Client> {
        control_plane::client(self.kubeconfig()).await
    }

    /// A new namespace whose name starts with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Namespace::create(self.client().await?, name, &self.logs).await
    }

    /// A namespace of this name, which may be there already.
    pub async fn namespace_called(&self, name: &str) -> Result<Namespace> {
        Namespace::create(self.client().await?, name.to_owned(), &self.logs).await
    }

    /// The namespace that all controllers run in, as their `RUNTIME_NAMESPACE` says.
    pub async fn home(&self) -> Result<Namespace> {
        Namespace::create(self.client().await?, HOME.to_owned(), &self.logs).await
    }

    /// The stock source-controller, started when this is the first call.
    pub async fn source_controller(&self) -> Result<&SourceController> {
        self.source_controller
            .get_or_try_init(|| async {
                SourceController::start(self.kubeconfig(), &self.dir.join("artifacts"), &self.logs)
            })
            .await
    }

    /// The stock kustomize-controller, which leaves alone what is ours, started when this is the first call.
    pub async fn stock_kustomize_controller(&self) -> Result<&Process> {
        self.stock
            .get_or_try_init(|| async {
                self.start_stock(Stock::Kustomize, &[NOT_OURS, "--requeue-dependency=2s"])
            })
            .await
    }

    /// The stock helm-controller, which leaves alone what is ours, started when this is the first call.
    pub async fn stock_helm_controller(&self) -> Result<&Process> {
        self.stock_helm
            .get_or_try_init(|| async {
                self.start_stock(Stock::Helm, &[NOT_OURS, "--requeue-dependency=2s"])
            })
            .await
    }

    /// Our controller, which leaves alone what is stock's, started when this is the first call.
    pub async fn openflux_controller(&self) -> Result<&Process> {
        self.ours
            .get_or_try_init(|| async {
                let shadow = format!("--shadow-addr=127.0.0.1:{}", self.shadow_port);
                self.start_openflux("openflux-controller", &[&shadow])
            })
            .await
    }

    /// Where that controller is asked what its next run would change.
    pub fn shadow_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.shadow_port)
    }

    /// Starts another stock controller with flags of its own.
    pub fn start_stock(&self, stock: Stock, arguments: &[&str]) -> Result<Process> {
        stock.start(self.kubeconfig(), &self.logs, arguments)
    }

    /// Starts our controller with flags of its own and a log of that name.
    pub fn start_openflux(&self, name: &str, arguments: &[&str]) -> Result<Process> {
        self.start_openflux_as(self.kubeconfig(), name, arguments)
    }

    /// Starts our controller for one namespace, which is its own: it sees and touches nothing of other tests.
    pub fn start_openflux_within(
        &self,
        namespace: &Namespace,
        name: &str,
        arguments: &[&str],
    ) -> Result<Process> {
        let mut all = vec!["--watch-all-namespaces=false"];
        all.extend(arguments);
        openflux::start(self.kubeconfig(), &self.logs, name, namespace.name(), &all)
    }

    /// Starts our controller as whoever a kubeconfig is for.
    pub fn start_openflux_as(&self, kubeconfig: &Path, name: &str, arguments: &[&str]) -> Result<Process> {
        openflux::start(kubeconfig, &self.logs, name, HOME, arguments)
    }

    /// The git server.
    pub async fn git(&self) -> Result<&GitServer> {
        self.git
            .get_or_try_init(|| async { GitServer::start(self.dir.join("git")) })
            .await
    }

    /// The OCI registry.
    pub async fn registry(&self) -> Result<&Registry> {
        self.registry
            .get_or_try_init(|| async { Registry::start(&self.dir.join("registry"), &self.logs) })
            .await
    }

    /// The S3 server.
    pub async fn s3(&self) -> Result<&S3> {
        self.s3
            .get_or_try_init(|| async { S3::start(&self.dir.join("s3"), &self.logs) })
            .await
    }

    /// The Helm repository.
    pub async fn helm_repository(&self) -> Result<&HelmRepository> {
        self.helm_repository
            .get_or_try_init(|| async { HelmRepository::start(self.dir.join("charts")) })
            .await
    }

    /// Runs a command line (`flux`, `kubectl`, `helm`) against this control plane and returns its stdout.
    pub async fn run(&self, tool: Tool, arguments: &[&str]) -> Result<String> {
        let [program] = tools::ensure([tool])?;
        let output = tokio::process::Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", &self.dir)
            .output()
            .await?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} {}: {}\n{stdout}",
                tool.name(),
                arguments.join(" "),
                stderr.trim()
            );
        }
        Ok(stdout)
    }

    /// Pushes a folder as an OCI artifact with `flux push artifact` and returns its URL, tag included.
    pub async fn push_artifact(&self, repository: &str, tag: &str, files: &[(&str, &str)]) -> Result<String> {
        let folder = tempfile::tempdir()?;
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            std::fs::write(path, content)?;
        }
        let url = format!("{}:{tag}", self.registry().await?.url(repository));
        let path = format!("--path={}", folder.path().display());
        let revision = format!("--revision={tag}@sha1:0000000000000000000000000000000000000000");
        let source = "--source=https://openflux.test";
        self.run(
            Tool::Flux,
            &[
                "push",
                "artifact",
                &url,
                &path,
                source,
                &revision,
                "--insecure-registry",
            ],
        )
        .await?;
        Ok(url)
    }
}

/// Memory-backed where there is such a thing: etcd and git write a lot of small files.
fn scratch_root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let writable = tempfile::tempfile_in(memory).is_ok();
    if writable {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn keep_logs_of_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            watchdog::keep_logs();
            previous(panic);
        }));
    });
}

async fn install_crds(client: &Client) -> Result<()> {
    let mut crds: Vec<CustomResourceDefinition> = Vec::new();
    for tool in [
        Tool::SourceController,
        Tool::KustomizeController,
        Tool::HelmController,
        Tool::NotificationController,
    ] {
        for file in control_plane::files(&tools::asset(tool, "crds")?)? {
            let text = std::fs::read_to_string(&file)?;
            crds.push(serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?);
        }
    }
    crds.push(serde_saphyr::from_str(artifact_crd::CRD_YAML).context("the Artifact CRD")?);
    crds.push(serde_saphyr::from_str(artifact_crd::HTTP_CRD_YAML).context("the Http CRD")?);
    let transformations = serde_saphyr::from_str(artifact_crd::TRANSFORMATION_CRD_YAML);
    crds.push(transformations.context("the Transformation CRD")?);
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let post = PostParams::default();
    let created = crds.iter().map(|crd| api.create(&post, crd));
    futures::future::try_join_all(created).await?;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let existing = api.list(&kube::api::ListParams::default()).await?;
        let established = existing.items.iter().filter(|crd| {
            let conditions = crd
                .status
                .as_ref()
                .and_then(|status| status.conditions.as_deref())
                .unwrap_or_default();
            conditions
                .iter()
                .any(|condition| condition.type_ == "Established" && condition.status == "True")
        });
        if established.count() >= crds.len() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("the CRDs are not established after a minute");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A node with room for every pod of a test.
fn node() -> serde_json::Value {
    let resources = serde_json::json!({"cpu": "64", "memory": "256Gi", "pods": "1000"});
    serde_json::json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "testbed", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": resources, "capacity": resources},
    })
}
