//! Waiting for objects: until they are ready, until hooks have done their work, until they are gone.

use std::time::Duration;

use controller_kit::Mapping;
use controller_kit::live::{Rule, Target, WaitEnd, WaitOptions};
use controller_kit::object::{Subject, metadata_map};
use serde_json::Value;

use super::patience::{Canceled, Matter, Patience};
use super::resource::Resource;
use super::{Cluster, ORIGIN_LABEL};

/// How readiness is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitStrategy {
    /// By kstatus.
    #[default]
    Poller,
    /// As Helm 3 did.
    Legacy,
    /// Only hooks are waited for.
    HookOnly,
}

/// Objects that did not become what was waited for, in the words of those who wait in stock.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Some are not ready.
    #[error("{0}")]
    NotReady(String),
    /// One is not gone.
    #[error("{object} termination timeout: {reason}")]
    NotGone {
        /// The object.
        object: String,
        /// Why.
        reason: String,
    },
    /// The wait was ended before it was over.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

impl Cluster {
    /// Waits until objects are ready, Jobs until they have completed if `jobs` says so.
    ///
    /// Where they are is all that is kept of them meanwhile: many releases may wait at a time.
    pub(crate) async fn wait_ready(
        &self,
        resources: Vec<Resource>,
        jobs: bool,
        strategy: WaitStrategy,
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        match strategy {
            WaitStrategy::HookOnly => return Ok(()),
            WaitStrategy::Legacy => {
                return Box::pin(self.wait_ready_as_before(&resources, jobs, timeout, patience)).await;
            }
            WaitStrategy::Poller => {}
        }
        let rule = if jobs { Rule::Ready } else { Rule::Begun };
        let targets = resources.iter().filter(|resource| !is_paused(resource));
        let targets = targets.map(|resource| target(resource, rule)).collect();
        drop(resources);
        self.wait(targets, timeout, true, Matter::Readiness, patience)
            .await
    }

    /// Waits until the objects of a hook have done their work.
    pub(crate) async fn wait_finished(
        &self,
        resources: &[Resource],
        strategy: WaitStrategy,
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        if strategy == WaitStrategy::Legacy {
            return Box::pin(self.wait_finished_as_before(resources, timeout, patience)).await;
        }
        // Whatever else has been created is ready.
        let works = |resource: &&Resource| {
            let mapping = &resource.mapping;
            matches!((&*mapping.group, &*mapping.kind), ("batch", "Job") | ("", "Pod"))
                || self.has_expressions(mapping)
        };
        let targets = resources.iter().filter(works);
        let targets = targets.map(|resource| target(resource, Rule::Finished)).collect();
        self.wait(targets, timeout, false, Matter::Else, patience).await
    }

    /// Waits until objects are gone.
    pub(crate) async fn wait_gone(
        &self,
        resources: &[Resource],
        strategy: WaitStrategy,
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        if strategy == WaitStrategy::HookOnly {
            return Ok(());
        }
        let targets: Vec<Target> = resources
            .iter()
            .map(|resource| target(resource, Rule::Gone))
            .collect();
        if targets.is_empty() {
            return Ok(());
        }
        let options = WaitOptions {
            timeout,
            ..WaitOptions::default()
        };
        let waiting = Box::pin(self.live.wait(targets, options, &self.rest));
        match patience.wait(Matter::Else, waiting).await? {
            WaitEnd::Ready => Ok(()),
            WaitEnd::NotReady { .. } if strategy == WaitStrategy::Legacy => {
                Err(WaitError::NotReady("context deadline exceeded".to_owned()))
            }
            WaitEnd::NotReady { objects, .. } => Err(match objects.into_iter().next() {
                Some((id, _, reason)) => WaitError::NotGone {
                    object: Subject(&id).to_string(),
                    reason: reason.unwrap_or_else(|| "context deadline exceeded".to_owned()),
                },
                None => WaitError::NotReady("context deadline exceeded".to_owned()),
            }),
            end @ WaitEnd::NoNamespace(_) => Err(WaitError::NotReady(end.message().unwrap_or_default())),
        }
    }

    fn has_expressions(&self, mapping: &Mapping) -> bool {
        let expressions = self.expressions.as_ref();
        expressions.is_some_and(|expressions| expressions.of(&mapping.group, &mapping.kind).is_some())
    }

    async fn wait(
        &self,
        targets: Vec<Target>,
        timeout: Duration,
        fail_fast: bool,
        matter: Matter,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        if targets.is_empty() {
            return Ok(());
        }
        let options = WaitOptions {
            timeout,
            fail_fast,
            expressions: self.expressions.clone(),
        };
        let waiting = Box::pin(self.live.wait(targets, options, &self.rest));
        match patience.wait(matter, waiting).await?.message() {
            None => Ok(()),
            Some(message) => Err(WaitError::NotReady(message)),
        }
    }
}

fn target(resource: &Resource, rule: Rule) -> Target {
    let is_job = (&*resource.mapping.group, &*resource.mapping.kind) == ("batch", "Job");
    let ttl = resource.object.pointer("/spec/ttlSecondsAfterFinished");
    Target {
        id: resource.id(),
        version: Some(resource.mapping.version.clone()),
        owned: metadata_map(&resource.object, "labels")
            .is_some_and(|labels| labels.contains_key(ORIGIN_LABEL)),
        may_vanish: is_job && ttl.is_some_and(|ttl| !ttl.is_null()) && rule != Rule::Gone,
        rule,
    }
}

/// A Deployment that is not rolled out does not become ready.
fn is_paused(resource: &Resource) -> bool {
    let mapping = &resource.mapping;
    (&*mapping.group, &*mapping.version, &*mapping.kind) == ("apps", "v1", "Deployment")
        && resource.object.pointer("/spec/paused") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(group: &str, kind: &str, object: Value) -> Resource {
        Resource {
            mapping: Mapping {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
                plural: String::new(),
                namespaced: true,
            },
            namespace: "apps".to_owned(),
            name: "a".to_owned(),
            object,
        }
    }

    #[test]
    fn what_is_waited_for_is_known_of_the_manifest() {
        let paused = json!({"spec": {"paused": true}});
        assert!(is_paused(&resource("apps", "Deployment", paused.clone())));
        assert!(!is_paused(&resource("apps", "StatefulSet", paused)));
        let vanishing = json!({"spec": {"ttlSecondsAfterFinished": 0}});
        let vanishes =
            |kind: &str, rule| target(&resource("batch", kind, vanishing.clone()), rule).may_vanish;
        assert!(
            vanishes("Job", Rule::Ready) && !vanishes("Job", Rule::Gone) && !vanishes("CronJob", Rule::Ready)
        );
        let labelled = json!({"metadata": {"labels": {ORIGIN_LABEL: "web"}}});
        assert!(target(&resource("", "Secret", labelled), Rule::Ready).owned);
        assert!(!target(&resource("", "Secret", json!({})), Rule::Ready).owned);
    }
}
