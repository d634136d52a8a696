//! Charts on disk, as dependencies look at them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use helm::{Chart, File, Limits};

use super::HelmDependencyError;
use crate::go_message::go_message;
use crate::helm_template::{load_archive, read_folder};

const FILE: &str = "file://";

/// Reads the files of the folder of a chart.
pub(super) fn files_of(path: &str, limits: &Limits) -> Result<Vec<File>, HelmDependencyError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let (files, _) = read_folder(&absolute, false, limits)?;
    Ok(files)
}

/// Loads the folder of a chart.
pub(super) fn load_folder(path: &str, limits: &Limits) -> Result<Chart, HelmDependencyError> {
    Ok(Chart::from_files(files_of(path, limits)?, limits)?)
}

/// Loads a chart, be it a folder or an archive.
pub(super) fn load(path: &str, limits: &Limits) -> Result<Chart, HelmDependencyError> {
    let metadata = fs::metadata(path).map_err(|error| HelmDependencyError::Stat {
        path: path.to_owned(),
        error: go_message(&error),
    })?;
    if metadata.is_dir() {
        return load_folder(path, limits);
    }
    Ok(load_archive(Path::new(path), limits)?)
}

/// The path that a repository of `file://` stands for, seen from the folder of a chart.
pub(super) fn local_path(repository: &str, chart: &str) -> Result<String, HelmDependencyError> {
    let path = repository.strip_prefix(FILE).unwrap_or(repository);
    let path = if path.starts_with('/') {
        go_std::path::clean(path)
    } else {
        go_std::path::join(chart, path)
    };
    match fs::metadata(&path) {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(HelmDependencyError::NoFolder(path)),
        Err(error) => Err(HelmDependencyError::Stat {
            path,
            error: go_message(&error),
        }),
    }
}

/// Whether a repository is a folder on disk.
pub(super) fn is_local(repository: &str) -> bool {
    repository.starts_with(FILE)
}

/// Whether a repository is one of a registry.
pub(super) fn is_registry(repository: &str) -> bool {
    repository.starts_with("oci://")
}
