//! A program of producers, deployers and transformations, of which the author writes those alone.

mod installed;
mod manifests;
mod transform;

use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use artifact_consumer::{Access, Deploy};
use artifact_producer::{FetchSettings, Produce, Storage};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use controller_kit::http::{Guard, HostList};
use controller_kit::{Backoff, selector};
use flux_archive::Limits;
use futures::FutureExt as _;
use futures::future::join_all;
use kube::Resource;
use kube::core::Selector;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::deployer_flags::FlagError;
use crate::values::{boolean, integer, percentage};
use crate::{Process, ProcessFlags, StorageFlags};

pub use transform::{Transform, Transforming};

use installed::InstallFlags;
use manifests::{Registered, Role};

/// Pauses between looks that fail.
const BACKOFF: Backoff = Backoff {
    min: Duration::from_secs(1),
    max: Duration::from_mins(15),
};

#[derive(Parser)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many objects of one kind are looked at at once.
    #[arg(long, default_value_t = 4, value_parser = integer::<usize>)]
    concurrent: usize,
    /// Objects to look at, by labels; empty for all.
    #[arg(long, default_value = "")]
    watch_label_selector: String,
    /// Percentage by which intervals are spread.
    #[arg(long, default_value_t = 5, value_parser = percentage)]
    interval_jitter_percentage: u8,
    /// The only hosts that sources may ask: host, *.suffix, address or network, with an optional port. By default all but this
    /// machine, link-local and metadata addresses. Repeatable.
    #[arg(long, value_delimiter = ',')]
    source_hosts: Vec<String>,
    /// Refuse sources in other namespaces.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    no_cross_namespace_refs: bool,
    /// Let transformations have inputs of other namespaces, which whoever reads their output can read too.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    allow_cross_namespace_inputs: bool,
    /// Source kinds that may be referred to, as Kind or group/Kind; empty for all. Repeatable.
    #[arg(long, value_delimiter = ',')]
    allowed_source_kinds: Vec<String>,
    #[command(flatten)]
    storage: StorageFlags,
    #[command(flatten)]
    process: ProcessFlags,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controllers; what is done without a command too.
    Run,
    /// Print the CustomResourceDefinitions of the kinds.
    Crds,
    /// Print the ClusterRole and the Role that the controllers need; what a deployer applies has to be added.
    Rbac,
    /// Print everything that the program is installed with: definitions, rights, Deployment, and Service where it stores artifacts;
    /// what a deployer applies has to be added to the rights.
    Manifests(InstallFlags),
}

/// What every controller of a program is given.
struct Common {
    name: &'static str,
    selector: Selector,
    concurrent: usize,
    interval_jitter: u8,
    references: Access,
    inputs: Access,
    fetching: FetchSettings,
    /// Absent in a program that stores nothing.
    storage: Option<Storage>,
    /// The controllers that store.
    storing: Mutex<Vec<Running>>,
}

/// A controller that runs as long as it is awaited.
type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

type Start = Box<dyn FnOnce(&Process, &Common, CancellationToken) + Send>;

/// A program of producers, deployers and transformations: flags, logs, probes, metrics, Leases, storage and file server around
/// what an author adds.
///
/// ```no_run
/// use artifact_consumer::Deploy;
/// use artifact_producer::Produce;
/// use controller_process::Manager;
///
/// async fn run(feed: impl Produce, copier: impl Deploy) -> std::process::ExitCode {
///     Manager::new("feed-controller").source(feed).deployer(copier).run().await
/// }
/// ```
pub struct Manager {
    name: &'static str,
    kinds: Vec<Registered>,
    starts: Vec<Start>,
}

impl Manager {
    /// Begins a program whose name is that of its field manager, its Leases and the reporter of its events.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            kinds: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Adds a kind of source.
    #[must_use]
    pub fn source<P: Produce>(self, producer: P) -> Self {
        self.producer::<P, _>(Role::Source, |_, _| producer)
    }

    /// Adds a kind of transformation: a source that is made of other Artifacts.
    #[must_use]
    pub fn transformation<T: Transform>(self, transformation: T) -> Self {
        self.producer::<Transforming<T>, _>(Role::Transformation, |process, common| {
            let (content, inputs) = (process.content(), common.inputs.clone());
            Transforming::new(transformation, content, inputs, &process.artifacts())
        })
    }

    fn producer<P: Produce, M>(mut self, role: Role, make: M) -> Self
    where
        M: FnOnce(&Process, &Common) -> P + Send + 'static,
    {
        self.kinds.push(Registered::of::<P::Source>(role));
        self.starts.push(Box::new(move |process, common, synced| {
            // Whoever stores nothing has no kind that is stored.
            let Some(storage) = common.storage.clone() else {
                return;
            };
            let connections = process.producing(storage);
            let settings = artifact_producer::Settings {
                name: common.name,
                selector: common.selector.clone(),
                concurrent: common.concurrent,
                interval_jitter: common.interval_jitter,
                backoff: BACKOFF,
                fetching: common.fetching.clone(),
            };
            let producer = make(process, common);
            let controller = artifact_producer::run(
                producer,
                connections,
                settings,
                synced.clone(),
                process.shutdown(),
            );
            stand_by(process, &synced);
            // All that store share a volume, which one process alone may write, so that one process leads them all.
            common.storing.lock().push(Box::pin(controller));
        }));
        self
    }

    /// Adds a kind of object that says what to deploy.
    #[must_use]
    pub fn deployer<D: Deploy>(mut self, deployer: D) -> Self {
        self.kinds.push(Registered::of::<D::Object>(Role::Deployer));
        self.starts.push(Box::new(move |process, common, synced| {
            let connections = artifact_consumer::Connections {
                client: process.client(),
                artifacts: process.artifacts(),
                content: process.content(),
                recorder: process.recorder(),
                metrics: process.metrics(),
                namespace: process.namespace(),
            };
            let settings = artifact_consumer::Settings {
                name: common.name,
                selector: common.selector.clone(),
                concurrent: common.concurrent,
                interval_jitter: common.interval_jitter,
                backoff: BACKOFF,
                access: common.references.clone(),
            };
            let controller = artifact_consumer::run(
                deployer,
                connections,
                settings,
                synced.clone(),
                process.shutdown(),
            );
            stand_by(process, &synced);
            lead(process, common, &D::Object::plural(&()), controller);
        }));
        self
    }

    /// Reads the arguments and runs until a signal. Failures are printed once.
    pub async fn run(self) -> ExitCode {
        let about = "Runs the controllers of this program.";
        let command = Flags::command().name(self.name).bin_name(self.name);
        let command = command.about(about).long_about(about);
        let flags = match Flags::from_arg_matches(&command.get_matches()) {
            Ok(flags) => flags,
            Err(error) => error.exit(),
        };
        let printed = match &flags.command {
            Some(Command::Crds) => Some(manifests::crds(&self.kinds)),
            Some(Command::Rbac) => Some(manifests::rights(self.name, &self.kinds)),
            Some(Command::Manifests(install)) => Some(installed::manifests(self.name, &self.kinds, install)),
            Some(Command::Run) | None => None,
        };
        if let Some(object) = printed {
            // Whoever closes the output has read enough.
            let _ = writeln!(std::io::stdout(), "{object:#}");
            return ExitCode::SUCCESS;
        }
        match self.serve(flags).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(self, flags: Flags) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut common = self.common(&flags)?;
        let stored = self.kinds.iter().filter(|kind| kind.role != Role::Deployer);
        let stored: Vec<_> = stored.map(|kind| kind.kind.as_str()).collect();
        let storage = (!stored.is_empty()).then(|| flags.storage.settings(&stored, &flags.process.artifacts));
        let storage = storage.transpose()?;
        let process = Process::start(flags.process, self.name).await?;
        // Nothing of this program mirrors sources into Artifacts.
        process.mirrored().cancel();
        if let Some(settings) = storage {
            common.storage = Some(process.serve_artifacts(settings).await?);
        }
        let mut synced = Vec::new();
        for start in self.starts {
            let token = CancellationToken::new();
            start(&process, &common, token.clone());
            synced.push(token);
        }
        let storing = std::mem::take(&mut *common.storing.lock());
        if !storing.is_empty() {
            lead(&process, &common, "storage", join_all(storing).map(drop));
        }
        process.ready_after(synced);
        Ok(process.until_signal().await?)
    }

    fn common(&self, flags: &Flags) -> Result<Common, FlagError> {
        let hosts = flags.source_hosts.iter().map(String::as_str);
        let hosts: Vec<_> = hosts.filter(|host| !host.is_empty()).collect();
        let hosts = (!hosts.is_empty()).then(|| HostList::parse(hosts)).transpose();
        let hosts = hosts.map_err(|error| FlagError {
            flag: "source-hosts",
            reason: error.to_string(),
        })?;
        let selector = selector::parse(&flags.watch_label_selector);
        let access = |no_cross_namespace_refs| Access {
            no_cross_namespace_refs,
            allowed_kinds: flags.allowed_source_kinds.clone(),
            no_external_artifacts: false,
        };
        let artifacts = &flags.process.artifacts;
        Ok(Common {
            name: self.name,
            selector: selector.map_err(|reason| FlagError {
                flag: "watch-label-selector",
                reason,
            })?,
            concurrent: flags.concurrent,
            interval_jitter: flags.interval_jitter_percentage,
            references: access(flags.no_cross_namespace_refs),
            inputs: access(!flags.allow_cross_namespace_inputs),
            fetching: FetchSettings {
                guard: Guard::new(hosts, "--source-hosts"),
                max_bytes: artifacts.artifact_max_bytes as u64,
                unpack: Limits {
                    bytes: artifacts.artifact_max_unpacked_bytes,
                    entries: artifacts.artifact_max_entries,
                },
            },
            storage: None,
            storing: Mutex::default(),
        })
    }
}

/// A stand-by is ready too: it serves its probes and waits for the Lease.
fn stand_by(process: &Process, synced: &CancellationToken) {
    if process.flags().enable_leader_election {
        synced.cancel();
    }
}

/// Runs controllers while the process leads them.
fn lead(
    process: &Process,
    common: &Common,
    what: &str,
    controllers: impl Future<Output = ()> + Send + 'static,
) {
    let lease = format!("{}-{what}", common.name);
    let (leading, selector) = (process.clone(), common.selector.to_string());
    process.spawn(async move {
        leading.as_leader(&lease, &selector, Box::pin(controllers)).await;
    });
}
