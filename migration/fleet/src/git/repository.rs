//! What Flux makes of a checkout: the clusters that it is for, and the objects of each.

use std::collections::{BTreeMap, BTreeSet};

use flux_api::{KUSTOMIZE_GROUP, ObjectKey};
use go_yaml::Limits;
use kustomize::{FileTree, Options, build_flux};
use serde_json::{Value, json};

use super::checkout::{Checkout, clean, join};
use super::document::definitions;
use super::kustomizations::ways;
use crate::{DeployerKind, Handle};

/// Annotation by which a build says where an object comes from.
const ORIGIN: &str = "config.kubernetes.io/origin";

/// An object that a build makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace and name.
    pub key: ObjectKey,
    /// The file that it comes from, if it is one of the checkout.
    pub origin: Option<String>,
    /// The object.
    pub object: Value,
}

impl Built {
    /// Returns the object's handle if it is a Kustomization or HelmRelease.
    pub fn handle(&self) -> Option<Handle> {
        let kind = DeployerKind::of(&self.group, &self.kind)?;
        Some(Handle {
            kind,
            key: self.key.clone(),
        })
    }
}

/// A folder that a Kustomization builds.
#[derive(Clone, Debug)]
pub struct Root {
    /// The Kustomization.
    pub handle: Handle,
    /// The folder.
    pub path: String,
    /// What of its spec changes the build.
    pub spec: Value,
    /// What comes of it, or why nothing does.
    pub built: Result<Vec<Built>, String>,
}

/// The roots of one cluster: one that nothing applies but itself, and those that come of it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The folder of the first root.
    pub path: String,
    /// The roots; the first is where everything begins.
    pub roots: Vec<Root>,
    /// The files that its builds read, as far as objects come from them.
    pub files: BTreeSet<String>,
    /// The kustomization files that its builds read.
    pub kustomizations: BTreeSet<String>,
}

impl Cluster {
    /// Returns what makes an object: the root, and what it makes of it.
    pub fn find(&self, handle: &Handle) -> impl Iterator<Item = (&Root, &Built)> {
        self.objects()
            .filter(move |(_, built)| built.handle().as_ref() == Some(handle))
    }

    /// Returns all objects, each with its root.
    pub fn objects(&self) -> impl Iterator<Item = (&Root, &Built)> {
        self.roots
            .iter()
            .flat_map(|root| root.built.iter().flatten().map(move |built| (root, built)))
    }
}

/// What Flux makes of a checkout.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// The folder that was said to be the beginning of one.
    first: Option<String>,
}

/// The fields of a spec that change what is built.
const BUILD: [&str; 9] = [
    "targetNamespace",
    "namePrefix",
    "nameSuffix",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "components",
    "ignoreMissingComponents",
    "images",
];

/// A Kustomization as a file has it.
struct Found {
    handle: Handle,
    path: String,
    spec: Value,
    file: String,
}

impl Repository {
    /// Builds all roots of a checkout.
    pub fn of(checkout: &Checkout) -> Self {
        Self::starting_at(checkout, None)
    }

    /// Builds all roots of a checkout, where a cluster begins with a folder that no Kustomization of the checkout names: that
    /// of a FluxInstance, say.
    pub fn starting_at(checkout: &Checkout, first: Option<&str>) -> Self {
        let tree = checkout.tree();
        let mut builds = Builds {
            checkout,
            tree: &tree,
            done: BTreeMap::new(),
        };
        let found: Vec<_> = checkout
            .manifests()
            .flat_map(|(file, text)| found(checkout, file, text))
            .collect();
        // What another one applies does not begin anything.
        let mut applied = BTreeSet::new();
        for one in &found {
            for built in builds.build(&one.path, &one.spec).iter().flatten() {
                if built
                    .handle()
                    .is_some_and(|handle| handle.key.name != one.handle.key.name)
                {
                    applied.extend(built.origin.clone());
                }
            }
        }
        let entries = found.iter().filter(|one| !applied.contains(&one.file));
        let mut clusters: Vec<Cluster> = Vec::new();
        for one in entries {
            if !clusters.iter().any(|known| known.path == one.path) {
                clusters.push(builds.cluster(one));
            }
        }
        let begins = first.and_then(clean).filter(|path| checkout.has_directory(path));
        if let Some(path) = begins.filter(|path| !clusters.iter().any(|known| known.path == *path)) {
            clusters.push(builds.cluster(&Found {
                handle: Handle::new(DeployerKind::Kustomization, "flux-system", "flux-system"),
                path,
                spec: json!({}),
                file: String::new(),
            }));
        }
        // A root that nothing applies, and that a cluster has all the same, is a base of it.
        let inner: BTreeSet<String> = clusters
            .iter()
            .flat_map(|cluster| {
                let others = cluster.roots.iter().filter(|root| root.path != cluster.path);
                others.map(|root| root.path.clone())
            })
            .collect();
        clusters.retain(|cluster| !inner.contains(&cluster.path));
        Self {
            clusters,
            first: first.map(str::to_owned),
        }
    }

    /// Builds all roots of the same checkout after an edit.
    pub(super) fn again(&self, edited: &Checkout) -> Self {
        Self::starting_at(edited, self.first.as_deref())
    }

    /// Returns the cluster that begins with one of these folders.
    pub fn cluster_at(&self, paths: &[String]) -> Option<&Cluster> {
        let cleaned: Vec<_> = paths.iter().filter_map(|path| clean(path)).collect();
        self.clusters
            .iter()
            .find(|cluster| cleaned.contains(&cluster.path))
    }

    /// Returns why roots could not be built.
    pub fn failures(&self) -> Vec<String> {
        let roots = self.clusters.iter().flat_map(|cluster| &cluster.roots);
        let failed = roots.filter_map(|root| {
            let why = root.built.as_ref().err()?;
            Some(format!(
                "{} cannot be built from ./{}: {why}",
                root.handle, root.path
            ))
        });
        let unique: BTreeSet<_> = failed.collect();
        unique.into_iter().collect()
    }
}

/// The Kustomizations that a file defines, whose folders are in the checkout.
fn found(checkout: &Checkout, file: &str, text: &[u8]) -> Vec<Found> {
    let Ok(defined) = definitions(text) else {
        return Vec::new();
    };
    let Ok(documents) = go_yaml::v3::parse(text, &Limits::default()) else {
        return Vec::new();
    };
    let kustomizations = defined.into_iter().filter(|object| {
        object.group == KUSTOMIZE_GROUP && object.kind == DeployerKind::Kustomization.kind()
    });
    kustomizations
        .filter_map(|object| {
            let value = go_yaml::v3::to_json(documents.get(object.document)?).ok()?;
            let handle = Handle::new(
                DeployerKind::Kustomization,
                object.namespace.unwrap_or_default(),
                object.name,
            );
            let (path, spec) = root_of(checkout, &value)?;
            Some(Found {
                handle,
                path,
                spec,
                file: file.to_owned(),
            })
        })
        .collect()
}

/// Folder and spec of a Kustomization; nothing if its folder is not in the checkout.
fn root_of(checkout: &Checkout, object: &Value) -> Option<(String, Value)> {
    let spec = object.get("spec")?;
    let path = clean(spec.get("path").and_then(Value::as_str).unwrap_or_default())?;
    if !checkout.has_directory(&path) {
        return None;
    }
    let mut kept = serde_json::Map::new();
    for field in BUILD {
        if let Some(value) = spec.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    Some((path, Value::Object(kept)))
}

struct Builds<'a> {
    checkout: &'a Checkout,
    tree: &'a dyn FileTree,
    done: BTreeMap<(String, String), Result<Vec<Built>, String>>,
}

impl Builds<'_> {
    fn build(&mut self, path: &str, spec: &Value) -> Result<Vec<Built>, String> {
        let key = (path.to_owned(), spec.to_string());
        if let Some(done) = self.done.get(&key) {
            return done.clone();
        }
        let result = build(self.tree, path, spec);
        self.done.insert(key, result.clone());
        result
    }

    fn cluster(&mut self, first: &Found) -> Cluster {
        let mut cluster = Cluster {
            path: first.path.clone(),
            roots: Vec::new(),
            files: BTreeSet::new(),
            kustomizations: BTreeSet::new(),
        };
        let mut next = vec![(first.handle.clone(), first.path.clone(), first.spec.clone())];
        let mut seen = BTreeSet::new();
        while let Some((handle, path, spec)) = next.pop() {
            if !seen.insert((path.clone(), spec.to_string(), handle.key.name.clone())) {
                continue;
            }
            let built = self.build(&path, &spec);
            for object in built.iter().flatten() {
                cluster.files.extend(object.origin.clone());
                let Some(child) = object.handle() else { continue };
                if child.kind == DeployerKind::Kustomization
                    && let Some((path, spec)) = root_of(self.checkout, &object.object)
                {
                    next.push((child, path, spec));
                }
            }
            cluster
                .kustomizations
                .extend(ways(self.checkout, &path).into_keys());
            cluster.roots.push(Root {
                handle,
                path,
                spec,
                built,
            });
        }
        cluster
    }
}

/// Builds a folder, with the origin of each object.
fn build(tree: &dyn FileTree, path: &str, spec: &Value) -> Result<Vec<Built>, String> {
    let mut spec = spec.clone();
    spec["buildMetadata"] = json!(["originAnnotations"]);
    let output = build_flux(tree, path, &spec, &Options::flux()).map_err(|error| error.to_string())?;
    output
        .into_objects()
        .iter()
        .map(|object| {
            let object = object.to_json().map_err(|error| error.to_string())?;
            Ok(built(path, object))
        })
        .collect()
}

fn built(root: &str, mut object: Value) -> Built {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let version = text("/apiVersion");
    let (kind, key) = (
        text("/kind"),
        ObjectKey::new(text("/metadata/namespace"), text("/metadata/name")),
    );
    let annotations = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    let said = annotations.and_then(|annotations| {
        let said = annotations.remove(ORIGIN)?;
        Some((said.as_str()?.to_owned(), annotations.is_empty()))
    });
    let (said, was_only) = said.unwrap_or_default();
    if was_only && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
    }
    Built {
        group: version.split_once('/').map_or("", |(group, _)| group).to_owned(),
        kind,
        key,
        origin: origin(root, &said),
        object,
    }
}

/// The file that an annotation names; nothing if the object was generated, or comes from elsewhere.
fn origin(root: &str, said: &str) -> Option<String> {
    let node = go_yaml::v3::parse_first(said.as_bytes(), &Limits::default()).ok()??;
    if node.has("repo") || node.has("configuredIn") {
        return None;
    }
    join(root, node.get("path")?.as_str()?)
}
