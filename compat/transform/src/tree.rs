//! Files in memory, by their paths.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flux_archive::{ArchiveError, clean_path, content_hash};
use sha2::{Digest, Sha256};

/// A file; copies share its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub content: Bytes,
    /// Whether somebody may execute it.
    pub executable: bool,
}

/// Files by their clean, relative paths. Directories are what files lie in; there are no empty ones, and no links.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Placed>,
}

#[derive(Clone, Debug)]
struct Placed {
    file: File,
    /// Which step of a build put it there.
    by: u16,
    mark: Mark,
}

/// The SHA-256 of what is in a file, once somebody has asked for it; copies of the file share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark(Arc<OnceLock<[u8; 32]>>);

impl Mark {
    fn of(&self, file: &File) -> &[u8; 32] {
        self.0.get_or_init(|| Sha256::digest(&file.content).into())
    }
}

/// A path that a file cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is not clean and relative.
    #[error("{0:?} is no clean, relative path")]
    Unclean(String),
    /// A file is in the way, or a directory is.
    #[error("{path:?} would be {}, but {there:?} is there", if *.is_directory { "a directory" } else { "a file" })]
    Taken {
        /// The path that is both.
        path: String,
        /// Whether the new file makes it a directory.
        is_directory: bool,
        /// The file that makes it the other.
        there: String,
        /// Which step put that there.
        by: u16,
    },
}

impl Tree {
    /// A tree without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn insert(&mut self, path: &str, file: File) -> Result<(), PathError> {
        self.insert_by(path, file, 0, Mark::default()).map(|_| ())
    }

    /// [`insert`](Self::insert) in the name of a step, with what is known of the content; gives what was replaced.
    pub(crate) fn insert_by(
        &mut self,
        path: &str,
        file: File,
        by: u16,
        mark: Mark,
    ) -> Result<Option<File>, PathError> {
        if !clean_path(path) {
            return Err(PathError::Unclean(path.chars().take(200).collect()));
        }
        if !self.is_beside_the_last(path) {
            self.check_room(path)?;
        }
        let replaced = self.files.insert(path.to_owned(), Placed { file, by, mark });
        Ok(replaced.map(|placed| placed.file))
    }

    /// Whether a path comes right after the last file, in the same directory: then that is there, and nothing is below the path.
    fn is_beside_the_last(&self, path: &str) -> bool {
        let directory = |path: &str| path.rfind('/').unwrap_or(0);
        self.files.last_key_value().is_some_and(|(last, _)| {
            let (ours, theirs) = (directory(path), directory(last));
            last.as_str() < path && path[..ours] == last[..theirs]
        })
    }

    /// Tells whether a file is in the way of a path, or a directory is.
    fn check_room(&self, path: &str) -> Result<(), PathError> {
        for (at, _) in path.match_indices('/') {
            let above = &path[..at];
            if let Some(there) = self.files.get(above) {
                return Err(PathError::Taken {
                    path: above.to_owned(),
                    is_directory: true,
                    there: above.to_owned(),
                    by: there.by,
                });
            }
        }
        if let Some((there, placed)) = self.range(path).next() {
            return Err(PathError::Taken {
                path: path.to_owned(),
                is_directory: false,
                there: there.to_owned(),
                by: placed.by,
            });
        }
        Ok(())
    }

    /// Takes a file out.
    pub fn remove(&mut self, path: &str) -> Option<File> {
        self.files.remove(path).map(|placed| placed.file)
    }

    /// Gives a file.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path).map(|placed| &placed.file)
    }

    /// Gives all files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files
            .iter()
            .map(|(path, placed)| (path.as_str(), &placed.file))
    }

    /// Gives the files below a directory, by their whole paths; all files for the empty path.
    pub fn below<'t>(&'t self, directory: &str) -> impl Iterator<Item = (&'t str, &'t File)> {
        self.range(directory).map(|(path, placed)| (path, &placed.file))
    }

    /// Tells whether there is a file below this path; the empty one is the root, which is always there.
    pub fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.range(path).next().is_some()
    }

    /// Gives the number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Tells whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Gives the bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.files().map(|(_, file)| file.content.len() as u64).sum()
    }

    /// Gives the files as an archive takes them.
    pub fn archived(&self) -> Vec<flux_archive::File<'_>> {
        self.files()
            .map(|(path, file)| flux_archive::File {
                path,
                content: &file.content,
                executable: file.executable,
            })
            .collect()
    }

    /// Gives the SHA-256 of the archive of the files, in hex: what the revision of an artifact ends with.
    ///
    /// # Errors
    /// See [`ArchiveError`]; a tree holds nothing that makes one.
    pub fn content_hash(&self) -> Result<String, ArchiveError> {
        content_hash(self.archived())
    }

    /// Gives what tells these files from all others, in less time than [`Self::content_hash`] where the files were asked before.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (path, placed) in &self.files {
            hash.update((path.len() as u64).to_be_bytes());
            hash.update(path);
            hash.update([u8::from(placed.file.executable)]);
            hash.update(placed.mark.of(&placed.file));
        }
        hash.finalize().into()
    }

    /// Takes over what is known of the files of an older tree that are the same here, so that they are not hashed again.
    pub fn learn(&mut self, older: &Self) {
        for (path, placed) in &mut self.files {
            let there = older.files.get(path);
            if let Some(there) = there.filter(|there| there.file.content == placed.file.content) {
                placed.mark = there.mark.clone();
            }
        }
    }

    /// What is known of the content of a file.
    pub(crate) fn mark(&self, path: &str) -> Mark {
        let placed = self.files.get(path);
        placed.map(|placed| placed.mark.clone()).unwrap_or_default()
    }

    fn range<'t>(&'t self, directory: &str) -> impl Iterator<Item = (&'t str, &'t Placed)> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        let from = self
            .files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        from.take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(path, placed)| (path.as_str(), placed))
    }
}

impl<P: AsRef<str>, C: Into<Bytes>> FromIterator<(P, C)> for Tree {
    /// Makes a tree of files that nobody executes; those whose paths are not clean, or taken, are left out.
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let mut tree = Self::new();
        for (path, content) in files {
            let file = File {
                content: content.into(),
                executable: false,
            };
            let _ = tree.insert(path.as_ref(), file);
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_or_a_directory() {
        let mut tree: Tree = [("a/b", "1"), ("c", "2")].into_iter().collect();
        let refused =
            |tree: &mut Tree, path: &str| tree.insert(path, File::default()).unwrap_err().to_string();
        assert_eq!(
            refused(&mut tree, "a"),
            r#""a" would be a file, but "a/b" is there"#
        );
        assert_eq!(
            refused(&mut tree, "c/d"),
            r#""c" would be a directory, but "c" is there"#
        );
        for path in ["", "/a", "a/", "../a", "a//b", "a\\b", "./a"] {
            assert!(
                refused(&mut tree, path).ends_with("is no clean, relative path"),
                "{path:?}"
            );
        }
        assert_eq!(tree.len(), 2);
    }

    #[test]
    fn what_comes_after_the_last_file_is_checked_as_well() {
        let mut tree = Tree::new();
        for (path, is_fine) in [
            ("a", true),
            ("a/b", false),
            ("b/c", true),
            ("b/d", true),
            ("b/d/e", false),
            ("b/d.x", true),
            ("c", true),
            ("c/d", false),
            ("b", false),
            ("b/a", true),
        ] {
            assert_eq!(tree.insert(path, File::default()).is_ok(), is_fine, "{path}");
        }
        assert_eq!(tree.len(), 6);
    }

    #[test]
    fn a_fingerprint_tells_files_apart_and_is_learnt() {
        let old: Tree = [("a", "1"), ("b", "2")].into_iter().collect();
        let mut new: Tree = [("a", "1"), ("b", "3")].into_iter().collect();
        let prints = [old.fingerprint(), new.fingerprint()];
        assert_ne!(prints[0], prints[1]);
        let (same, other) = (old.mark("a"), old.mark("b"));
        new.learn(&old);
        assert!(Arc::ptr_eq(&new.mark("a").0, &same.0) && !Arc::ptr_eq(&new.mark("b").0, &other.0));
        assert_eq!(new.fingerprint(), prints[1]);
        let file = |content: &'static str, executable| File {
            content: content.into(),
            executable,
        };
        for (path, file) in [
            ("b", file("3", true)),
            ("b", file("2", false)),
            ("c", file("", false)),
        ] {
            let mut changed = new.clone();
            changed.insert(path, file).expect("a path");
            assert_ne!(changed.fingerprint(), prints[1], "{path}");
        }
    }

    #[test]
    fn directories_follow_from_files() {
        let tree: Tree = [("a/b", "1"), ("a/c/d", "22"), ("a.d", "3")]
            .into_iter()
            .collect();
        assert!(tree.is_directory("") && tree.is_directory("a") && tree.is_directory("a/c"));
        assert!(!tree.is_directory("a.") && !tree.is_directory("a.d"));
        let below: Vec<_> = tree.below("a").map(|(path, _)| path).collect();
        assert_eq!(below, ["a/b", "a/c/d"]);
        assert_eq!(tree.bytes(), 4);
    }
}
