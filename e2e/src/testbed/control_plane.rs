//! etcd, kube-apiserver and kube-controller-manager; kube-scheduler and kwok when there are to be pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::Mutex;

use super::ports::free_port;
use super::process::Process;
use super::{AUDIENCE, Options, audit, certificates};
use crate::tools::{self, Tool};

/// The processes of one control plane and the way in.
#[derive(Debug)]
pub(super) struct ControlPlane {
    /// Dropped in this order: whoever writes to the API server goes first.
    _writers: Vec<Process>,
    apiserver: Mutex<Process>,
    _etcd: Process,
    program: PathBuf,
    arguments: Vec<String>,
    logs: PathBuf,
    pub(super) kubeconfig: PathBuf,
    port: u16,
    ca: PathBuf,
    token: String,
}

impl ControlPlane {
    /// Leaves the API server standing, with all its connections open.
    pub(super) async fn pause(&self) {
        self.apiserver.lock().await.pause();
    }

    /// Kills the API server, and waits until another one at the same address is ready.
    pub(super) async fn restart(&self) -> Result<()> {
        let mut apiserver = self.apiserver.lock().await;
        apiserver.kill()?;
        *apiserver = Process::spawn(APISERVER, &self.logs, &self.program, &self.arguments, &[])?;
        wait_until_ready(&self.kubeconfig, &mut apiserver).await
    }

    /// The kubeconfig of whoever has `token`.
    pub(super) fn kubeconfig_of(&self, token: &str) -> String {
        kubeconfig_yaml(self.port, &self.ca, token)
    }

    /// The kubeconfig of whoever has `token`, or of the administrator, with the certificate in it.
    pub(super) fn portable_kubeconfig(&self, token: Option<&str>) -> Result<String> {
        let file = format!("certificate-authority: {}", self.ca.display());
        let data = format!(
            "certificate-authority-data: {}",
            STANDARD.encode(fs::read(&self.ca)?)
        );
        let token = token.unwrap_or(&self.token);
        Ok(self.kubeconfig_of(token).replace(&file, &data))
    }
}

const APISERVER: &str = "kube-apiserver";

/// What control planes call themselves in tokens, and what those do that trust others.
const ISSUER: &str = "https://kubernetes.default.svc";
const FAR: &str = "https://far.default.svc";

/// What has an API server take tokens of another one, whose keys everybody may read.
fn trust(dir: &Path, other: &ControlPlane) -> Result<String> {
    let discovery = format!(
        "https://127.0.0.1:{}/.well-known/openid-configuration",
        other.port
    );
    let document = serde_json::json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": ISSUER, "discoveryURL": discovery, "audiences": [AUDIENCE],
                "certificateAuthority": fs::read_to_string(&other.ca)?,
            },
            "claimMappings": {"username": {"claim": "sub", "prefix": "home:"}},
        }],
    });
    let path = dir.join("authentication.json");
    fs::write(&path, document.to_string())?;
    Ok(format!("--authentication-config={}", path.display()))
}

pub(super) async fn start(dir: &Path, logs: &Path, options: &Options) -> Result<ControlPlane> {
    let [etcd, program, controller_manager] =
        tools::ensure([Tool::Etcd, Tool::KubeApiserver, Tool::KubeControllerManager])?;
    let pki = dir.join("pki");
    fs::create_dir_all(&pki)?;
    certificates::write(&pki)?;
    let in_pki = |name: &str| pki.join(name).display().to_string();

    let token = format!("testbed-{}", std::process::id());
    fs::write(
        pki.join("tokens.csv"),
        format!("{token},admin,admin,system:masters\n"),
    )?;
    let (client_port, peer_port, port) = (free_port()?, free_port()?, free_port()?);
    let (client_url, peer_url) = (
        format!("http://127.0.0.1:{client_port}"),
        format!("http://127.0.0.1:{peer_port}"),
    );

    let etcd = Process::spawn(
        "etcd",
        logs,
        &etcd,
        [
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--data-dir={}", dir.join("etcd").display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
        ],
        &[],
    )?;
    let audit = audit::arguments(options.audit, dir, logs)?;
    // No cluster may trust another one that is called as itself.
    let issuer = if options.trusts.is_some() { FAR } else { ISSUER };
    let trust = options.trusts.map(|other| trust(dir, &other.control_plane));
    let arguments = [
        format!("--etcd-servers={client_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", in_pki("server.crt")),
        format!("--tls-private-key-file={}", in_pki("server.key")),
        format!("--client-ca-file={}", in_pki("ca.crt")),
        format!("--service-account-key-file={}", in_pki("service-account.pub")),
        format!(
            "--service-account-signing-key-file={}",
            in_pki("service-account.key")
        ),
        format!("--service-account-issuer={issuer}"),
        format!("--token-auth-file={}", in_pki("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        // Pods are admitted without a token controller.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--max-requests-inflight=2000".to_owned(),
        "--max-mutating-requests-inflight=1000".to_owned(),
        "--profiling=false".to_owned(),
    ]
    .into_iter()
    .chain(audit)
    .chain(trust.transpose()?)
    .collect::<Vec<_>>();
    let mut apiserver = Process::spawn(APISERVER, logs, &program, &arguments, &[])?;

    let kubeconfig = dir.join("kubeconfig");
    fs::write(&kubeconfig, kubeconfig_yaml(port, &pki.join("ca.crt"), &token))?;
    wait_until_ready(&kubeconfig, &mut apiserver).await?;

    let mut writers = Vec::new();
    if !options.bare {
        writers.push(start_controller_manager(
            logs,
            &pki,
            &kubeconfig,
            &controller_manager,
        )?);
    }
    if options.pods {
        writers.extend(start_nodes(dir, logs, &kubeconfig)?);
    }
    Ok(ControlPlane {
        _writers: writers,
        apiserver: Mutex::new(apiserver),
        _etcd: etcd,
        program,
        arguments,
        logs: logs.to_owned(),
        kubeconfig,
        port,
        ca: pki.join("ca.crt"),
        token,
    })
}

fn start_controller_manager(logs: &Path, pki: &Path, kubeconfig: &Path, program: &Path) -> Result<Process> {
    let in_pki = |name: &str| pki.join(name).display().to_string();
    Process::spawn(
        "kube-controller-manager",
        logs,
        program,
        [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!(
                "--service-account-private-key-file={}",
                in_pki("service-account.key")
            ),
            format!("--root-ca-file={}", in_pki("ca.crt")),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // Its default of 20 writes a second hides the speed of every other controller.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            "--concurrent-deployment-syncs=20".to_owned(),
            "--concurrent-replicaset-syncs=20".to_owned(),
        ],
        &[],
    )
}

/// The scheduler, and kwok pretending to be the kubelet of every node.
fn start_nodes(dir: &Path, logs: &Path, kubeconfig: &Path) -> Result<[Process; 2]> {
    let [scheduler, kwok] = tools::ensure([Tool::KubeScheduler, Tool::Kwok])?;
    let stages = tools::asset(Tool::Kwok, "stage")?;
    let mut config = String::new();
    for folder in ["node/fast", "node/heartbeat", "pod/fast"] {
        for file in files(&stages.join(folder))? {
            let text = fs::read_to_string(&file)?;
            if text.contains("kind: Stage") {
                config.push_str("---\n");
                config.push_str(&text);
                config.push('\n');
            }
        }
    }
    let config_file = dir.join("kwok.yaml");
    fs::write(&config_file, config)?;
    let kubeconfig = kubeconfig.display();
    let scheduler = Process::spawn(
        "kube-scheduler",
        logs,
        &scheduler,
        [
            format!("--kubeconfig={kubeconfig}"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ],
        &[],
    )?;
    let kwok = Process::spawn(
        "kwok",
        logs,
        &kwok,
        [
            format!("--kubeconfig={kubeconfig}"),
            format!("--config={}", config_file.display()),
            "--manage-all-nodes=true".to_owned(),
        ],
        &[],
    )?;
    Ok([scheduler, kwok])
}

/// The YAML files directly in a folder, in the order of their names.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn kubeconfig_yaml(port: u16, ca: &Path, token: &str) -> String {
    let ca = ca.display();
    format!(
        "apiVersion: v1
kind: Config
current-context: testbed
clusters:
- name: testbed
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority: {ca}
contexts:
- name: testbed
  context:
    cluster: testbed
    user: admin
users:
- name: admin
  user:
    token: {token}
"
    )
}

/// A client of the cluster that a kubeconfig file names.
pub(super) async fn client(kubeconfig: &Path) -> Result<Client> {
    let config = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn wait_until_ready(kubeconfig: &Path, apiserver: &mut Process) -> Result<()> {
    let client = client(kubeconfig).await?;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(2);
    loop {
        let request = axum::http::Request::get("/readyz").body(Vec::new())?;
        let Err(last) = client.request_text(request).await else {
            return Ok(());
        };
        if let Some(status) = apiserver.ended()? {
            bail!("kube-apiserver ended with {status}:\n{}", apiserver.output());
        }
        if tokio::time::Instant::now() > deadline {
            bail!(
                "kube-apiserver is not ready after 2 minutes ({last}):\n{}",
                apiserver.output()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
