//! What every command that moves objects finds out first.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use flux_fleet::doctor::Facts;
use flux_fleet::moving::Journal;
use flux_fleet::{Handle, World};
use kube::ResourceExt;
use tokio::sync::mpsc;

use super::flux::{Flux, cluster_uid, who_am_i};
use super::look::Looker;
use super::prove::Prover;
use super::state::{Mover, News, Options, Via, random};
use super::store::{self, Store};
use crate::cluster::{Cluster, CommandError, ConnectArgs, duration, facts};

/// Where controllers are when none is found.
const USUAL_HOME: &str = "flux-system";

/// How long is waited for what.
#[derive(Args, Clone, Debug)]
pub(crate) struct PatienceArgs {
    /// How long a controller may take to become idle on an object.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub(crate) idle_timeout: Duration,
    /// How long the other controller may take to end a run.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub(crate) timeout: Duration,
    /// How many objects move at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    pub(crate) max_parallel: usize,
}

/// The cluster, and who is there.
pub(crate) struct Setting {
    pub(crate) cluster: Cluster,
    pub(crate) facts: Facts,
    pub(crate) label: (String, String),
    pub(crate) uid: String,
    pub(crate) by: String,
    /// The namespace of the journals.
    pub(crate) home: String,
}

impl Setting {
    /// Connects, and reads what there is.
    pub(crate) async fn find(connect: &ConnectArgs, label: Option<&str>) -> Result<Self, CommandError> {
        let cluster = connect.connect().await?;
        let facts = facts(&cluster, false).await?;
        let label = match label {
            Some(label) => label
                .split_once('=')
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .ok_or_else(|| CommandError::Usage(format!("{label:?} is not KEY=VALUE")))?,
            None => facts.label(),
        };
        let (uid, by) = futures::try_join!(cluster_uid(&cluster.client), who_am_i(&cluster.client))?;
        let home = home(&facts.world);
        Ok(Self {
            cluster,
            facts,
            label,
            uid,
            by,
            home,
        })
    }

    pub(crate) fn flux(&self) -> Flux {
        Flux {
            client: self.cluster.client.clone(),
            label: self.label.clone(),
        }
    }

    /// Makes what moves objects; the second hears what it does.
    pub(crate) fn mover(
        &self,
        options: Options,
        store: Option<Store>,
        prover: Box<dyn Prover>,
    ) -> Result<(Mover, mpsc::UnboundedReceiver<News>), CommandError> {
        let (sender, news) = mpsc::unbounded_channel();
        let mover = Mover {
            flux: self.flux(),
            looker: Looker::new(self.cluster.client.clone()),
            store,
            prover,
            options,
            by: self.by.clone(),
            salt: random()?,
            news: sender,
        };
        Ok((mover, news))
    }

    /// Reads the journal of a migration; the newest if none is named.
    pub(crate) async fn journal(
        &self,
        migration: Option<&str>,
        path: Option<&Path>,
    ) -> Result<Journal, CommandError> {
        let client = &self.cluster.client;
        let Some(migration) = migration else {
            let newest = store::journals(client, &self.home).await?.into_iter().next();
            return newest.ok_or_else(|| {
                CommandError::NotFound(format!("namespace {} has no journal of a migration", self.home))
            });
        };
        let beside = store::path_beside(None, migration);
        let journal = store::read(client, &self.home, migration, path.or(Some(&beside))).await?;
        let journal = journal.ok_or_else(|| {
            CommandError::NotFound(format!(
                "there is no journal of migration {migration}, neither in namespace {} nor here",
                self.home
            ))
        })?;
        if journal.header.cluster != self.uid {
            return Err(CommandError::Usage(format!(
                "migration {migration} is one of another cluster"
            )));
        }
        Ok(journal)
    }
}

/// The namespace of our controller, or else that of stock.
fn home(world: &World) -> String {
    let deployment = world.ours.first().or(world.stock.first());
    deployment
        .and_then(ResourceExt::namespace)
        .unwrap_or_else(|| USUAL_HOME.to_owned())
}

/// What a word of the command line names.
pub(crate) enum Target {
    Object(Handle),
    /// A migration, by its name or by its plan.
    Migration(String),
}

/// Reads a word: `ks/NAME`, or else the name of a migration.
pub(crate) fn target(word: &str, namespace: &str) -> Target {
    match Handle::parse(word, namespace) {
        Ok(handle) => Target::Object(handle),
        Err(_) => Target::Migration(word.to_owned()),
    }
}

/// What a way back is asked for, whatever the way there was.
pub(crate) fn options_of_return(patience: &PatienceArgs, strip: bool) -> Options {
    Options {
        via: Via::Cluster,
        soak: Duration::ZERO,
        idle_timeout: patience.idle_timeout,
        timeout: patience.timeout,
        tolerate_foreign: false,
        include_suspended: true,
        keep_failed: false,
        strip,
    }
}
