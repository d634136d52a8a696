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

/// A directory that an artifact does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the artifact has no files below {0:?}")]
pub struct NoSuchDirectory(String);

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

    /// Gives the files below a directory, by their paths relative to it; all files for `""`, `.` and `./`.
    ///
    /// # Errors
    /// There are none.
    pub fn at(&self, directory: &str) -> Result<Vec<(&str, &TreeFile)>, NoSuchDirectory> {
        let segments = directory
            .split('/')
            .filter(|segment| !matches!(*segment, "" | "."));
        let clean = segments.collect::<Vec<_>>().join("/");
        let within = |path: &'_ str| -> Option<usize> {
            let rest = path.strip_prefix(clean.as_str())?;
            match (clean.is_empty(), rest.strip_prefix('/')) {
                (true, _) => Some(0),
                (false, Some(_)) => Some(clean.len() + 1),
                (false, None) => None,
            }
        };
        let found: Vec<_> = self
            .files()
            .filter_map(|(path, file)| Some((path.get(within(path)?..)?, file)))
            .collect();
        if found.is_empty() {
            return Err(NoSuchDirectory(directory.to_owned()));
        }
        Ok(found)
    }

    /// Gives the memory that the tree occupies, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_below_a_directory_however_it_is_written() {
        let file = || TreeFile {
            content: Bytes::new(),
            executable: false,
        };
        let files = ["a/b", "a/c/d", "ab", "e"].map(|path| (path.to_owned(), file()));
        let tree = ArtifactTree::new(files.into(), 0);
        let at = |directory: &str| {
            tree.at(directory)
                .map(|found| found.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
        };
        for all in ["", ".", "./", "/"] {
            assert_eq!(at(all).expect("files"), ["a/b", "a/c/d", "ab", "e"], "{all:?}");
        }
        for below in ["a", "./a", "a/", "/a//"] {
            assert_eq!(at(below).expect("files"), ["b", "c/d"], "{below:?}");
        }
        assert_eq!(at("a/c").expect("files"), ["d"]);
        for none in ["b", "a/b", "..", "a/../a"] {
            assert!(at(none).is_err(), "{none:?}");
        }
    }
}
