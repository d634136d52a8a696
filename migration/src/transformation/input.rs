//! The inputs of a transformation, as the command line gives them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flux_archive::{Body, Form};
use flux_transform::spec::{Input, Spec};
use flux_transform::{File, Inputs, Limits, Source, Tree};
use serde_json::Value;

use super::error::FilesError;
use super::folder;
use super::manifest::documents;

/// What the command line says about inputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Where they are, by their names.
    pub(crate) paths: BTreeMap<String, PathBuf>,
    /// Their revisions, by their names.
    pub(crate) revisions: BTreeMap<String, String>,
}

/// Reads the inputs of a transformation; gives what is worth a warning too.
pub(crate) fn inputs(spec: &Spec, given: &Given) -> Result<(Inputs, Vec<String>), FilesError> {
    let is_declared = |name: &&String| spec.inputs.iter().any(|input| input.name == **name);
    let names = given.paths.keys().chain(given.revisions.keys());
    if let Some(name) = names.into_iter().find(|name| !is_declared(name)) {
        let declared: Vec<_> = spec.inputs.iter().map(|input| input.name.as_str()).collect();
        return Err(FilesError::Usage(format!(
            "the transformation has no input {name:?}; it has {}",
            declared.join(", ")
        )));
    }
    let (mut inputs, mut warnings) = (Inputs::new(), Vec::new());
    for input in &spec.inputs {
        let revision = given.revisions.get(&input.name).cloned();
        let files = match given.paths.get(&input.name) {
            Some(path) => read(input, path, &mut warnings)?,
            None if input.optional => Tree::new(),
            None => {
                return Err(FilesError::Usage(format!(
                    "input {name} is missing: give a folder or an archive with --input {name}=PATH",
                    name = input.name
                )));
            }
        };
        let source = Source {
            files: Arc::new(files),
            origin: revision.clone(),
            revision,
        };
        inputs.insert(input.name.clone(), source);
    }
    Ok((inputs, warnings))
}

fn read(input: &Input, path: &Path, warnings: &mut Vec<String>) -> Result<Tree, FilesError> {
    if path.is_dir() {
        let (tree, links) = folder::read(path, input.config_map.is_none())?;
        if !links.is_empty() {
            let links = links.join(", ");
            warnings.push(format!(
                "input {}: links, and what is no file, are left out: {links}",
                input.name
            ));
        }
        return Ok(tree);
    }
    if input.config_map.is_some() {
        return config_map(path);
    }
    let bytes = fs::read(path).map_err(FilesError::io(path))?;
    let limits = Limits::default();
    let limits = flux_archive::Limits {
        bytes: limits.bytes,
        entries: limits.files,
    };
    let body =
        Body::read(&bytes, Form::Archive, "", limits).map_err(|error| FilesError::content(path, error))?;
    let mut tree = Tree::new();
    for (name, loaded) in body.files {
        let file = File {
            content: loaded.content.into(),
            executable: loaded.executable,
        };
        tree.insert(&name, file)
            .map_err(|error| FilesError::content(path, error))?;
    }
    Ok(tree)
}

/// The keys of a ConfigMap in a file as files.
fn config_map(path: &Path) -> Result<Tree, FilesError> {
    let found = documents(path)?
        .into_iter()
        .find(|document| document.kind == "ConfigMap");
    let Some(found) = found else {
        return Err(FilesError::content(path, "there is no ConfigMap in it"));
    };
    let mut tree = Tree::new();
    for field in ["data", "binaryData"] {
        let entries = found.object.get(field).and_then(Value::as_object);
        for (key, value) in entries.into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let content = if field == "data" {
                text.as_bytes().to_vec()
            } else {
                go_std::base64::decode(text.as_bytes())
                    .ok_or_else(|| FilesError::content(path, format!("binaryData.{key} is not base64")))?
            };
            let file = File {
                content: content.into(),
                executable: false,
            };
            tree.insert(key, file)
                .map_err(|error| FilesError::content(path, error))?;
        }
    }
    Ok(tree)
}
