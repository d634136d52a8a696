//! Who carries the label of an object: this tool, somebody at a terminal, or whoever brings it from Git.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

/// The field manager of everything that this tool writes.
pub const MANAGER: &str = "openflux-migrate";

/// The field managers of one label of an object.
pub fn label_managers(meta: &ObjectMeta, key: &str) -> Vec<String> {
    let field = format!("\"f:{key}\"");
    let owns = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| fields.0.to_string());
        fields.is_some_and(|fields| fields.contains(&field))
    };
    let managers = meta.managed_fields.iter().flatten().filter(owns);
    let names: BTreeSet<_> = managers.filter_map(|entry| entry.manager.clone()).collect();
    names.into_iter().collect()
}

/// Whether these field managers set a label in the cluster alone, and nobody brings it from Git.
pub fn is_set_by_hand(managers: &[String]) -> bool {
    let by_hand = |manager: &String| manager == MANAGER || manager.starts_with("kubectl");
    !managers.is_empty() && managers.iter().all(by_hand)
}
