//! Field managers: whose traces are taken over, and which annotations of older tools are removed.

use serde_json::{Map, Value, json};

use crate::object::{metadata_map, resource_version};

/// Annotations and labels that kubectl and retired Flux versions left behind.
const STALE_ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
const STALE_LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];

/// The field manager that applies, and those that it takes over.
#[derive(Clone, Debug)]
pub struct FieldManagers {
    /// Name of the manager that owns what is applied, such as `kustomize-controller`.
    pub own: String,
    /// Further managers to take over, of `--override-manager`; matched by prefix for both operations.
    pub overridden: Vec<String>,
}

impl FieldManagers {
    /// Gives the JSON patch that removes foreign traces from `live`; `None` when there are none.
    ///
    /// Entries of kubectl and of overridden managers on the main resource are united into our own Apply entry, so
    /// that the next apply removes the fields that are not desired. Upstream: fluxcd/pkg/ssa `patchFieldManagers`.
    /// The patch is refused as a conflict if somebody has written since `live` was read.
    pub fn cleanup_patch(&self, live: &Value) -> Option<Value> {
        let mut operations = Vec::new();
        for (field, stale) in [
            ("annotations", &STALE_ANNOTATIONS[..]),
            ("labels", &STALE_LABELS[..]),
        ] {
            let entries = metadata_map(live, field);
            for key in stale
                .iter()
                .filter(|key| entries.is_some_and(|entries| entries.contains_key(**key)))
            {
                let pointer = key.replace('~', "~0").replace('/', "~1");
                operations.push(json!({"op": "remove", "path": format!("/metadata/{field}/{pointer}")}));
            }
        }
        if let Some(fields) = self.merged_fields(live) {
            operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": fields}));
        }
        (!operations.is_empty()).then(|| guarded(live, operations))
    }

    /// Gives the JSON patch that makes the fields of overridden managers our own; `None` when there are none.
    ///
    /// Only managers that were named count. Upstream: fluxcd/pkg/ssa `PatchReplaceFieldsManagers`.
    /// The patch is refused as a conflict if somebody has written since `live` was read.
    pub fn takeover_patch(&self, live: &Value) -> Option<Value> {
        let fields = self.merged(live, |entry| self.is_overridden(entry))?;
        let replace = json!({"op": "replace", "path": "/metadata/managedFields", "value": fields});
        Some(guarded(live, vec![replace]))
    }

    /// Tells whether an annotation or label is a trace of an older tool.
    pub(crate) fn is_stale_key(key: &str) -> bool {
        STALE_ANNOTATIONS.contains(&key) || STALE_LABELS.contains(&key)
    }

    /// Gives our own Apply entry on the main resource.
    pub fn own_entry<'a>(&self, live: &'a Value) -> Option<&'a Value> {
        managed_fields(live).iter().find(|entry| self.is_own(entry))
    }

    /// Tells whether any entry of `managedFields` belongs to a manager whose fields are taken over.
    pub(crate) fn takes_over_any(&self, live: &Value) -> bool {
        managed_fields(live).iter().any(|entry| self.is_taken_over(entry))
    }

    /// Tells whether an entry of `managedFields` is neither our own nor one that is taken over.
    pub(crate) fn is_other(&self, entry: &Value) -> bool {
        !self.is_own(entry) && !self.is_taken_over(entry)
    }

    fn is_own(&self, entry: &Value) -> bool {
        text(entry, "manager") == self.own
            && text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
    }

    fn is_taken_over(&self, entry: &Value) -> bool {
        let manager = text(entry, "manager");
        let is_update = text(entry, "operation") == "Update";
        text(entry, "subresource").is_empty()
            && (manager.starts_with("kubectl")
                || (is_update
                    && (manager.starts_with("before-first-apply") || manager.starts_with(self.own.as_str())))
                || self.is_overridden(entry))
    }

    fn is_overridden(&self, entry: &Value) -> bool {
        let manager = text(entry, "manager");
        let mut overridden = self.overridden.iter();
        text(entry, "subresource").is_empty() && overridden.any(|name| manager.starts_with(name.as_str()))
    }

    fn merged_fields(&self, live: &Value) -> Option<Vec<Value>> {
        self.merged(live, |entry| self.is_taken_over(entry))
    }

    /// Unites the entries that are taken over into our own one.
    fn merged(&self, live: &Value, is_taken: impl Fn(&Value) -> bool) -> Option<Vec<Value>> {
        let entries = managed_fields(live);
        let taken: Vec<&Value> = entries.iter().filter(|entry| is_taken(entry)).collect();
        let first = *taken.first()?;
        let mut own = self.own_entry(live).unwrap_or(first).clone();
        own["manager"] = json!(self.own);
        own["operation"] = json!("Apply");
        let mut fields = own
            .get("fieldsV1")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        for entry in taken {
            unite(&mut fields, entry.get("fieldsV1"));
        }
        own["fieldsV1"] = Value::Object(fields);
        let kept = entries
            .iter()
            .filter(|entry| !is_taken(entry) && !self.is_own(entry))
            .cloned();
        Some(kept.chain([own]).collect())
    }
}

/// Gives the JSON patch that moves all entries of `managedFields` to `api_version`; `None` when they have it.
///
/// Entries of all managers and subresources. Upstream: fluxcd/pkg/ssa `PatchMigrateToVersion`.
pub(crate) fn migration_patch(live: &Value, api_version: &str) -> Option<Value> {
    let entries = managed_fields(live);
    if entries
        .iter()
        .all(|entry| text(entry, "apiVersion") == api_version)
    {
        return None;
    }
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        entry["apiVersion"] = json!(api_version);
    }
    let replace = json!({"op": "replace", "path": "/metadata/managedFields", "value": entries});
    Some(guarded(live, vec![replace]))
}

/// Makes a patch that the API server only takes if the object still is what was read.
fn guarded(live: &Value, mut operations: Vec<Value>) -> Value {
    let version = resource_version(live);
    operations.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}));
    Value::Array(operations)
}

/// Unites two field sets in the `fieldsV1` notation, which nests one map per path element.
fn unite(into: &mut Map<String, Value>, from: Option<&Value>) {
    for (key, value) in from.and_then(Value::as_object).into_iter().flatten() {
        match into.get_mut(key).and_then(Value::as_object_mut) {
            Some(existing) => unite(existing, Some(value)),
            None => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn managed_fields(live: &Value) -> &[Value] {
    live.pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managers() -> FieldManagers {
        FieldManagers {
            own: "kustomize-controller".into(),
            overridden: vec!["old-tool".into()],
        }
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields})
    }

    fn live(entries: &[Value]) -> Value {
        json!({"metadata": {"resourceVersion": "7", "managedFields": entries}})
    }

    fn guard() -> Value {
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"})
    }

    #[test]
    fn foreign_fields_join_our_entry_which_moves_last() {
        let ours = entry("kustomize-controller", "Apply", &json!({"f:data": {"f:a": {}}}));
        let hpa = entry("hpa", "Update", &json!({"f:spec": {}}));
        let kubectl = entry("kubectl-edit", "Update", &json!({"f:data": {"f:b": {}}}));
        let object = live(&[ours, kubectl, hpa.clone()]);
        let merged = entry(
            "kustomize-controller",
            "Apply",
            &json!({"f:data": {"f:a": {}, "f:b": {}}}),
        );
        assert_eq!(
            managers().cleanup_patch(&object),
            Some(
                json!([{"op": "replace", "path": "/metadata/managedFields", "value": [hpa, merged]}, guard()])
            )
        );
    }

    #[test]
    fn without_an_entry_of_ours_the_first_foreign_one_becomes_it() {
        let object = live(&[entry("old-tool-x", "Apply", &json!({"f:data": {}}))]);
        let renamed = entry("kustomize-controller", "Apply", &json!({"f:data": {}}));
        let patch = managers().cleanup_patch(&object).unwrap();
        assert_eq!(patch[0]["value"], json!([renamed]));
    }

    #[test]
    fn subresources_and_other_managers_stay() {
        let mut scale = entry("kubectl", "Update", &json!({"f:spec": {"f:replicas": {}}}));
        scale["subresource"] = json!("scale");
        let object = live(&[
            scale,
            entry("helm", "Apply", &json!({})),
            entry("kustomize-controller", "Apply", &json!({})),
        ]);
        assert_eq!(managers().cleanup_patch(&object), None);
    }

    #[test]
    fn traces_of_client_side_apply_are_removed() {
        let object = json!({"metadata": {"resourceVersion": "7", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}});
        assert_eq!(
            managers().cleanup_patch(&object),
            Some(
                json!([{"op": "remove", "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"}, guard()])
            )
        );
    }

    #[test]
    fn entries_of_all_managers_and_subresources_move_to_the_applied_version() {
        let mut status = entry("operator", "Update", &json!({"f:status": {}}));
        status["subresource"] = json!("status");
        let ours = entry("kustomize-controller", "Apply", &json!({"f:spec": {}}));
        let object = live(&[ours.clone(), status.clone()]);
        assert_eq!(migration_patch(&object, "v1"), None);
        assert_eq!(migration_patch(&json!({"metadata": {}}), "v1"), None);
        let moved = [ours, status].map(|mut entry| {
            entry["apiVersion"] = json!("v2");
            entry
        });
        let replace = json!({"op": "replace", "path": "/metadata/managedFields", "value": moved});
        assert_eq!(migration_patch(&object, "v2"), Some(json!([replace, guard()])));
    }
}
