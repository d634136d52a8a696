//! Outputs as folders and archives.

use std::fs;
use std::path::Path;

use flux_archive::{Algorithm, pack};
use flux_transform::Tree;

use super::error::FilesError;

/// Writes files into a folder, which is made, and in which there is nothing yet.
pub(crate) fn folder(folder: &Path, tree: &Tree) -> Result<(), FilesError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = "there are files in this folder already; remove it, or choose another one";
        return Err(FilesError::content(folder, problem));
    }
    for (path, file) in tree.files() {
        // The paths of a tree stay below the folder.
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(FilesError::io(parent))?;
        }
        fs::write(&path, &file.content).map_err(FilesError::io(&path))?;
        if file.executable {
            make_executable(&path)?;
        }
    }
    Ok(())
}

/// Writes files as the archive that the controller serves.
pub(crate) fn archive(path: &Path, tree: &Tree) -> Result<(), FilesError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(FilesError::io(parent))?;
    }
    let (_, bytes) = pack(tree.archived(), Algorithm::Sha256, Vec::new())
        .map_err(|error| FilesError::content(path, error))?;
    fs::write(path, bytes).map_err(FilesError::io(path))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<(), FilesError> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, permissions).map_err(FilesError::io(path))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<(), FilesError> {
    Ok(())
}
