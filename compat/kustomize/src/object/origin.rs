//! Where objects come from and what changed them, for `buildMetadata`.

use go_yaml::{Node, v3};

use crate::Error;
use crate::budget::Budget;
use crate::edit::push_field;
use crate::object::resmap::ResMap;
use crate::object::resource::{ORIGIN, Resource, TRANSFORMATIONS};
use crate::remote::RepoSpec;
use go_std::path;

/// A place in the files of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    path: String,
    repo: String,
    reference: String,
    configured_in: String,
    /// `apiVersion`, `kind`, `name` and `namespace` of the configuration.
    configured_by: [String; 4],
}

impl Origin {
    /// The place that a path, relative to this one, leads to.
    pub(crate) fn append(&self, path: &str) -> Self {
        let mut origin = self.clone();
        let mut path = path.to_owned();
        if let Some(repo) = RepoSpec::parse(&path) {
            origin.repo = repo.clone_spec();
            origin.reference = repo.reference;
            origin.path = String::new();
            path = repo.path;
        }
        origin.path = join(&origin.path, &path);
        origin
    }

    /// The place of a field of the kustomization file `file` in this directory.
    pub(crate) fn builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            repo: self.repo.clone(),
            reference: self.reference.clone(),
            configured_in: join(&self.path, file),
            configured_by: [
                "builtin".to_owned(),
                kind.to_owned(),
                String::new(),
                String::new(),
            ],
        }
    }

    /// The place of a plugin's configuration, if that object says where it comes from.
    pub(crate) fn of_plugin(config: &Resource) -> Result<Option<Self>, Error> {
        let Some(text) = config.annotation(ORIGIN) else {
            return Ok(None);
        };
        let origin = parse(text)?;
        let text = |key: &str| origin.get(key).map_or("", Node::text).to_owned();
        Ok(Some(Self {
            path: String::new(),
            repo: text("repo"),
            reference: text("ref"),
            configured_in: text("path"),
            configured_by: [
                config.api_version(),
                config.kind(),
                config.name(),
                config.namespace(),
            ]
            .map(str::to_owned),
        }))
    }

    fn node(&self) -> Node {
        let map = |fields: &[(&str, &String)]| {
            let mut node = Node::mapping();
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
                push_field(&mut node, name, Node::string(value));
            }
            node
        };
        let mut node = map(&[
            ("path", &self.path),
            ("repo", &self.repo),
            ("ref", &self.reference),
            ("configuredIn", &self.configured_in),
        ]);
        let [api_version, kind, name, namespace] = &self.configured_by;
        let by = map(&[
            ("apiVersion", api_version),
            ("kind", kind),
            ("name", name),
            ("namespace", namespace),
        ]);
        if !by.is_empty() {
            push_field(&mut node, "configuredBy", by);
        }
        node
    }

    /// The text of the annotation.
    pub(crate) fn text(&self) -> Result<String, Error> {
        print(&self.node())
    }

    /// Annotates the objects of a generator that do not say yet where they come from.
    pub(crate) fn annotate_generated(&self, resource: &mut Resource) -> Result<(), Error> {
        if resource.annotation(ORIGIN).is_some() {
            Ok(())
        } else {
            annotate(resource, ORIGIN, self.text()?)
        }
    }

    /// Records a transformer on every object; one without an origin is taken for its product.
    pub(crate) fn annotate_transformed(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        let node = self.node();
        let size = node.size();
        for resource in &mut objects.resources {
            budget.make(size.bytes)?;
            // The list is read and written again.
            budget.step(8 + resource.annotation(TRANSFORMATIONS).map_or(0, str::len))?;
            if resource.annotation(ORIGIN).is_none() {
                annotate(resource, ORIGIN, self.text()?)?;
                continue;
            }
            let mut list = match resource.annotation(TRANSFORMATIONS) {
                Some(text) => parse(text)?.into_items(),
                None => Vec::new(),
            };
            list.push(node.clone());
            annotate(resource, TRANSFORMATIONS, print(&Node::from_items(list))?)?;
        }
        Ok(())
    }
}

/// Sets an annotation, and makes all of them strings.
pub(crate) fn annotate(resource: &mut Resource, key: &str, value: String) -> Result<(), Error> {
    let mut annotations = resource.annotations();
    annotations.retain(|(k, _)| k != key);
    annotations.push((key.to_owned(), value));
    resource.set_annotations(annotations)
}

fn join(directory: &str, path: &str) -> String {
    path::join(directory, path)
}

fn parse(text: &str) -> Result<Node, Error> {
    let node = v3::parse_first(text.as_bytes(), &go_yaml::Limits::default());
    Ok(node
        .map_err(|e| Error::invalid(e.to_string()))?
        .unwrap_or_else(Node::null))
}

fn print(node: &Node) -> Result<String, Error> {
    v3::to_string(node, &v3::EmitOptions::default()).map_err(|e| Error::invalid(e.to_string()))
}
