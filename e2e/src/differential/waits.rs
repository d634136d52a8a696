//! What a step of a scenario waits for.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use super::deployer::Deployer;
use super::scenario::{Named, Until};
use super::stage::Stage;
use crate::testbed::{condition, eventually, is_ready};

/// How long the parts of one status of a HelmRelease may take.
const PARTS: Duration = Duration::from_millis(300);

/// How long nothing may change until a Kustomization has settled.
const CALM: Duration = Duration::from_millis(600);

/// How long that is waited for.
const CALM_AT_LAST: Duration = Duration::from_secs(10);

/// How long nothing may change where nothing else is waited for.
const QUIET: Duration = Duration::from_secs(2);

/// Reasons of `Ready` for which a revision is not attempted.
const BEFORE_A_REVISION: [&str; 5] = [
    "ArtifactFailed",
    "DependencyNotReady",
    "AccessDenied",
    "FeatureGateDisabled",
    "InvalidCELExpression",
];

type Is<'a> = &'a (dyn Fn(&DynamicObject) -> bool + Sync);

impl Stage<'_> {
    /// Waits, and gives the HelmRelease or Kustomization as it was then, if it was what was waited for.
    pub(super) async fn wait(&self, app: &str, until: &Until) -> Result<Option<DynamicObject>> {
        let deployer = self.scenario.deployer;
        match until {
            Until::Now => Ok(None),
            Until::Gone => self
                .namespace
                .wait_gone(deployer.kind(), app)
                .await
                .map(|()| None),
            Until::Quiet => self.wait_calm(app, QUIET, &|_| true).await,
            Until::Settled => {
                let is = |object: &DynamicObject| self.is_settled(object);
                let subjects = self.subjects().await?;
                // What one has left may be what another one waits for.
                let rounds = if subjects.len() > 1 { 2 } else { 1 };
                for _ in 0..rounds {
                    for object in subjects.clone() {
                        let name = object.metadata.name.unwrap_or_default();
                        self.wait_until(&name, "has settled", &is).await?;
                    }
                }
                Ok(None)
            }
            Until::Ready => {
                let is = |object: &DynamicObject| {
                    is_ready(object)
                        && is_observed(object)
                        && condition(object, "Reconciling").is_none()
                        && self.has_revision(object, "lastAppliedRevision")
                };
                self.wait_until(app, "is ready", &is).await
            }
            Until::Stalled(reason) => {
                // kustomize-controller does not always say what it has observed.
                let is = |object: &DynamicObject| {
                    condition(object, "Stalled").is_some()
                        && (is_observed(object) || deployer == Deployer::Kustomize)
                        && self.has_failed(object, reason)
                };
                self.wait_until(app, &format!("is stalled with {reason}"), &is)
                    .await
            }
            Until::Failed(reason) => {
                let is = |object: &DynamicObject| self.has_failed(object, reason);
                self.wait_until(app, &format!("has failed with {reason}"), &is)
                    .await
            }
            Until::Says(text) => {
                let is = |object: &DynamicObject| {
                    let ready = condition(object, "Ready").and_then(|ready| ready["message"].as_str());
                    ready.is_some_and(|message| message.contains(text.as_str()))
                };
                self.wait_until(app, &format!("says {text:?}"), &is).await
            }
            Until::Condition(kind, status, reason) => {
                let is = |object: &DynamicObject| {
                    condition(object, kind)
                        .is_some_and(|found| found["status"] == *status && found["reason"] == *reason)
                };
                self.wait_until(app, &format!("has {kind}={status} for {reason}"), &is)
                    .await
            }
            Until::Object(named, value) => self.wait_for_object(named, value.as_ref()).await.map(|()| None),
        }
    }

    /// Waits until a run that was asked for has left everything as it is going to be.
    pub(super) async fn wait_settled(&self, app: &str) -> Result<()> {
        let deployer = self.scenario.deployer;
        let settled = |object: &DynamicObject| match deployer {
            Deployer::Helm => condition(object, "Reconciling").is_none() && is_observed(object),
            Deployer::Kustomize => !is_under_way(object),
        };
        self.namespace
            .wait(deployer.kind(), app, "has settled", settled)
            .await?;
        if deployer == Deployer::Kustomize {
            self.wait_calm(app, CALM, &settled).await?;
        }
        Ok(())
    }

    async fn wait_until(&self, app: &str, what: &str, is: Is<'_>) -> Result<Option<DynamicObject>> {
        let kind = self.scenario.deployer.kind();
        let first = self.namespace.wait(kind, app, what, is).await?;
        // Stock writes a status in several parts.
        if self.scenario.deployer == Deployer::Kustomize {
            let calm = self.wait_calm(app, CALM, is).await?;
            return Ok(calm.or(Some(first)));
        }
        tokio::time::sleep(PARTS).await;
        let again = self.namespace.get(kind, app).await?;
        Ok(Some(again.filter(|again| is(again)).unwrap_or(first)))
    }

    /// Waits until it is something, and has been left alone for some time, and gives what it was last.
    async fn wait_calm(&self, app: &str, calm: Duration, is: Is<'_>) -> Result<Option<DynamicObject>> {
        let kind = self.scenario.deployer.kind();
        let start = Instant::now();
        let (mut since, mut last) = (start, None);
        let mut version = None;
        loop {
            let object = self.namespace.get(kind, app).await?;
            let now = object
                .as_ref()
                .and_then(|object| object.metadata.resource_version.clone());
            if now != version {
                (since, version) = (Instant::now(), now);
            }
            let is_right = object.as_ref().is_none_or(is);
            if is_right && object.is_some() {
                last = object;
            }
            let is_calm = since.elapsed() >= calm && is_right;
            let is_late = start.elapsed() > CALM_AT_LAST;
            ensure!(
                !is_late || since.elapsed() >= calm,
                "{app} is still written to after {CALM_AT_LAST:?}"
            );
            if is_calm || is_late {
                return Ok(last);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether a Kustomization has come to an end with what it asks now, and with what its source has now.
    fn is_settled(&self, object: &DynamicObject) -> bool {
        if object.data["spec"]["suspend"] == true {
            return true;
        }
        let Some(ready) = condition(object, "Ready") else {
            return false;
        };
        if ready["status"] == "True" {
            return is_ready(object)
                && is_observed(object)
                && condition(object, "Reconciling").is_none()
                && self.has_revision(object, "lastAppliedRevision");
        }
        ready["status"] == "False" && self.has_failed(object, ready["reason"].as_str().unwrap_or_default())
    }

    /// Whether it has failed for a reason, for what it asks now and what its source has now.
    fn has_failed(&self, object: &DynamicObject, reason: &str) -> bool {
        let has_reason = condition(object, "Ready").is_some_and(|ready| {
            ready["reason"] == reason
                && ready["status"] != "True"
                && ready["observedGeneration"].as_i64() == object.metadata.generation
        });
        let is_kustomize = self.scenario.deployer == Deployer::Kustomize;
        let is_early = BEFORE_A_REVISION.contains(&reason);
        let is_attempted = is_early || self.has_revision(object, "lastAttemptedRevision");
        has_reason && !(is_kustomize && (is_under_way(object) || !is_attempted))
    }

    /// Whether a field of a status is the revision that its source has now, as far as the scenario publishes it.
    fn has_revision(&self, object: &DynamicObject, field: &str) -> bool {
        let of = &object.data["spec"]["sourceRef"];
        let own = object.metadata.namespace.as_deref().unwrap_or_default();
        let text = |field: &str| of[field].as_str().unwrap_or_default();
        let namespace = of["namespace"].as_str().unwrap_or(own);
        let source = format!("{namespace}/{}/{}", text("kind"), text("name"));
        let sources = self.sources.lock();
        let revision = sources.get(&source).map(|known| &known.artifact["revision"]);
        revision.is_none_or(|revision| revision.is_null() || object.data["status"][field] == *revision)
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

    /// Waits until admission refuses an object.
    pub(super) async fn wait_for_refusal(&self, object: &Value) -> Result<()> {
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
}

fn is_observed(object: &DynamicObject) -> bool {
    object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
}

/// Whether a run of a Kustomization says that it goes on.
fn is_under_way(object: &DynamicObject) -> bool {
    condition(object, "Reconciling").is_some_and(|goes_on| goes_on["reason"] == "Progressing")
}
