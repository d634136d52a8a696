//! kustomize build as a pure function from a file tree to bytes.

#![expect(dead_code, reason = "the pipeline that uses these types follows")]

mod defaults;
mod edit;
mod error;
mod fieldfilter;
mod fieldspec;
mod gojson;
mod kustomization;
mod openapi;
mod options;
mod resid;
mod resmap;
mod resource;
mod strategic_merge;
mod tree;

pub use error::{Error, ErrorKind};
pub(crate) use fieldspec::FieldSpec;
pub use options::{Limits, LoadRestrictions, Options, Profile, Reorder};
pub use resid::{Gvk, ResId};
pub use tree::{DiskTree, Entry, FileTree, MemoryTree, Resolved, TreeError, TreeErrorReason};
