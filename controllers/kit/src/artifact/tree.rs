//! The files of an unpacked artifact.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

/// About what a file of the tree takes besides its path and content.
pub(super) const ENTRY_BYTES: usize = 96;

/// The regular files of an artifact by their clean, relative paths.
///
/// All contents share one buffer. Symbolic links were left out, as Flux leaves them out.
#[derive(Clone, Debug, Default)]
pub struct ArtifactTree {
    files: BTreeMap<String, TreeFile>,
    bytes: usize,
}

/// A file of a tree.
#[derive(Clone, Debug)]
pub struct TreeFile {
    /// What is in it.
    pub content: Bytes,
    /// Whether somebody may execute it.
    pub executable: bool,
}

impl ArtifactTree {
    pub(super) fn new(files: BTreeMap<String, TreeFile>, bytes: usize) -> Self {
        Self { files, bytes }
    }

    /// Gives the files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &TreeFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Gives the content of a file.
    pub fn file(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path).map(|file| &file.content)
    }

    /// Gives the paths of all files below a directory, relative to it; of all files when it is empty.
    pub fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        let from = self
            .files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        from.map_while(move |(path, _)| path.strip_prefix(prefix.as_str()))
    }

    /// Gives the memory that the tree occupies, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
