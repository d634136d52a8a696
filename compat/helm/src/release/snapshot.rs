//! What helm-controller remembers of a record: an entry of `status.history`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::hook::Execution;
use super::{Hook, Info, Release, Status, config};
use crate::flux::digest::{Algorithm, Digest, Hasher};
use crate::{HookEvent, Metadata, Time, go_json};

/// The way in which [`Snapshot::digest`] is computed; snapshots that name another were made by another Helm and are not
/// compared.
pub const SNAPSHOT_API_VERSION: &str = "v2";

/// What a record said when it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The digest of the record.
    pub digest: Digest,
    /// The name of the release.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The revision.
    pub version: i64,
    /// The state.
    pub status: Status,
    /// The name of the chart.
    pub chart_name: String,
    /// The version of the chart.
    pub chart_version: String,
    /// The version of the application in the chart.
    pub app_version: String,
    /// The digest of the values.
    pub config_digest: Digest,
    /// When the first revision was deployed.
    pub first_deployed: Time,
    /// When this revision was deployed.
    pub last_deployed: Time,
    /// When it was uninstalled.
    pub deleted: Time,
    /// The digest of the OCI artifact with the chart, or nothing.
    pub oci_digest: String,
}

/// A record that has no digest, because its values or texts cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// They cannot be written as JSON.
    #[error("cannot write the release as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The values cannot be written as YAML.
    #[error("cannot write the values as YAML: {0}")]
    Yaml(#[from] go_yaml::Error),
}

impl Snapshot {
    /// The snapshot of a record that is being written, made from a chart in an OCI artifact of the given digest, if any.
    pub fn of(release: &Release, algorithm: Algorithm, oci_digest: &str) -> Result<Self, SnapshotError> {
        let none = Metadata::default();
        let metadata = metadata(release).unwrap_or(&none);
        Ok(Self {
            digest: release.digest(algorithm, oci_digest)?,
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            version: release.version,
            status: release.info.status.clone(),
            chart_name: metadata.name.clone(),
            chart_version: metadata.version.clone(),
            app_version: metadata.app_version.clone(),
            config_digest: Digest::of_values(algorithm, &release.config)?,
            first_deployed: release.info.first_deployed,
            last_deployed: release.info.last_deployed,
            deleted: release.info.deleted,
            oci_digest: oci_digest.to_owned(),
        })
    }
}

fn metadata(release: &Release) -> Option<&Metadata> {
    release.chart.as_ref().map(super::Chart::metadata)
}

impl Release {
    /// The digest of the record as it reads after it was stored, without the hooks that only tests run.
    ///
    /// A digest in a status is compared with one of its own algorithm.
    pub fn digest(&self, algorithm: Algorithm, oci_digest: &str) -> serde_json::Result<Digest> {
        let mut stored = None;
        if self.config.values().any(config::has_large_numbers) {
            let config = stored.insert(self.config.clone());
            config.values_mut().for_each(config::to_floats);
        }
        let none = Metadata::default();
        let hooks: Vec<_> = self
            .hooks
            .iter()
            .filter(|hook| !hook.runs_on(HookEvent::Test))
            .map(ObservedHook::of)
            .collect();
        let config = stored.as_ref().unwrap_or(&self.config);
        let manifest = self.manifest.read();
        let observed = Observed {
            name: &self.name,
            version: self.version,
            info: ObservedInfo::of(&self.info),
            chart_metadata: metadata(self).unwrap_or(&none),
            config: (!config.is_empty()).then_some(config),
            manifest: &manifest,
            hooks: (!hooks.is_empty()).then_some(hooks),
            namespace: &self.namespace,
            oci_digest,
        };
        let mut hasher = Hasher::new(algorithm);
        go_json::write(&mut hasher, &observed)?;
        hasher.update(b"\n");
        Ok(hasher.finish())
    }

    /// The last runs of its test hooks, by their names.
    pub fn test_hooks(&self) -> BTreeMap<&str, &Execution> {
        self.hooks
            .iter()
            .filter(|hook| hook.runs_on(HookEvent::Test))
            .map(|hook| (hook.name.as_str(), &hook.last_run))
            .collect()
    }
}

/// What counts of a record, in the order in which Go writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Observed<'r> {
    name: &'r str,
    version: i64,
    info: ObservedInfo<'r>,
    chart_metadata: &'r Metadata,
    config: Option<&'r Map<String, Json>>,
    manifest: &'r str,
    hooks: Option<Vec<ObservedHook<'r>>>,
    namespace: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    oci_digest: &'r str,
}

/// The state without fields that Go does not know.
#[derive(Serialize)]
struct ObservedInfo<'r> {
    #[serde(skip_serializing_if = "Time::is_zero")]
    first_deployed: Time,
    #[serde(skip_serializing_if = "Time::is_zero")]
    last_deployed: Time,
    #[serde(skip_serializing_if = "Time::is_zero")]
    deleted: Time,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    status: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    notes: &'r str,
}

impl<'r> ObservedInfo<'r> {
    fn of(info: &'r Info) -> Self {
        Self {
            first_deployed: info.first_deployed,
            last_deployed: info.last_deployed,
            deleted: info.deleted,
            description: &info.description,
            status: info.status.as_str(),
            notes: &info.notes,
        }
    }
}

/// A hook without fields that Go does not know.
#[derive(Serialize)]
struct ObservedHook<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    manifest: &'r str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    events: &'r [String],
    last_run: &'r Execution,
    #[serde(skip_serializing_if = "super::hook::is_zero")]
    weight: i64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    delete_policies: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    output_log_policies: &'r [String],
}

impl<'r> ObservedHook<'r> {
    fn of(hook: &'r Hook) -> Self {
        Self {
            name: &hook.name,
            kind: &hook.kind,
            path: &hook.path,
            manifest: &hook.manifest,
            events: &hook.events,
            last_run: &hook.last_run,
            weight: hook.weight,
            delete_policies: &hook.delete_policies,
            output_log_policies: &hook.output_log_policies,
        }
    }
}
