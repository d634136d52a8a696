//! An unpacked artifact as the file tree that a build reads.

use controller_kit::artifact::ArtifactTree;
use kustomize::{Entry, FileTree, Resolved, TreeError, TreeErrorReason};

/// The files of an artifact under `/`; there are no symbolic links, because unpacking drops them.
pub(crate) struct ArtifactFiles<'a>(&'a ArtifactTree);

impl<'a> ArtifactFiles<'a> {
    pub(crate) fn new(tree: &'a ArtifactTree) -> Self {
        Self(tree)
    }

    fn is_dir(&self, path: &str) -> bool {
        path.is_empty() || self.0.below(path).next().is_some()
    }

    fn absent(&self, operation: &'static str, path: &str) -> TreeError {
        let is_dir = |part: &str| self.is_dir(relative(part));
        let is_file = |part: &str| self.0.file(relative(part)).is_some();
        TreeError::absent(operation, path, is_dir, is_file)
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl FileTree for ArtifactFiles<'_> {
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
        let is_dir = self.is_dir(relative(path));
        if !is_dir && self.0.file(relative(path)).is_none() {
            return Err(self.absent("lstat", path));
        }
        Ok(Resolved {
            path: path.to_owned(),
            is_dir,
        })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        match self.0.file(relative(path)) {
            Some(content) if content.len() as u64 > limit => {
                Err(TreeError::new("read", path, TreeErrorReason::TooLarge(limit)))
            }
            Some(content) => Ok(content.to_vec()),
            None if self.is_dir(relative(path)) => {
                Err(TreeError::new("read", path, TreeErrorReason::IsDirectory))
            }
            None => Err(self.absent("open", path)),
        }
    }

    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        let mut entries: Vec<Entry> = Vec::new();
        for rest in self.0.below(relative(path)) {
            let (name, is_dir) = rest
                .split_once('/')
                .map_or((rest, false), |(name, _)| (name, true));
            // Paths come sorted, so that the files of one directory follow each other.
            if entries.last().is_none_or(|last| last.name != name) {
                entries.push(Entry {
                    name: name.to_owned(),
                    is_dir,
                });
            }
        }
        if entries.is_empty() && !self.is_dir(relative(path)) {
            return Err(self.absent("open", path));
        }
        entries.sort();
        Ok(entries)
    }

    /// Stock unpacks an artifact into a folder of its own there.
    fn lies_in(&self) -> Option<&str> {
        Some("/tmp")
    }
}
