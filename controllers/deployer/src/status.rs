//! Writes the status of an object: only what changed, as stock's field manager.

use controller_kit::interlock::OWNERSHIP_CONFLICT;
use controller_kit::object::resource_version;
use controller_kit::{ObjectKey, ObjectPath, Rest, RestError};
use flux_api::DeployedStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource as _;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::kind::{Kind, StatusOf, mapping};
use crate::outcome::Halt;

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
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

impl From<StatusError> for Halt {
    fn from(error: StatusError) -> Self {
        Self::Aborted(format!("cannot write the status: {error}"))
    }
}

/// The version of an object that a status is written over, and whose conditions it has.
pub(crate) struct Base {
    /// Resource version.
    pub(crate) version: String,
    /// Its conditions, those of others included.
    pub(crate) conditions: Vec<Condition>,
}

/// Writes the fields of `new` that differ from `written` over `base`; gives the resource version and the whole status, if
/// anything was written.
///
/// # Errors
/// What the API server answers; a conflict when somebody wrote since `base`.
pub(crate) async fn write<K: Kind>(
    rest: &Rest,
    object: &K::Object,
    base: &Base,
    written: &StatusOf<K>,
    new: &StatusOf<K>,
) -> Result<Option<(String, StatusOf<K>)>, RestError> {
    let key = ObjectKey::of(object);
    let with = |status: &StatusOf<K>, conditions| {
        let mut status = status.clone();
        *status.conditions_mut() = conditions;
        status
    };
    let written = with(written, base.conditions.clone());
    let new = with(
        new,
        united(K::NAMES.conditions, new.conditions(), &base.conditions),
    );
    let Some(changes) = changes(&written, &new) else {
        return Ok(None);
    };
    let mapping = mapping::<K::Object>();
    let at = ObjectPath {
        mapping: &mapping,
        namespace: &key.namespace,
        name: &key.name,
    };
    let patch = json!({
        "metadata": {"uid": object.meta().uid, "resourceVersion": base.version},
        "status": changes,
    });
    let answer = rest
        .merge_patch(&at, Some("status"), K::NAMES.status_manager, &patch)
        .await?;
    Ok(Some((resource_version(&answer).to_owned(), new)))
}

/// Gives our conditions of `ours`, and everybody else's as `live` has them; a list is written as a whole.
fn united(own: &[&str], ours: &[Condition], live: &[Condition]) -> Vec<Condition> {
    let is_own = |condition: &Condition| {
        let type_ = condition.type_.as_str();
        own.contains(&type_) || type_ == OWNERSHIP_CONFLICT
    };
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
pub(crate) async fn write_conditions<K: Kind>(
    rest: &Rest,
    object: &K::Object,
    conditions: &[Condition],
) -> Result<(), RestError> {
    let (mapping, key) = (mapping::<K::Object>(), ObjectKey::of(object));
    let at = ObjectPath {
        mapping: &mapping,
        namespace: &key.namespace,
        name: &key.name,
    };
    let patch = json!({
        "metadata": {"resourceVersion": object.meta().resource_version},
        "status": {"conditions": conditions},
    });
    rest.merge_patch(&at, Some("status"), K::NAMES.status_manager, &patch)
        .await?;
    Ok(())
}

/// Tells whether two statuses say the same, but for what their conditions say.
pub(crate) fn are_same_but_conditions<S: DeployedStatus + Clone + Serialize>(one: &S, other: &S) -> bool {
    let without_conditions = |status: &S| {
        let mut status = status.clone();
        status.conditions_mut().clear();
        status
    };
    changes(&without_conditions(one), &without_conditions(other)).is_none()
}

/// The merge patch from one status to another; lists are replaced as a whole.
fn changes<S: Serialize>(old: &S, new: &S) -> Option<Value> {
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

#[cfg(test)]
mod tests {
    use flux_api::{KustomizationStatus, RECONCILING, STALLED};

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
        let names: Vec<_> = united(&[RECONCILING, STALLED], &ours, &live)
            .into_iter()
            .map(|c| format!("{} {}", c.type_, c.message))
            .collect();
        assert_eq!(names, ["Reconciling new", "Audited new", "Signed new"]);
    }

    #[test]
    fn conditions_are_everybodys() {
        let old = KustomizationStatus {
            last_applied_revision: "a".into(),
            ..Default::default()
        };
        let mut new = old.clone();
        let condition = json!({"type": "Audited", "status": "True", "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        new.conditions = vec![serde_json::from_value(condition).unwrap()];
        assert!(are_same_but_conditions(&old, &new));
        new.last_applied_revision = "b".into();
        assert!(!are_same_but_conditions(&old, &new));
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
