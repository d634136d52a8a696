//! The build from its root: accumulate, hash, fix references, sort, clean up, print.

use std::collections::BTreeMap;
use std::rc::Rc;

use go_yaml::{sigs, v3};
use serde_json::Value;

use crate::hash::add_hashes;
use crate::kustomization::Kustomization;
use crate::loader::{Loader, Session};
use crate::nameref::fix_references;
use crate::order::{sort_as, sort_legacy};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::target::{Target, is_local_config};
use crate::transform::{MapTransformer, Transformer};
use crate::{Error, ErrorKind, FieldSpec, FileTree, Options, ResId};

/// The managed-by label says which kustomize built an object.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kustomize-v5.8.1");

/// What a build gives.
#[derive(Debug, Clone)]
pub struct Output {
    objects: Vec<Object>,
    /// Lines that the command prints to stderr as they are.
    pub warnings: Vec<String>,
    /// Lines that the command logs to stderr with a time stamp.
    pub log: Vec<String>,
    max_bytes: usize,
}

/// One object of the output.
#[derive(Debug, Clone)]
pub struct Object {
    resource: Resource,
}

impl Object {
    /// Type, name and namespace.
    pub fn id(&self) -> ResId {
        self.resource.id()
    }

    /// The object as JSON: numbers exact, keys in no particular order.
    pub fn to_json(&self) -> Result<Value, Error> {
        v3::to_json(&self.resource.node).map_err(|e| Error::invalid(e.to_string()))
    }

    /// The object as a YAML document, as `kustomize build` prints it.
    pub fn to_yaml(&self) -> Result<String, Error> {
        sigs::node_to_string(&self.resource.node).map_err(|e| Error::invalid(e.to_string()))
    }
}

impl Output {
    /// The objects in output order.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// All objects as YAML documents separated by `---` lines: what `kustomize build` prints.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let mut text = String::new();
        for (i, object) in self.objects.iter().enumerate() {
            if i > 0 {
                text.push_str("---\n");
            }
            text.push_str(&object.to_yaml()?);
            if text.len() > self.max_bytes {
                let text = format!("the output is larger than {} bytes", self.max_bytes);
                return Err(Error::new(ErrorKind::Limit, text));
            }
        }
        Ok(text)
    }
}

/// Builds the kustomization in the directory `path` of a tree.
///
/// The path is taken from the root of the tree. Nothing outside of the tree is read, nothing is written, and no state
/// is shared between builds.
///
/// ```no_run
/// use kustomize::{MemoryTree, Options, build};
///
/// let tree = MemoryTree::new()
///     .with("app/kustomization.yaml", "namePrefix: my-\nresources: [service.yaml]\n")
///     .with("app/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n");
/// let output = build(&tree, "app", &Options::default())?;
/// assert_eq!(output.to_yaml()?, "apiVersion: v1\nkind: Service\nmetadata:\n  name: my-web\n");
/// # Ok::<(), kustomize::Error>(())
/// ```
pub fn build(tree: &dyn FileTree, path: &str, options: &Options) -> Result<Output, Error> {
    let session = Rc::new(Session::new(options));
    let loader = Loader::open(Rc::clone(&session), tree, path)?;
    let target = Target::load(loader)?;
    target.choose_schema()?;
    let root = Root::new(&target.kustomization);
    let mut accumulated = target.accumulate_root()?;
    add_hashes(&mut accumulated.objects)?;
    fix_references(&mut accumulated.objects, &accumulated.config.name_reference)?;
    let mut objects = accumulated.objects;
    let unused = accumulated
        .vars
        .resolve(&mut objects, &accumulated.config.var_reference)?;
    if !unused.is_empty() {
        let names = unused.join(",");
        session
            .log
            .borrow_mut()
            .push(format!("well-defined vars that were never replaced: {names}"));
    }
    objects.resources.retain(|r| !is_local_config(r));
    root.finish(&mut objects, &session)?;
    let objects = objects
        .resources
        .into_iter()
        .map(|resource| Object { resource })
        .collect();
    Ok(Output {
        objects,
        warnings: session.warnings.take(),
        log: session.log.take(),
        max_bytes: options.limits.output_bytes,
    })
}

/// What only the root kustomization decides.
struct Root {
    sort: Option<crate::kustomization::SortOptions>,
    managed_by: bool,
    origin: bool,
    transformations: bool,
}

impl Root {
    fn new(k: &Kustomization) -> Self {
        let wants = |word: &str| k.build_metadata.iter().flatten().any(|w| w == word);
        Self {
            sort: k.sort_options.clone(),
            managed_by: wants("managedByLabel"),
            origin: wants("originAnnotations"),
            transformations: wants("transformerAnnotations"),
        }
    }

    fn finish(&self, objects: &mut ResMap, session: &Session<'_>) -> Result<(), Error> {
        match &self.sort {
            Some(options) => {
                if session.options.reorder.is_some() {
                    session.log.borrow_mut().push(
                        "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag \
                         ('--reorder'). Using the kustomization file over the CLI flag."
                            .to_owned(),
                    );
                }
                sort_as(objects, options)?;
            }
            None if session.options.legacy_order() => sort_legacy(objects),
            None => {}
        }
        if self.managed_by || session.options.managed_by_label {
            let labels = FieldSpec {
                path: "metadata/labels".to_owned(),
                create: true,
                ..FieldSpec::default()
            };
            let label = BTreeMap::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned())]);
            MapTransformer::new(label, [labels]).transform(objects)?;
        }
        for resource in &mut objects.resources {
            resource.finish_annotations(self.origin, self.transformations)?;
        }
        Ok(())
    }
}
