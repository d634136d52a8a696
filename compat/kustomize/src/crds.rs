//! Transformer configuration from `crds` files: OpenAPI definitions whose extensions say which fields are labels,
//! annotations, names or references.

use std::sync::Arc;

use go_yaml::{Limits, sigs};
use serde_json::{Map, Value};

use crate::config::{Config, NameReference, merge_specs};
use crate::error::Context;
use crate::{Error, FieldSpec};

/// The configuration that a file of definitions, by type name, stands for.
pub(crate) fn parse(content: &[u8], path: &str, limits: &Limits) -> Result<Config, Error> {
    let definitions = definitions(content, limits)
        .with_context(|| format!("unable to parse open API definition from '{path}'"))?;
    let mut config = Config::default();
    for (name, definition) in &definitions {
        if !is_object_type(definition) {
            continue;
        }
        let kind = name.rsplit('.').next().unwrap_or(name);
        let mut found = Config::default();
        let mut walk = Walk {
            definitions: &definitions,
            kind,
            into: &mut found,
            open: Vec::new(),
        };
        walk.definition(name, &[])?;
        config.merge(&found)?;
    }
    Ok(config)
}

fn definitions(content: &[u8], limits: &Limits) -> Result<Map<String, Value>, Error> {
    let value = if content.starts_with(b"{") {
        serde_json::from_slice(content).map_err(|e| Error::invalid(e.to_string()))?
    } else {
        sigs::to_value(content, limits).map_err(|e| Error::invalid(e.to_string()))?
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

struct Walk<'a> {
    definitions: &'a Map<String, Value>,
    kind: &'a str,
    into: &'a mut Config,
    /// Names of the definitions that are being read: one that refers to itself is followed once.
    open: Vec<String>,
}

impl Walk<'_> {
    fn definition(&mut self, name: &str, path: &[String]) -> Result<(), Error> {
        let definitions = self.definitions;
        let Some(properties) = definitions.get(name).and_then(properties) else {
            return Ok(());
        };
        if self.open.iter().any(|open| open == name) {
            return Ok(());
        }
        self.open.push(name.to_owned());
        for (field, property) in properties {
            let mut path = path.to_vec();
            path.push(field.clone());
            self.property(property, &path)?;
        }
        self.open.pop();
        Ok(())
    }

    fn property(&mut self, property: &Value, path: &[String]) -> Result<(), Error> {
        let extension = |name: &str| property.get(name).and_then(Value::as_str);
        let spec = |path: &[String]| FieldSpec {
            kind: self.kind.to_owned(),
            path: path.join("/"),
            ..FieldSpec::default()
        };
        if extension("x-kubernetes-annotation").is_some() {
            merge_specs(Arc::make_mut(&mut self.into.common_annotations), &[spec(path)])?;
        }
        if extension("x-kubernetes-label-selector").is_some() {
            merge_specs(Arc::make_mut(&mut self.into.common_labels), &[spec(path)])?;
        }
        if extension("x-kubernetes-identity").is_some() {
            merge_specs(Arc::make_mut(&mut self.into.name_prefix), &[spec(path)])?;
        }
        let version = extension("x-kubernetes-object-ref-api-version");
        if let (Some(version), Some(kind)) = (version, extension("x-kubernetes-object-ref-kind")) {
            let mut path = path.to_vec();
            path.push(
                extension("x-kubernetes-object-ref-name-key")
                    .unwrap_or("name")
                    .to_owned(),
            );
            let reference = NameReference {
                group: String::new(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                referrers: vec![spec(&path)],
            };
            let references = Config {
                name_reference: Arc::new(vec![reference]),
                ..Config::default()
            };
            self.into.merge(&references)?;
        }
        match property.get("$ref").and_then(Value::as_str) {
            Some(name) => self.definition(name, path),
            None => Ok(()),
        }
    }
}
