//! The stock Flux controllers.

use std::path::Path;

use anyhow::Result;

use super::ports::free_port;
use super::process::Process;
use super::services::wait_for_port;
use crate::tools::{self, Tool};

/// A stock Flux controller that deploys or notifies; the source-controller has its own type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// kustomize-controller.
    Kustomize,
    /// helm-controller.
    Helm,
    /// notification-controller.
    Notification,
}

impl Stock {
    fn tool(self) -> Tool {
        match self {
            Self::Kustomize => Tool::KustomizeController,
            Self::Helm => Tool::HelmController,
            Self::Notification => Tool::NotificationController,
        }
    }

    /// Starts the controller with the flags that every run here shares, and `arguments` after them.
    pub(super) fn start(self, kubeconfig: &Path, logs: &Path, arguments: &[&str]) -> Result<Process> {
        let [program] = tools::ensure([self.tool()])?;
        let arguments = COMMON.iter().chain(arguments);
        Process::spawn(
            self.tool().name(),
            logs,
            &program,
            arguments,
            &environment(kubeconfig),
        )
    }
}

const COMMON: [&str; 5] = [
    "--watch-all-namespaces",
    "--metrics-addr=:0",
    "--health-addr=:0",
    "--events-addr=",
    "--log-level=info",
];

fn environment(kubeconfig: &Path) -> [(&'static str, String); 2] {
    [
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("RUNTIME_NAMESPACE", "flux-system".to_owned()),
    ]
}

/// The stock source-controller and the address of its artifacts.
#[derive(Debug)]
pub struct SourceController {
    port: u16,
    process: Process,
}

impl SourceController {
    pub(super) fn start(kubeconfig: &Path, dir: &Path, logs: &Path) -> Result<Self> {
        let [program] = tools::ensure([Tool::SourceController])?;
        let port = free_port()?;
        std::fs::create_dir_all(dir)?;
        let own = [
            format!("--storage-path={}", dir.display()),
            format!("--storage-addr=127.0.0.1:{port}"),
            format!("--storage-adv-addr=127.0.0.1:{port}"),
            "--concurrent=10".to_owned(),
        ];
        let arguments = COMMON.iter().map(ToString::to_string).chain(own);
        let mut process = Process::spawn(
            "source-controller",
            logs,
            &program,
            arguments,
            &environment(kubeconfig),
        )?;
        wait_for_port(port, &mut process)?;
        Ok(Self { port, process })
    }

    /// Host and port of its artifacts.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process, to stop it or to see what it prints.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
