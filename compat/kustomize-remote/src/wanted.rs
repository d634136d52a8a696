//! What is wanted of a repository, and what has come of it.

use std::fmt;

use gix_hash::ObjectId;

use crate::submodules::{Gitlink, Submodule};

/// What is wanted of a repository.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// What `git fetch` takes: a branch, a tag, the name of a reference or a whole commit id.
    Reference(String),
    /// The commit of a submodule.
    Commit(ObjectId),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(name) => name.fmt(f),
            Self::Commit(id) => id.fmt(f),
        }
    }
}

/// What has been checked out besides files.
#[derive(Debug, Default)]
pub(crate) struct CheckedOut {
    /// Where submodules belong, and their commits.
    pub(crate) gitlinks: Vec<Gitlink>,
    /// Where submodules come from.
    pub(crate) submodules: Vec<Submodule>,
}
