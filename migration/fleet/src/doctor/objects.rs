//! Kustomizations and HelmReleases: who has them, and whether they fit together.

use std::collections::{BTreeMap, BTreeSet};

use flux_api::ObjectId;

use super::{Facts, Finding};
use crate::carrier::{is_set_by_hand, label_managers};
use crate::text::count;
use crate::{Handle, Owner, Owners, Subject};

pub(super) fn shards(facts: &Facts) -> Vec<Finding> {
    let (key, ours) = facts.label();
    let owners = Owners::of(&facts.world);
    let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for subject in Subject::all(&facts.world) {
        let Some(shard) = subject.labels.get(&key).filter(|shard| **shard != ours) else {
            continue;
        };
        if matches!(owners.owner(&subject), Owner::Nobody { .. }) {
            lost.entry(shard.clone())
                .or_default()
                .push(subject.handle.to_string());
        }
    }
    lost.into_iter()
        .map(|(shard, objects)| {
            Finding::failure(format!(
                "{} labelled {key}={shard}, which no controller selects",
                are(objects.len())
            ))
            .list(&objects)
            .fix("start the controllers of that shard, or change the label where it is defined")
        })
        .collect()
}

fn are(objects: usize) -> String {
    match objects {
        1 => "1 object is".to_owned(),
        _ => format!("{objects} objects are"),
    }
}

pub(super) fn owned(facts: &Facts) -> Vec<Finding> {
    let owners = Owners::of(&facts.world);
    let mut by_kind: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for subject in Subject::all(&facts.world) {
        let owner = owners.owner(&subject);
        let why = match &owner {
            owner if owner.is_sound() => continue,
            Owner::Nobody { why } => format!(": {why}"),
            Owner::Contested { stock, .. } => format!(": {stock} selects it too"),
            _ => String::new(),
        };
        let objects = by_kind.entry(owner.as_str()).or_default();
        objects.push(format!("{}{why}", subject.handle));
    }
    by_kind
        .into_iter()
        .map(|(owner, objects)| {
            let number = count(objects.len(), "object");
            match owner {
                "nobody" => Finding::failure(format!("nobody reconciles {number}"))
                    .list(&objects)
                    .fix("start the controller, or give the objects back to stock by taking the label away"),
                "contested" => Finding::failure(format!("two controllers select {number}: ours stands back"))
                    .list(&objects)
                    .fix("exclude the label from stock (D121)"),
                _ => Finding::warning(format!("the controller of {number} is scaled to zero")).list(&objects),
            }
        })
        .collect()
}

pub(super) fn supported(facts: &Facts) -> Vec<Finding> {
    if facts.refusals.is_empty() {
        return Vec::new();
    }
    let objects: Vec<_> = facts
        .refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.handle, refusal.why))
        .collect();
    vec![
        Finding::warning(format!("{} cannot move", count(objects.len(), "object")))
            .list(&objects)
            .fix("leave them with stock, which is where they are"),
    ]
}

pub(super) fn durable(facts: &Facts) -> Vec<Finding> {
    let labelled = match &facts.labelled {
        Ok(labelled) => labelled,
        Err(why) => return vec![Finding::unknown(why)],
    };
    let (key, _) = facts.label();
    let mut live_only = Vec::new();
    for (handle, meta) in labelled {
        let managers = label_managers(meta, &key);
        if is_set_by_hand(&managers) {
            live_only.push(format!("{handle}: set by {}", managers.join(", ")));
        }
    }
    if live_only.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::warning(format!(
            "{} moved by a label in the cluster that Git does not have",
            are(live_only.len())
        ))
        .list(&live_only)
        .detail("a cluster that is built anew from Git has them with stock; what kubectl set, stock takes back at its parent's next run")
        .fix("set the label where the object is defined"),
    ]
}

pub(super) fn applied_once(facts: &Facts) -> Vec<Finding> {
    let mut appliers: BTreeMap<ObjectId, Vec<Handle>> = BTreeMap::new();
    for subject in Subject::all(&facts.world) {
        for entry in subject.inventory.iter().flatten() {
            if let Ok(id) = entry.object_id() {
                appliers.entry(id).or_default().push(subject.handle.clone());
            }
        }
    }
    let twice: Vec<_> = appliers
        .into_iter()
        .filter(|(_, handles)| handles.len() > 1)
        .map(|(id, handles)| {
            let handles: Vec<_> = handles.iter().map(ToString::to_string).collect();
            format!(
                "{} {}: {}",
                id.kind,
                crate::tree::name_of(&id),
                handles.join(", ")
            )
        })
        .collect();
    if twice.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::warning(format!(
            "{} in the inventories of two",
            count(twice.len(), "object")
        ))
        .list(&twice)
        .detail("they write over each other, and the one that is deleted takes the object with it")
        .fix("take it out of one of them; kustomize.toolkit.fluxcd.io/prune: disabled keeps it meanwhile"),
    ]
}

pub(super) fn dependencies(facts: &Facts) -> Vec<Finding> {
    let subjects = Subject::all(&facts.world);
    let edges: BTreeMap<&Handle, &[Handle]> = subjects
        .iter()
        .map(|subject| (&subject.handle, subject.depends_on.as_slice()))
        .collect();
    let missing: Vec<_> = subjects
        .iter()
        .flat_map(|subject| subject.depends_on.iter().map(move |target| (subject, target)))
        .filter(|(_, target)| !edges.contains_key(target))
        .map(|(subject, target)| format!("{} waits for {target}", subject.handle))
        .collect();
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(Finding::failure("dependencies are not there").list(&missing));
    }
    let circle = in_circles(&edges);
    if !circle.is_empty() {
        let names: Vec<_> = circle.iter().map(ToString::to_string).collect();
        findings.push(
            Finding::failure("objects depend on each other in a circle: none of them starts").list(&names),
        );
    }
    findings
}

/// The objects that depend on themselves in the end: those that are left when whatever can start has started, and that
/// somebody left depends on.
fn in_circles<'a>(edges: &BTreeMap<&'a Handle, &'a [Handle]>) -> Vec<&'a Handle> {
    let mut left = edges.clone();
    loop {
        let before = left.len();
        let ready = |targets: &[Handle]| targets.iter().all(|target| !left.contains_key(target));
        let ready: Vec<_> = left
            .iter()
            .filter(|(_, targets)| ready(targets))
            .map(|(handle, _)| *handle)
            .collect();
        left.retain(|handle, _| !ready.contains(handle));
        let needed: BTreeSet<_> = left.values().flat_map(|targets| targets.iter()).collect();
        left.retain(|handle, _| needed.contains(handle));
        if left.len() == before {
            return left.into_keys().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_told_from_what_waits_for_them() {
        let handle = |name: &str| Handle::new(crate::DeployerKind::Kustomization, "apps", name);
        let [one, other, free, waits, last] = ["a", "b", "c", "d", "e"].map(handle);
        let (to_other, to_one, to_free) = ([other.clone()], [one.clone()], [free.clone()]);
        let none: [Handle; 0] = [];
        let edges = BTreeMap::from([
            (&one, &to_other[..]),
            (&other, &to_one[..]),
            (&waits, &to_one[..]),
            (&free, &none[..]),
            (&last, &to_free[..]),
        ]);
        assert_eq!(in_circles(&edges), [&one, &other]);
    }
}
