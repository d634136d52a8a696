//! What kustomize-controller adds around a build: a missing kustomization is made up, and the fields of a Flux
//! Kustomization's `spec` are merged into it.
//!
//! It is the counterpart of `kustomize_generator.go` in `fluxcd/pkg/kustomize`; instead of writing the file into the
//! artifact's directory, the build reads it from a layer above the tree.

use std::rc::Rc;

use serde_json::Value;

use crate::budget::Budget;
use crate::build::{Output, build};
use crate::error::Context;
use crate::load::kustomization::{FILE_NAMES, Image, Kustomization, Patch, Selector, header};
use crate::object::resource::Reader;
use crate::record::{ToGo, record};
use crate::tree::follow;
use crate::{Entry, Error, ErrorKind, FileTree, Limits, Options, Resolved, TreeError, TreeErrorReason};
use go_std::path;
use go_std::record::Decoder;

/// The kustomization file that a Flux Kustomization's directory is built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Where the file is, or would be, written.
    pub path: String,
    /// Its content.
    pub content: String,
    /// Whether the directory had no kustomization file.
    pub created: bool,
}

/// Builds a directory as kustomize-controller does for a Flux Kustomization with this `spec`.
///
/// Of the spec, `targetNamespace`, `namePrefix`, `nameSuffix`, `patches`, `patchesStrategicMerge`, `patchesJson6902`,
/// `components`, `ignoreMissingComponents`, `images` and `buildMetadata` count. Use [`Options::flux`].
///
/// ```
/// use kustomize::{MemoryTree, Options, build_flux};
///
/// let tree = MemoryTree::new().with("deploy/web.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n");
/// let spec = serde_json::json!({"targetNamespace": "prod"});
/// let output = build_flux(&tree, "deploy", &spec, &Options::flux())?;
/// assert_eq!(output.to_yaml()?, "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: prod\n");
/// # Ok::<(), kustomize::Error>(())
/// ```
pub fn build_flux(tree: &dyn FileTree, path: &str, spec: &Value, options: &Options) -> Result<Output, Error> {
    generate_kustomization(tree, path, spec, options)?.build(tree, path, options)
}

impl Generated {
    /// Builds the directory with this kustomization file in place of what the tree has there.
    pub fn build(&self, tree: &dyn FileTree, path: &str, options: &Options) -> Result<Output, Error> {
        if tree.resolve(&self.path).is_ok_and(|found| found.is_dir) {
            let error = TreeError::new("open", &self.path, TreeErrorReason::IsDirectory);
            return Err(load_error(&error));
        }
        build(&self.over(tree), path, options)
    }

    /// The tree with this kustomization file in place of what it has there.
    pub fn over<'t>(&'t self, tree: &'t dyn FileTree) -> impl FileTree + 't {
        Layer {
            below: tree,
            generated: self,
        }
    }
}

/// The kustomization file for a directory and a `spec`: what is there, or the manifests found below, with the fields of
/// the spec merged in.
pub fn generate_kustomization(
    tree: &dyn FileTree,
    path: &str,
    spec: &Value,
    options: &Options,
) -> Result<Generated, Error> {
    generate(tree, path, spec, options).map_err(Error::redacted)
}

fn generate(tree: &dyn FileTree, path: &str, spec: &Value, options: &Options) -> Result<Generated, Error> {
    let directory = tree
        .resolve(&path::join("/", path))
        .map_err(|e| load_error(&e))?
        .path;
    let found = find_file(tree, &directory);
    let created = found.is_none();
    let (file, mut kustomization) = match found {
        Some(file) => {
            let content = tree
                .read(&file, options.limits.bytes_read)
                .map_err(|e| load_error(&e))?;
            let kustomization = decode(&content, &options.limits)?;
            (file, kustomization)
        }
        None => (
            path::join(&directory, FILE_NAMES[0]),
            scan(tree, &directory, options)?,
        ),
    };
    if !created && kustomization.resources.as_ref().is_none_or(Vec::is_empty) {
        kustomization.build_metadata = Some(vec!["originAnnotations".to_owned()]);
    }
    let spec: Spec = Decoder::lenient().decode(spec)?;
    spec.merge_into(&mut kustomization, tree, &directory)?;
    let value = kustomization.write().unwrap_or_default();
    let content = go_yaml::sigs::value_to_string(&value).map_err(|e| Error::invalid(e.to_string()))?;
    Ok(Generated {
        path: file,
        content,
        created,
    })
}

record! {
    /// The part of a Flux Kustomization's spec that changes the kustomization.
    Spec = "types.KustomizationSpec" {
        target_namespace: Option<String> = "targetNamespace",
        name_prefix: Option<String> = "namePrefix",
        name_suffix: Option<String> = "nameSuffix",
        patches: Vec<FluxPatch> = "patches",
        patches_strategic_merge: Vec<Value> = "patchesStrategicMerge",
        patches_json6902: Vec<FluxJsonPatch> = "patchesJson6902",
        components: Vec<String> = "components",
        ignore_missing_components: bool = "ignoreMissingComponents",
        images: Vec<Image> = "images",
        build_metadata: Vec<String> = "buildMetadata",
    }
}

record! {
    FluxPatch = "types.Patch" {
        text: String = "patch",
        target: Option<Selector> = "target",
    }
}

record! {
    FluxJsonPatch = "types.JSON6902Patch" {
        operations: Value = "patch",
        target: Selector = "target",
    }
}

impl Spec {
    fn merge_into(self, k: &mut Kustomization, tree: &dyn FileTree, directory: &str) -> Result<(), Error> {
        let set = |field: &mut String, value: Option<String>| {
            if let Some(value) = value {
                *field = value;
            }
        };
        set(&mut k.namespace, self.target_namespace);
        set(&mut k.name_prefix, self.name_prefix);
        set(&mut k.name_suffix, self.name_suffix);
        let patches = self.patches.into_iter();
        let patches = patches.map(|p| Patch {
            text: p.text,
            target: p.target,
            ..Patch::default()
        });
        k.patches.get_or_insert_default().extend(patches);
        for component in self.components {
            if !is_local_relative(&component) {
                return Err(Error::invalid(format!(
                    "component path '{component}' must be local and relative"
                )));
            }
            let place = follow(tree, directory, &component);
            let exists = place.is_ok_and(|place| tree.resolve(&place).is_ok());
            if exists || !self.ignore_missing_components {
                k.components.get_or_insert_default().push(component);
            }
        }
        let json =
            |value: &Value| go_yaml::gojson::to_string(value).map_err(|e| Error::invalid(e.to_string()));
        for patch in &self.patches_strategic_merge {
            k.patches_strategic_merge
                .get_or_insert_default()
                .push(json(patch)?);
        }
        for patch in self.patches_json6902 {
            let patch = Patch {
                text: json(&patch.operations)?,
                target: Some(patch.target),
                ..Patch::default()
            };
            k.patches_json6902.get_or_insert_default().push(patch);
        }
        for image in self.images {
            merge_image(k.images.get_or_insert_default(), image);
        }
        if !self.build_metadata.is_empty() {
            k.build_metadata = Some(self.build_metadata);
        }
        Ok(())
    }
}

/// Changes the entry of the same name, or adds one; a tag or a digest takes the place of both.
fn merge_image(images: &mut Vec<Image>, image: Image) {
    let Some(existing) = images.iter_mut().find(|i| i.name == image.name) else {
        images.push(Image {
            tag_suffix: String::new(),
            ..image
        });
        return;
    };
    if !image.new_name.is_empty() {
        existing.new_name = image.new_name;
    }
    if !(image.new_tag.is_empty() && image.digest.is_empty()) {
        existing.new_tag = image.new_tag;
        existing.digest = image.digest;
    }
}

fn is_local_relative(path: &str) -> bool {
    const REMOTE: [&str; 8] = [
        "git::",
        "gh:",
        "ssh://",
        "https://",
        "http://",
        "git@",
        "github.com:",
        "github.com/",
    ];
    let lower = path.to_ascii_lowercase();
    let remote = REMOTE
        .iter()
        .any(|prefix| prefix.len() < lower.len() && lower.starts_with(prefix));
    let local = lower.strip_prefix("file://").unwrap_or(&lower);
    !remote && !path::is_absolute(path) && !path::is_absolute(local)
}

pub(crate) fn decode(content: &[u8], limits: &Limits) -> Result<Kustomization, Error> {
    let value = go_yaml::sigs::to_value(content, &limits.yaml());
    let value = value
        .map_err(|e| Error::yaml(&e))
        .context("error converting YAML to JSON")?;
    let decoded: Result<Kustomization, _> = Decoder::lenient().decode(&value);
    let mut kustomization = decoded
        .map_err(Error::from)
        .context("error unmarshaling JSON: while decoding JSON")?;
    let defaults = header();
    if kustomization.api_version.is_empty() {
        kustomization.api_version = defaults.api_version;
    }
    if kustomization.kind.is_empty() {
        kustomization.kind = defaults.kind;
    }
    Ok(kustomization)
}

fn find_file(tree: &dyn FileTree, directory: &str) -> Option<String> {
    let files = FILE_NAMES.iter().map(|name| path::join(directory, name));
    files
        .into_iter()
        .find(|file| tree.resolve(file).is_ok_and(|found| !found.is_dir))
}

/// A kustomization of all manifests below a directory; directories with a kustomization of their own count as one.
fn scan(tree: &dyn FileTree, directory: &str, options: &Options) -> Result<Kustomization, Error> {
    let mut scan = Scan {
        tree,
        options,
        reader: Reader::new(Rc::new(Budget::new(options))),
        bytes_left: options.limits.bytes_read,
        paths: Vec::new(),
    };
    scan.walk(directory, 0)?;
    let mut kustomization = header();
    if scan.paths.is_empty() {
        "_placeholder".clone_into(&mut kustomization.namespace);
    } else {
        let below = directory.trim_end_matches('/');
        let relative = |path: &String| path.replacen(below, ".", 1);
        kustomization.resources = Some(scan.paths.iter().map(relative).collect());
    }
    Ok(kustomization)
}

struct Scan<'a> {
    tree: &'a dyn FileTree,
    options: &'a Options,
    reader: Reader,
    bytes_left: u64,
    paths: Vec<String>,
}

impl Scan<'_> {
    fn walk(&mut self, directory: &str, depth: usize) -> Result<(), Error> {
        let limits = &self.options.limits;
        if depth > limits.depth {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("directories are nested more than {} deep", limits.depth),
            ));
        }
        for Entry { name, is_dir } in self.tree.read_dir(directory).map_err(|e| load_error(&e))? {
            let path = path::join(directory, &name);
            if is_dir {
                if find_file(self.tree, &path).is_some() {
                    self.paths.push(path);
                } else {
                    self.walk(&path, depth + 1)?;
                }
            } else if matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml"))) {
                self.check_manifest(path)?;
            }
            if self.paths.len() > limits.files {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("there are more than {} manifests", limits.files),
                ));
            }
        }
        Ok(())
    }

    fn check_manifest(&mut self, path: String) -> Result<(), Error> {
        let content = self
            .tree
            .read(&path, self.bytes_left)
            .map_err(|error| match error.reason() {
                TreeErrorReason::Outside(_) => {
                    load_error(&TreeError::new("walk", &path, error.reason().clone()))
                }
                _ => load_error(&error),
            })?;
        self.bytes_left = self.bytes_left.saturating_sub(content.len() as u64);
        self.reader
            .resources(&content)
            .with_context(|| format!("failed to decode Kubernetes YAML from {path}"))?;
        self.paths.push(path);
        Ok(())
    }
}

fn load_error(error: &TreeError) -> Error {
    Error::new(ErrorKind::Load, error.to_string())
}

/// A tree with the generated kustomization on top.
struct Layer<'a> {
    below: &'a dyn FileTree,
    generated: &'a Generated,
}

impl FileTree for Layer<'_> {
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
        if path == self.generated.path {
            return Ok(Resolved {
                path: path.to_owned(),
                is_dir: false,
            });
        }
        self.below.resolve(path)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        if path == self.generated.path {
            return Ok(self.generated.content.clone().into_bytes());
        }
        self.below.read(path, limit)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        self.below.read_dir(path)
    }

    fn lies_in(&self) -> Option<&str> {
        self.below.lies_in()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::MemoryTree;

    fn generated(tree: &MemoryTree, spec: &Value) -> Result<String, Error> {
        generate_kustomization(tree, "app", spec, &Options::flux()).map(|g| g.content)
    }

    #[test]
    fn manifests_become_resources() {
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        let tree = MemoryTree::new()
            .with("app/b.yaml", manifest)
            .with("app/a/x.yml", manifest)
            .with("app/c/kustomization.yaml", "resources: [x.yaml]")
            .with("app/README.md", "x");
        let expected = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ./a/x.yml\n- ./b.yaml\n- ./c\n";
        assert_eq!(generated(&tree, &json!({})), Ok(expected.to_owned()));
        let nothing = MemoryTree::new().with("app/README.md", "x");
        let expected =
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: _placeholder\n";
        assert_eq!(generated(&nothing, &json!({})), Ok(expected.to_owned()));
    }

    #[test]
    fn the_spec_is_merged_into_what_is_there() {
        let tree = MemoryTree::new().with(
            "app/kustomization.yaml",
            "resources: [a.yaml]\nunknown: x\nimages: [{name: a, newTag: 1}]\n",
        );
        let spec = json!({
            "targetNamespace": "prod",
            "images": [{"name": "a", "digest": "sha256:x"}, {"name": "b", "newName": "c"}],
            "patches": [{"patch": "kind: X", "target": {"kind": "X"}}],
            "components": ["gone"],
            "ignoreMissingComponents": true,
        });
        let expected = "apiVersion: kustomize.config.k8s.io/v1beta1\nimages:\n- digest: sha256:x\n  name: a\n- name: b\n  newName: c\n\
                        kind: Kustomization\nnamespace: prod\npatches:\n- patch: 'kind: X'\n  target:\n    kind: X\nresources:\n- a.yaml\n";
        assert_eq!(generated(&tree, &spec), Ok(expected.to_owned()));
    }

    #[test]
    fn components_stay_inside() {
        let tree = MemoryTree::new().with("app/kustomization.yaml", "resources: [a.yaml]\n");
        let error =
            generated(&tree, &json!({"components": ["https://example.com/x"]})).map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err("component path 'https://example.com/x' must be local and relative".to_owned())
        );
    }
}
