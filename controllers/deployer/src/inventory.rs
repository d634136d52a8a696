//! The inventory: what was applied, in order, and what of it is no longer desired.

use std::collections::HashSet;

use controller_kit::Mapper;
use controller_kit::apply::Entry;
use controller_kit::object::{api_version, id_of, split_api_version};
use flux_api::{Inventory, InventoryEntry, ObjectId, ObjectIdError};
use serde_json::Value;

/// Records a change set in its order, unchanged and skipped objects included.
pub fn record(entries: &[Entry]) -> Inventory {
    let entries = entries
        .iter()
        .map(|entry| InventoryEntry::new(&entry.id, entry.version.as_str()));
    Inventory {
        entries: entries.collect(),
    }
}

/// Gives what `old` lists and `new` does not; the version is not compared.
///
/// An object that `new` lists without a namespace has none, whatever `old` says: it was written down before its kind
/// was known, or its kind has changed its scope.
///
/// # Errors
/// An entry of `old` that is not an inventory id: nothing may be pruned by an inventory that cannot be read.
pub fn stale(old: &Inventory, new: &Inventory) -> Result<Vec<(ObjectId, String)>, ObjectIdError> {
    let kept = new
        .entries
        .iter()
        .map(InventoryEntry::object_id)
        .collect::<Result<HashSet<_>, _>>()?;
    let mut stale = Vec::new();
    for entry in &old.entries {
        let id = entry.object_id()?;
        let cluster_scoped = ObjectId {
            namespace: String::new(),
            ..id.clone()
        };
        if !kept.contains(&id) && !kept.contains(&cluster_scoped) {
            stale.push((id, entry.version.clone()));
        }
    }
    Ok(stale)
}

/// Gives the entry under which an object that is about to be applied will be recorded, if its kind is known.
pub fn entry_of(mapper: &Mapper, object: &Value) -> Option<InventoryEntry> {
    let mut id = id_of(object);
    let (_, version) = split_api_version(api_version(object));
    let mapping = mapper.known(&id.group, version, &id.kind)?;
    if !mapping.namespaced {
        id.namespace.clear();
    } else if id.namespace.is_empty() {
        return None;
    }
    Some(InventoryEntry::new(&id, version))
}

/// Adds entries that are not listed yet: objects that could not be pruned, or that a failed run had created.
pub fn keep(inventory: &mut Inventory, more: impl IntoIterator<Item = InventoryEntry>) {
    let mut known: HashSet<String> = inventory.entries.iter().map(|entry| entry.id.clone()).collect();
    inventory
        .entries
        .extend(more.into_iter().filter(|entry| known.insert(entry.id.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(ids: &[&str]) -> Inventory {
        let entry = |id: &&str| InventoryEntry {
            id: (*id).to_owned(),
            version: "v1".to_owned(),
        };
        Inventory {
            entries: ids.iter().map(entry).collect(),
        }
    }

    #[test]
    fn stale_objects_are_those_no_longer_listed() {
        let old = inventory(&["a_x__ConfigMap", "a_y__ConfigMap", "_z__Namespace"]);
        let new = inventory(&["a_y__ConfigMap"]);
        let names: Vec<_> = stale(&old, &new)
            .unwrap()
            .into_iter()
            .map(|(id, _)| id.name)
            .collect();
        assert_eq!(names, ["x", "z"]);
        assert!(stale(&inventory(&["odd"]), &new).is_err());
        let scoped = stale(&inventory(&["a_z__Namespace"]), &inventory(&["_z__Namespace"]));
        assert_eq!(scoped, Ok(vec![]));
    }

    #[test]
    fn survivors_are_appended_once() {
        let mut new = inventory(&["a_y__ConfigMap"]);
        keep(
            &mut new,
            inventory(&["a_x__ConfigMap", "a_y__ConfigMap", "a_x__ConfigMap"]).entries,
        );
        assert_eq!(new, inventory(&["a_y__ConfigMap", "a_x__ConfigMap"]));
    }
}
