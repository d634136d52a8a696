//! One test's namespace: apply YAML, read objects back, wait for them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::kinds::{CONFIG_MAP, Kind};
use super::watchdog;

/// How long a wait may take: generous, since tests share the machine with everything else.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How long waits take at most: `OPENFLUX_PATIENCE` seconds, for what is larger than any test.
fn patience() -> Duration {
    let wanted = std::env::var("OPENFLUX_PATIENCE").ok();
    let seconds = wanted.and_then(|seconds| seconds.parse().ok());
    seconds.map_or(PATIENCE, Duration::from_secs)
}

/// How long nobody has to write to an object that counts as done.
const STILL: Duration = Duration::from_secs(1);

/// How many lines of each controller a failed wait shows.
const SHOWN_LINES: usize = 12;

/// Polls until there is something; after [`PATIENCE`], fails with `what` was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let (start, patience) = (Instant::now(), patience());
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if start.elapsed() > patience {
            watchdog::keep_logs();
            bail!("waited {patience:?} for {what}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A namespace of its own for one test, in a control plane that others may share.
#[derive(Clone)]
pub struct Namespace {
    client: Client,
    name: String,
    logs: PathBuf,
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Namespace {
    pub(super) async fn create(client: Client, name: String, logs: &Path) -> Result<Self> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        apply(&client, None, namespace).await?;
        Ok(Self {
            client,
            name,
            logs: logs.to_owned(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Another namespace of the same cluster, which need not be there.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// A client of the whole cluster, on the runtime that asked for this namespace.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// An untyped API of one kind in this namespace.
    pub fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.name, &resource(kind))
    }

    /// Applies YAML documents on the server side; objects without a namespace get this one.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        for document in yaml.split("\n---") {
            let value: Value = serde_saphyr::from_str(document).with_context(|| document.to_owned())?;
            if !value.is_null() {
                apply(&self.client, Some(&self.name), value).await?;
            }
        }
        Ok(())
    }

    /// Applies an object of a kind with a spec.
    pub async fn apply_spec(&self, kind: Kind, name: &str, spec: Value) -> Result<()> {
        let object = json!({
            "apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec,
        });
        apply(&self.client, Some(&self.name), object).await
    }

    /// The object, when there is one.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Option<DynamicObject>> {
        Ok(self.api(kind).get_opt(name).await?)
    }

    /// All objects of one kind.
    pub async fn list(&self, kind: Kind) -> Result<Vec<DynamicObject>> {
        Ok(self.api(kind).list(&ListParams::default()).await?.items)
    }

    /// Merges a JSON patch into an object.
    pub async fn patch(&self, kind: Kind, name: &str, patch: Value) -> Result<DynamicObject> {
        Ok(self
            .api(kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?)
    }

    /// Merges a JSON patch into an object's status.
    pub async fn patch_status(&self, kind: Kind, name: &str, patch: Value) -> Result<DynamicObject> {
        Ok(self
            .api(kind)
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?)
    }

    /// Starts the deletion of an object.
    pub async fn delete(&self, kind: Kind, name: &str) -> Result<()> {
        self.api(kind).delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits until the object satisfies `condition`; `what` completes "waiting for X until it ...".
    pub async fn wait(
        &self,
        kind: Kind,
        name: &str,
        what: &str,
        condition: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject> {
        self.wait_for_state(kind, name, what, |object| {
            object.filter(|object| condition(object)).cloned()
        })
        .await
    }

    /// Waits until a ConfigMap has a text under a key.
    pub async fn wait_data(&self, name: &str, key: &str, text: &str) -> Result<DynamicObject> {
        let is = |object: &DynamicObject| object.data["data"][key] == text;
        let what = format!("has {text:?} as {key}");
        self.wait(CONFIG_MAP, name, &what, is).await
    }

    /// Waits until nobody has written to the object for a while, and gives it.
    pub async fn wait_still(&self, kind: Kind, name: &str) -> Result<DynamicObject> {
        let known = parking_lot::Mutex::new((None, Instant::now()));
        let still = |object: &DynamicObject| {
            let mut known = known.lock();
            let (version, since) = &mut *known;
            if *version != object.metadata.resource_version {
                (*version, *since) = (object.metadata.resource_version.clone(), Instant::now());
            }
            since.elapsed() >= STILL
        };
        self.wait(kind, name, "is not written to any more", still).await
    }

    /// Waits until the object is gone.
    pub async fn wait_gone(&self, kind: Kind, name: &str) -> Result<()> {
        self.wait_for_state(kind, name, "is gone", |object| object.is_none().then_some(()))
            .await
    }

    /// Waits until the `Ready` condition is true for the latest generation.
    pub async fn wait_ready(&self, kind: Kind, name: &str) -> Result<DynamicObject> {
        self.wait(kind, name, "is ready", is_ready).await
    }

    /// Waits until the `Ready` condition is false with this reason for the latest generation; returns its message.
    pub async fn wait_failed(&self, kind: Kind, name: &str, reason: &str) -> Result<String> {
        let failed = |object: &DynamicObject| {
            condition(object, "Ready").is_some_and(|ready| {
                ready["status"] == "False"
                    && ready["reason"] == reason
                    && ready["observedGeneration"]
                        .as_i64()
                        .is_none_or(|seen| Some(seen) == object.metadata.generation)
            })
        };
        let object = self
            .wait(kind, name, &format!("failed with {reason}"), failed)
            .await?;
        Ok(condition(&object, "Ready")
            .and_then(|ready| ready["message"].as_str())
            .unwrap_or_default()
            .to_owned())
    }

    /// The last lines of each controller's log that mention this namespace.
    fn logged(&self) -> String {
        let mut text = format!("logs are kept in {}\n", self.logs.display());
        let mut logs: Vec<_> = std::fs::read_dir(&self.logs)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        logs.sort_by_key(std::fs::DirEntry::file_name);
        for log in logs {
            let name = log.file_name().to_string_lossy().into_owned();
            if !name.contains("-controller") || name.starts_with("kube-") {
                continue;
            }
            let lines = std::fs::read_to_string(log.path()).unwrap_or_default();
            let mut last: Vec<_> = lines
                .lines()
                .rev()
                .filter(|line| line.contains(&self.name))
                .take(SHOWN_LINES)
                .collect();
            last.reverse();
            text.extend([&name, "\n  ", &last.join("\n  "), "\n"]);
        }
        text
    }

    async fn wait_for_state<T>(
        &self,
        kind: Kind,
        name: &str,
        what: &str,
        state: impl Fn(Option<&DynamicObject>) -> Option<T>,
    ) -> Result<T> {
        let (start, patience) = (Instant::now(), patience());
        loop {
            let object = self.get(kind, name).await?;
            if let Some(value) = state(object.as_ref()) {
                return Ok(value);
            }
            if start.elapsed() > patience {
                watchdog::keep_logs();
                let mut object = object.map(|object| json!(object)).unwrap_or_default();
                if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
                    metadata.remove("managedFields");
                }
                bail!(
                    "waited {patience:?} for {} {}/{name} until it {what}; it is\n{object:#}\n{}",
                    kind.kind,
                    self.name,
                    self.logged()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The condition of this type.
pub fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    object
        .data
        .pointer("/status/conditions")?
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// Whether `Ready` is true for the latest generation.
pub fn is_ready(object: &DynamicObject) -> bool {
    condition(object, "Ready").is_some_and(|ready| {
        ready["status"] == "True"
            && ready["observedGeneration"]
                .as_i64()
                .is_none_or(|seen| Some(seen) == object.metadata.generation)
    })
}

fn resource(kind: Kind) -> ApiResource {
    let (group, version) = kind.api_version.split_once('/').unwrap_or(("", kind.api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind.kind), kind.plural)
}

/// Applies one object on the server side, as the field manager `testbed`.
pub(super) async fn apply(client: &Client, namespace: Option<&str>, mut object: Value) -> Result<()> {
    let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (Some(api_version), Some(kind), Some(name)) =
        (field("/apiVersion"), field("/kind"), field("/metadata/name"))
    else {
        bail!("no apiVersion, kind or metadata.name in {object}");
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let gvk = GroupVersionKind::gvk(group, version, &kind);
    let (resource, capabilities) = kube::discovery::pinned_kind(client, &gvk).await?;
    let api = match field("/metadata/namespace").as_deref().or(namespace) {
        Some(namespace) if capabilities.scope == kube::discovery::Scope::Namespaced => {
            object["metadata"]["namespace"] = json!(namespace);
            Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource)
        }
        _ => Api::all_with(client.clone(), &resource),
    };
    api.patch(
        &name,
        &PatchParams::apply("testbed").force(),
        &Patch::Apply(&object),
    )
    .await
    .map_err(|error| anyhow!("applying {kind} {name}: {error}"))?;
    Ok(())
}
