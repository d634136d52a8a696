//! The build from its root: accumulate, hash, fix references, sort, clean up, print.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use go_yaml::{Node, sigs, v3};
use serde_json::Value;

use crate::build::order::{sort_as, sort_legacy};
use crate::build::target::Target;
use crate::error::Context;
use crate::load::kustomization::Kustomization;
use crate::load::loader::{Loader, Session};
use crate::load::notice::Notice;
use crate::names::nameref::fix_references;
use crate::object::hash::add_hashes;
use crate::object::resmap::ResMap;
use crate::object::resource::{Metadata, Resource};
use crate::transform::{MapTransformer, Transformer};
use crate::{Error, ErrorKind, FieldSpec, FileTree, Limits, Options, Profile, ResId};

/// The label that says which kustomize built an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The version in that label: kustomize-controller links a library that knows no release of the command.
fn managed_by(profile: Profile) -> &'static str {
    match profile {
        Profile::Command => "kustomize-v5.8.1",
        Profile::Flux => "kustomize-(devel)",
    }
}

/// What a build gives.
#[derive(Debug, Clone)]
pub struct Output {
    objects: Vec<Object>,
    notices: Vec<Notice>,
    max_bytes: usize,
}

/// One object of the output.
#[derive(Debug, Clone)]
pub struct Object {
    resource: Resource,
}

impl Object {
    pub(crate) fn new(resource: Resource) -> Self {
        Self { resource }
    }

    /// Type, name and namespace.
    pub fn id(&self) -> ResId {
        self.resource.id()
    }

    /// The object as JSON: numbers exact, keys in no particular order.
    pub fn to_json(&self) -> Result<Value, Error> {
        v3::to_json(&self.resource.node).map_err(|e| Error::invalid(e.to_string()))
    }

    /// What stands before the reason why the object cannot be printed: upstream dumps the object there, unless it could
    /// not even be decoded. It may be a Secret, so this names it instead.
    fn blame(&self, reason: &Error) -> String {
        let text = reason.to_string();
        let undecoded = text.starts_with("yaml: ") && !text.ends_with("control characters are not allowed");
        if undecoded {
            "map[string]interface {}(nil)".to_owned()
        } else {
            self.id().to_string()
        }
    }
}

impl Output {
    pub(crate) fn new(objects: Vec<Object>, notices: Vec<Notice>, limits: &Limits) -> Self {
        Self {
            objects,
            notices,
            max_bytes: limits.output_bytes,
        }
    }

    /// The objects in output order.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// What the build had to say, in order.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Prints the objects one by one, within what the output may take.
    pub fn printer(&self) -> Printer {
        Printer {
            max: self.max_bytes,
            left: self.max_bytes,
        }
    }

    /// All objects as YAML documents separated by `---` lines: what `kustomize build` prints.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let (mut printer, mut text) = (self.printer(), String::new());
        for object in &self.objects {
            printer.append(&mut text, object)?;
        }
        Ok(text)
    }

    /// [`to_yaml`](Self::to_yaml) that gives the memory of each object back once it is printed.
    pub fn into_yaml(self) -> Result<String, Error> {
        let (mut printer, mut text) = (self.printer(), String::new());
        for object in self.objects {
            printer.append(&mut text, &object)?;
        }
        Ok(text)
    }

    /// The objects in output order, to be used up one by one.
    pub fn into_objects(self) -> Vec<Object> {
        self.objects
    }
}

/// Prints the objects of a build, all of them together within [`Limits::output_bytes`].
#[derive(Debug, Clone)]
pub struct Printer {
    max: usize,
    left: usize,
}

impl Printer {
    /// The object as a YAML document, as `kustomize build` prints it.
    pub fn yaml(&mut self, object: &Object) -> Result<String, Error> {
        let printed = self.print(object, sigs::node_to_string_within);
        printed.map_err(|reason| {
            if reason.is_final() {
                return reason;
            }
            let blame = object.blame(&reason);
            reason.context(blame)
        })
    }

    /// The object as a YAML document, as `kustomize build -o DIR` writes it: folded text keeps its line breaks there.
    pub fn file(&mut self, object: &Object) -> Result<String, Error> {
        self.print(object, sigs::decoded_to_string_within)
    }

    fn print(
        &mut self,
        object: &Object,
        print: impl Fn(&Node, usize) -> Result<String, go_yaml::Error>,
    ) -> Result<String, Error> {
        let too_large = || {
            let text = format!("{}: the output is larger than {} bytes", object.id(), self.max);
            Error::new(ErrorKind::Limit, text)
        };
        let text = print(&object.resource.node, self.left).map_err(|e| match e.kind() {
            go_yaml::ErrorKind::Limit => too_large(),
            _ => Error::invalid(e.to_string()),
        })?;
        self.left = self.left.checked_sub(text.len()).ok_or_else(too_large)?;
        Ok(text)
    }

    fn append(&mut self, text: &mut String, object: &Object) -> Result<(), Error> {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&self.yaml(object)?);
        Ok(())
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
    build_with_notices(tree, path, options, &mut Vec::new())
}

/// Like [`build`], and leaves what the build had to say in `notices` even if it fails.
pub fn build_with_notices(
    tree: &dyn FileTree,
    path: &str,
    options: &Options,
    notices: &mut Vec<Notice>,
) -> Result<Output, Error> {
    let session = Rc::new(Session::new(options));
    let result = run(&session, tree, path);
    notices.append(&mut session.notices.borrow_mut());
    let objects = result
        .map_err(Error::redacted)?
        .resources
        .into_iter()
        .map(Object::new)
        .collect();
    Ok(Output::new(objects, notices.clone(), &options.limits))
}

fn run<'a>(session: &Rc<Session<'a>>, tree: &'a dyn FileTree, path: &str) -> Result<ResMap, Error> {
    let loader = Loader::open(Rc::clone(session), tree, path)?;
    let target = Target::load(loader)?;
    target.choose_schema()?;
    let root = Root::new(&target.kustomization);
    let mut accumulated = target.accumulate_root()?;
    let budget = &session.budget;
    add_hashes(&mut accumulated.objects, budget).limit_at(|| "hashes")?;
    let references = &accumulated.config.name_reference;
    fix_references(&mut accumulated.objects, references, budget).limit_at(|| "name references")?;
    let mut objects = accumulated.objects;
    let mut unused = Vec::new();
    let resolved = accumulated
        .vars
        .resolve(
            &mut objects,
            &accumulated.config.var_reference,
            &mut unused,
            budget,
        )
        .limit_at(|| "vars");
    if !unused.is_empty() {
        let line = format!("well-defined vars that were never replaced: {}", unused.join(","));
        session.notices.borrow_mut().push(Notice::Log(line));
    }
    resolved?;
    objects.resources.iter_mut().for_each(Resource::follow_shared);
    // A patch may have taken away what every object must have.
    for resource in objects
        .resources
        .iter()
        .filter(|r| r.kind().is_empty() || r.name().is_empty())
    {
        Metadata::validated(&resource.node)?;
    }
    drop_local_configs(&mut objects)?;
    root.finish(&mut objects, session)?;
    Ok(objects)
}

/// Drops the objects that take part in the build only, which upstream does by their ids: one that shares its id with an
/// object that stays is not dropped, and two that share one cannot be.
fn drop_local_configs(objects: &mut ResMap) -> Result<(), Error> {
    objects.check_distinct(|r| !r.is_local_config())?;
    if !objects.resources.iter().any(Resource::is_local_config) {
        return Ok(());
    }
    let (local, staying): (Vec<_>, Vec<_>) = objects.resources.iter().partition(|r| r.is_local_config());
    let staying: HashSet<ResId> = staying.into_iter().map(Resource::id).collect();
    let mut dropped = HashSet::with_capacity(local.len());
    for id in local
        .into_iter()
        .map(Resource::id)
        .filter(|id| !staying.contains(id))
    {
        if let Some(id) = dropped.replace(id) {
            return Err(Error::invalid(format!("id {id} not found in removal")));
        }
    }
    objects
        .resources
        .retain(|r| !r.is_local_config() || !dropped.contains(&r.id()));
    Ok(())
}

/// What only the root kustomization decides.
struct Root {
    sort: Option<crate::load::kustomization::SortOptions>,
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
                    session.notices.borrow_mut().push(Notice::Log(
                        "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag \
                         ('--reorder'). Using the kustomization file over the CLI flag."
                            .to_owned(),
                    ));
                }
                sort_as(objects, options)?;
            }
            None if session.options.legacy_order() => sort_legacy(objects)?,
            None => {}
        }
        if self.managed_by || session.options.managed_by_label {
            let labels = FieldSpec {
                path: "metadata/labels".to_owned(),
                create: true,
                ..FieldSpec::default()
            };
            let label = BTreeMap::from([(
                MANAGED_BY.to_owned(),
                managed_by(session.options.profile).to_owned(),
            )]);
            MapTransformer::new(label, [labels]).transform(objects, &session.budget)?;
        }
        for resource in &mut objects.resources {
            resource.finish_annotations(self.origin, self.transformations, &session.budget)?;
        }
        Ok(())
    }
}
