//! What is applied of a build: the items of its lists too, all with the labels of their owner.

use controller_kit::object::set_metadata_entry;
use flux_api::{KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, Kustomization};
use serde_json::Value;

use super::error::RenderError;
use super::identity::{id_of, missing_identity};

/// What has items is a list, whatever it is called, and becomes them; what is no Kubernetes object, or is kustomize's own
/// configuration, is left out.
pub(super) fn flatten(mut object: Value, objects: &mut Vec<Value>) -> Result<(), RenderError> {
    if object.get("items").is_some_and(Value::is_array)
        && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
    {
        for item in items {
            if !item.is_object() {
                return Err(RenderError::Item);
            }
            if let Some(field) = missing_identity(&item) {
                let subject = id_of(&item).to_string();
                return Err(RenderError::Identity { subject, field });
            }
            objects.push(item);
        }
        return Ok(());
    }
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let configures_kustomize = text("kind").eq_ignore_ascii_case("Kustomization")
        && text("apiVersion").starts_with("kustomize.config.k8s.io/");
    if missing_identity(&object).is_none() && !configures_kustomize {
        objects.push(object);
    }
    Ok(())
}

/// Sets owner labels, then common metadata, which may override them as in stock.
pub(super) fn label(value: &mut Value, object: &Kustomization) {
    let meta = &object.metadata;
    set_metadata_entry(
        value,
        "labels",
        KUSTOMIZE_NAME,
        meta.name.as_deref().unwrap_or_default(),
    );
    set_metadata_entry(
        value,
        "labels",
        KUSTOMIZE_NAMESPACE,
        meta.namespace.as_deref().unwrap_or_default(),
    );
    if let Some(common) = &object.spec.common_metadata {
        for (key, text) in &common.labels {
            set_metadata_entry(value, "labels", key, text);
        }
        for (key, text) in &common.annotations {
            set_metadata_entry(value, "annotations", key, text);
        }
    }
}
