//! What every command that moves objects finds out first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use flux_fleet::doctor::Facts;
use flux_fleet::moving::Journal;
use flux_fleet::plan::MigrationPlan;
use flux_fleet::{Handle, World};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;

use super::flux::Flux;
use super::look::{Expected, Looker};
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
        expected: Expected,
    ) -> Result<(Mover, mpsc::UnboundedReceiver<News>), CommandError> {
        let (sender, news) = mpsc::unbounded_channel();
        let mover = Mover {
            flux: self.flux(),
            looker: Looker::new(self.cluster.client.clone(), expected),
            store,
            prover,
            options,
            by: self.by.clone(),
            salt: random()?,
            news: sender,
        };
        Ok((mover, news))
    }

    /// Reads the journal of a migration, which is named by its name or by the file of its plan; the newest if none is named.
    pub(crate) async fn journal(
        &self,
        migration: Option<&str>,
        path: Option<&Path>,
    ) -> Result<Journal, CommandError> {
        let client = &self.cluster.client;
        let Some(migration) = migration else {
            let newest = store::journals(client, &self.home).await?.into_iter().next();
            return newest.ok_or_else(|| {
                CommandError::NotFound(format!(
                    "namespace {} has no journal of a migration: none has begun, or openflux-controller is in another namespace",
                    self.home
                ))
            });
        };
        let (migration, beside) = named(migration)?;
        let journal = store::read(client, &self.home, &migration, path.or(Some(&beside))).await?;
        let journal = journal.ok_or_else(|| {
            CommandError::NotFound(format!(
                "there is no journal of migration {migration}, neither in namespace {} nor here: openflux migrate status names those that there are, \
                 and --journal says where one lies",
                self.home
            ))
        })?;
        if journal.header.cluster != self.uid {
            return Err(CommandError::Usage(format!(
                "migration {migration} is one of another cluster: choose that with --context"
            )));
        }
        Ok(journal)
    }
}

/// The name of a migration, and where its journal is on this machine.
fn named(word: &str) -> Result<(String, PathBuf), CommandError> {
    let file = Path::new(word);
    if !file.is_file() {
        return Ok((word.to_owned(), store::path_beside(None, word)));
    }
    let migration = read_plan(file)?.id;
    let beside = store::path_beside(Some(file), &migration);
    Ok((migration, beside))
}

/// Reads the file of a plan.
pub(crate) fn read_plan(file: &Path) -> Result<MigrationPlan, CommandError> {
    let what = |error: &dyn std::fmt::Display| CommandError::Usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| what(&error))?;
    MigrationPlan::read(&text).map_err(|error| what(&error))
}

/// Says as whom the cluster knows us.
pub(crate) async fn who_am_i(client: &Client) -> Result<String, CommandError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .map_err(CommandError::api("who you are"))?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}

/// Says what tells this cluster from others: the UID of its namespace `kube-system`.
pub(crate) async fn cluster_uid(client: &Client) -> Result<String, CommandError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = api.get_metadata("kube-system").await;
    let namespace = found.map_err(CommandError::api("the namespace kube-system"))?;
    Ok(namespace.uid().unwrap_or_default())
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
        arrival: Duration::ZERO,
        tolerate_foreign: false,
        include_suspended: true,
        keep_failed: false,
        strip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_named_by_its_plan_too_and_its_journal_is_beside_that() {
        let folder = std::env::temp_dir().join(format!("openflux-named-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("web.json");
        let plan = serde_json::json!({
            "apiVersion": flux_fleet::API_VERSION, "kind": "MigrationPlan", "id": "p",
            "created": "2026-01-01T00:00:00Z", "cluster": {}, "versions": {},
            "label": {"key": "k", "value": "v"}, "objects": [],
        });
        std::fs::write(&file, plan.to_string()).unwrap();
        let (migration, beside) = named(file.to_str().unwrap()).unwrap();
        assert_eq!(
            (migration.as_str(), beside),
            ("p", folder.join("openflux-migration-p.journal"))
        );
        std::fs::remove_dir_all(&folder).unwrap();
        let (migration, beside) = named("p").unwrap();
        assert_eq!(
            (migration.as_str(), beside),
            ("p", PathBuf::from("openflux-migration-p.journal"))
        );
    }
}
