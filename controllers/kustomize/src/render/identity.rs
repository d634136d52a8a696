//! What tells an object from all others, before and after substitution.

use std::collections::HashMap;

use kustomize::{Gvk, ResId};
use serde_json::Value;

use super::error::RenderError;

/// How many objects there are of each identity, while one after the other takes the one that substitution gives it.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<String, usize>);

impl Identities {
    /// Counts an object.
    pub(super) fn add(&mut self, id: &ResId) {
        *self.0.entry(identity(id)).or_default() += 1;
    }

    /// Counts an object under the id that it has after substitution.
    ///
    /// # Errors
    /// Others have the same one at this time.
    pub(super) fn rename(&mut self, before: &ResId, after: &ResId) -> Result<(), RenderError> {
        let (before, after) = (identity(before), identity(after));
        if before == after {
            return Ok(());
        }
        self.0.entry(before).and_modify(|count| *count -= 1);
        let same = self.0.entry(after).or_default();
        *same += 1;
        if *same > 1 {
            return Err(RenderError::Twice(*same));
        }
        Ok(())
    }
}

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
fn identity(id: &ResId) -> String {
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
