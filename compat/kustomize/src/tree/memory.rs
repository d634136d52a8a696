//! A tree in memory.

use std::collections::BTreeMap;

use go_std::path;

use super::{Entry, FileTree, Resolved, TreeError, TreeErrorReason};

/// Files that the caller put in; there are no symbolic links. What is in them may be shared with somebody, such as by `Arc<[u8]>`.
///
/// ```
/// use kustomize::MemoryTree;
/// let tree = MemoryTree::new().with("/app/kustomization.yaml", "resources: [deployment.yaml]\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryTree<C = Vec<u8>> {
    files: BTreeMap<String, C>,
}

impl MemoryTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree with one more file; its path is taken from the root and cleaned.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.insert(path, content);
        self
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(path::join("/", path), content.into());
    }
}

impl<P: AsRef<str>, C> FromIterator<(P, C)> for MemoryTree<C> {
    /// A tree of files, whose paths are taken from the root and cleaned; of two with one path the last stays.
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let files = files.into_iter();
        let files = files.map(|(path, content)| (path::join("/", path.as_ref()), content));
        Self {
            files: files.collect(),
        }
    }
}

impl<C> MemoryTree<C> {
    fn absent(&self, operation: &'static str, path: &str) -> TreeError {
        let is_file = |path: &str| self.files.contains_key(path);
        TreeError::absent(operation, path, |path| self.is_dir(path), is_file)
    }

    fn is_dir(&self, path: &str) -> bool {
        let prefix = directory_prefix(path);
        path == "/"
            || self
                .files
                .range(prefix.clone()..)
                .next()
                .is_some_and(|(file, _)| file.starts_with(&prefix))
    }
}

fn directory_prefix(path: &str) -> String {
    if path == "/" {
        "/".to_owned()
    } else {
        format!("{path}/")
    }
}

impl<C: AsRef<[u8]> + Send + Sync> FileTree for MemoryTree<C> {
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
        if self.files.contains_key(path) {
            return Ok(Resolved {
                path: path.to_owned(),
                is_dir: false,
            });
        }
        if self.is_dir(path) {
            return Ok(Resolved {
                path: path.to_owned(),
                is_dir: true,
            });
        }
        Err(self.absent("lstat", path))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        match self.files.get(path).map(AsRef::as_ref) {
            Some(content) if content.len() as u64 > limit => {
                Err(TreeError::new("read", path, TreeErrorReason::TooLarge(limit)))
            }
            Some(content) => Ok(content.to_vec()),
            None if self.is_dir(path) => Err(TreeError::new("read", path, TreeErrorReason::IsDirectory)),
            None => Err(self.absent("open", path)),
        }
    }

    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        if !self.is_dir(path) {
            return Err(self.absent("open", path));
        }
        let prefix = directory_prefix(path);
        let mut entries: Vec<Entry> = Vec::new();
        for (file, _) in self
            .files
            .range(prefix.clone()..)
            .take_while(|(file, _)| file.starts_with(&prefix))
        {
            let rest = &file[prefix.len()..];
            let (name, is_dir) = rest
                .split_once('/')
                .map_or((rest, false), |(name, _)| (name, true));
            if entries.last().is_none_or(|last| last.name != name) {
                entries.push(Entry {
                    name: name.to_owned(),
                    is_dir,
                });
            }
        }
        entries.sort();
        entries.dedup();
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_shared_files_has_nothing_but_them() {
        let files = [("a/x", "1"), ("a/b/y", "2"), ("a.b", "3")];
        let tree: MemoryTree<&[u8]> = files.iter().map(|(path, text)| (path, text.as_bytes())).collect();
        assert!(tree.resolve("/").is_ok_and(|found| found.is_dir));
        assert!(tree.resolve("/a/x").is_ok_and(|found| !found.is_dir));
        assert!(tree.resolve("/etc/passwd").is_err() && tree.read("/a", 9).is_err());
        assert!(tree.read("/a/x", 0).is_err());
        assert_eq!(tree.read("/a/x", 1).ok().as_deref(), Some(&b"1"[..]));
        let root = tree.read_dir("/").unwrap_or_default();
        let root: Vec<_> = root
            .iter()
            .map(|entry| (entry.name.as_str(), entry.is_dir))
            .collect();
        assert_eq!(root, [("a", true), ("a.b", false)]);
    }

    #[test]
    fn directories_follow_from_files() {
        let tree = MemoryTree::new().with("a/b.yaml", "x").with("/a/c/d.yaml", "y");
        assert!(tree.resolve("/a/c").is_ok_and(|r| r.is_dir));
        let names: Vec<_> = tree
            .read_dir("/a")
            .unwrap_or_default()
            .into_iter()
            .map(|e| (e.name, e.is_dir))
            .collect();
        assert_eq!(names, [("b.yaml".to_owned(), false), ("c".to_owned(), true)]);
        let missing = tree.read("/a/x", 10).map_err(|e| e.to_string());
        assert_eq!(missing, Err("open /a/x: no such file or directory".to_owned()));
    }
}
