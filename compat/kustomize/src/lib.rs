//! kustomize build as a pure function from a file tree to bytes.

#![expect(dead_code, reason = "the pipeline that uses these types follows")]

mod accumulator;
mod build;
mod config;
mod crds;
mod defaults;
mod edit;
mod error;
mod field_path;
mod fieldfilter;
mod fieldspec;
mod flux;
mod generate;
mod gojson;
mod hash;
mod json_patch;
mod kustomization;
mod label_selector;
mod loader;
mod nameref;
mod openapi;
mod options;
mod order;
mod origin;
mod plugins;
mod remote;
mod resid;
mod resmap;
mod resource;
mod selection;
mod steps;
mod strategic_merge;
mod target;
mod transform;
mod tree;
mod vars;

pub use build::{Notice, Object, Output, build, build_with_notices};
pub use error::{Error, ErrorKind};
pub(crate) use fieldspec::FieldSpec;
pub use flux::{Generated, build_flux, generate_kustomization};
pub use options::{Limits, LoadRestrictions, Options, Profile, Reorder};
pub use remote::{CloneOf, Remote, RemoteError, RepoSpec};
pub use resid::{Gvk, ResId};
pub use tree::{DiskTree, Entry, FileTree, MemoryTree, Resolved, TreeError, TreeErrorReason};
