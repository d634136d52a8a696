//! Writes the status of a Kustomization: only what changed, as stock's field manager.

use controller_kit::object::resource_version;
use controller_kit::{Mapping, ObjectKey, ObjectPath, Rest, RestError};
use flux_api::{FINALIZER, Kustomization, KustomizationStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Map, Value, json};

use crate::context::STATUS_MANAGER;

/// The endpoint of Kustomizations.
pub(crate) fn mapping() -> Mapping {
    Mapping {
        group: flux_api::KUSTOMIZE_GROUP.to_owned(),
        version: "v1".to_owned(),
        kind: "Kustomization".to_owned(),
        plural: "kustomizations".to_owned(),
        namespaced: true,
    }
}

/// Writes the fields of `new` that differ from `written`; gives the resource version, if anything was written.
///
/// # Errors
/// What the API server answers; with `seen`, a conflict when somebody wrote since that resource version.
pub(crate) async fn write(
    rest: &Rest,
    key: &ObjectKey,
    written: &KustomizationStatus,
    new: &KustomizationStatus,
    seen: Option<&str>,
) -> Result<Option<String>, RestError> {
    let Some(changes) = changes(written, new) else {
        return Ok(None);
    };
    let mapping = mapping();
    let at = ObjectPath {
        mapping: &mapping,
        namespace: &key.namespace,
        name: &key.name,
    };
    let mut patch = json!({"status": changes});
    if let Some(version) = seen {
        patch["metadata"] = json!({"resourceVersion": version});
    }
    let answer = rest
        .merge_patch(&at, Some("status"), STATUS_MANAGER, &patch)
        .await?;
    Ok(Some(resource_version(&answer).to_owned()))
}

/// Writes the conditions of an object as it was read; fails with a conflict when somebody wrote since.
///
/// # Errors
/// What the API server answers.
pub(crate) async fn write_conditions(
    rest: &Rest,
    object: &Kustomization,
    conditions: &[Condition],
) -> Result<(), RestError> {
    let (mapping, key) = (mapping(), ObjectKey::of(object));
    let at = ObjectPath {
        mapping: &mapping,
        namespace: &key.namespace,
        name: &key.name,
    };
    let patch = json!({
        "metadata": {"resourceVersion": object.metadata.resource_version},
        "status": {"conditions": conditions},
    });
    rest.merge_patch(&at, Some("status"), STATUS_MANAGER, &patch)
        .await?;
    Ok(())
}

/// The merge patch from one status to another; lists are replaced as a whole.
fn changes(old: &KustomizationStatus, new: &KustomizationStatus) -> Option<Value> {
    let (Ok(Value::Object(old)), Ok(Value::Object(new))) =
        (serde_json::to_value(old), serde_json::to_value(new))
    else {
        return None;
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        if old.get(&key) != Some(&value) {
            patch.insert(key, value);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Adds or removes our finalizer; the resource version guards against losing somebody else's.
///
/// The first attempt starts from `object`, which may be old; a conflict is settled with a fresh one.
///
/// # Errors
/// What the API server answers.
pub(crate) async fn set_finalizer(
    rest: &Rest,
    object: &Kustomization,
    present: bool,
) -> Result<(), RestError> {
    let (mapping, key) = (mapping(), ObjectKey::of(object));
    let at = ObjectPath {
        mapping: &mapping,
        namespace: &key.namespace,
        name: &key.name,
    };
    let mut finalizers = object.metadata.finalizers.clone().unwrap_or_default();
    let mut version = object.metadata.resource_version.clone().unwrap_or_default();
    loop {
        if finalizers.iter().any(|finalizer| finalizer == FINALIZER) == present {
            return Ok(());
        }
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        if present {
            finalizers.push(FINALIZER.to_owned());
        }
        let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
        match rest.merge_patch(&at, None, STATUS_MANAGER, &patch).await {
            Err(error) if error.code() == Some(409) => {}
            Err(error) if error.is_not_found() => return Ok(()),
            other => return other.map(|_| ()),
        }
        let Some(live) = rest.get(&mapping, &key.namespace, &key.name).await? else {
            return Ok(());
        };
        let listed = live.pointer("/metadata/finalizers").and_then(Value::as_array);
        let texts = listed.into_iter().flatten().filter_map(Value::as_str);
        finalizers = texts.map(str::to_owned).collect();
        resource_version(&live).clone_into(&mut version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written() {
        let old = KustomizationStatus {
            last_applied_revision: "a".into(),
            observed_generation: 1,
            ..Default::default()
        };
        assert_eq!(changes(&old, &old), None);
        let new = KustomizationStatus {
            last_attempted_revision: "b".into(),
            observed_generation: 1,
            ..Default::default()
        };
        assert_eq!(
            changes(&old, &new),
            Some(json!({"lastAppliedRevision": null, "lastAttemptedRevision": "b"}))
        );
    }
}
