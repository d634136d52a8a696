//! From creation to server-side apply: what was written when an object was made becomes what is applied.
//!
//! An object is not made by an apply, which would take over what somebody else has just made. Without this, a label of that
//! time would stay when it is not wanted any more, since an apply only takes away what an apply wrote.

use std::fmt::Debug;

use controller_kit::apply::FieldManagers;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{Patch, PatchParams};
use kube::{Api, Error};
use serde::de::DeserializeOwned;

/// Makes what a field manager wrote on creation its own to take away by its next apply. `known` is the object as it is known;
/// where that says that there is nothing to do, nothing is asked.
///
/// # Errors
/// What the API server answers; a conflict where somebody else wrote at the same moment.
pub async fn claim<K>(api: &Api<K>, known: &ObjectMeta, manager: &str) -> kube::Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    if !needs_claim(known, manager) {
        return Ok(());
    }
    let name = known.name.as_deref().unwrap_or_default();
    let Some(live) = api.get_metadata_opt(name).await? else {
        return Ok(());
    };
    if live.metadata.uid != known.uid || !needs_claim(&live.metadata, manager) {
        return Ok(());
    }
    let live = serde_json::to_value(&live).map_err(Error::SerdeError)?;
    let managers = FieldManagers {
        own: manager.to_owned(),
        overridden: vec![manager.to_owned()],
    };
    let Some(patch) = managers.takeover_patch(&live) else {
        return Ok(());
    };
    let patch = serde_json::from_value(patch).map_err(Error::SerdeError)?;
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    api.patch_metadata(name, &params, &Patch::Json::<()>(patch))
        .await?;
    Ok(())
}

/// Tells whether there is something that a manager wrote otherwise than by an apply.
fn needs_claim(meta: &ObjectMeta, manager: &str) -> bool {
    let is_written = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Update")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    meta.managed_fields.iter().flatten().any(is_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_manager_itself_wrote_is_claimed() {
        let needs = |manager: &str, operation: &str, subresource: Option<&str>| {
            let entry = ManagedFieldsEntry {
                manager: Some(manager.to_owned()),
                operation: Some(operation.to_owned()),
                subresource: subresource.map(str::to_owned),
                ..ManagedFieldsEntry::default()
            };
            let meta = ObjectMeta {
                managed_fields: Some(vec![entry]),
                ..ObjectMeta::default()
            };
            needs_claim(&meta, "ours")
        };
        assert!(needs("ours", "Update", None) && needs("ours", "Update", Some("")));
        assert!(!needs("ours", "Apply", None) && !needs("ours", "Update", Some("status")));
        assert!(!needs("kubectl-label", "Update", None) && !needs_claim(&ObjectMeta::default(), "ours"));
    }
}
