//! Why files cannot be archived.

use std::io;

/// Why files cannot be archived.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A path that no consumer would unpack.
    #[error("path {0:?} is not clean and relative, or has a backslash or a NUL")]
    Path(String),
    /// Two files have one path.
    #[error("there are two files {0:?}")]
    Twice(String),
    /// A path is that of a file and that of a directory.
    #[error("{0:?} is a file and a directory")]
    Clash(String),
    /// The archive cannot be written to where it is to go.
    #[error(transparent)]
    Write(#[from] io::Error),
}
