//! The place in an artifact where a build begins.

use flux_api::Kustomization;
use kustomize::{FileTree, TreeErrorReason};

use super::error::RenderError;

/// Finds `spec.path` in the artifact; as in stock, `..` stops at its root.
///
/// # Errors
/// There is no such thing.
pub(crate) fn path(tree: &dyn FileTree, object: &Kustomization) -> Result<String, RenderError> {
    let path = clamp(&object.spec.path);
    match tree.resolve(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(RenderError::Path(match error.reason() {
            TreeErrorReason::NotDirectory => format!("{path}: not a directory"),
            _ => format!("{path}: no such file or directory"),
        })),
    }
}

/// Joins a path to the root, resolving `.` and `..` without leaving it.
fn clamp(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}
