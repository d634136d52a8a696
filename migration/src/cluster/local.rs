//! A controller on this machine that proves with the rights of whoever runs the tool, where that in the cluster cannot be asked.
//!
//! It is `openflux-controller` itself, with a selector that nothing has, so that it reconciles nothing: it says what a run would change,
//! as the one in the cluster does. What it reads it reads from the cluster, and artifacts through a port that kubectl forwards.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use flux_api::Arguments;
use flux_fleet::doctor::Facts;
use flux_fleet::text::clean;
use kube::ResourceExt;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::shadow::{Controller, forward};
use super::{CommandError, ConnectArgs};

/// How long it may take until its caches are complete.
const PATIENCE: Duration = Duration::from_mins(2);

/// How much of what it says is kept.
const LINES: usize = 5;

/// The hosts of artifacts in a cluster.
const HOSTS: &str = "*.svc,*.svc.cluster.local";

/// The selector that no object has.
const NOTHING: &str = "--watch-label-selector=openfluxcd.ocm.software/nothing=selected";

/// The flags by which a proof becomes another: those of the controller in the cluster, or else of stock, count here too.
const MIRRORED: [&str; 6] = [
    "no-cross-namespace-refs",
    "no-remote-bases",
    "default-service-account",
    "default-kubeconfig-service-account",
    "default-decryption-service-account",
    "custom-apply-stage-kinds",
];
/// Those of them that each kind of controller has for itself.
const SHARED: [&str; 3] = [
    "no-cross-namespace-refs",
    "default-service-account",
    "default-kubeconfig-service-account",
];
/// Those that only ours has like this.
const OURS: [&str; 3] = ["remote-base-hosts", "feature-gates", "override-manager"];

/// Whether a controller on this machine proves.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LocalArgs {
    /// Prove with a controller on this machine and with your rights, where that in the cluster cannot be asked; it writes nothing. You
    /// need the rights that it has in the cluster, and what decrypts files has to be there.
    #[arg(long)]
    local: bool,
    /// The program of that controller.
    #[arg(
        long,
        value_name = "PROGRAM",
        env = "OPENFLUX_CONTROLLER",
        default_value = "openflux-controller"
    )]
    local_controller: PathBuf,
    /// Host and port at which source-controller's artifacts are there for this machine, instead of a port that kubectl forwards.
    #[arg(long, value_name = "HOST:PORT", requires = "local")]
    artifact_host: Option<String>,
}

impl LocalArgs {
    /// Starts the controller, if one on this machine is asked for.
    pub(crate) async fn start(
        &self,
        connect: &ConnectArgs,
        facts: &Facts,
    ) -> Result<Option<Controller>, CommandError> {
        if !self.local {
            return Ok(None);
        }
        let kubeconfig = connect.only_files()?;
        let stock = facts.world.stock.first().and_then(ResourceExt::namespace);
        let namespace = stock.unwrap_or_else(|| "flux-system".to_owned());
        let mut children = Vec::new();
        let artifacts = if let Some(host) = &self.artifact_host {
            host.clone()
        } else {
            let forwarded = forward(connect, &namespace, "service/source-controller", 80).await;
            let (address, child) = forwarded.map_err(|why| {
                CommandError::Usage(format!(
                    "the artifacts of source-controller cannot be reached: {why}. Forward a port to it, and say \
                     --artifact-host=127.0.0.1:PORT"
                ))
            })?;
            children.push(child);
            address
        };
        let ours = facts.ours().map(|(_, arguments)| arguments).next();
        let of_stock = |name: &'static str| {
            let stock = facts.stock(name).next();
            stock.map(|(_, container)| Arguments::of(container))
        };
        let stock = [
            ("kustomize", of_stock("kustomize-controller")),
            ("helm", of_stock("helm-controller")),
        ];
        let hosts = ours.as_ref().and_then(|ours| ours.value("artifact-hosts"));
        let hosts = hosts.unwrap_or(HOSTS);
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(&self.local_controller);
        command
            .args(["run", "--controllers=kustomize,helm", NOTHING])
            .args([
                "--enable-leader-election=false",
                "--metrics-addr=0",
                "--health-addr=0",
            ])
            .arg(format!("--shadow-addr={address}"))
            .arg(format!("--artifact-hosts={hosts},{artifacts}"))
            .args(mirrored(ours.as_ref(), &stock))
            .env("SOURCE_CONTROLLER_LOCALHOST", artifacts)
            .env("RUNTIME_NAMESPACE", &namespace)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(path) = kubeconfig {
            command.env("KUBECONFIG", path);
        }
        let mut child = command.spawn().map_err(|error| {
            CommandError::Usage(format!(
                "{}: {error}. --local-controller says where openflux-controller is",
                self.local_controller.display()
            ))
        })?;
        let said = listen(&mut child);
        children.push(child);
        let found = Controller::here(address, children, PATIENCE).await;
        found.map(Some).map_err(|error| {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let said: Vec<_> = said.iter().map(|line| clean(line).into_owned()).collect();
            CommandError::Usage(format!(
                "the controller on this machine does not come up: {error}\n{}",
                said.join("\n")
            ))
        })
    }
}

/// Arguments of the controller in the cluster, or else of those of stock, each for its own kind, that count here too.
fn mirrored(ours: Option<&Arguments>, stock: &[(&str, Option<Arguments>)]) -> Vec<String> {
    let mut mirrored = Vec::new();
    if let Some(ours) = ours {
        for flag in MIRRORED.iter().chain(&OURS) {
            for name in [
                (*flag).to_owned(),
                format!("kustomize.{flag}"),
                format!("helm.{flag}"),
            ] {
                let values = given(ours, &name);
                mirrored.extend(values.map(|value| format!("--{name}={value}")));
            }
        }
        return mirrored;
    }
    for (kind, arguments) in stock {
        for flag in MIRRORED {
            // Those of one kind alone have no other form.
            let name = if SHARED.contains(&flag) {
                format!("{kind}.{flag}")
            } else if *kind == "kustomize" {
                flag.to_owned()
            } else {
                continue;
            };
            let values = arguments.iter().flat_map(|arguments| given(arguments, flag));
            mirrored.extend(values.map(|value| format!("--{name}={value}")));
        }
    }
    mirrored
}

/// All values of a flag, which may be there more than once; a switch without one is on.
fn given<'a>(arguments: &'a Arguments, flag: &str) -> impl Iterator<Item = &'a str> {
    let values: Vec<_> = arguments.values(flag, None).collect();
    let values = if values.is_empty() {
        arguments.switch(flag).into_iter().collect()
    } else {
        values
    };
    let values = values.into_iter();
    values.map(|value| if value.starts_with("--") { "true" } else { value })
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16, CommandError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Keeps the last of what the controller says.
fn listen(child: &mut Child) -> Arc<Mutex<VecDeque<String>>> {
    let said = Arc::new(Mutex::new(VecDeque::new()));
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(keep(stdout, Arc::clone(&said)));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(keep(stderr, Arc::clone(&said)));
    }
    said
}

async fn keep(output: impl AsyncRead + Unpin, said: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == LINES {
            said.pop_front();
        }
        said.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Container;

    use super::*;

    #[test]
    fn flags_that_change_a_proof_count_here_too() {
        let arguments = |args: &[&str]| {
            Arguments::of(&Container {
                args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
                ..Container::default()
            })
        };
        let stock = arguments(&["--no-remote-bases", "--feature-gates=A=true", "--concurrent=4"]);
        let helm = arguments(&["--default-service-account=y"]);
        let stock = [("kustomize", Some(stock)), ("helm", Some(helm))];
        assert_eq!(
            mirrored(None, &stock),
            ["--no-remote-bases=true", "--helm.default-service-account=y"]
        );
        let ours = arguments(&[
            "run",
            "--default-service-account=x",
            "--helm.default-service-account=z",
            "--feature-gates=A=true",
            "--feature-gates=B=true",
            "--shadow-addr=a",
        ]);
        assert_eq!(
            mirrored(Some(&ours), &stock),
            [
                "--default-service-account=x",
                "--helm.default-service-account=z",
                "--feature-gates=A=true",
                "--feature-gates=B=true"
            ]
        );
        assert_eq!(mirrored(None, &[("helm", None)]), Vec::<String>::new());
    }
}
