//! Replacements: a value of one object is copied into fields of others.

use go_yaml::{Kind, Node, sigs};
use serde_json::Value as Json;

use super::Transformer;
use super::patches::ReadFile;
use crate::budget::Budget;
use crate::error::{Context, excerpt};
use crate::fields::path::{TargetPath, lookup, split, visit_some, write_structured};
use crate::load::kustomization::{FieldOptions, Replacement, SourceSelector, TargetSelector};
use crate::object::resmap::ResMap;
use crate::object::resource::Resource;
use crate::select::selection::Selection;
use crate::{Error, Limits, ResId};
use go_std::record::Decoder;

/// The field that is meant when none is given.
const DEFAULT_FIELD: &str = "metadata.name";

/// The replacements of one target, in order.
pub(crate) struct ReplacementTransformer {
    replacements: Vec<Replacement>,
}

impl ReplacementTransformer {
    /// Reads the files that entries name; each holds one replacement or a list of them.
    pub(crate) fn new(entries: &[Replacement], read: &ReadFile<'_>, limits: &Limits) -> Result<Self, Error> {
        let mut replacements = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.path.is_empty() {
                replacements.push(entry.clone());
            } else if entry.source.is_some() || !entry.targets.is_empty() {
                return Err(Error::invalid("cannot specify both path and inline replacement"));
            } else {
                replacements.extend(read_file(&read(&entry.path)?, &limits.yaml())?);
            }
        }
        Ok(Self { replacements })
    }
}

fn read_file(content: &[u8], limits: &go_yaml::Limits) -> Result<Vec<Replacement>, Error> {
    let value = sigs::to_value(content, limits).map_err(|e| Error::yaml(&e))?;
    let kind = match &value {
        Json::Array(_) => return Ok(Decoder::lenient().decode(&value)?),
        Json::Object(_) => return Ok(vec![Decoder::lenient().decode(&value)?]),
        Json::Null => "invalid",
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
    };
    Err(Error::invalid(format!(
        "unsupported replacement type encountered within replacement path: {kind}"
    )))
}

impl Transformer for ReplacementTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for (number, replacement) in self.replacements.iter().enumerate() {
            let no_source = replacement.source.is_none() && replacement.source_value.is_none();
            if no_source || replacement.targets.is_empty() {
                return Err(Error::invalid(
                    "replacements must specify a source and at least one target",
                ));
            }
            let mut value = Value::of(replacement, objects, budget)?;
            for target in &replacement.targets {
                Target::new(target.as_ref(), budget)
                    .and_then(|target| target.write(objects, &mut value, budget))
                    .limit_at(|| format!("replacement {number}"))?;
            }
        }
        Ok(())
    }
}

/// The value that a replacement copies.
struct Value {
    node: Node,
    /// The position of its object and its path there, if the whole field is the value: upstream refers to the field
    /// itself, so that a replacement which writes to its own source goes on with what it wrote.
    field: Option<(usize, Vec<String>)>,
}

impl Value {
    fn of(replacement: &Replacement, objects: &ResMap, budget: &Budget) -> Result<Self, Error> {
        let source = match (&replacement.source, &replacement.source_value) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "value and resource selectors are mutually exclusive",
                ));
            }
            (None, text) => {
                let node = Node::scalar(text.as_deref().unwrap_or_default());
                return Ok(Self { node, field: None });
            }
            (Some(source), None) => source,
        };
        budget.step(5 * objects.resources.len())?;
        let (index, object) = source_object(source, objects)?;
        let path = if source.field_path.is_empty() {
            DEFAULT_FIELD
        } else {
            &source.field_path
        };
        let parts = split(path);
        let found = lookup(&object.node, &parts).context("error looking up replacement source")?;
        let Some(node) = found.filter(|node| !node.is_empty()) else {
            let id = source.id();
            return Err(Error::invalid(format!(
                "fieldPath `{path}` is missing for replacement source {id}"
            )));
        };
        match &source.options {
            Some(options) if !options.delimiter.is_empty() => Ok(Self {
                node: part_of(node, options)?,
                field: None,
            }),
            _ => Ok(Self {
                node: budget.copy(node)?,
                field: Some((index, parts)),
            }),
        }
    }

    /// Looks at the field again after the object at `index` was written to.
    fn follow(&mut self, index: usize, object: &Node, budget: &Budget) -> Result<(), Error> {
        if let Some((of, path)) = &self.field
            && *of == index
            && let Ok(Some(node)) = lookup(object, path)
        {
            self.node = budget.copy(node)?;
        }
        Ok(())
    }
}

/// The one object that has, or had, the id of the source; here the parts of the id are no patterns.
fn source_object<'o>(source: &SourceSelector, objects: &'o ResMap) -> Result<(usize, &'o Resource), Error> {
    let wanted = source.id();
    let is_selected = |id: &ResId| {
        (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty() || or_default(&wanted.namespace) == or_default(&id.namespace))
            && id.gvk.is_selected(&wanted.gvk)
    };
    let mut selected = objects
        .resources
        .iter()
        .enumerate()
        .filter(|(_, object)| object.any_name(|name| wanted.name.is_empty() || wanted.name == name))
        .filter(|(_, object)| !object.is_empty() && object.any_id(is_selected));
    match (selected.next(), selected.next()) {
        (Some(object), None) => Ok(object),
        (None, _) => Err(Error::invalid(format!("nothing selected by {source}"))),
        (Some(_), Some(_)) => Err(Error::invalid(format!("multiple matches for selector {source}"))),
    }
}

/// Upstream does not know here which types are cluster-scoped.
fn or_default(namespace: &str) -> &str {
    if namespace.is_empty() {
        "default"
    } else {
        namespace
    }
}

fn part_of(node: &Node, options: &FieldOptions) -> Result<Node, Error> {
    if !node.is_scalar() {
        return Err(Error::invalid(
            "delimiter option can only be used with scalar nodes",
        ));
    }
    let index = usize::try_from(options.index).ok();
    let part = index.and_then(|index| node.text().split(options.delimiter.as_str()).nth(index));
    let Some(part) = part else {
        let (index, text) = (options.index, node.text());
        return Err(Error::invalid(format!(
            "options.index {index} is out of bounds for value {text}"
        )));
    };
    let mut node = node.clone();
    node.set_text(part);
    Ok(node)
}

/// `id:path:options`, as errors show a source.
impl std::fmt::Display for SourceSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id())?;
        if !self.field_path.is_empty() {
            write!(f, ":{}", self.field_path)?;
        }
        match &self.options {
            Some(options) if !options.delimiter.is_empty() || options.create => {
                write!(
                    f,
                    ":{}({}), create={}",
                    options.delimiter, options.index, options.create
                )
            }
            _ => Ok(()),
        }
    }
}

/// The objects and fields that a value goes to.
struct Target<'a> {
    select: Selection,
    reject: Vec<Selection>,
    paths: Vec<(&'a str, TargetPath)>,
    options: Option<&'a FieldOptions>,
}

impl<'a> Target<'a> {
    fn new(target: Option<&'a TargetSelector>, budget: &Budget) -> Result<Self, Error> {
        let select = target.and_then(|target| Some((target, target.select.as_ref()?)));
        let Some((target, select)) = select else {
            return Err(Error::invalid("target must specify resources to select"));
        };
        let selection = |selector| Selection::new(selector, budget).context("error creating target selector");
        let given = target.field_paths.iter().map(String::as_str);
        let paths = given.chain(target.field_paths.is_empty().then_some(DEFAULT_FIELD));
        Ok(Self {
            select: selection(select)?,
            reject: target
                .reject
                .iter()
                .flatten()
                .map(selection)
                .collect::<Result<_, _>>()?,
            paths: paths.map(|path| (path, TargetPath::new(path, budget))).collect(),
            options: target.options.as_ref(),
        })
    }

    fn write(&self, objects: &mut ResMap, value: &mut Value, budget: &Budget) -> Result<(), Error> {
        for (index, object) in objects
            .resources
            .iter_mut()
            .enumerate()
            .filter(|(_, object)| !object.is_empty())
        {
            for selection in std::iter::once(&self.select).chain(&self.reject) {
                selection.pay(object, budget)?;
            }
            if self.selects(object)? {
                self.write_object(index, &mut object.node, value, budget)
                    .limit_at(|| format!("object {}", object.id()))?;
            }
        }
        Ok(())
    }

    fn selects(&self, object: &Resource) -> Result<bool, Error> {
        if !self.select.matches_metadata(object)? {
            return Ok(false);
        }
        for reject in self.reject.iter().filter(|reject| reject.has_metadata()) {
            if reject.matches_metadata(object)? {
                return Ok(false);
            }
        }
        let rejected = |id: &ResId| {
            self.reject
                .iter()
                .any(|reject| !reject.is_any_id() && reject.matches_id(id))
        };
        Ok(object.any_name(|name| self.select.matches_name(name))
            && object.any_id(|id| self.select.matches_id(id))
            && !object.any_id(rejected))
    }

    fn write_object(
        &self,
        index: usize,
        object: &mut Node,
        value: &mut Value,
        budget: &Budget,
    ) -> Result<(), Error> {
        for (text, path) in &self.paths {
            let new = &value.node;
            let create = self.options.filter(|options| options.create).map(|_| new.kind());
            let in_field = || format!("field '{}'", excerpt(text));
            if !write_structured(object, path, new, create, budget).limit_at(in_field)? {
                let written = visit_some(object, text, path, create, budget, &mut |field| {
                    self.write_field(field, new, budget)
                });
                written.limit_at(in_field)?;
            }
            if !new.is_scalar() {
                // A collection may have gone into itself, or below others.
                budget.walk(object)?;
                budget.check_depth(object.size().depth).limit_at(in_field)?;
            }
            value.follow(index, object, budget).limit_at(in_field)?;
        }
        Ok(())
    }

    /// Of a scalar only the text is replaced; tag and style stay.
    fn write_field(&self, field: &mut Node, value: &Node, budget: &Budget) -> Result<(), Error> {
        budget.make(value.size().bytes)?;
        budget.scan(4 * field.text().len())?;
        let joined = match self.options.filter(|options| !options.delimiter.is_empty()) {
            Some(options) => Some(joined(field, value, options)?),
            None => None,
        };
        if field.kind() == Kind::Scalar {
            field.set_text(joined.as_deref().unwrap_or(value.text()));
        } else {
            *field = value.clone();
        }
        Ok(())
    }
}

/// The text of a field with one of its parts replaced, or a part added before or after.
fn joined(field: &Node, value: &Node, options: &FieldOptions) -> Result<String, Error> {
    if !field.is_scalar() {
        return Err(Error::invalid(
            "delimiter option can only be used with scalar nodes",
        ));
    }
    let mut parts: Vec<&str> = field.text().split(options.delimiter.as_str()).collect();
    let value = if value.is_null() { "" } else { value.text() };
    match usize::try_from(options.index) {
        Err(_) => parts.insert(0, value),
        Ok(index) => match parts.get_mut(index) {
            Some(part) => *part = value,
            None => parts.push(value),
        },
    }
    Ok(parts.join(&options.delimiter))
}
