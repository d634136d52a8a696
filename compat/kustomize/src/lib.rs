//! kustomize build as a pure function from a file tree to bytes.

#![expect(dead_code, reason = "the pipeline that uses these types follows")]

mod defaults;
mod edit;
mod error;
mod fieldfilter;
mod fieldspec;
mod openapi;
mod options;
mod resid;
mod tree;

pub use error::{Error, ErrorKind};
pub use fieldspec::FieldSpec;
pub use options::{Limits, LoadRestrictions, Options, Profile, Reorder};
pub use resid::{Gvk, ResId};
pub use tree::{DiskTree, Entry, FileTree, MemoryTree, Resolved, TreeError, TreeErrorReason};
