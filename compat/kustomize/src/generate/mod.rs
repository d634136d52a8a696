//! ConfigMaps and Secrets from literals and files.

mod base64;
mod sources;

use go_yaml::{Node, Size, Style, Tag};

use crate::Error;
use crate::edit::{mapping_of, push_field, set_field};
use crate::error::Context;
use crate::load::kustomization::{GeneratorArgs, GeneratorOptions};
use crate::load::loader::Loader;
use crate::object::resource::{Behavior, Resource};
use crate::openapi::Scopes;

/// What is generated.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    ConfigMap,
    /// A Secret of a type, `Opaque` when empty.
    Secret(String),
}

/// Generates one object from the files that the loader reads.
pub(crate) fn generate(kind: &Kind, args: &GeneratorArgs, loader: &Loader<'_>) -> Result<Resource, Error> {
    let mut node = base_node(kind, args)?;
    let mut pairs = sources::load(args, loader).context("loading KV pairs")?;
    let bytes = pairs
        .iter()
        .map(|(key, value)| 2 * Size::NODE + key.len() + value.len() * 4 / 3);
    loader.session.budget.make(bytes.sum())?;
    check_unique(&args.name, &pairs)?;
    pairs.sort();
    match kind {
        Kind::ConfigMap => set_config_map_data(&mut node, &pairs),
        Kind::Secret(_) => set_secret_data(&mut node, &pairs),
    }
    let options = args.options.clone().unwrap_or_default();
    set_options(&mut node, &options)?;
    let mut resource = Resource::new(node, &Scopes::default());
    resource.history.needs_hash = !options.disable_name_suffix_hash;
    resource.history.behavior = Some(Behavior::parse(&args.behavior));
    Ok(resource)
}

/// The options of one generator over those of the kustomization: its keys win, flags are set by either.
pub(crate) fn merge_options(
    local: Option<GeneratorOptions>,
    global: Option<&GeneratorOptions>,
) -> Option<GeneratorOptions> {
    let Some(global) = global else { return local };
    let mut merged = local.unwrap_or_default();
    for (key, value) in &global.labels {
        merged.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    for (key, value) in &global.annotations {
        merged
            .annotations
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    merged.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    merged.immutable |= global.immutable;
    Some(merged)
}

fn base_node(kind: &Kind, args: &GeneratorArgs) -> Result<Node, Error> {
    if args.name.is_empty() {
        return Err(Error::invalid("a configmap must have a name"));
    }
    let mut metadata = Node::mapping();
    set_field(&mut metadata, "name", Node::string(&args.name))?;
    if !args.namespace.is_empty() {
        set_field(&mut metadata, "namespace", Node::string(&args.namespace))?;
    }
    let mut node = Node::mapping();
    push_field(&mut node, "apiVersion", Node::string("v1"));
    let kind_name = match kind {
        Kind::ConfigMap => "ConfigMap",
        Kind::Secret(_) => "Secret",
    };
    push_field(&mut node, "kind", Node::string(kind_name));
    push_field(&mut node, "metadata", metadata);
    if let Kind::Secret(secret_type) = kind {
        let secret_type = if secret_type.is_empty() {
            "Opaque"
        } else {
            secret_type
        };
        set_field(&mut node, "type", Node::string(secret_type))?;
    }
    Ok(node)
}

fn check_unique(name: &str, pairs: &[(String, Vec<u8>)]) -> Result<(), Error> {
    let mut keys = std::collections::HashSet::new();
    match pairs.iter().find(|(key, _)| !keys.insert(key)) {
        Some((key, _)) => Err(Error::invalid(format!(
            "configmap {name} illegally repeats the key `{key}`"
        ))),
        None => Ok(()),
    }
}

/// Pairs come sorted and without duplicates.
fn set_config_map_data(node: &mut Node, pairs: &[(String, Vec<u8>)]) {
    let (mut texts, mut binaries) = (Vec::new(), Vec::new());
    for (key, value) in pairs {
        match std::str::from_utf8(value) {
            Ok(text) => texts.push((key.as_str(), Node::string(text))),
            Err(_) => binaries.push((key.as_str(), Node::string(base64::encode(value)))),
        }
    }
    let data_first = texts.first().map(|(key, _)| *key) < binaries.first().map(|(key, _)| *key);
    let mut fields = [("data", texts), ("binaryData", binaries)];
    if !data_first {
        fields.reverse();
    }
    for (field, pairs) in fields {
        if !pairs.is_empty() {
            push_field(node, field, mapping_of(pairs));
        }
    }
}

fn set_secret_data(node: &mut Node, pairs: &[(String, Vec<u8>)]) {
    let encoded = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), Node::string(base64::encode(value))));
    push_field(node, "data", mapping_of(encoded));
}

fn set_options(node: &mut Node, options: &GeneratorOptions) -> Result<(), Error> {
    for (field, entries) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        if entries.is_empty() {
            continue;
        }
        let mut map = Node::mapping();
        for (key, value) in entries {
            set_field(
                &mut map,
                key,
                Node::tagged_scalar(Tag::Str, value).styled(Style::SINGLE_QUOTED),
            )?;
        }
        if let Some(metadata) = node.get_mut("metadata") {
            push_field(metadata, field, map);
        }
    }
    if options.immutable {
        set_field(node, "immutable", Node::bool(true))?;
    }
    Ok(())
}
