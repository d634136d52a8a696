//! What has become different in the cluster from what a release says, and the patches that mend it.
//!
//! For each object of a release three documents are compared: what the release says, the live object, and what a
//! server-side apply of the former would make of the latter (a dry run, forced, as `helm-controller`). The caller asks
//! the cluster, in this order; nothing here does:
//!
//! 1. [`set_helm_metadata`] on the normalised objects of the stored manifest;
//! 2. [`is_excluded`] of the desired object, which saves the requests, then [`is_marked`] of the live one;
//! 3. the dry run, whose result has no resource version if the object is not there ([`Diff::creation`]);
//! 4. [`Diff::between`].
//!
//! What has drifted, and the words for it, are those of helm-controller 1.6.4. The patches are not: upstream's replace
//! the whole metadata when that is shorter, drop the ignored fields of an object that they replace, miss the element
//! of a list that another one is ignored in, and put masks into Secrets. See [`Diff::correction`].

mod difference;
mod pointers;
mod summary;

use serde_json::{Map, Value};

pub use difference::{Operation, OperationKind};
pub use flux_ignore::{IgnoreRule, IgnoreRuleError, IgnoreRules, IgnoreTarget};
pub use pointers::InvalidPointer;
pub use summary::{
    Corrected, Correction, correction_failure, drift_message, mask_error, resource_name, summarize,
    summarize_briefly,
};

/// The label or annotation that keeps an object from being looked at.
pub const MARKER: &str = "helm.toolkit.fluxcd.io/driftDetection";

/// What was found out about one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiffType {
    /// It is not there.
    Create,
    /// It is different.
    Update,
    /// It is not to be looked at.
    Exclude,
    /// It is as it should be.
    None,
}

/// The difference between what a release says about an object and what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    found: DiffType,
    desired: Value,
    live: Value,
    /// How often upstream adds, replaces and removes something.
    counts: [usize; 3],
    correction: Vec<Operation>,
}

impl Diff {
    /// The object is not there.
    pub fn creation(desired: Value) -> Self {
        Self::without_patch(DiffType::Create, desired)
    }

    /// The object is not looked at.
    pub fn exclusion(desired: Value) -> Self {
        Self::without_patch(DiffType::Exclude, desired)
    }

    fn without_patch(found: DiffType, desired: Value) -> Self {
        Self {
            found,
            desired,
            live: Value::Null,
            counts: [0; 3],
            correction: Vec::new(),
        }
    }

    /// Compares the live object with what a server-side apply would make of it.
    ///
    /// ```
    /// use helm::drift::{Diff, DiffType, IgnoreRules};
    /// use serde_json::json;
    ///
    /// let object = |replicas: i64| json!({
    ///     "apiVersion": "apps/v1", "kind": "Deployment",
    ///     "metadata": {"name": "web", "namespace": "apps", "resourceVersion": "7"}, "spec": {"replicas": replicas},
    /// });
    /// let diff = Diff::between(object(2), object(5), &object(2), &IgnoreRules::default())?;
    /// assert_eq!(diff.diff_type(), DiffType::Update);
    /// assert_eq!(
    ///     diff.correction_body(),
    ///     r#"[{"value":"7","op":"replace","path":"/metadata/resourceVersion"},{"value":2,"op":"replace","path":"/spec/replicas"}]"#
    /// );
    /// # Ok::<(), helm::drift::InvalidPointer>(())
    /// ```
    pub fn between(
        desired: Value,
        live: Value,
        dry_run: &Value,
        rules: &IgnoreRules,
    ) -> Result<Self, InvalidPointer> {
        let paths = rules.paths_for(&desired);
        let upstream = upstream_patch(&live, dry_run, &paths)?;
        let correction = if upstream.is_empty() {
            Vec::new()
        } else {
            let wanted = pointers::with_ignored_of(dry_run, &live, &paths);
            compare(&live, &wanted, difference::Style::Careful)
        };
        let found = if correction.is_empty() {
            DiffType::None
        } else {
            DiffType::Update
        };
        let count = |kind| upstream.iter().filter(|operation| operation.kind == kind).count();
        Ok(Self {
            found,
            counts: [
                count(OperationKind::Add),
                count(OperationKind::Replace),
                count(OperationKind::Remove),
            ],
            desired,
            live,
            correction,
        })
    }

    /// What was found out.
    pub fn diff_type(&self) -> DiffType {
        self.found
    }

    /// What the release says; it is created if the object is missing.
    pub fn desired(&self) -> &Value {
        &self.desired
    }

    /// The operations that mend the object. They touch nothing that is ignored and nothing of its metadata but labels
    /// and annotations.
    pub fn correction(&self) -> &[Operation] {
        &self.correction
    }

    /// The JSON patch that mends the object, if it is still the one that was looked at: otherwise the API server
    /// answers with a conflict.
    pub fn correction_body(&self) -> String {
        let version = self.live.pointer("/metadata/resourceVersion").cloned();
        let guard = version.map(|version| Operation {
            kind: OperationKind::Replace,
            path: "/metadata/resourceVersion".to_owned(),
            value: Some(version),
        });
        let operations = guard.iter().chain(&self.correction).map(Operation::to_json);
        format!("[{}]", operations.collect::<Vec<_>>().join(","))
    }

    /// The operations as they may be logged: without what is in a Secret.
    pub fn masked_correction(&self) -> Vec<Operation> {
        if self.desired.get("kind").and_then(Value::as_str) != Some("Secret") {
            return self.correction.clone();
        }
        self.correction
            .iter()
            .map(|operation| operation.masked(&self.live))
            .collect()
    }
}

/// Says whether something is to be done about any of these.
pub fn has_changes(diffs: &[Diff]) -> bool {
    diffs
        .iter()
        .any(|diff| matches!(diff.found, DiffType::Create | DiffType::Update))
}

/// Says whether a label or an annotation of the object keeps it from being looked at.
pub fn is_marked(object: &Value) -> bool {
    let is_disabled = |field: &str| {
        string_map(object, field)
            .and_then(|map| map.get(MARKER))
            .and_then(Value::as_str)
            .is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
    };
    is_disabled("labels") || is_disabled("annotations")
}

/// Says whether an object is not to be looked at: by a mark on it or by a rule for the whole of it.
pub fn is_excluded(rules: &IgnoreRules, desired: &Value) -> bool {
    is_marked(desired) || rules.paths_for(desired).contains(&"")
}

/// Marks an object as one of a release, as Helm does when it creates it.
pub fn set_helm_metadata(object: &mut Value, release: &str, namespace: &str) {
    let mut set = |field: &str, key: &str, value: &str| {
        let Some(object) = object.as_object_mut() else {
            return;
        };
        let metadata = object.entry("metadata").or_insert_with(|| Map::new().into());
        let Some(metadata) = metadata.as_object_mut() else {
            return;
        };
        let map = metadata.entry(field).or_insert_with(|| Map::new().into());
        if !is_string_map(map) {
            *map = Map::new().into();
        }
        if let Some(map) = map.as_object_mut() {
            map.insert(key.to_owned(), value.into());
        }
    };
    set("labels", "app.kubernetes.io/managed-by", "Helm");
    set("annotations", "meta.helm.sh/release-name", release);
    set("annotations", "meta.helm.sh/release-namespace", namespace);
}

/// The labels or annotations of an object; none if one of them is no text.
fn string_map<'a>(object: &'a Value, field: &str) -> Option<&'a Map<String, Value>> {
    let map = object.get("metadata")?.get(field)?;
    map.as_object().filter(|_| is_string_map(map))
}

fn is_string_map(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|map| map.values().all(Value::is_string))
}

/// The patch that upstream makes of the two, whose operations it counts.
fn upstream_patch(live: &Value, dry_run: &Value, paths: &[&str]) -> Result<Vec<Operation>, InvalidPointer> {
    let (mut live, mut dry_run) = (live.clone(), dry_run.clone());
    pointers::remove(&mut dry_run, paths)?;
    pointers::remove(&mut live, paths)?;
    Ok(compare(&live, &dry_run, difference::Style::Upstream))
}

/// Compares labels and annotations, of which only what is missing or different counts, and then the rest but for
/// metadata and status.
fn compare(live: &Value, wanted: &Value, style: difference::Style) -> Vec<Operation> {
    let metadata = |object: &Value| {
        let mut kept = Map::new();
        for field in ["name", "annotations", "labels"] {
            if let Some(value) = object
                .pointer("/metadata")
                .and_then(|metadata| metadata.get(field))
            {
                kept.insert(field.to_owned(), value.clone());
            }
        }
        let kept = (!kept.is_empty()).then(|| ("metadata".to_owned(), Value::Object(kept)));
        Value::Object(kept.into_iter().collect())
    };
    let rest = |object: &Value| {
        let fields = object.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| !["metadata", "status"].contains(&name.as_str()));
        Value::Object(
            fields
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    };
    let mut operations = difference::compare(&metadata(live), &metadata(wanted), style);
    // Controllers of the cluster add labels.
    operations.retain(|operation| operation.kind != OperationKind::Remove);
    operations.extend(difference::compare(&rest(live), &rest(wanted), style));
    operations
}

#[cfg(test)]
mod tests;
