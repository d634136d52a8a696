//! What several tests begin with.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

use crate::Owner;

/// The source `web`, in one of its incarnations.
pub(super) fn owner(uid: &str) -> Owner {
    Owner {
        api_version: "example.org/v1".into(),
        kind: "Feed".into(),
        namespace: "apps".into(),
        name: "web".into(),
        uid: uid.into(),
    }
}

/// What is there where a field manager wrote something.
pub(super) fn written_by(manager: &str, subresource: Option<&str>) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        subresource: subresource.map(str::to_owned),
        ..ManagedFieldsEntry::default()
    }
}
