//! kustomize build as a pure function from a file tree to bytes.
//!
//! [`build`] gives, byte for byte, what `kustomize build` 5.8.1 prints; [`build_flux`] what kustomize-controller makes of
//! a directory and the `spec` of a Flux Kustomization. Both read through a [`FileTree`], which confines them, and work
//! within [`Limits`]. They hold no global state: any number of builds may run side by side.
//!
//! To read the code, follow a build from its root: `build` (the sequence of a whole build), `target` (one directory:
//! resources, generators, components, transformers), `steps` (which transformers a kustomization asks for, in order),
//! then `transform`, `generate` and `strategic_merge` for what they do. `resource` is one object with its history,
//! `resmap` the list of all of them; `nameref` and `hash` run once, at the end. Objects are trees of [`go_yaml::Node`],
//! because which style and tag a scalar had decides how its replacement is printed.
//!
//! Where the command and the library inside Flux differ, [`Profile`] says whose behaviour is wanted. What is deliberately
//! different from upstream is listed in `COMPATIBILITY.md`.
//!
//! Three things keep it that way: the cases of `cases/` and `flux-cases/`, recorded from the real programs by
//! `cargo xtask record kustomize` and `cargo xtask record flux-kustomize`; generated overlays that are built with both
//! sides, by `cargo xtask fuzz kustomize --seed 5000000 --count 300000` (any other seed makes other overlays); and the
//! libFuzzer targets of `fuzz/`, which look for panics and unbounded work with no other side.

mod accumulator;
mod budget;
mod build;
mod common_metadata;
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
mod json;
mod json_patch;
mod kustomization;
mod label_selector;
mod loader;
mod nameref;
mod openapi;
mod options;
mod order;
mod origin;
mod pattern;
mod plugins;
mod references;
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

pub use build::{Notice, Object, Output, Printer, build, build_with_notices};
pub use common_metadata::set_common_metadata;
pub use error::{Error, ErrorKind};
pub(crate) use fieldspec::FieldSpec;
pub use flux::{Generated, build_flux, generate_kustomization};
pub use label_selector::LabelSelector;
pub use options::{Limits, LoadRestrictions, Options, Profile, Reorder};
pub use references::References;
pub use remote::{CloneOf, Remote, RemoteError, RepoSpec, redact_urls};
pub use resid::{Gvk, ResId};
pub use tree::{DiskTree, Entry, FileTree, MemoryTree, Resolved, TreeError, TreeErrorReason};
