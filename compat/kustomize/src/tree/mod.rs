//! The confined file tree that a build reads: nothing outside of it exists for the build.

mod disk;
mod memory;

pub use disk::DiskTree;
pub use memory::MemoryTree;

use std::fmt;

use go_std::path;

/// Files by absolute path; `/` separates, and a path given to the tree is always absolute and cleaned.
///
/// Implementations decide what is visible: a [`DiskTree`] shows what lies below its root and refuses everything else,
/// symbolic links that lead outside included; a [`MemoryTree`] holds its files itself.
pub trait FileTree: Send + Sync {
    /// Where `path` leads once symbolic links are followed, and whether a directory is there.
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError>;

    /// The content of a file of at most `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError>;

    /// The entries of a directory, by name.
    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError>;

    /// The directory that the tree would lie in if it were unpacked; nothing for a tree whose paths are those of a file system.
    ///
    /// What leads above the root of such a tree leads there, and no absolute path leads into it.
    fn lies_in(&self) -> Option<&str> {
        None
    }
}

/// Where `path` leads from the directory `from` of a tree.
///
/// # Errors
/// It leads outside, to this path.
pub(crate) fn follow(tree: &dyn FileTree, from: &str, path: &str) -> Result<String, String> {
    /// No file is called so.
    const ROOT: &str = "\0";
    let is_absolute = path::is_absolute(path);
    let Some(around) = tree.lies_in() else {
        return Ok(path::join(if is_absolute { "/" } else { from }, path));
    };
    let root = path::join(around, ROOT);
    let full = if is_absolute {
        path::clean(path)
    } else {
        path::clean(&format!("{root}{from}/{path}"))
    };
    match full.strip_prefix(&root) {
        Some("") => Ok("/".to_owned()),
        Some(inside) if path::is_absolute(inside) => Ok(inside.to_owned()),
        _ => Err(full),
    }
}

/// A path without symbolic links and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Absolute path.
    pub path: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Name inside the directory.
    pub name: String,
    /// Whether it is a directory, symbolic links not followed.
    pub is_dir: bool,
}

/// Why a path could not be used, worded as Go words it: `open /a/b: no such file or directory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeError {
    operation: &'static str,
    path: String,
    reason: TreeErrorReason,
}

/// The reason inside a [`TreeError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeErrorReason {
    /// Nothing is there.
    NotFound,
    /// A directory where a file was wanted.
    IsDirectory,
    /// A file where a directory was wanted.
    NotDirectory,
    /// The path, or the link that it is, leads out of the tree with this root.
    Outside(String),
    /// The file is larger than the number of bytes that are left to read.
    TooLarge(u64),
    /// Anything else that the operating system reports.
    Other(String),
}

impl TreeError {
    /// An error of `operation` (`open`, `lstat`, `read`) on a path.
    pub fn new(operation: &'static str, path: impl Into<String>, reason: TreeErrorReason) -> Self {
        Self {
            operation,
            path: path.into(),
            reason,
        }
    }

    /// Says that nothing is at `path`; nothing can be below a file.
    pub fn absent(
        operation: &'static str,
        path: &str,
        is_dir: impl Fn(&str) -> bool,
        is_file: impl Fn(&str) -> bool,
    ) -> Self {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
        for part in ends.map(|end| &path[..end]) {
            if is_file(part) {
                return Self::new(operation, path, TreeErrorReason::NotDirectory);
            }
            if !is_dir(part) {
                break;
            }
        }
        Self::new(operation, path, TreeErrorReason::NotFound)
    }

    /// Says that nothing is at `path`, as whoever follows links finds out: by the first part that is no directory.
    pub(crate) fn first_absent(path: &str, is_dir: impl Fn(&str) -> bool) -> Self {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
        let missing = ends.map(|end| &path[..end]).find(|part| !is_dir(part));
        Self::new("lstat", missing.unwrap_or(path), TreeErrorReason::NotFound)
    }

    /// The reason.
    pub fn reason(&self) -> &TreeErrorReason {
        &self.reason
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            path,
            reason,
        } = self;
        match reason {
            TreeErrorReason::NotFound => write!(f, "{operation} {path}: no such file or directory"),
            TreeErrorReason::IsDirectory => write!(f, "{operation} {path}: is a directory"),
            TreeErrorReason::NotDirectory => write!(f, "{operation} {path}: not a directory"),
            TreeErrorReason::Outside(root) => {
                // The words of the confined file system in `fluxcd/pkg/kustomize`, and its names for the operations.
                let operation = match *operation {
                    "open" => "read",
                    "lstat" => "abs",
                    other => other,
                };
                write!(
                    f,
                    "fs-security-constraint {operation} {path}: path '{path}' is not in or below '{root}'"
                )
            }
            TreeErrorReason::TooLarge(limit) => {
                write!(f, "{operation} {path}: file is larger than {limit} bytes")
            }
            TreeErrorReason::Other(text) => write!(f, "{operation} {path}: {text}"),
        }
    }
}

impl std::error::Error for TreeError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree that would lie in a folder.
    struct Unpacked(MemoryTree);

    impl FileTree for Unpacked {
        fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
            self.0.resolve(path)
        }

        fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
            self.0.read(path, limit)
        }

        fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
            self.0.read_dir(path)
        }

        fn lies_in(&self) -> Option<&str> {
            Some("/tmp")
        }
    }

    #[test]
    fn what_leads_above_the_root_is_outside_where_there_is_an_outside() {
        let tree = MemoryTree::new().with("a/b", "x");
        for (from, path, inside, outside) in [
            ("/", "../x", "/x", Some("/tmp/x")),
            ("/", "..", "/", Some("/tmp")),
            ("/a", "../../x", "/x", Some("/tmp/x")),
            ("/a", "../../../../x", "/x", Some("/x")),
            ("/a", "/a/b", "/a/b", Some("/a/b")),
            ("/a", "../a/./b", "/a/b", None),
            ("/", ".", "/", None),
            ("/a", "..", "/", None),
        ] {
            assert_eq!(follow(&tree, from, path).as_deref(), Ok(inside), "{from} {path}");
            let unpacked = Unpacked(tree.clone());
            let expected = outside.map_or_else(|| Ok(inside.to_owned()), |path| Err(path.to_owned()));
            assert_eq!(follow(&unpacked, from, path), expected, "{from} {path}");
        }
    }

    #[test]
    fn nothing_is_below_a_file() {
        let tree = MemoryTree::new().with("a/b", "x");
        for (path, looked_for, opened) in [
            (
                "/c/d",
                "lstat /c/d: no such file or directory",
                "open /c/d: no such file or directory",
            ),
            (
                "/a/c/d",
                "lstat /a/c/d: no such file or directory",
                "open /a/c/d: no such file or directory",
            ),
            (
                "/a/b/c",
                "lstat /a/b/c: not a directory",
                "open /a/b/c: not a directory",
            ),
        ] {
            let found = tree.resolve(path).map_err(|error| error.to_string());
            assert_eq!(found.err().as_deref(), Some(looked_for), "{path}");
            let read = tree.read(path, 9).map_err(|error| error.to_string());
            assert_eq!(read.err().as_deref(), Some(opened), "{path}");
        }
    }

    #[test]
    fn nothing_outside_is_built() {
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";
        let built = |resource: &str| {
            let tree = MemoryTree::new()
                .with("kustomization.yaml", format!("resources: ['{resource}']\n"))
                .with("settings.yaml", object);
            let built = crate::build(&Unpacked(tree), "/", &crate::Options::flux());
            built.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(built("settings.yaml"), "");
        let accumulating = "accumulating resources: accumulation err='accumulating resources from";
        for (resource, expected) in [
            (
                "../settings.yaml",
                "fs-security-constraint read /tmp/settings.yaml: path '/tmp/settings.yaml' is not in or below '/'': \
                 must build at directory: not a valid directory: evalsymlink failure on '/tmp/settings.yaml' : \
                 lstat /tmp/settings.yaml: no such file or directory",
            ),
            (
                "../a/b",
                "fs-security-constraint read /tmp/a/b: path '/tmp/a/b' is not in or below '/'': \
                 must build at directory: not a valid directory: evalsymlink failure on '/tmp/a/b' : \
                 lstat /tmp/a: no such file or directory",
            ),
            (
                "/settings.yaml",
                "fs-security-constraint read /settings.yaml: path '/settings.yaml' is not in or below '/'': \
                 new root '/settings.yaml' cannot be absolute",
            ),
            (
                "..",
                "fs-security-constraint read /tmp: path '/tmp' is not in or below '/'': \
                 must build at directory: not a valid directory: fs-security-constraint abs /tmp: path '/tmp' is not in or below '/'",
            ),
        ] {
            assert_eq!(
                built(resource),
                format!("{accumulating} '{resource}': {expected}")
            );
        }
    }
}
