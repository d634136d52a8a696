//! Transformer configuration from `crds` files: OpenAPI definitions whose extensions say which fields are labels,
//! annotations, names or references.

use std::collections::HashMap;
use std::sync::Arc;

use go_yaml::{Limits, sigs};
use serde_json::{Map, Value};

use crate::budget::Budget;
use crate::config::transformers::{Config, NameReference, merge_specs};
use crate::error::Context;
use crate::{Error, FieldSpec, json};

/// The configuration that a file of definitions, by type name, stands for.
pub(crate) fn parse(content: &[u8], path: &str, budget: &Budget) -> Result<Config, Error> {
    let definitions = definitions(content, &budget.limits().yaml())
        .with_context(|| format!("unable to parse open API definition from '{path}'"))?;
    let mut found = Found::default();
    for (name, definition) in &definitions {
        if !is_object_type(definition) {
            continue;
        }
        let mut walk = Walk {
            definitions: &definitions,
            kind: name.rsplit('.').next().unwrap_or(name),
            found: &mut found,
            budget,
            open: Vec::new(),
            path: Vec::new(),
        };
        walk.definition(name)
            .limit_at(|| format!("definition '{name}' in '{path}'"))?;
    }
    found.config(budget)
}

fn definitions(content: &[u8], limits: &Limits) -> Result<Map<String, Value>, Error> {
    let value = if content.starts_with(b"{") {
        json::parse(content, limits)?
    } else {
        sigs::to_value(content, limits).map_err(|e| Error::yaml(&e))?
    };
    match value {
        Value::Object(definitions) => Ok(definitions),
        Value::Null => Ok(Map::new()),
        _ => Err(Error::invalid("a map of type names to definitions is needed")),
    }
}

fn properties(definition: &Value) -> Option<&Map<String, Value>> {
    let field = |value: &'_ Value, name: &str| -> Option<usize> {
        value
            .as_object()?
            .keys()
            .position(|key| key.eq_ignore_ascii_case(name))
    };
    let schema = definition
        .as_object()?
        .values()
        .nth(field(definition, "Schema")?)?;
    schema.get("properties")?.as_object()
}

fn is_object_type(definition: &Value) -> bool {
    let has = |name| properties(definition).is_some_and(|p| p.contains_key(name));
    has("kind") && has("apiVersion") && has("metadata")
}

/// What the definitions say about fields.
#[derive(Default)]
struct Found {
    annotations: Vec<FieldSpec>,
    labels: Vec<FieldSpec>,
    names: Vec<FieldSpec>,
    references: Vec<NameReference>,
    /// Where in `references` the one to a version and kind is.
    places: HashMap<(String, String), usize>,
}

impl Found {
    fn refer(&mut self, version: &str, kind: &str, referrer: FieldSpec) {
        let target = (version.to_owned(), kind.to_owned());
        let place = *self.places.entry(target).or_insert(self.references.len());
        match self.references.get_mut(place) {
            Some(reference) => reference.referrers.push(referrer),
            None => self.references.push(NameReference {
                group: String::new(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                referrers: vec![referrer],
            }),
        }
    }

    fn config(self, budget: &Budget) -> Result<Config, Error> {
        let distinct = |specs: Vec<FieldSpec>| {
            let mut distinct = Vec::with_capacity(specs.len());
            merge_specs(&mut distinct, &specs, budget)?;
            Ok::<_, Error>(Arc::new(distinct))
        };
        let mut references = self.references;
        for reference in &mut references {
            let referrers = std::mem::take(&mut reference.referrers);
            merge_specs(&mut reference.referrers, &referrers, budget)?;
        }
        let mut config = Config {
            common_annotations: distinct(self.annotations)?,
            common_labels: distinct(self.labels)?,
            name_prefix: distinct(self.names)?,
            name_reference: Arc::new(references),
            ..Config::default()
        };
        config.sort();
        Ok(config)
    }
}

struct Walk<'a> {
    definitions: &'a Map<String, Value>,
    kind: &'a str,
    found: &'a mut Found,
    budget: &'a Budget,
    /// Names of the definitions that are being read: one that refers to itself is followed once.
    open: Vec<&'a str>,
    /// The fields that lead to where the walk is.
    path: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn definition(&mut self, name: &'a str) -> Result<(), Error> {
        let definitions = self.definitions;
        let Some(properties) = definitions.get(name).and_then(properties) else {
            return Ok(());
        };
        self.budget.step(20 + self.open.len() / 4)?;
        if self.open.contains(&name) {
            return Ok(());
        }
        // Each definition takes a level of this walk, and one of the objects that it describes.
        self.budget.check_depth(self.open.len() + 1)?;
        self.open.push(name);
        for (field, property) in properties {
            self.path.push(field);
            self.property(property)?;
            self.path.pop();
        }
        self.open.pop();
        Ok(())
    }

    fn spec(&self, more: Option<&str>) -> Result<FieldSpec, Error> {
        let path = self
            .path
            .iter()
            .copied()
            .chain(more)
            .collect::<Vec<_>>()
            .join("/");
        self.budget.make(size_of::<FieldSpec>() + path.len())?;
        Ok(FieldSpec {
            kind: self.kind.to_owned(),
            path,
            ..FieldSpec::default()
        })
    }

    fn property(&mut self, property: &'a Value) -> Result<(), Error> {
        self.budget.step(25)?;
        let extension = |name: &str| property.get(name).and_then(Value::as_str);
        if extension("x-kubernetes-annotation").is_some() {
            self.found.annotations.push(self.spec(None)?);
        }
        if extension("x-kubernetes-label-selector").is_some() {
            self.found.labels.push(self.spec(None)?);
        }
        if extension("x-kubernetes-identity").is_some() {
            self.found.names.push(self.spec(None)?);
        }
        let version = extension("x-kubernetes-object-ref-api-version");
        if let (Some(version), Some(kind)) = (version, extension("x-kubernetes-object-ref-kind")) {
            let key = extension("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let referrer = self.spec(Some(key))?;
            self.found.refer(version, kind, referrer);
        }
        match property.get("$ref").and_then(Value::as_str) {
            Some(name) => self.definition(name),
            None => Ok(()),
        }
    }
}
