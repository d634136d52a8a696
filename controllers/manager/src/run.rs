//! `openflux-controller run`: connects, and runs the controllers until a signal.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use artifact_crd::Artifact;
use controller_kit::apply::CustomStage;
use controller_kit::cloud::CloudNetwork;
use controller_kit::events::EventRecorder;
use controller_kit::http::HostList;
use controller_kit::object::GroupKind;
use controller_kit::{Metrics, ObjectKey, SharedWatch};
use controller_process::own::OwnArguments;
use controller_process::{DeployerFlags, NO_GATE, Process, block_on, own_namespace};
use flux_deployer::Questions;
use flux_sources::AdapterOptions;
use kube::Client;
use kustomize_controller::{CONTROLLER, DecryptionSettings, Settings};
use tokio_util::sync::CancellationToken;

use crate::bases;
use crate::flags::{Controller, KustomizeFlags, RunFlags};
use crate::gates::{Gates, HelmGates};
use crate::oom::OomWatch;
use crate::producers::Producers;
use crate::shadow;

/// Runs the controllers until SIGTERM or SIGINT; `own` has flags for one of them alone.
///
/// # Errors
/// A flag that cannot be read, an address in use, no cluster, or a lost Lease.
pub(crate) fn run(flags: RunFlags, own: &OwnArguments) -> anyhow::Result<()> {
    let (kustomize, helm) = (Kustomize::read(&flags, own)?, Helm::read(&flags, own)?);
    let producers = Producers::read(&flags)?;
    block_on(manage(flags, kustomize, helm, producers))?
}

async fn manage(
    flags: RunFlags,
    mut kustomize: Kustomize,
    mut helm: Helm,
    producers: Option<Producers>,
) -> anyhow::Result<()> {
    let process = Process::start(flags.process, CONTROLLER).await?;
    flags.inert.tell();
    if flags.controllers.contains(&Controller::Sources) {
        let mirrored = process.mirrored();
        let run = |client, artifacts, options, metrics, events, shutdown| {
            flux_sources::run(client, artifacts, options, metrics, events, mirrored, shutdown)
        };
        let adapters = run_sources(
            process.clone(),
            flags.concurrent_sources,
            run,
            "openflux-source-adapter",
        );
        process.spawn(adapters);
    } else {
        // Whoever mirrors is another process, of which nothing is known here.
        process.mirrored().cancel();
    }
    if flags.controllers.contains(&Controller::Bridge) {
        let run = flux_sources::run_bridge;
        let bridge = run_sources(
            process.clone(),
            flags.concurrent_sources,
            run,
            "openflux-artifact-bridge",
        );
        process.spawn(bridge);
    }
    let mut synced = Vec::new();
    let mut token = || {
        let token = CancellationToken::new();
        synced.push(token.clone());
        token
    };
    let shadow_listener = shadow::listen(&flags.shadow_addr).await?;
    let mut deployers = Vec::new();
    if flags.controllers.contains(&Controller::Kustomize) {
        if shadow_listener.is_some() {
            let (shadows, questions) = flux_deployer::shadows("Kustomization");
            kustomize.questions = Some(questions);
            deployers.push(shadows);
        }
        process.spawn(kustomize.run(process.clone(), token()));
    }
    if flags.controllers.contains(&Controller::Helm) {
        if shadow_listener.is_some() {
            let (shadows, questions) = flux_deployer::shadows("HelmRelease");
            helm.questions = Some(questions);
            deployers.push(shadows);
        }
        if let Some(memory) = helm.memory.take() {
            process.spawn(memory.run(process.shutdown()));
        }
        process.spawn(helm.run(process.clone(), token()));
    }
    if let Some(listener) = shadow_listener {
        process.spawn(shadow::serve(listener, deployers, process.shutdown()));
    }
    if let Some(producers) = producers {
        producers.start(&process, &mut token).await?;
    }
    // The process is ready once all of its controllers are.
    process.ready_after(synced);
    Ok(process.until_signal().await?)
}

/// Runs the source adapters or the bridge, which are connected to the same.
async fn run_sources<F: Future<Output = ()>>(
    process: Process,
    concurrency: usize,
    run: impl FnOnce(
        Client,
        SharedWatch<Artifact>,
        AdapterOptions,
        Metrics,
        EventRecorder,
        CancellationToken,
    ) -> F,
    name: &str,
) {
    let options = AdapterOptions {
        hosts: process.hosts(),
        namespace: process.namespace(),
        concurrency,
    };
    let recorder = process.recorder().reporting_as(name);
    let (client, artifacts, metrics) = (process.client(), process.artifacts(), process.metrics());
    let controller = Box::pin(run(
        client,
        artifacts,
        options,
        metrics,
        recorder,
        process.shutdown(),
    ));
    process.as_leader(name, "", controller).await;
}

/// The kustomize deployer, as its flags want it.
struct Kustomize {
    flags: DeployerFlags,
    settings: Settings,
    bases: Bases,
    questions: Option<Questions>,
}

/// Where kustomize bases may come from.
enum Bases {
    /// From no other machine.
    Here,
    /// From these hosts alone; from any that the guard lets through when there is no list.
    Hosts(Option<HostList>),
}

impl Kustomize {
    fn read(flags: &RunFlags, own: &OwnArguments) -> anyhow::Result<Self> {
        let name = "kustomize";
        let deployer = own.apply(name, &flags.deployer)?;
        // A list that cannot be read is an error even where it is not needed.
        let hosts = bases::hosts(&flags.kustomize)?;
        let bases = if flags.kustomize.no_remote_bases {
            Bases::Here
        } else {
            Bases::Hosts(hosts)
        };
        Ok(Self {
            settings: settings(&deployer, &flags.kustomize)?,
            bases,
            questions: None,
            flags: deployer,
        })
    }

    async fn run(self, process: Process, synced: CancellationToken) {
        let mut settings = self.settings;
        if let Bases::Hosts(listed) = self.bases {
            let networks = bases::service_networks(process.client());
            let Some(closed) = process.shutdown().run_until_cancelled(networks).await else {
                return;
            };
            match bases::remote_bases(listed, closed) {
                Ok(bases) => settings.remote_bases = Some(bases),
                Err(error) => tracing::error!(%error, "remote bases are refused"),
            }
        }
        let mut connections = process.connections(&self.flags);
        connections.questions = self.questions;
        let controller = kustomize_controller::run(connections, settings, synced.clone(), process.shutdown());
        run_deployer(&process, CONTROLLER, &self.flags, &synced, Box::pin(controller)).await;
    }
}

/// Runs a deployer while it leads.
async fn run_deployer(
    process: &Process,
    name: &str,
    flags: &DeployerFlags,
    synced: &CancellationToken,
    controller: impl Future<Output = ()>,
) {
    if process.flags().enable_leader_election {
        // A stand-by is ready too: it serves its probes and waits for the Lease.
        synced.cancel();
    }
    process
        .as_leader(name, &flags.watch_label_selector, controller)
        .await;
}

/// The Helm deployer, as its flags want it.
struct Helm {
    flags: DeployerFlags,
    settings: helm_controller::Settings,
    memory: Option<OomWatch>,
    questions: Option<Questions>,
}

impl Helm {
    fn read(flags: &RunFlags, own: &OwnArguments) -> anyhow::Result<Self> {
        let deployer = own.apply("helm", &flags.deployer)?;
        let gates = HelmGates::parse(&deployer.feature_gates).map_err(|error| anyhow!(error))?;
        let settings = deployer.settings(&gates.deployer);
        let memory = gates
            .oom_watch
            .then(|| OomWatch::new(&flags.helm.oom, Path::new("/sys/fs/cgroup")));
        Ok(Self {
            memory: memory.transpose().context("unable to setup OOM watcher")?,
            questions: None,
            settings: helm_controller::Settings {
                deployer: settings.context("cannot read the flags")?,
                helm3_defaults: gates.use_helm3_defaults,
                retry_by_default: gates.default_to_retry_on_failure,
                cancels_waits: gates.cancel_health_check_on_new_revision,
                ignores_digests: gates.disable_chart_digest_tracking,
                resolves_hosts: gates.allow_dns_lookups,
                digests: flags.helm.snapshot_digest_algo,
                ..helm_controller::Settings::default()
            },
            flags: deployer,
        })
    }

    async fn run(self, process: Process, synced: CancellationToken) {
        let mut connections = process.connections(&self.flags);
        connections.recorder = connections.recorder.reporting_as(helm_controller::CONTROLLER);
        connections.questions = self.questions;
        let shutdown = process.shutdown();
        let controller = helm_controller::run(connections, self.settings, synced.clone(), shutdown);
        let name = helm_controller::CONTROLLER;
        run_deployer(&process, name, &self.flags, &synced, Box::pin(controller)).await;
    }
}

fn settings(deployer: &DeployerFlags, flags: &KustomizeFlags) -> anyhow::Result<Settings> {
    let gates = Gates::parse(&deployer.feature_gates).map_err(|error| anyhow!(error))?;
    let object_level_identity = gates.deployer.object_level_workload_identity;
    if !flags.default_decryption_service_account.is_empty() && !object_level_identity {
        return Err(anyhow!(NO_GATE));
    }
    let mut deployer = deployer
        .settings(&gates.deployer)
        .context("cannot read the flags")?;
    let network = key_network(&flags.sops_key_hosts)?;
    deployer.kube_config.workload.network = network.clone();
    let kinds = flags.custom_apply_stage_kinds.iter();
    Ok(Settings {
        deployer,
        concurrent_ssa: flags.concurrent_ssa,
        // They need a client, and that the cluster's networks.
        remote_bases: None,
        decryption: DecryptionSettings {
            age_secret: (!flags.sops_age_secret.is_empty())
                .then(|| ObjectKey::new(own_namespace(), &flags.sops_age_secret)),
            age_environment: flags.sops_age_environment,
            object_level_identity,
            default_account: flags.default_decryption_service_account.clone(),
            vault_config: (!flags.sops_vault_configmap.is_empty())
                .then(|| ObjectKey::new(own_namespace(), &flags.sops_vault_configmap)),
            network: Some(network),
        },
        custom_stage: CustomStage(kinds.map(|text| group_kind(text)).collect()),
        strict_substitution: gates.strict_post_build_substitutions,
        migrate_api_version: gates.migrate_api_version,
        group_change_log: gates.group_change_log,
    })
}

/// Makes the clients of services that decrypt keys.
fn key_network(hosts: &[String]) -> anyhow::Result<CloudNetwork> {
    let hosts: Vec<_> = hosts
        .iter()
        .map(String::as_str)
        .filter(|host| !host.is_empty())
        .collect();
    let listed = if hosts.is_empty() {
        None
    } else {
        Some(HostList::parse(hosts).context("--sops-key-hosts")?)
    };
    Ok(CloudNetwork::new(listed, "--sops-key-hosts"))
}

fn group_kind(text: &str) -> GroupKind {
    let (group, kind) = text.rsplit_once('/').unwrap_or(("", text));
    GroupKind {
        group: group.to_owned(),
        kind: kind.to_owned(),
    }
}
