//! Handing a label over from this tool to the controller that brings the object from Git.
//!
//! Once Git has the label, the parent's controller finds nothing to change and writes nothing, so that it never comes to own the
//! label: a revert in Git would take nothing away. So it is made the owner, by the list of field managers alone.

use flux_fleet::Handle;
use flux_fleet::moving::{HELD_SINCE, MANAGER, MOVED_AT, MOVED_BY, MOVED_FROM};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::flux::Flux;
use crate::cluster::CommandError;

/// Makes `heir` the owner of the label in the place of this tool; says whether there was something to hand over.
pub(crate) async fn hand_over(
    flux: &Flux,
    handle: &Handle,
    object: &DynamicObject,
    heir: &str,
) -> Result<bool, CommandError> {
    let Some(patch) = patch(object, &flux.label.0, heir) else {
        return Ok(false);
    };
    let patch: Patch<()> = Patch::Json(
        serde_json::from_value(patch).map_err(|error| CommandError::Document(error.to_string()))?,
    );
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    flux.api(handle)
        .patch_metadata(&handle.key.name, &params, &patch)
        .await
        .map_err(CommandError::api(handle.to_string()))?;
    Ok(true)
}

/// The patch, as long as both are there and nobody has written meanwhile.
fn patch(object: &DynamicObject, key: &str, heir: &str) -> Option<Value> {
    let meta = &object.metadata;
    let mut entries = serde_json::to_value(meta.managed_fields.as_ref()?).ok()?;
    let entries = entries.as_array_mut()?;
    let is_of = |entry: &Value, manager: &str| {
        entry["manager"] == manager && entry["operation"] == "Apply" && entry.get("subresource").is_none()
    };
    let before = entries.len();
    entries.retain(|entry| !is_of(entry, MANAGER));
    if entries.len() == before {
        return None;
    }
    let entry = entries.iter_mut().find(|entry| is_of(entry, heir))?;
    let fields = entry["fieldsV1"].as_object_mut()?;
    let metadata = below(fields, "f:metadata")?;
    let labels = below(metadata, "f:labels")?;
    labels.insert(format!("f:{key}"), json!({}));
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": entries}),
    ];
    let annotations = meta.annotations.as_ref();
    for name in [MOVED_AT, MOVED_BY, MOVED_FROM, HELD_SINCE] {
        if annotations.is_some_and(|annotations| annotations.contains_key(name)) {
            let path = format!("/metadata/annotations/{}", name.replace('/', "~1"));
            patch.push(json!({"op": "remove", "path": path}));
        }
    }
    Some(Value::Array(patch))
}

fn below<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    fields.entry(name).or_insert_with(|| json!({})).as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn object(entries: &[Value]) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "K",
            "metadata": {"name": "a", "resourceVersion": "7", "annotations": {MOVED_AT: "now"}, "managedFields": entries},
        }))
        .unwrap()
    }

    #[test]
    fn the_heir_owns_the_label_and_nothing_else_changes() {
        let of_git = entry("kustomize-controller", &json!({"f:spec": {}}));
        let ours = entry(MANAGER, &json!({"f:metadata": {"f:labels": {"f:k": {}}}}));
        let patch = patch(
            &object(&[of_git.clone(), ours.clone()]),
            "k",
            "kustomize-controller",
        )
        .unwrap();
        let heir = entry(
            "kustomize-controller",
            &json!({"f:spec": {}, "f:metadata": {"f:labels": {"f:k": {}}}}),
        );
        assert_eq!(patch[0]["value"], "7");
        assert_eq!(patch[1]["value"], json!([heir]));
        assert_eq!(
            patch[2]["path"],
            "/metadata/annotations/openfluxcd.ocm.software~1moved-at"
        );
        assert_eq!(super::patch(&object(&[ours]), "k", "kustomize-controller"), None);
        assert_eq!(
            super::patch(&object(&[of_git]), "k", "kustomize-controller"),
            None
        );
    }
}
