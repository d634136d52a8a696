//! The confined file tree that a build reads: nothing outside of it exists for the build.

mod disk;
mod memory;

pub use disk::DiskTree;
pub use memory::MemoryTree;

use std::fmt;

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
