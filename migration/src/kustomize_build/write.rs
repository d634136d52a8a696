//! One file per object in a directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kustomize::{Object, Output};

use super::KustomizeBuildError;

/// Writes each object to `group_version_kind_name.yaml`, with the namespace in front if there are several.
pub(super) fn one_file_each(directory: &Path, output: &Output) -> Result<(), KustomizeBuildError> {
    let namespaced = |object: &&Object| !object.id().gvk.is_cluster_scoped();
    let namespaces: BTreeSet<_> = output
        .objects()
        .iter()
        .filter(namespaced)
        .map(|o| o.id().effective_namespace().to_owned())
        .collect();
    let mut printer = output.printer();
    // Those with a namespace come first, which shows if a file cannot be written.
    let (namespaced, others): (Vec<_>, Vec<_>) = output.objects().iter().partition(namespaced);
    for object in namespaced.into_iter().chain(others) {
        let id = object.id();
        let parts = [&id.gvk.group, &id.gvk.version, &id.gvk.kind];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect();
        let mut name = format!("{}_{}.yaml", parts.join("_"), id.name).to_lowercase();
        if namespaces.len() > 1 && !id.gvk.is_cluster_scoped() {
            name = format!("{}_{name}", id.effective_namespace().to_lowercase());
        }
        // A name may hold any text; one with a slash must not reach another directory.
        if name.contains('/') {
            let text = format!(
                "open {}: no such file or directory",
                directory.join(&name).display()
            );
            return Err(kustomize::Error::invalid(text).into());
        }
        write(&directory.join(name), &printer.file(object)?)?;
    }
    Ok(())
}

/// Writes a file; an error says which one, as Go's does.
pub(super) fn write(path: &Path, text: &str) -> Result<(), KustomizeBuildError> {
    fs::write(path, text).map_err(|source| KustomizeBuildError::Write {
        path: path.to_owned(),
        source,
    })
}
