//! Where the journal of a migration is kept: lines of a file, and a ConfigMap from which anybody goes on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flux_fleet::Handle;
use flux_fleet::moving::journal::Facts;
use flux_fleet::moving::{Journal, MANAGER, Progress, Record, Step};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::flux::patiently;
use crate::cluster::CommandError;

/// The label of the ConfigMaps of migrations.
const LABEL: &str = "openfluxcd.ocm.software/migration";

/// The key of the header in a ConfigMap.
const HEADER: &str = "header";

/// What a ConfigMap may hold together, with room for what is around it.
const BUDGET: usize = 700_000;

/// The name of the ConfigMap and of the Lease of a migration.
pub(crate) fn name_of(migration: &str) -> String {
    format!("openflux-migration-{migration}")
}

/// The journal of a migration that is going on.
pub(crate) struct Store {
    journal: Mutex<Journal>,
    file: Mutex<Option<File>>,
    api: Api<ConfigMap>,
    name: String,
    /// The key of each object in the ConfigMap.
    keys: BTreeMap<Handle, String>,
    /// How large a record may be there.
    room: usize,
}

impl Store {
    /// Keeps a journal that begins or that is gone on with, in the cluster and, if there is a path, in a file.
    pub(crate) async fn keep(
        client: &Client,
        namespace: &str,
        journal: Journal,
        path: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let name = name_of(&journal.header.migration);
        let text = line(&journal.header)?;
        let map = ConfigMap {
            metadata: kube::core::ObjectMeta {
                name: Some(name.clone()),
                labels: Some(BTreeMap::from([(LABEL.to_owned(), "true".to_owned())])),
                ..kube::core::ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(HEADER.to_owned(), text.clone())])),
            ..ConfigMap::default()
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&params, &map).await {
            Ok(_) => {}
            // It is gone on with.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => {
                let what = format!("the journal, ConfigMap {namespace}/{name}");
                return Err(CommandError::api(what)(error));
            }
        }
        let file = path.map(|path| open(path, &text)).transpose()?;
        Ok(Self::new(api, journal, file))
    }

    fn new(api: Api<ConfigMap>, journal: Journal, file: Option<File>) -> Self {
        let objects = journal.header.objects().enumerate();
        let keys: BTreeMap<_, _> = objects.map(|(at, object)| (object.clone(), key(at))).collect();
        Self {
            api,
            name: name_of(&journal.header.migration),
            room: BUDGET / keys.len().max(1),
            keys,
            journal: Mutex::new(journal),
            file: Mutex::new(file),
        }
    }

    /// Returns what the journal says about an object.
    pub(crate) fn progress(&self, object: &Handle) -> Option<Progress> {
        let journal = self
            .journal
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        journal.progress.get(object).cloned()
    }

    /// Writes down a step before it is taken.
    pub(crate) async fn write(&self, object: &Handle, step: Step, facts: &Facts) -> Result<(), CommandError> {
        let before = self.progress(object);
        let record = Record {
            at: Timestamp::now(),
            number: before.as_ref().map_or(0, |progress| progress.number) + 1,
            object: object.clone(),
            step,
            facts: facts.clone(),
        };
        let text = line(&record)?;
        // The file has it from an earlier line.
        let is_known = facts.snapshot.is_some()
            && before
                .as_ref()
                .is_some_and(|progress| step != Step::Guard && progress.facts.snapshot == facts.snapshot);
        let short = Record {
            facts: Facts {
                snapshot: facts.snapshot.clone().filter(|_| !is_known),
                ..facts.clone()
            },
            ..record.clone()
        };
        let small = Record {
            facts: Facts {
                snapshot: facts.snapshot.clone().filter(|_| text.len() <= self.room),
                ..facts.clone()
            },
            ..record.clone()
        };
        {
            let mut file = self
                .file
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(file) = file.as_mut() {
                write_line(file, &line(&short)?)?;
            }
        }
        self.journal
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .note(record);
        let Some(key) = self.keys.get(object) else {
            return Ok(());
        };
        let patch = json!({"data": {key: line(&small)?}});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        patiently(async || {
            let patched = self
                .api
                .patch_metadata(&self.name, &params, &Patch::Merge(&patch))
                .await;
            patched.map_err(CommandError::api(format!("the journal, ConfigMap {}", self.name)))
        })
        .await
        .map(|_| ())
    }
}

/// Opens the file of a journal, behind what is there.
fn open(path: &Path, header: &str) -> Result<File, CommandError> {
    let what =
        |error: std::io::Error| CommandError::Usage(format!("the journal {}: {error}", path.display()));
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(what)?;
    if is_new {
        write_line(&mut file, header).map_err(what)?;
    } else {
        // A line that was not written to its end ends here.
        file.write_all(b"\n").map_err(what)?;
    }
    Ok(file)
}

fn key(at: usize) -> String {
    format!("object-{at:05}")
}

fn line(document: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string(document).map_err(|error| CommandError::Document(error.to_string()))
}

fn write_line(file: &mut File, text: &str) -> std::io::Result<()> {
    // In one piece, so that a line is there or is not.
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_data()
}

/// Reads the journals that a cluster keeps, the newest first.
pub(crate) async fn journals(client: &Client, namespace: &str) -> Result<Vec<Journal>, CommandError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(LABEL);
    let found = api
        .list(&params)
        .await
        .map_err(CommandError::api("the journals"))?;
    let mut journals: Vec<_> = found.items.iter().filter_map(of_config_map).collect();
    journals.sort_by_key(|journal| std::cmp::Reverse(journal.header.started));
    Ok(journals)
}

/// Reads the journal of a migration; what a file has of it counts where that goes further.
pub(crate) async fn read(
    client: &Client,
    namespace: &str,
    migration: &str,
    path: Option<&Path>,
) -> Result<Option<Journal>, CommandError> {
    let local = path.and_then(|path| std::fs::read_to_string(path).ok());
    let local = local.and_then(|text| Journal::read(&text));
    let local = local.filter(|journal| journal.header.migration == migration);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let name = name_of(migration);
    let what = format!("the journal, ConfigMap {namespace}/{name}");
    let map = api.get_opt(&name).await.map_err(CommandError::api(what))?;
    Ok(match (map.as_ref().and_then(of_config_map), local) {
        (Some(journal), Some(local)) => Some(journal.join(local)),
        (journal, local) => journal.or(local),
    })
}

fn of_config_map(map: &ConfigMap) -> Option<Journal> {
    let data = map.data.as_ref()?;
    let mut journal = Journal::new(serde_json::from_str(data.get(HEADER)?).ok()?);
    let records = data.iter().filter(|(key, _)| *key != HEADER);
    for record in records.filter_map(|(_, text)| serde_json::from_str::<Record>(text).ok()) {
        journal.note(record);
    }
    Some(journal)
}

/// Where the journal is kept on this machine, unless somebody says otherwise: here or beside the plan, named after the migration.
pub(crate) fn path_beside(plan: Option<&Path>, migration: &str) -> PathBuf {
    let name = format!("{}.journal", name_of(migration));
    match plan {
        Some(plan) => plan.with_file_name(name),
        None => PathBuf::from(name),
    }
}
