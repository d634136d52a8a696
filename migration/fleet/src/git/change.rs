//! Which files change so that objects carry the label, and the proof that nothing else changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::checkout::Checkout;
use super::document::definitions;
use super::insert::set_label;
use super::kustomizations::way_to;
use super::patch::add_patch;
use super::repository::{Built, Cluster, Repository, Root};
use crate::Handle;

/// Where the label of an object went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The object.
    pub object: Handle,
    /// `git-file`, `git-patch` or `git-parent`.
    pub carrier: &'static str,
    /// The file.
    pub file: String,
    /// The line that is new or changed.
    pub line: usize,
    /// The value that the label had before.
    pub former: Option<String>,
    /// Why it is not the file of the object itself.
    pub why: String,
}

/// An object whose label a person has to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// The object.
    pub object: Handle,
    /// Why.
    pub why: String,
}

/// What changes in a checkout.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The objects that carry the label then.
    pub labelled: Vec<Labelled>,
    /// The objects that carry it already.
    pub done: Vec<Handle>,
    /// The objects that are for a person to do.
    pub unplaced: Vec<Unplaced>,
    /// The new content of files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many roots were built before and after.
    pub roots: usize,
}

/// Puts the label on objects of one cluster.
pub fn label(
    checkout: &Checkout,
    repository: &Repository,
    cluster: &Cluster,
    objects: &[Handle],
    (key, value): (&str, &str),
) -> Changes {
    let editor = Editor {
        repository,
        cluster,
        label: (key, value),
    };
    let (edited, mut changes) = editor.place_all(checkout, objects);
    match editor.check(&edited, &changes) {
        Ok(roots) => changes.roots = roots,
        // One of them is wrong: each is judged by itself.
        Err(why) if objects.len() == 1 => take_back(&mut changes, &why),
        Err(_) => return editor.one_by_one(checkout, objects),
    }
    changes
}

/// Says of all objects that their edit is not made.
fn take_back(changes: &mut Changes, why: &str) {
    changes.files.clear();
    let labelled = std::mem::take(&mut changes.labelled);
    changes
        .unplaced
        .extend(labelled.into_iter().map(|place| Unplaced {
            object: place.object,
            why: format!("{}: {why}", place.file),
        }));
}

struct Editor<'a> {
    repository: &'a Repository,
    cluster: &'a Cluster,
    label: (&'a str, &'a str),
}

impl Editor<'_> {
    fn place_all(&self, checkout: &Checkout, objects: &[Handle]) -> (Checkout, Changes) {
        let (mut edited, mut changes) = (checkout.clone(), Changes::default());
        for object in objects {
            match self.place(&edited, object) {
                Ok(Some((place, text))) => {
                    edited.set(&place.file, text.clone());
                    changes.files.insert(place.file.clone(), text);
                    changes.labelled.push(place);
                }
                Ok(None) => changes.done.push(object.clone()),
                Err(why) => changes.unplaced.push(Unplaced {
                    object: object.clone(),
                    why,
                }),
            }
        }
        (edited, changes)
    }

    /// The same, where each object is taken or left by itself.
    fn one_by_one(&self, checkout: &Checkout, objects: &[Handle]) -> Changes {
        let (mut good, mut all) = (checkout.clone(), Changes::default());
        for object in objects {
            let (edited, mut one) = self.place_all(&good, std::slice::from_ref(object));
            all.done.append(&mut one.done);
            let mut tried = all.labelled.clone();
            tried.extend(one.labelled.iter().cloned());
            let so_far = Changes {
                labelled: tried,
                ..Changes::default()
            };
            match self.check(&edited, &so_far) {
                Ok(roots) => {
                    good = edited;
                    all.roots = roots;
                    all.labelled.append(&mut one.labelled);
                    all.files.append(&mut one.files);
                }
                Err(why) => take_back(&mut one, &why),
            }
            all.unplaced.append(&mut one.unplaced);
        }
        all
    }

    fn check(&self, edited: &Checkout, changes: &Changes) -> Result<usize, String> {
        if changes.labelled.is_empty() {
            return Ok(0);
        }
        let objects: BTreeSet<_> = changes.labelled.iter().map(|place| &place.object).collect();
        check(
            self.repository,
            &self.repository.again(edited),
            &self.cluster.path,
            &objects,
            self.label,
        )
    }

    fn place(&self, checkout: &Checkout, object: &Handle) -> Result<Option<(Labelled, Vec<u8>)>, String> {
        let mut made = self.cluster.find(object);
        let Some((root, built)) = made.next() else {
            return Err("no root of this checkout makes it".to_owned());
        };
        let Some(file) = &built.origin else {
            return Err(format!(
                "{} generates it, or takes it from another repository",
                root.handle
            ));
        };
        if is_of_bootstrap(file) {
            return self.patch(
                checkout,
                object,
                root,
                built,
                file,
                "flux bootstrap rewrites its file",
            );
        }
        let shared_with = self
            .repository
            .clusters
            .iter()
            .filter(|other| other.path != self.cluster.path && other.files.contains(file))
            .count();
        if shared_with > 0 {
            let why = format!("its file is used by {} clusters", shared_with + 1);
            return self.patch(checkout, object, root, built, file, &why);
        }
        let text = checkout.get(file).ok_or("its file is not there")?;
        let document = document(text, built)?;
        let (key, value) = self.label;
        let edit = set_label(text, document, key, value).map_err(|refusal| format!("{file}: {refusal}"))?;
        Ok(edit.map(|edit| {
            let place = Labelled {
                object: object.clone(),
                carrier: "git-file",
                file: file.clone(),
                line: edit.line,
                former: edit.former,
                why: String::new(),
            };
            (place, edit.text)
        }))
    }

    /// Puts a patch into the nearest kustomization file that this cluster alone reads, or into the Kustomization that builds it.
    fn patch(
        &self,
        checkout: &Checkout,
        object: &Handle,
        root: &Root,
        built: &Built,
        file: &str,
        why: &str,
    ) -> Result<Option<(Labelled, Vec<u8>)>, String> {
        let (key, value) = self.label;
        if built
            .object
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(key))
            == Some(&Value::from(value))
        {
            return Ok(None);
        }
        let lines = patch_lines(built, key, value);
        let others = || {
            let clusters = self.repository.clusters.iter();
            clusters.filter(|other| other.path != self.cluster.path)
        };
        let own = way_to(checkout, &root.path, file)
            .into_iter()
            .rev()
            .find(|kustomization| !others().any(|other| other.kustomizations.contains(kustomization)));
        if let Some(kustomization) = own {
            let text = checkout
                .get(&kustomization)
                .ok_or("its kustomization file is not there")?;
            let edit =
                add_patch(text, 0, &[], &lines).map_err(|refusal| format!("{kustomization}: {refusal}"))?;
            return Ok(Some((
                placed(object, "git-patch", kustomization, &edit, why),
                edit.text,
            )));
        }
        // The Kustomization that builds it, where that is this cluster's alone.
        let mut parents = self.cluster.find(&root.handle);
        let parent = parents.next().map(|(_, parent)| parent);
        let parent = parent.ok_or("nothing on the way is read by this cluster alone")?;
        let parent_file = parent
            .origin
            .as_ref()
            .ok_or("the Kustomization that builds it is generated")?;
        if others().any(|other| other.files.contains(parent_file)) {
            return Err(format!("{why}, and so is that of {}", root.handle));
        }
        if is_of_bootstrap(parent_file) {
            return Err(format!("{why}, and nothing on the way is for a patch"));
        }
        let text = checkout.get(parent_file).ok_or("its file is not there")?;
        let document = document(text, parent)?;
        let edit = add_patch(text, document, &["spec"], &lines)
            .map_err(|refusal| format!("{parent_file}: {refusal}"))?;
        Ok(Some((
            placed(object, "git-parent", parent_file.clone(), &edit, why),
            edit.text,
        )))
    }
}

/// Whether `flux bootstrap` writes a file, and would take an edit back.
fn is_of_bootstrap(file: &str) -> bool {
    ["gotk-components.yaml", "gotk-sync.yaml"]
        .iter()
        .any(|name| file.ends_with(name))
}

fn placed(
    object: &Handle,
    carrier: &'static str,
    file: String,
    edit: &super::insert::Edit,
    why: &str,
) -> Labelled {
    Labelled {
        object: object.clone(),
        carrier,
        file,
        line: edit.line,
        former: None,
        why: why.to_owned(),
    }
}

fn patch_lines(built: &Built, key: &str, value: &str) -> Vec<String> {
    let text = |pointer: &str| {
        built
            .object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut lines = vec![
        format!("apiVersion: {}", text("/apiVersion")),
        format!("kind: {}", built.kind),
        "metadata:".to_owned(),
        format!("  name: {}", built.key.name),
    ];
    if !built.key.namespace.is_empty() {
        lines.push(format!("  namespace: {}", built.key.namespace));
    }
    lines.extend(["  labels:".to_owned(), format!("    {key}: {value}")]);
    lines
}

/// Which document of a file an object was made of: the one of its kind with its name, or the only one of its kind.
pub(super) fn document(text: &[u8], built: &Built) -> Result<usize, String> {
    let defined = definitions(text).map_err(|error| error.to_string())?;
    let of_kind: Vec<_> = defined
        .iter()
        .filter(|object| object.group == built.group && object.kind == built.kind)
        .collect();
    let named = of_kind.iter().filter(|object| object.name == built.key.name);
    let named: Vec<_> = named
        .filter(|object| {
            let namespace = object.namespace.as_deref();
            namespace.is_none_or(|namespace| namespace == built.key.namespace)
        })
        .collect();
    match (&named[..], &of_kind[..]) {
        ([one], _) => Ok(one.document),
        ([], [one]) => Ok(one.document),
        _ => Err("its file has several objects that it may come from".to_owned()),
    }
}

/// Compares what every root of every cluster was built to before and after: the label on the objects that are meant, in the
/// cluster that is meant, is all that may differ.
fn check(
    before: &Repository,
    after: &Repository,
    cluster: &str,
    objects: &BTreeSet<&Handle>,
    label: (&str, &str),
) -> Result<usize, String> {
    let (mut roots, mut labelled) = (0, BTreeSet::new());
    if before.clusters.len() != after.clusters.len() {
        return Err("the number of clusters would change".to_owned());
    }
    for (was, is) in before.clusters.iter().zip(&after.clusters) {
        if was.path != is.path || was.roots.len() != is.roots.len() {
            return Err(format!("the roots of ./{} would change", was.path));
        }
        let meant = was.path == cluster;
        for (was, is) in was.roots.iter().zip(&is.roots) {
            // A root that was not built before says nothing.
            let Ok(had) = &was.built else { continue };
            let has = is.built.as_ref();
            let has = has.map_err(|why| format!("{} would not be built any more: {why}", was.handle))?;
            roots += 1;
            let wrong = |what: String| format!("{what} would change too, in {}", was.handle);
            if had.len() != has.len() {
                return Err(wrong("the number of objects".to_owned()));
            }
            for (was, is) in had.iter().zip(has) {
                if was.object == is.object || is_parent_patch(was, is) {
                    continue;
                }
                let handle = was.handle().filter(|handle| meant && objects.contains(handle));
                match handle {
                    Some(handle) if is_labelled(was, is, label) => labelled.insert(handle),
                    _ => return Err(wrong(format!("{} {}", was.kind, was.key))),
                };
            }
        }
    }
    match objects.iter().find(|object| !labelled.contains(**object)) {
        Some(object) => Err(format!(
            "{object} would not get the label: something on the way removes it"
        )),
        None => Ok(roots),
    }
}

/// Whether two states of an object differ in the label alone.
fn is_labelled(was: &Built, is: &Built, (key, value): (&str, &str)) -> bool {
    let mut wanted = was.object.clone();
    let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) else {
        return false;
    };
    let present = metadata
        .entry("labels")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    present[key] = Value::from(value);
    wanted == is.object
}

/// Whether two states of a Kustomization differ in one more patch.
fn is_parent_patch(was: &Built, is: &Built) -> bool {
    let patches = |built: &Built| {
        built
            .object
            .pointer("/spec/patches")
            .and_then(Value::as_array)
            .cloned()
    };
    let (had, has) = (patches(was).unwrap_or_default(), patches(is).unwrap_or_default());
    let mut rest = is.object.clone();
    if let Some(spec) = rest.get_mut("spec").and_then(Value::as_object_mut) {
        match was.object.pointer("/spec/patches") {
            Some(former) => spec.insert("patches".to_owned(), former.clone()),
            None => spec.remove("patches"),
        };
    }
    has.len() == had.len() + 1 && has[1..] == had[..] && rest == was.object
}
