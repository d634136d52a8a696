//! Two namespaces with the same release: ours, and that of the real `helm`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller_kit::apply::FieldManagers;
use controller_kit::live::LiveStore;
use controller_kit::{Mapper, Rest};
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, Kind, Namespace, SECRET, SERVICE, Testbed};
use e2e::tools::Tool;
use gotmpl::Map;
use helm::release::Status;
use helm::{Chart, Limits, Renderer};
use helm_controller::action::{
    ActionError, Actions, CrdPolicy, Install, Origin, Rendering, Rollback, ServerSide, Test, Uninstall,
    Upgrade, Waiting, Wanted,
};
use helm_controller::cluster::{Cluster, Discovery, ORIGIN_LABEL, Patience, Propagation, WaitStrategy};
use helm_controller::machine::UninstallResult;
use helm_controller::storage::Storage;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// `batch/v1` Job.
pub(crate) const JOB: Kind = Kind {
    api_version: "batch/v1",
    kind: "Job",
    plural: "jobs",
};

/// `notification.toolkit.fluxcd.io/v1beta3` Provider, which stands for all custom kinds: nobody writes to it.
pub(crate) const PROVIDER: Kind = Kind {
    api_version: "notification.toolkit.fluxcd.io/v1beta3",
    kind: "Provider",
    plural: "providers",
};

/// The kinds that charts of these tests make.
const KINDS: [Kind; 6] = [CONFIG_MAP, SECRET, SERVICE, DEPLOYMENT, JOB, PROVIDER];

/// The name of the release on both sides.
pub(crate) const NAME: &str = "web";

/// Both sides.
pub(crate) struct World {
    pub(crate) testbed: &'static Testbed,
    pub(crate) ours: Namespace,
    pub(crate) theirs: Namespace,
    pub(crate) cluster: Cluster,
    renderer: Renderer,
    folder: tempfile::TempDir,
}

/// A chart: its archive, and what we read of it.
pub(crate) struct Packed {
    pub(crate) archive: PathBuf,
    pub(crate) chart: Chart,
}

impl World {
    pub(crate) async fn start(prefix: &str) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        let client = testbed.client().await?;
        let managers = FieldManagers {
            own: "helm-controller".to_owned(),
            overridden: Vec::new(),
        };
        let mapper = Mapper::new(client.clone());
        let live = LiveStore::new(
            client.clone(),
            mapper.clone(),
            managers,
            ORIGIN_LABEL,
            None,
            CancellationToken::new(),
        );
        let environment = sprig::FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
        Ok(Self {
            testbed,
            ours: testbed.namespace(&format!("{prefix}-ours")).await?,
            theirs: testbed.namespace(&format!("{prefix}-theirs")).await?,
            cluster: Cluster {
                rest: Rest::new(client.clone()),
                mapper,
                live,
                discovery: Discovery::new(Rest::new(client)),
                expressions: None,
            },
            renderer: Renderer::new(Arc::new(environment)),
            folder: tempfile::tempdir()?,
        })
    }

    /// Packs a chart of this version with the real `helm`.
    pub(crate) async fn pack(&self, version: &str, files: &[(&str, &str)]) -> Result<Packed> {
        let folder = self.folder.path().join(version).join("hello");
        let head = format!("apiVersion: v2\nname: hello\nversion: {version}\nappVersion: \"1.2.3\"\n");
        for (path, content) in [("Chart.yaml", head.as_str())].iter().chain(files) {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            std::fs::write(path, content)?;
        }
        let (source, target) = (text(&folder)?, text(self.folder.path())?);
        self.testbed
            .run(Tool::Helm, &["package", source, "--destination", target])
            .await?;
        let archive = self.folder.path().join(format!("hello-{version}.tgz"));
        let chart = Chart::from_archive(&std::fs::read(&archive)?, &Limits::default())?;
        Ok(Packed { archive, chart })
    }

    /// Runs the real `helm` on its side; fails with what it says after `FAILED: `.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.helm_in(&self.theirs, arguments).await
    }

    pub(crate) async fn helm_in(&self, namespace: &Namespace, arguments: &[&str]) -> Result<String> {
        let mut all = arguments.to_vec();
        let option = format!("--namespace={}", namespace.name());
        all.push(&option);
        self.testbed.run(Tool::Helm, &all).await
    }

    /// An action on our side, and what there is to tell of it.
    pub(crate) fn actions(&self) -> Actions<'_> {
        self.actions_in(&self.ours)
    }

    pub(crate) fn actions_in(&self, namespace: &Namespace) -> Actions<'_> {
        let storage = Storage::new(self.cluster.rest.clone(), namespace.name());
        Actions::new(
            &self.cluster,
            storage,
            Patience::without_slot(CancellationToken::new()),
        )
    }

    pub(crate) fn wanted<'w>(&'w self, packed: &'w Packed, values: &'w Map) -> Wanted<'w> {
        Wanted {
            chart: &packed.chart,
            values,
            renderer: &self.renderer,
            limits: Limits::default(),
            template_limits: gotmpl::Limits::default(),
        }
    }

    /// As the command line installs without flags but `--wait` and `--wait-for-jobs`.
    pub(crate) fn install(&self) -> Install {
        Install {
            name: NAME.to_owned(),
            namespace: self.ours.name().to_owned(),
            origin: Origin::default(),
            server_side: true,
            take_ownership: false,
            waiting: waiting(),
            disable_hooks: false,
            replace: false,
            create_namespace: false,
            crds: CrdPolicy::Skip,
            rendering: Rendering::default(),
        }
    }

    pub(crate) fn upgrade(&self) -> Upgrade {
        Upgrade {
            name: NAME.to_owned(),
            namespace: self.ours.name().to_owned(),
            origin: Origin::default(),
            server_side: ServerSide::Auto,
            force: false,
            take_ownership: false,
            reuse_values: false,
            waiting: waiting(),
            disable_hooks: false,
            cleanup_on_fail: false,
            max_history: 10,
            crds: CrdPolicy::Skip,
            rendering: Rendering::default(),
        }
    }

    pub(crate) fn rollback(version: i64) -> Rollback {
        Rollback {
            name: NAME.to_owned(),
            version,
            server_side: ServerSide::Auto,
            force: false,
            waiting: waiting(),
            disable_hooks: false,
            cleanup_on_fail: false,
            max_history: 10,
        }
    }

    pub(crate) fn uninstall() -> Uninstall {
        Uninstall {
            name: NAME.to_owned(),
            waiting: waiting(),
            disable_hooks: false,
            keep_history: false,
            propagation: Propagation::Background,
        }
    }

    pub(crate) fn test() -> Test {
        Test {
            name: NAME.to_owned(),
            timeout: Duration::from_mins(1),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// The records on our side.
    pub(crate) fn storage(&self) -> Storage {
        Storage::new(self.cluster.rest.clone(), self.ours.name())
    }

    /// Leaves a revision behind that somebody was at work on, made of the last one.
    pub(crate) async fn make_pending(&self, version: i64) -> Result<()> {
        let mut record = self.storage().last(NAME).await?.context("a record")?;
        record.version = version;
        record.info.status = Status::PendingUpgrade;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": record.secret_name(), "labels": record.labels_on_create(0)},
            "stringData": {"release": record.encode()?},
        });
        self.ours.apply(&secret.to_string()).await
    }

    /// Both sides hold the same: records, and objects with their managers.
    pub(crate) async fn assert_same(&self, what: &str) -> Result<()> {
        let (ours, theirs) = (state(&self.ours).await?, state(&self.theirs).await?);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let mut different = Vec::new();
            differences("", ours, theirs, &mut different);
            if !different.is_empty() {
                let (kind, name) = (&ours["kind"], &ours["metadata"]["name"]);
                bail!("{what}: {kind} {name} differs:\n{}", different.join("\n"));
            }
        }
        anyhow::ensure!(
            ours.len() == theirs.len(),
            "{what}: ours has {} objects, theirs {}",
            ours.len(),
            theirs.len()
        );
        Ok(())
    }

    /// Fails alike on both sides: our error is what `helm` says, but for the namespace.
    pub(crate) fn assert_same_error(&self, ours: &ActionError, theirs: &anyhow::Error) -> Result<()> {
        let ours = ours.to_string().replace(self.ours.name(), "NAMESPACE");
        let theirs = theirs.to_string().replace(self.theirs.name(), "NAMESPACE");
        anyhow::ensure!(theirs.contains(&ours), "ours: {ours}\ntheirs: {theirs}");
        Ok(())
    }
}

/// How both sides wait.
pub(crate) fn waiting() -> Waiting {
    Waiting {
        strategy: WaitStrategy::Poller,
        timeout: Duration::from_mins(1),
        for_jobs: true,
    }
}

pub(crate) fn values(yaml: &str) -> Result<Map> {
    Ok(helm::values::read(yaml.as_bytes())?)
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

/// Whether an uninstall went well.
pub(crate) fn is_done(result: &UninstallResult) -> bool {
    matches!(result, UninstallResult::Done(Some(_)))
}

/// The objects of a namespace, records unpacked, without what differs between any two namespaces.
async fn state(namespace: &Namespace) -> Result<Vec<Value>> {
    let mut state = Vec::new();
    for kind in KINDS {
        for object in namespace.list(kind).await? {
            let mut object = json!(object);
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if name == "kube-root-ca.crt" {
                continue;
            }
            if name.starts_with("sh.helm.release.v1.") {
                object["record"] = unpack(&object)?;
                object.as_object_mut().map(|object| object.remove("data"));
            }
            let text = object.to_string().replace(namespace.name(), "NAMESPACE");
            let mut object: Value = serde_json::from_str(&text)?;
            neutral(&mut object);
            state.push(object);
        }
    }
    Ok(state)
}

/// Where two values differ.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            for key in keys {
                let of =
                    |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                differences(&format!("{path}/{key}"), &of(ours), &of(theirs), found);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                differences(&format!("{path}/{at}"), ours, theirs, found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(format!("{path}: ours is {ours}, theirs is {theirs}")),
    }
}

/// The record in a Secret.
fn unpack(secret: &Value) -> Result<Value> {
    let data = secret["data"]["release"].as_str().context("a record")?;
    let packed = STANDARD.decode(STANDARD.decode(data)?)?;
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Leaves out identities and times.
fn neutral(object: &mut Value) {
    object.as_object_mut().map(|object| object.remove("status"));
    let metadata = &mut object["metadata"];
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        metadata.as_object_mut().map(|metadata| metadata.remove(field));
    }
    for label in ["createdAt", "modifiedAt"] {
        if let Some(time) = metadata.pointer_mut(&format!("/labels/{label}")) {
            *time = json!("TIME");
        }
    }
    for entry in metadata["managedFields"].as_array_mut().into_iter().flatten() {
        entry.as_object_mut().map(|entry| entry.remove("time"));
        if entry["manager"] == "helm" || entry["manager"] == "Helm" {
            entry["manager"] = json!("helm-controller");
        }
    }
    if let Some(entries) = metadata["managedFields"].as_array_mut() {
        entries.sort_by_key(ToString::to_string);
    }
    if metadata["managedFields"].is_null() {
        metadata
            .as_object_mut()
            .map(|metadata| metadata.remove("managedFields"));
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        for field in ["clusterIP", "clusterIPs"] {
            spec.remove(field);
        }
    }
    let uids = ["batch.kubernetes.io/controller-uid", "controller-uid"];
    remove_keys(object, &uids);
    if let Some(record) = object.get_mut("record") {
        times(record);
    }
}

fn remove_keys(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(fields) => {
            for key in keys {
                fields.remove(*key);
            }
            fields.values_mut().for_each(|value| remove_keys(value, keys));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove_keys(item, keys)),
        _ => {}
    }
}

fn times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_time = matches!(
                    key.as_str(),
                    "first_deployed" | "last_deployed" | "deleted" | "started_at" | "completed_at"
                );
                if is_time && value.is_string() {
                    *value = json!("TIME");
                } else {
                    times(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(times),
        _ => {}
    }
}
