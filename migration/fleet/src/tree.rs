//! `tree`: what a Kustomization or HelmRelease applied, and what that applied in turn.

use std::collections::{BTreeMap, BTreeSet};

use flux_api::{InventoryEntry, ObjectId};

use crate::live::Live;
use crate::text::{Mark, Node, count, shorten};
use crate::{DeployerKind, Handle, Owners, State, Subject};

/// How many names a folded line shows, in characters.
const NAMES: usize = 60;

/// The objects that a tree needs to know about, each with its API version without the group.
pub fn objects(root: &Handle, subjects: &[Subject]) -> BTreeMap<ObjectId, String> {
    let by_handle = by_handle(subjects);
    let (mut objects, mut seen, mut next) = (BTreeMap::new(), BTreeSet::new(), vec![root.clone()]);
    while let Some(handle) = next.pop() {
        if !seen.insert(handle.clone()) {
            continue;
        }
        let Some(subject) = by_handle.get(&handle) else {
            continue;
        };
        for entry in subject.inventory.iter().flatten() {
            let Ok(id) = entry.object_id() else { continue };
            match handle_of(&id) {
                Some(child) if by_handle.contains_key(&child) => next.push(child),
                _ => {
                    objects.insert(id, entry.version.clone());
                }
            }
        }
    }
    objects
}

/// Returns the tree; nothing if there is no such object.
pub fn tree(
    root: &Handle,
    subjects: &[Subject],
    owners: &Owners,
    live: &BTreeMap<ObjectId, Live>,
    folds: bool,
) -> Option<Node> {
    let by_handle = by_handle(subjects);
    let mut maker = Maker {
        by_handle: &by_handle,
        owners,
        live,
        folds,
        seen: BTreeSet::new(),
    };
    maker.subject(root)
}

fn by_handle(subjects: &[Subject]) -> BTreeMap<Handle, &Subject> {
    subjects
        .iter()
        .map(|subject| (subject.handle.clone(), subject))
        .collect()
}

fn handle_of(id: &ObjectId) -> Option<Handle> {
    let kind = DeployerKind::of(&id.group, &id.kind)?;
    Some(Handle::new(kind, id.namespace.as_str(), id.name.as_str()))
}

/// A Kustomization or HelmRelease as a line.
pub(crate) fn line(subject: &Subject, owners: &Owners) -> Node {
    let mark = match subject.state {
        State::Ready => Mark::Good,
        State::Failing => Mark::Bad,
        State::Progressing => Mark::Busy,
        State::Suspended => Mark::Warning,
    };
    let key = &subject.handle.key;
    let said = match subject.state {
        State::Ready => String::new(),
        state if subject.message.is_empty() => state.as_str().to_owned(),
        state => format!("{}: {}", state.as_str(), shorten(&subject.message, 200)),
    };
    Node::new(subject.handle.kind.kind(), key.to_string(), mark)
        .note(subject.revision.as_str())
        .note(format!("by {}", owners.owner(subject)))
        .note(said)
}

struct Maker<'a> {
    by_handle: &'a BTreeMap<Handle, &'a Subject>,
    owners: &'a Owners,
    live: &'a BTreeMap<ObjectId, Live>,
    folds: bool,
    seen: BTreeSet<Handle>,
}

impl Maker<'_> {
    fn subject(&mut self, handle: &Handle) -> Option<Node> {
        let subject = *self.by_handle.get(handle)?;
        let line = line(subject, self.owners);
        // One that applies itself, or what applies it, is shown once.
        if !self.seen.insert(handle.clone()) {
            return Some(line);
        }
        let Some(inventory) = &subject.inventory else {
            return Some(line.note("its status has no inventory"));
        };
        let children: Vec<_> = inventory.iter().map(|entry| self.entry(entry)).collect();
        Some(line.with(if self.folds { fold(children) } else { children }))
    }

    fn entry(&mut self, entry: &InventoryEntry) -> Node {
        let id = match entry.object_id() {
            Ok(id) => id,
            Err(error) => {
                return Node::new("entry", entry.id.as_str(), Mark::Unknown).note(error.to_string());
            }
        };
        if let Some(node) = handle_of(&id).and_then(|handle| self.subject(&handle)) {
            return node;
        }
        let name = name_of(&id);
        match self.live.get(&id) {
            Some(live) => Node::new(id.kind, name, live.mark()).note(live.note()),
            None => Node::new(id.kind, name, Mark::Unknown),
        }
    }
}

/// Namespace and name, or the name alone.
pub(crate) fn name_of(id: &ObjectId) -> String {
    match id.namespace.as_str() {
        "" => id.name.clone(),
        namespace => format!("{namespace}/{}", id.name),
    }
}

/// Makes one line of children of one kind of which there is nothing else to say.
fn fold(children: Vec<Node>) -> Vec<Node> {
    let folds = |node: &Node| node.children.is_empty() && node.notes.is_empty() && node.state != Mark::Bad;
    let mut groups: BTreeMap<(String, Mark), Vec<String>> = BTreeMap::new();
    for node in children.iter().filter(|node| folds(node)) {
        let names = groups.entry((node.kind.clone(), node.state)).or_default();
        names.push(node.name.clone());
    }
    let mut folded = Vec::new();
    for node in children {
        let group = (node.kind.clone(), node.state);
        match groups.get(&group) {
            Some(names) if folds(&node) && names.len() > 1 => {
                let names = groups.remove(&group).unwrap_or_default();
                let kinds = count(names.len(), &node.kind);
                folded.push(Node::new(kinds, shorten(&names.join(", "), NAMES), node.state));
            }
            None if folds(&node) => {}
            _ => folded.push(node),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use flux_api::Tolerant;
    use serde_json::{Value, json};

    use super::*;
    use crate::World;
    use crate::text::Style;

    fn kustomization(name: &str, entries: &Value) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "apps", "generation": 1},
            "status": {"observedGeneration": 1, "lastAppliedRevision": "main@sha1:00", "inventory": {"entries": entries},
                "conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        })
    }

    fn entry(id: &str) -> Value {
        json!({"id": id, "v": "v1"})
    }

    fn world() -> World {
        let root = json!([
            entry("apps_a__ConfigMap"),
            entry("apps_b__ConfigMap"),
            entry("apps_web_apps_Deployment"),
            entry("apps_child_kustomize.toolkit.fluxcd.io_Kustomization"),
        ]);
        // It applies itself.
        let child = json!([entry("apps_child_kustomize.toolkit.fluxcd.io_Kustomization")]);
        let list = json!([kustomization("root", &root), kustomization("child", &child)]);
        World {
            kustomizations: serde_json::from_value::<Vec<Tolerant<_>>>(list).unwrap(),
            ..World::default()
        }
    }

    fn lines(folds: bool) -> Vec<String> {
        let world = world();
        let subjects = Subject::all(&world);
        let root = "ks/apps/root".parse().unwrap();
        let objects = objects(&root, &subjects);
        assert_eq!(objects.len(), 3);
        let live = objects.into_keys().map(|id| {
            let live = match id.kind.as_str() {
                "Deployment" => Live::new("InProgress", "0 of 1 replicas"),
                _ => Live::new("Current", "Resource is current"),
            };
            (id, live)
        });
        let tree = tree(&root, &subjects, &Owners::of(&world), &live.collect(), folds);
        tree.unwrap().lines(Style::default())
    }

    #[test]
    fn what_is_the_same_is_one_line() {
        assert_eq!(
            lines(true),
            [
                "✔ Kustomization apps/root  main@sha1:00  by nobody",
                "├ ✔ 2 ConfigMaps apps/a, apps/b",
                "├ ► Deployment apps/web  InProgress: 0 of 1 replicas",
                "└ ✔ Kustomization apps/child  main@sha1:00  by nobody",
                "  └ ✔ Kustomization apps/child  main@sha1:00  by nobody",
            ]
        );
        assert_eq!(lines(false)[1], "├ ✔ ConfigMap apps/a");
    }

    #[test]
    fn what_is_not_there_has_no_tree() {
        let world = world();
        let root = "hr/apps/root".parse().unwrap();
        let owners = Owners::of(&world);
        assert_eq!(
            tree(&root, &Subject::all(&world), &owners, &BTreeMap::new(), true),
            None
        );
    }
}
