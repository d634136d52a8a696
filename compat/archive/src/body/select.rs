//! What is taken of a body.

use super::{BodyError, Files, glob};

/// What is taken of the files of a body, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Components that are cut off each path; files with fewer are dropped.
    pub strip_components: usize,
    /// The directory that becomes the root; empty for what is the root already.
    pub path: String,
    /// Globs, one of which a path has to match; all are taken where there is none.
    pub include: Vec<String>,
}

impl Selection {
    /// Takes of some files what is asked for.
    ///
    /// # Errors
    /// Nothing is left, and which step left nothing.
    pub fn take(&self, files: Files) -> Result<Files, BodyError> {
        let mut files = files;
        let nothing = |text: String| Err(BodyError::Nothing(text));
        if files.is_empty() {
            return nothing("there is no file in it".to_owned());
        }
        let count = self.strip_components;
        if count > 0 {
            files = moved(files, |path| {
                path.match_indices('/').nth(count - 1).map(|(at, _)| at + 1)
            });
            if files.is_empty() {
                return nothing(format!("no path has more than {count} components to strip"));
            }
        }
        let root = self.path.trim_matches('/');
        if !root.is_empty() && root != "." {
            files = moved(files, |path| {
                let rest = path.strip_prefix(root)?;
                rest.starts_with('/').then(|| root.len() + 1)
            });
            if files.is_empty() {
                return nothing(format!("there is no directory {root:?} in it"));
            }
        }
        if !self.include.is_empty() {
            files.retain(|path, _| self.include.iter().any(|include| glob(include, path)));
            if files.is_empty() {
                return nothing(format!("no file matches {}", self.include.join(", ")));
            }
        }
        Ok(files)
    }
}

/// Cuts paths where `at` says; those without such a place are dropped. A later path wins over an earlier one.
fn moved(files: Files, at: impl Fn(&str) -> Option<usize>) -> Files {
    let all = files.into_iter();
    all.filter_map(|(path, file)| {
        let rest = path.get(at(&path)?..)?.to_owned();
        (!rest.is_empty()).then_some((rest, file))
    })
    .collect()
}
