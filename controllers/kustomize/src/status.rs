//! Writes the status of a Kustomization: only what changed, as stock's field manager.

use controller_kit::interlock::OWNERSHIP_CONFLICT;
use controller_kit::object::{metadata_text, resource_version};
use controller_kit::{Mapping, ObjectKey, ObjectPath, Rest, RestError};
use flux_api::{FINALIZER, HEALTHY, Kustomization, KustomizationStatus, READY, RECONCILING, STALLED};
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

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    /// The object does not exist any more, or another one has its name.
    #[error("the object is gone")]
    Gone,
    /// The object has moved to another controller.
    #[error("another controller reconciles the object by now")]
    SomebodyElse,
    /// The API server did not take it.
    #[error(transparent)]
    Api(#[from] RestError),
}

impl StatusError {
    /// Sorts out what an answer says about the object.
    pub(crate) fn of(error: RestError) -> Self {
        if error.is_not_found() && !error.is_not_served() {
            Self::Gone
        } else {
            Self::Api(error)
        }
    }
}

/// The version of an object that a status is written over, and whose conditions it has.
pub(crate) struct Base {
    /// Resource version.
    pub(crate) version: String,
    /// Its conditions, those of others included.
    pub(crate) conditions: Vec<Condition>,
}

/// The types of our conditions; all others are somebody else's.
const OWN_CONDITIONS: [&str; 5] = [READY, RECONCILING, STALLED, HEALTHY, OWNERSHIP_CONFLICT];

/// Writes the fields of `new` that differ from `written` over `base`; gives the resource version and the whole status, if
/// anything was written.
///
/// # Errors
/// What the API server answers; a conflict when somebody wrote since `base`.
pub(crate) async fn write(
    rest: &Rest,
    object: &Kustomization,
    base: &Base,
    written: &KustomizationStatus,
    new: &KustomizationStatus,
) -> Result<Option<(String, KustomizationStatus)>, RestError> {
    let key = ObjectKey::of(object);
    let with = |status: &KustomizationStatus, conditions| KustomizationStatus {
        conditions,
        ..status.clone()
    };
    let written = with(written, base.conditions.clone());
    let new = with(new, united(&new.conditions, &base.conditions));
    let Some(changes) = changes(&written, &new) else {
        return Ok(None);
    };
    let mapping = mapping();
    let at = ObjectPath {
        mapping: &mapping,
        namespace: &key.namespace,
        name: &key.name,
    };
    let patch = json!({
        "metadata": {"uid": object.metadata.uid, "resourceVersion": base.version},
        "status": changes,
    });
    let answer = rest
        .merge_patch(&at, Some("status"), STATUS_MANAGER, &patch)
        .await?;
    Ok(Some((resource_version(&answer).to_owned(), new)))
}

/// Gives our conditions of `ours`, and everybody else's as `live` has them; a list is written as a whole.
fn united(ours: &[Condition], live: &[Condition]) -> Vec<Condition> {
    let is_own = |condition: &Condition| OWN_CONDITIONS.contains(&condition.type_.as_str());
    let same = |list: &[Condition], type_: &str| list.iter().find(|other| other.type_ == type_).cloned();
    let known = ours.iter().filter_map(|condition| {
        if is_own(condition) {
            Some(condition.clone())
        } else {
            same(live, &condition.type_)
        }
    });
    let new = live
        .iter()
        .filter(|condition| !is_own(condition) && same(ours, &condition.type_).is_none());
    known.chain(new.cloned()).collect()
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

/// Whether an object is held by our finalizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It cannot vanish before we let it go; with the resource version, if it was written for that.
    Yes(Option<String>),
    /// It is gone or about to go, and nobody waits for us: nothing may be made from it any more.
    Gone,
}

/// Adds our finalizer; the resource version guards against losing somebody else's.
///
/// The first attempt starts from `object`, which may be old; a conflict is settled with a fresh one. An object that is
/// being deleted, or another one of its name, never gets it.
///
/// # Errors
/// What the API server answers.
pub(crate) async fn set_finalizer(rest: &Rest, object: &Kustomization) -> Result<Held, RestError> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let mut seen = FinalizersSeen::of(object);
    loop {
        if seen.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(Held::Yes(None));
        }
        if seen.is_deleted {
            return Ok(Held::Gone);
        }
        seen.finalizers.push(FINALIZER.to_owned());
        match seen.write(rest, object).await? {
            Write::Done(version) => return Ok(Held::Yes(Some(version))),
            Write::NotFound => return Ok(Held::Gone),
            Write::Conflict => {}
        }
        match FinalizersSeen::read(rest, object).await? {
            Some(live) if live.uid == uid => seen = live,
            _ => return Ok(Held::Gone),
        }
    }
}

/// Removes our finalizer, as [`set_finalizer`] adds it; an object that is gone has none.
///
/// # Errors
/// What the API server answers.
pub(crate) async fn remove_finalizer(rest: &Rest, object: &Kustomization) -> Result<(), RestError> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let mut seen = FinalizersSeen::of(object);
    loop {
        let before = seen.finalizers.len();
        seen.finalizers.retain(|finalizer| finalizer != FINALIZER);
        if seen.finalizers.len() == before {
            return Ok(());
        }
        match seen.write(rest, object).await? {
            Write::Done(_) | Write::NotFound => return Ok(()),
            Write::Conflict => {}
        }
        match FinalizersSeen::read(rest, object).await? {
            Some(live) if live.uid == uid => seen = live,
            _ => return Ok(()),
        }
    }
}

/// The finalizers of an object, and the version that they were seen in.
struct FinalizersSeen {
    uid: String,
    resource_version: String,
    is_deleted: bool,
    finalizers: Vec<String>,
}

enum Write {
    /// With the resource version that came of it.
    Done(String),
    Conflict,
    NotFound,
}

impl FinalizersSeen {
    fn of(object: &Kustomization) -> Self {
        let meta = &object.metadata;
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            is_deleted: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
        }
    }

    async fn read(rest: &Rest, object: &Kustomization) -> Result<Option<Self>, RestError> {
        let key = ObjectKey::of(object);
        let live = rest.get(&mapping(), &key.namespace, &key.name).await?;
        Ok(live.map(|live| {
            let listed = live.pointer("/metadata/finalizers").and_then(Value::as_array);
            let texts = listed.into_iter().flatten().filter_map(Value::as_str);
            Self {
                uid: metadata_text(&live, "uid").to_owned(),
                resource_version: resource_version(&live).to_owned(),
                is_deleted: !metadata_text(&live, "deletionTimestamp").is_empty(),
                finalizers: texts.map(str::to_owned).collect(),
            }
        }))
    }

    async fn write(&self, rest: &Rest, object: &Kustomization) -> Result<Write, RestError> {
        let (mapping, key) = (mapping(), ObjectKey::of(object));
        let at = ObjectPath {
            mapping: &mapping,
            namespace: &key.namespace,
            name: &key.name,
        };
        let patch =
            json!({"metadata": {"finalizers": self.finalizers, "resourceVersion": self.resource_version}});
        match rest.merge_patch(&at, None, STATUS_MANAGER, &patch).await {
            Ok(answer) => Ok(Write::Done(resource_version(&answer).to_owned())),
            Err(error) if error.is_conflict() => Ok(Write::Conflict),
            Err(error) if error.is_not_found() && !error.is_not_served() => Ok(Write::NotFound),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_others_are_theirs() {
        let condition = |type_: &str, message: &str| -> Condition {
            serde_json::from_value(
                json!({"type": type_, "status": "True", "reason": "R", "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}),
            )
            .unwrap()
        };
        let ours = [
            condition("Reconciling", "new"),
            condition("Audited", "old"),
            condition("Removed", "old"),
        ];
        let live = [
            condition("Stalled", "old"),
            condition("Audited", "new"),
            condition("Signed", "new"),
        ];
        let names: Vec<_> = united(&ours, &live)
            .into_iter()
            .map(|c| format!("{} {}", c.type_, c.message))
            .collect();
        assert_eq!(names, ["Reconciling new", "Audited new", "Signed new"]);
    }

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
