//! What tells an object from all others, before and after substitution.

use kustomize::{Gvk, ResId};
use serde_json::Value;

/// What an object is called after substitution.
pub(super) fn id_of(object: &Value) -> ResId {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let gvk = Gvk::from_api_version(text("/apiVersion"), text("/kind"));
    ResId::new(gvk, text("/metadata/name"), text("/metadata/namespace"))
}

/// What two ids have in common if they are those of one object.
pub(super) fn identity(id: &ResId) -> String {
    format!("{}/{}.{}", id.gvk, id.name, id.effective_namespace())
}

/// Gives the field that an object lacks to be told from others; `generateName` is no name, since it gives another
/// object each time.
pub(super) fn missing_identity(object: &Value) -> Option<&'static str> {
    let fields = [
        ("/apiVersion", "apiVersion"),
        ("/kind", "kind"),
        ("/metadata/name", "metadata.name"),
    ];
    let lacks = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
    };
    fields
        .into_iter()
        .find(|(pointer, _)| lacks(pointer))
        .map(|(_, field)| field)
}
