//! Why something cannot be read or written.

use std::path::Path;
use std::{fmt, io};

/// Why something cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it has to be.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The command line does not go with the transformation.
    #[error("{0}")]
    Usage(String),
}

impl FilesError {
    pub(super) fn content(path: &Path, problem: impl fmt::Display) -> Self {
        Self::Content {
            path: path.display().to_string(),
            problem: problem.to_string(),
        }
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::Io { path, error }
    }
}
