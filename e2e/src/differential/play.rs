//! Carries out a scenario with one of the two controllers.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use super::look::{Eye, State, events, unpack};
use super::scenario::{Change, Damage, Named, Record, Scenario, Step, Until};
use super::side::{Offered, SHARD, Side, label};
use crate::testbed::{
    CONFIG_MAP, DEPLOYMENT, HELM_RELEASE, Kind, Namespace, SECRET, SERVICE, SERVICE_ACCOUNT, condition,
    eventually, is_ready,
};
use crate::tools::Tool;

/// What a scenario has left.
#[derive(Debug)]
pub struct Played {
    /// What there was after each step that waited for something.
    pub(super) steps: Vec<(String, Value)>,
    /// What was told.
    pub(super) events: Vec<String>,
    /// What handing over to the other controller and back has changed.
    pub(super) moves: Vec<(String, State, State)>,
}

impl Side {
    /// Carries out a scenario, and looks at what it leaves.
    ///
    /// # Errors
    /// A step cannot be carried out, or what it waits for does not happen.
    pub async fn play(&self, scenario: &Scenario, offered: &Offered) -> Result<Played> {
        let who = if self.is_ours { "ours" } else { "stock" };
        let stage = Stage::set(self, scenario, offered).await?;
        stage.play().await.with_context(|| who.to_owned())
    }
}

/// The kinds whose objects are spoiled.
const SPOILED: [Kind; 4] = [CONFIG_MAP, DEPLOYMENT, SERVICE, SERVICE_ACCOUNT];

/// How long the parts of one status may take.
const PARTS: Duration = Duration::from_millis(300);

/// The namespaces of a scenario.
struct Stage<'a> {
    side: &'a Side,
    scenario: &'a Scenario,
    offered: &'a Offered,
    namespace: Namespace,
    all: Vec<Namespace>,
}

impl<'a> Stage<'a> {
    async fn set(side: &'a Side, scenario: &'a Scenario, offered: &'a Offered) -> Result<Self> {
        let name = format!("{}{}", side.prefix, scenario.name);
        let namespace = side.testbed().namespace_called(&name).await?;
        let repository = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
            "metadata": {"name": "charts"}, "spec": {"interval": "1h", "url": offered.charts}});
        namespace.apply(&repository.to_string()).await?;
        let mut all = vec![namespace.clone()];
        for further in &scenario.namespaces {
            all.push(namespace.beside(&format!("{name}-{further}")));
        }
        Ok(Self {
            side,
            scenario,
            offered,
            namespace,
            all,
        })
    }

    async fn play(&self) -> Result<Played> {
        let mut eye = Eye::default();
        let (mut steps, mut moves) = (Vec::new(), Vec::new());
        let group = format!("{}.test", self.scenario.name);
        let crds = self.scenario.is_cluster_wide.then_some(group.as_str());
        let mut last = State::default();
        for (number, step) in self.scenario.steps.iter().enumerate() {
            let name = format!("step {}", number + 1);
            self.carry_out(step).await.with_context(|| name.clone())?;
            if step.until == [Until::Now] {
                continue;
            }
            let mut seen = None;
            for until in &step.until {
                seen = self
                    .wait(step.release_name(), until)
                    .await
                    .with_context(|| name.clone())?;
            }
            last = eye.look(&self.all, crds, seen).await?;
            steps.push((name, last.seen.clone()));
            if step.hand_over {
                self.hand_over_and_back(&mut eye, crds, &last, &mut moves).await?;
            }
        }
        if self.scenario.hand_over {
            self.hand_over_and_back(&mut eye, crds, &last, &mut moves).await?;
        }
        Ok(Played {
            steps,
            events: self.told().await?,
            moves,
        })
    }

    /// Hands all releases over to the other controller, and back, and looks at what that has changed.
    async fn hand_over_and_back(
        &self,
        eye: &mut Eye,
        crds: Option<&str>,
        before: &State,
        moves: &mut Vec<(String, State, State)>,
    ) -> Result<()> {
        let releases = self.namespace.list(HELM_RELEASE).await?;
        for (is_ours, to) in [(!self.side.is_ours, "over"), (self.side.is_ours, "back")] {
            for release in &releases {
                let name = release.metadata.name.as_deref().unwrap_or_default();
                self.hand_to(is_ours, name).await.with_context(|| to.to_owned())?;
            }
            let after = eye.look(&self.all, crds, None).await?;
            moves.push((to.to_owned(), before.clone(), after));
        }
        Ok(())
    }

    /// Events are written when there is time.
    async fn told(&self) -> Result<Vec<String>> {
        let mut before = events(&self.namespace).await?;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = events(&self.namespace).await?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(before)
    }

    async fn carry_out(&self, step: &Step) -> Result<()> {
        let app = step.release_name();
        for object in &step.apply {
            self.namespace.apply(&self.filled(object)?.to_string()).await?;
        }
        if let Some(object) = &step.refused {
            self.wait_for_refusal(&self.filled(object)?).await?;
        }
        for (tool, command) in [(Tool::Helm, &step.helm), (Tool::Flux, &step.flux)] {
            if let Some(command) = command {
                let command = self.filled_text(command);
                let mut arguments: Vec<&str> = command.split_whitespace().collect();
                let namespace = format!("--namespace={}", self.namespace.name());
                if !command.contains("--namespace") {
                    arguments.push(&namespace);
                }
                self.side.testbed().run(tool, &arguments).await?;
            }
        }
        if let Some(record) = &step.record {
            self.change_record(record).await?;
        }
        if let Some(spec) = &step.release {
            self.release(app, &self.filled(spec)?).await?;
        }
        if let Some(spec) = &step.spec {
            let patch = json!({"spec": self.filled(spec)?});
            self.namespace.patch(HELM_RELEASE, app, patch).await?;
        }
        if step.spoil {
            self.spoil(app).await?;
        }
        if let Some(Change { of, merge, status }) = &step.patch {
            let (namespace, merge) = (self.namespace_of(of), self.filled(merge)?);
            let name = self.filled_text(&of.name);
            if *status {
                namespace.patch_status(of.kind()?, &name, merge).await?;
            } else {
                namespace.patch(of.kind()?, &name, merge).await?;
            }
        }
        if let Some(named) = &step.delete {
            let name = self.filled_text(&named.name);
            self.namespace_of(named).delete(named.kind()?, &name).await?;
        }
        if let Some(further) = &step.reconcile {
            self.reconcile(app, further).await?;
        }
        Ok(())
    }

    /// Waits until admission refuses an object.
    async fn wait_for_refusal(&self, object: &Value) -> Result<()> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let named = Named {
            kind,
            name: String::new(),
            namespace: None,
        };
        let (api, object) = (
            self.namespace.api(named.kind()?),
            serde_json::from_value::<DynamicObject>(object.clone())?,
        );
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        eventually("admission refuses", async || {
            Ok(api.create(&dry_run, &object).await.is_err().then_some(()))
        })
        .await
    }

    /// Spoils objects of a release: takes Helm's label from the first one of each kind, and deletes the last ConfigMap.
    async fn spoil(&self, name: &str) -> Result<()> {
        let release = self.namespace.get(HELM_RELEASE, name).await?;
        let release = release.context("there is no HelmRelease")?;
        let entries = release.data["status"]["inventory"]["entries"].as_array();
        let mut ids = Vec::new();
        for id in entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["id"].as_str())
        {
            if let [namespace, name, _, kind] = id.split('_').collect::<Vec<_>>()[..] {
                ids.push((namespace, name, kind));
            }
        }
        for kind in SPOILED {
            if let Some((namespace, name, _)) = ids.iter().find(|(_, _, of)| *of == kind.kind) {
                let labels = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Nobody"}}});
                self.namespace.beside(namespace).patch(kind, name, labels).await?;
            }
        }
        let last = ids.iter().rev().find(|(_, _, of)| *of == CONFIG_MAP.kind);
        if let Some((namespace, name, _)) = last {
            self.namespace.beside(namespace).delete(CONFIG_MAP, name).await?;
        }
        Ok(())
    }

    async fn release(&self, name: &str, spec: &Value) -> Result<()> {
        let mut fields = json!({
            "interval": "1h", "timeout": "30s",
            "chart": {"spec": {"chart": "web", "version": "1.0.0",
                "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            fields[key] = value.clone();
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let mut metadata = json!({"name": name});
        if let Some(label) = label(self.side.is_ours) {
            metadata["labels"] = json!({SHARD: label});
        }
        let object = json!({"apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind,
            "metadata": metadata, "spec": fields});
        self.namespace.apply(&object.to_string()).await
    }

    /// Asks for a run, and waits until it has ended.
    async fn reconcile(&self, name: &str, further: &[String]) -> Result<()> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let request = format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut annotations = json!({"reconcile.fluxcd.io/requestedAt": request});
        for further in further {
            annotations[format!("reconcile.fluxcd.io/{further}")] = request.as_str().into();
        }
        let patch = json!({"metadata": {"annotations": annotations}});
        self.namespace.patch(HELM_RELEASE, name, patch).await?;
        let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == request;
        self.namespace
            .wait(HELM_RELEASE, name, "has handled the request", handled)
            .await?;
        Ok(())
    }

    async fn hand_to(&self, is_ours: bool, name: &str) -> Result<()> {
        let patch = json!({"metadata": {"labels": {SHARD: label(is_ours)}}});
        self.namespace.patch(HELM_RELEASE, name, patch).await?;
        if self
            .namespace
            .get(HELM_RELEASE, name)
            .await?
            .is_none_or(|object| object.data["spec"]["suspend"] == true)
        {
            return Ok(());
        }
        self.reconcile(name, &[]).await?;
        let settled = |object: &DynamicObject| {
            condition(object, "Reconciling").is_none()
                && object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
        };
        self.namespace
            .wait(HELM_RELEASE, name, "has settled", settled)
            .await?;
        Ok(())
    }

    /// Waits, and gives the HelmRelease as it was then, if it was what was waited for.
    async fn wait(&self, app: &str, until: &Until) -> Result<Option<DynamicObject>> {
        let is_observed = |object: &DynamicObject| {
            object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
        };
        let has_reason = |object: &DynamicObject, reason: &str| {
            condition(object, "Ready").is_some_and(|ready| {
                ready["reason"] == reason
                    && ready["status"] != "True"
                    && ready["observedGeneration"].as_i64() == object.metadata.generation
            })
        };
        let wait = async |what: &str, is: &(dyn Fn(&DynamicObject) -> bool + Sync)| {
            let first = self.namespace.wait(HELM_RELEASE, app, what, is).await?;
            // Stock writes a status in several parts.
            tokio::time::sleep(PARTS).await;
            let again = self.namespace.get(HELM_RELEASE, app).await?;
            Ok(Some(again.filter(|again| is(again)).unwrap_or(first)))
        };
        match until {
            Until::Now => Ok(None),
            Until::Gone => self.namespace.wait_gone(HELM_RELEASE, app).await.map(|()| None),
            Until::Ready => {
                let is = |object: &DynamicObject| {
                    is_ready(object) && is_observed(object) && condition(object, "Reconciling").is_none()
                };
                wait("is ready", &is).await
            }
            Until::Stalled(reason) => {
                let is = |object: &DynamicObject| {
                    condition(object, "Stalled").is_some()
                        && is_observed(object)
                        && has_reason(object, reason)
                };
                wait(&format!("is stalled with {reason}"), &is).await
            }
            Until::Failed(reason) => {
                let is = |object: &DynamicObject| has_reason(object, reason);
                wait(&format!("has failed with {reason}"), &is).await
            }
            Until::Says(text) => {
                let is = |object: &DynamicObject| {
                    let ready = condition(object, "Ready").and_then(|ready| ready["message"].as_str());
                    ready.is_some_and(|message| message.contains(text.as_str()))
                };
                wait(&format!("says {text:?}"), &is).await
            }
            Until::Condition(kind, status, reason) => {
                let is = |object: &DynamicObject| {
                    condition(object, kind)
                        .is_some_and(|found| found["status"] == *status && found["reason"] == *reason)
                };
                wait(&format!("has {kind}={status} for {reason}"), &is).await
            }
            Until::Object(named, value) => self.wait_for_object(named, value.as_ref()).await.map(|()| None),
        }
    }

    async fn wait_for_object(&self, named: &Named, value: Option<&(String, Value)>) -> Result<()> {
        let (namespace, kind) = (self.namespace_of(named), named.kind()?);
        let name = self.filled_text(&named.name);
        let Some((pointer, wanted)) = value else {
            return namespace.wait_gone(kind, &name).await;
        };
        let wanted = self.filled(wanted)?;
        eventually(
            &format!("{} {name} with {pointer} {wanted}", kind.kind),
            async || {
                let object = namespace.get(kind, &name).await?;
                let object = object.map(|object| json!(object)).unwrap_or_default();
                Ok((object.pointer(pointer) == Some(&wanted)).then_some(()))
            },
        )
        .await
    }

    async fn change_record(&self, record: &Record) -> Result<()> {
        let (release, revision) = &record.of;
        let name = format!("sh.helm.release.v1.{}.v{revision}", self.filled_text(release));
        let secret = self.namespace.get(SECRET, &name).await?;
        let secret = secret.with_context(|| format!("there is no record {name}"))?;
        let mut patch = json!({});
        let bytes = match record.damage {
            Some(Damage::Base64) => b"*".to_vec(),
            Some(Damage::Empty) => Vec::new(),
            Some(Damage::Json) => STANDARD.encode(zipped(b"{")?).into_bytes(),
            Some(Damage::Gzip) => {
                let mut packed = zipped(&[b'{'; 100])?;
                packed.truncate(12);
                STANDARD.encode(packed).into_bytes()
            }
            None => {
                let mut release = super::look::release_of(&secret)?;
                let Some(set) = &record.set else {
                    bail!("a change of a record is `set` or `damage`");
                };
                merge(&mut release, &self.filled(set)?);
                if let Some(status) = release.pointer("/info/status") {
                    patch["metadata"] = json!({"labels": {"status": status}});
                }
                STANDARD
                    .encode(zipped(release.to_string().as_bytes())?)
                    .into_bytes()
            }
        };
        patch["data"] = json!({"release": STANDARD.encode(bytes)});
        self.namespace.patch(SECRET, &name, patch).await?;
        // What is read afterwards is what was written.
        let now = self.namespace.get(SECRET, &name).await?.context("the record")?;
        ensure!(
            record.damage.is_some() || unpack(&now).is_ok(),
            "{name} cannot be read"
        );
        Ok(())
    }

    fn namespace_of(&self, named: &Named) -> Namespace {
        match &named.namespace {
            None => self.namespace.clone(),
            Some(further) => self
                .namespace
                .beside(&format!("{}-{further}", self.namespace.name())),
        }
    }

    fn filled(&self, value: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.filled_text(&value.to_string()))?)
    }

    fn filled_text(&self, text: &str) -> String {
        text.replace("NAMESPACE", self.namespace.name())
            .replace("CHARTS", &self.offered.charts)
            .replace("REGISTRY", &self.offered.registry)
    }
}

fn zipped(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

/// Merges a JSON merge patch into a value.
fn merge(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, patch) in fields {
        if patch.is_null() {
            if let Some(value) = value.as_object_mut() {
                value.remove(key);
            }
        } else {
            merge(&mut value[key], patch);
        }
    }
}
