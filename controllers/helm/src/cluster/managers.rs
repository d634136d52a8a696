//! From client-side to server-side apply: the fields that we wrote become fields that we apply.
//!
//! Without that, a field that the next manifest lacks would stay, as nobody's to remove.

use serde_json::{Map, Value, json};

use super::requests::MANAGER;

/// Gives the JSON patch that makes our fields of client-side apply those of server-side apply; nothing if there are none.
///
/// The patch is refused as a conflict if somebody has written since `live` was read.
pub(super) fn upgrade_patch(live: &Value) -> Option<Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let upgraded = upgraded(entries)?;
    let version = controller_kit::object::resource_version(live);
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": upgraded},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]))
}

fn upgraded(entries: &[Value]) -> Option<Vec<Value>> {
    let first = entries.iter().find(|entry| is_ours(entry, "Update"))?;
    let applied = entries.iter().position(|entry| is_ours(entry, "Apply"));
    let target = applied.or_else(|| entries.iter().position(|entry| entry == first))?;
    let mut own = entries.get(target)?.clone();
    // Field sets of different versions of a kind do not mix.
    let version = own.get("apiVersion").cloned();
    let written = entries
        .iter()
        .find(|entry| is_ours(entry, "Update") && entry.get("apiVersion") == version.as_ref());
    let mut fields = own
        .get("fieldsV1")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    if let Some(written) = written {
        unite(&mut fields, written.get("fieldsV1"));
    }
    let entry = own.as_object_mut()?;
    entry.insert("manager".to_owned(), MANAGER.into());
    entry.insert("operation".to_owned(), "Apply".into());
    entry.insert("fieldsV1".to_owned(), Value::Object(fields));
    let kept = entries.iter().enumerate().filter_map(|(at, entry)| {
        if at == target {
            return Some(own.clone());
        }
        (!is_ours(entry, "Update")).then(|| entry.clone())
    });
    Some(kept.collect())
}

fn is_ours(entry: &Value, operation: &str) -> bool {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    text("manager") == MANAGER && text("operation") == operation && text("subresource").is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": version, "fieldsV1": fields})
    }

    fn upgraded_to(entries: &[Value]) -> Option<Value> {
        let live = json!({"metadata": {"resourceVersion": "7", "managedFields": entries}});
        let patch = upgrade_patch(&live)?;
        assert_eq!(patch[1]["value"], "7");
        Some(patch[0]["value"].clone())
    }

    #[test]
    fn what_was_written_is_applied() {
        let (a, b) = (json!({"f:data": {"f:a": {}}}), json!({"f:data": {"f:b": {}}}));
        let both = json!({"f:data": {"f:a": {}, "f:b": {}}});
        let hpa = entry("hpa", "Update", "v1", &json!({"f:spec": {}}));
        let ours =
            |operation: &str, version: &str, fields: &Value| entry(MANAGER, operation, version, fields);
        assert_eq!(
            upgraded_to(&[hpa.clone(), ours("Update", "v1", &a)]),
            Some(json!([hpa, ours("Apply", "v1", &a)]))
        );
        assert_eq!(
            upgraded_to(&[ours("Update", "v1", &a), hpa.clone(), ours("Apply", "v1", &b)]),
            Some(json!([hpa, ours("Apply", "v1", &both)]))
        );
        assert_eq!(
            upgraded_to(&[ours("Update", "v2", &a), ours("Apply", "v1", &b)]),
            Some(json!([ours("Apply", "v1", &b)])),
            "field sets of another version are dropped"
        );
    }

    #[test]
    fn others_are_left_alone() {
        let mut status = entry(MANAGER, "Update", "v1", &json!({"f:status": {}}));
        status["subresource"] = json!("status");
        let applied = entry(MANAGER, "Apply", "v1", &json!({}));
        let helm = entry("helm", "Update", "v1", &json!({}));
        assert_eq!(upgraded_to(&[status, applied, helm]), None);
        assert_eq!(upgrade_patch(&json!({"metadata": {}})), None);
    }
}
