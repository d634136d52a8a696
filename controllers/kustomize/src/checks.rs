//! Which objects a Kustomization waits for.

use std::sync::Arc;

use controller_kit::ObjectKey;
use controller_kit::apply::{Action, Entry};
use controller_kit::live::{Rule, Target};
use controller_kit::object::{ObjectId, api_version, kind, split_api_version};
use flux_api::Kustomization;
use flux_deployer::{HealthChecks, Run, health_checks};
use serde_json::Value;

use crate::kind::Kustomize;
use crate::stop::{Problem, Stop};

/// Gives the objects whose readiness this object waits for; nothing when it does not ask for that.
///
/// # Errors
/// A check whose API version is none.
pub(crate) fn targets(
    object: &Kustomization,
    entries: &[Entry],
    vanishing: &[ObjectId],
) -> Result<Option<Vec<Target>>, Stop> {
    let spec = &object.spec;
    let target = |id: ObjectId, version: Option<String>, owned: bool| Target {
        may_vanish: vanishing.contains(&id),
        rule: Rule::Ready,
        id,
        version,
        owned,
    };
    let mut targets = Vec::new();
    if spec.wait {
        let applied = entries.iter().filter(|entry| entry.action != Action::Skipped);
        targets.extend(applied.map(|entry| target(entry.id.clone(), Some(entry.version.clone()), true)));
    } else {
        for check in &spec.health_checks {
            let api_version = if check.api_version.is_empty() {
                "apps/v1"
            } else {
                &check.api_version
            };
            if api_version.matches('/').count() > 1 {
                return Err(Problem::HealthCheck(api_version.to_owned()).into());
            }
            let (group, _) = split_api_version(api_version);
            let id = ObjectId {
                namespace: check.namespace.clone(),
                name: check.name.clone(),
                group: group.to_owned(),
                kind: check.kind.clone(),
            };
            if targets.iter().any(|target: &Target| target.id == id) {
                continue;
            }
            // What has just been applied is followed already.
            let applied = entries
                .iter()
                .find(|entry| entry.id == id && entry.action != Action::Skipped);
            let version = applied.map(|entry| entry.version.clone());
            targets.push(target(id, version, applied.is_some()));
        }
    }
    if targets.is_empty() {
        return Ok(None);
    }
    // Nobody waits for itself.
    let key = ObjectKey::of(object);
    targets.retain(|target| {
        let id = &target.id;
        !(id.kind == "Kustomization" && id.name == key.name && id.namespace == key.namespace)
    });
    Ok(Some(targets))
}

/// Gives the expressions that tell the readiness of some kinds. As in stock, Jobs keep their own rule, except for whoever
/// applies as somebody else or to another cluster.
///
/// # Errors
/// One of them is no expression.
pub(crate) fn expressions(run: &Run<'_, Kustomize>) -> Result<Option<Arc<HealthChecks>>, Stop> {
    let spec = &run.object.spec;
    let checks = health_checks(&spec.health_check_exprs).map_err(Stop::Refused)?;
    let as_itself = run.service_account().is_empty() && spec.kube_config.is_none();
    Ok(checks.map(|checks| {
        Arc::new(if as_itself {
            checks.without("batch", "Job")
        } else {
            checks
        })
    }))
}

/// A Job that removes itself when it is done is not missing when it is gone.
pub(crate) fn may_vanish(object: &Value) -> bool {
    let (group, _) = split_api_version(api_version(object));
    (group, kind(object)) == ("batch", "Job")
        && object
            .pointer("/spec/ttlSecondsAfterFinished")
            .is_some_and(Value::is_i64)
}
