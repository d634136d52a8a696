//! What writes leave behind on objects, and what a difference of two looks means.
//!
//! A [`Footprint`] is made of metadata alone, and holds no value of it: labels, annotations and fields are digests with a salt of the
//! run, since annotations may repeat what a Secret holds.

use std::collections::{BTreeMap, BTreeSet};

use flux_api::ObjectId;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::carrier::MANAGER;

/// The field managers that apply for Kustomizations and HelmReleases, whichever controller does it.
const DEPLOYERS: [&str; 2] = ["kustomize-controller", "helm-controller"];

/// The subresource of which nobody says that an object was changed.
const STATUS: &str = "status";

/// What writes have left behind on one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Footprint {
    /// Its UID.
    pub uid: String,
    /// Its generation; zero for kinds that count none.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// Its resource version.
    pub version: String,
    /// Digests of labels, annotations, owner references and finalizers, in this order.
    pub metadata: [String; 4],
    /// Who owns fields of it.
    pub managers: Vec<Trail>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What one field manager has left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Trail {
    /// Its name.
    pub manager: String,
    /// How it wrote: `Apply` or `Update`.
    pub operation: String,
    /// The subresource that it wrote to; empty for the object itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// When it wrote last. A write that changes nothing but this is dropped by the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Digest of its fields.
    pub fields: String,
}

impl Trail {
    fn of(entry: &ManagedFieldsEntry, salt: &str) -> Self {
        Self {
            manager: entry.manager.clone().unwrap_or_default(),
            operation: entry.operation.clone().unwrap_or_default(),
            subresource: entry.subresource.clone().unwrap_or_default(),
            time: entry.time.as_ref().map(|time| time.0),
            fields: digest(salt, &entry.fields_v1),
        }
    }

    fn is_deployer(&self) -> bool {
        DEPLOYERS.contains(&self.manager.as_str())
    }
}

/// The names of the parts of [`Footprint::metadata`].
const PARTS: [&str; 4] = ["labels", "annotations", "owner references", "finalizers"];

impl Footprint {
    /// Looks at the metadata of an object.
    pub fn of(meta: &ObjectMeta, salt: &str) -> Self {
        let trails = meta.managed_fields.iter().flatten();
        let mut managers: Vec<_> = trails.map(|entry| Trail::of(entry, salt)).collect();
        managers.sort();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            version: meta.resource_version.clone().unwrap_or_default(),
            metadata: [
                digest(salt, &meta.labels),
                digest(salt, &meta.annotations),
                digest(salt, &meta.owner_references),
                digest(salt, &meta.finalizers),
            ],
            managers,
        }
    }

    /// Looks at an object that is to get the label `key` from whoever applies it: neither the label nor when it was written is part of
    /// what is compared.
    pub fn of_labelled(mut meta: ObjectMeta, salt: &str, key: &str) -> Self {
        if let Some(labels) = &mut meta.labels {
            labels.remove(key);
        }
        meta.labels = meta.labels.filter(|labels| !labels.is_empty());
        let field = format!("f:{key}");
        for entry in meta.managed_fields.iter_mut().flatten() {
            let Some(fields) = entry.fields_v1.as_mut() else {
                continue;
            };
            remove_below(&mut fields.0, &["f:metadata", "f:labels", field.as_str()]);
        }
        let mut footprint = Self::of(&meta, salt);
        for trail in &mut footprint.managers {
            if trail.is_deployer() && trail.subresource != STATUS {
                trail.time = None;
            }
        }
        footprint.managers.sort();
        footprint
    }

    /// Says what has become of an object between two looks; nothing if nothing has.
    pub fn change(&self, after: &Self) -> Option<Change> {
        if self.uid != after.uid {
            return Some(Change::moved("it was made anew"));
        }
        if self.version == after.version {
            return None;
        }
        let writers = self.writers(after);
        let deployer = writers.iter().find(|trail| trail.is_deployer());
        if let Some(deployer) = deployer {
            return Some(Change::moved(format!("it was written by {}", told(deployer))));
        }
        let mut what: Vec<&str> = PARTS
            .iter()
            .zip(self.metadata.iter().zip(&after.metadata))
            .filter(|(_, (before, after))| before != after)
            .map(|(part, _)| *part)
            .collect();
        if self.generation != after.generation {
            what.push("spec");
        }
        // Labels of Flux objects that move are set by this tool itself.
        if !writers.is_empty() && writers.iter().all(|trail| trail.manager == MANAGER) {
            return None;
        }
        let names: BTreeSet<String> = writers.iter().map(|trail| told(trail)).collect();
        let names: Vec<_> = names.into_iter().collect();
        let is_kept_alive = self.managers != after.managers || has_status(self) || has_status(after);
        match (what.is_empty(), writers.is_empty()) {
            (true, true) if is_kept_alive => None,
            (true, true) => Some(Change::moved("it was written, and nothing says by whom")),
            (false, true) => Some(Change::moved(format!(
                "{} changed, and nothing says by whom",
                what.join(", ")
            ))),
            (is_data, false) => {
                let what = if is_data {
                    "data".to_owned()
                } else {
                    what.join(", ")
                };
                Some(Change {
                    class: ChangeClass::Foreign,
                    what: format!("{what} changed by {}", names.join(", ")),
                })
            }
        }
    }

    /// The entries outside of the status that differ: those that are there afterwards, and those that are gone.
    fn writers<'a>(&'a self, after: &'a Self) -> Vec<&'a Trail> {
        let outside = |trail: &&Trail| trail.subresource != STATUS;
        let new = after
            .managers
            .iter()
            .filter(|trail| !self.managers.contains(trail));
        let is_gone = |trail: &&Trail| {
            let same = |other: &Trail| {
                other.manager == trail.manager
                    && other.operation == trail.operation
                    && other.subresource == trail.subresource
            };
            !after.managers.iter().any(same)
        };
        let gone = self.managers.iter().filter(is_gone);
        new.chain(gone).filter(outside).collect()
    }
}

/// Removes what is at a path, and what is empty without it.
fn remove_below(value: &mut serde_json::Value, path: &[&str]) {
    let (Some(fields), Some((first, rest))) = (value.as_object_mut(), path.split_first()) else {
        return;
    };
    let Some(below) = fields.get_mut(*first) else {
        return;
    };
    remove_below(below, rest);
    let is_empty = below.as_object().is_none_or(serde_json::Map::is_empty);
    if rest.is_empty() || is_empty {
        fields.remove(*first);
    }
}

fn has_status(footprint: &Footprint) -> bool {
    footprint.managers.iter().any(|trail| trail.subresource == STATUS)
}

fn told(trail: &Trail) -> String {
    match trail.time {
        Some(time) => format!("{} at {time}", trail.manager),
        None => trail.manager.clone(),
    }
}

/// The beginning of the SHA-256 of a value's JSON behind a salt.
fn digest(salt: &str, value: &impl Serialize) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    hash.update(salt);
    // Metadata that came as JSON becomes JSON again.
    hash.update(serde_json::to_vec(value).unwrap_or_default());
    let mut text = String::with_capacity(16);
    for byte in hash.finalize().iter().take(8) {
        // A String takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What a change means for a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeClass {
    /// It was written by a deployer, or by nobody knows whom: the move was not without effect.
    Moved,
    /// It was written by somebody who has nothing to do with the move.
    Foreign,
}

/// What has become of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it means.
    pub class: ChangeClass,
    /// What changed, and by whom.
    pub what: String,
}

impl Change {
    /// Says that an object is gone.
    pub fn deleted() -> Self {
        Self::moved("it was deleted")
    }

    fn moved(what: impl Into<String>) -> Self {
        Self {
            class: ChangeClass::Moved,
            what: what.into(),
        }
    }
}

/// All that a Kustomization or HelmRelease has applied, and what follows from it, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Snapshot {
    /// The salt of the digests.
    pub salt: String,
    /// The objects, by their identifiers in the inventory.
    pub objects: BTreeMap<String, Footprint>,
    /// The records of a release.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub releases: BTreeSet<String>,
    /// The ReplicaSets of Deployments, as `namespace/name`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub replica_sets: BTreeSet<String>,
}

impl Snapshot {
    /// Says what differs afterwards, by object.
    pub fn changes(&self, after: &Self) -> Vec<(String, Change)> {
        let mut changes = Vec::new();
        for (id, before) in &self.objects {
            let change = match after.objects.get(id) {
                Some(after) => before.change(after),
                None => Some(Change::deleted()),
            };
            changes.extend(change.map(|change| (shown(id), change)));
        }
        let new = |kind: &str, before: &BTreeSet<String>, after: &BTreeSet<String>| {
            let new = after.difference(before);
            new.map(|name| (format!("{kind}/{name}"), Change::moved("it is new")))
                .collect::<Vec<_>>()
        };
        changes.extend(new("Secret", &self.releases, &after.releases));
        changes.extend(new("ReplicaSet", &self.replica_sets, &after.replica_sets));
        changes
    }

    /// How many things are compared.
    pub fn len(&self) -> usize {
        self.objects.len() + self.releases.len() + self.replica_sets.len()
    }

    /// Returns whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The identifier of an inventory as people read it.
fn shown(id: &str) -> String {
    match id.parse::<ObjectId>() {
        Ok(id) if id.namespace.is_empty() => format!("{}/{}", id.kind, id.name),
        Ok(id) => format!("{}/{}/{}", id.kind, id.namespace, id.name),
        Err(_) => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(manager: &str, subresource: &str, time: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Apply", "subresource": subresource, "fieldsType": "FieldsV1",
               "apiVersion": "v1", "time": format!("2026-01-01T00:00:{time}Z"), "fieldsV1": fields})
    }

    fn object(change: &Value) -> Footprint {
        let mut meta = json!({
            "uid": "1", "generation": 1, "resourceVersion": "10", "labels": {"a": "b"},
            "managedFields": [entry("kustomize-controller", "", "01", &json!({"f:spec": {}})),
                entry("kube-controller-manager", "status", "02", &json!({"f:status": {}}))],
        });
        for (key, value) in change.as_object().unwrap() {
            meta[key] = value.clone();
        }
        Footprint::of(&serde_json::from_value(meta).unwrap(), "salt")
    }

    #[track_caller]
    fn check(after: &Value, expected: Option<(ChangeClass, &str)>) {
        let change = object(&json!({})).change(&object(after));
        let found = change.as_ref().map(|change| (change.class, change.what.as_str()));
        assert_eq!(found, expected, "{after}");
    }

    #[test]
    fn a_label_that_is_expected_is_no_change_and_all_else_is() {
        let bare = json!({"f:spec": {"f:path": {}}});
        let labelled = json!({"f:spec": {"f:path": {}}, "f:metadata": {"f:labels": {"f:k": {}}}});
        let footprint = |labels: &Value, fields: &Value, time: &str, generation: i64| {
            let meta = json!({
                "uid": "1", "generation": generation, "resourceVersion": time, "labels": labels,
                "managedFields": [entry("kustomize-controller", "", time, fields),
                    entry("gotk-kustomize-controller", "status", "02", &json!({"f:status": {}}))],
            });
            Footprint::of_labelled(serde_json::from_value(meta).unwrap(), "salt", "k")
        };
        let before = footprint(&json!({}), &bare, "01", 1);
        assert_eq!(
            before.change(&footprint(&json!({"k": "v"}), &labelled, "03", 1)),
            None
        );
        for other in [
            footprint(&json!({"k": "v", "l": "v"}), &labelled, "03", 1),
            footprint(&json!({"k": "v"}), &labelled, "03", 2),
            footprint(&json!({"k": "v"}), &json!({"f:spec": {}}), "03", 1),
        ] {
            assert!(before.change(&other).is_some(), "{other:?}");
        }
    }

    #[test]
    fn a_change_is_judged_by_who_wrote_what() {
        use ChangeClass::{Foreign, Moved};
        let spec = json!({"f:spec": {}});
        let ours = |time: &str| entry("kustomize-controller", "", time, &spec);
        let status = |time: &str| {
            entry(
                "kube-controller-manager",
                "status",
                time,
                &json!({"f:status": {}}),
            )
        };
        check(&json!({}), None);
        check(&json!({"uid": "2"}), Some((Moved, "it was made anew")));
        // A status lives on.
        check(
            &json!({"resourceVersion": "11", "managedFields": [ours("01"), status("09")]}),
            None,
        );
        check(
            &json!({"resourceVersion": "11", "managedFields": [ours("05"), status("02")]}),
            Some((
                Moved,
                "it was written by kustomize-controller at 2026-01-01T00:00:05Z",
            )),
        );
        let more = entry("kustomize-controller", "", "01", &json!({"f:spec": {"f:x": {}}}));
        check(
            &json!({"resourceVersion": "11", "managedFields": [more, status("02")]}),
            Some((
                Moved,
                "it was written by kustomize-controller at 2026-01-01T00:00:01Z",
            )),
        );
        check(
            &json!({"resourceVersion": "11", "managedFields": [status("02")]}),
            Some((
                Moved,
                "it was written by kustomize-controller at 2026-01-01T00:00:01Z",
            )),
        );
        let scaler = entry("hpa", "scale", "07", &spec);
        check(
            &json!({"resourceVersion": "11", "generation": 2, "managedFields": [ours("01"), status("02"), scaler]}),
            Some((Foreign, "spec changed by hpa at 2026-01-01T00:00:07Z")),
        );
        let data = entry("kubectl", "", "07", &json!({"f:data": {}}));
        check(
            &json!({"resourceVersion": "11", "managedFields": [ours("01"), status("02"), data]}),
            Some((Foreign, "data changed by kubectl at 2026-01-01T00:00:07Z")),
        );
        check(
            &json!({"resourceVersion": "11", "generation": 2}),
            Some((Moved, "spec changed, and nothing says by whom")),
        );
        check(
            &json!({"resourceVersion": "11", "labels": {"a": "c"}, "finalizers": ["x"]}),
            Some((Moved, "labels, finalizers changed, and nothing says by whom")),
        );
        // The label that this tool sets on an object that moves itself.
        let label = entry(MANAGER, "", "07", &json!({"f:metadata": {}}));
        check(
            &json!({"resourceVersion": "11", "labels": {"a": "c"}, "managedFields": [ours("01"), status("02"), label]}),
            None,
        );
    }

    #[test]
    fn what_has_no_status_is_not_kept_alive() {
        let bare = |version: &str| object(&json!({"resourceVersion": version, "managedFields": []}));
        let change = bare("10").change(&bare("11")).unwrap();
        assert_eq!(change.what, "it was written, and nothing says by whom");
    }

    #[test]
    fn snapshots_tell_what_is_gone_and_what_is_new() {
        let id = "apps_web_apps_Deployment";
        let before = Snapshot {
            objects: BTreeMap::from([(id.to_owned(), object(&json!({})))]),
            releases: BTreeSet::from(["sh.helm.release.v1.app.v1".to_owned()]),
            ..Snapshot::default()
        };
        assert_eq!(before.changes(&before), []);
        let after = Snapshot {
            releases: BTreeSet::from(["sh.helm.release.v1.app.v2".to_owned()]),
            replica_sets: BTreeSet::from(["apps/web-1".to_owned()]),
            ..Snapshot::default()
        };
        let changes: Vec<_> = before
            .changes(&after)
            .into_iter()
            .map(|(object, change)| format!("{object}: {}", change.what))
            .collect();
        assert_eq!(
            changes,
            [
                "Deployment/apps/web: it was deleted",
                "Secret/sh.helm.release.v1.app.v2: it is new",
                "ReplicaSet/apps/web-1: it is new",
            ]
        );
    }

    #[test]
    fn no_value_is_in_a_footprint() {
        let secret = object(&json!({"annotations": {"last-applied": "password"}}));
        assert!(!serde_json::to_string(&secret).unwrap().contains("password"));
        let other = ObjectMeta {
            annotations: Some(BTreeMap::from([(
                "last-applied".to_owned(),
                "password".to_owned(),
            )])),
            ..ObjectMeta::default()
        };
        assert_ne!(
            Footprint::of(&other, "a").metadata[1],
            Footprint::of(&other, "b").metadata[1]
        );
    }
}
