//! kustomize build as a pure function from a file tree to bytes.
//!
//! [`build`] gives, byte for byte, what `kustomize build` 5.8.1 prints; [`build_flux`] what kustomize-controller makes of
//! a directory and the `spec` of a Flux Kustomization. Both read through a [`FileTree`], which confines them, and work
//! within [`Limits`]. They hold no global state: any number of builds may run side by side.
//!
//! To read the code, follow a build from its root: `build::root` (the sequence of a whole build),
//! `build::target` (one directory: resources, generators, components, transformers), `build::steps` (which transformers
//! a kustomization asks for, in order), then `generate`, `transform` and `patch` for what they do. `load` reads what is
//! named, `config` and `fields` know which fields are meant, `object` is what all work on: an object with its history,
//! and the list of all of them; `names` and `object::hash` run once, at the end. Objects are trees of [`go_yaml::Node`],
//! because which style and tag a scalar had decides how its replacement is printed.
//!
//! Where the command and the library inside Flux differ, [`Profile`] says whose behaviour is wanted. What is deliberately
//! different from upstream is listed in `COMPATIBILITY.md`.
//!
//! Three things keep it that way: the cases of `cases/` and `flux-cases/`, recorded from the real programs by
//! `cargo xtask record kustomize` and `cargo xtask record flux-kustomize`; generated overlays that are built with both
//! sides, by `cargo xtask fuzz kustomize --seed 5000000 --count 300000` (any other seed makes other overlays); and the
//! libFuzzer targets of `fuzz/`, which look for panics and unbounded work with no other side.

mod budget;
mod build;
mod config;
mod edit;
mod error;
mod fields;
mod flux;
mod generate;
mod json;
mod load;
mod names;
mod object;
mod openapi;
mod options;
mod patch;
mod pattern;
mod record;
mod remote;
mod select;
mod transform;
mod tree;

pub use build::{Object, Output, Printer, build, build_with_notices};
pub use error::{Error, ErrorKind};
pub(crate) use fields::fieldspec::FieldSpec;
pub use flux::{Generated, References, build_flux, generate_kustomization, set_common_metadata};
pub use load::notice::Notice;
pub use object::resid::{Gvk, ResId};
pub use options::{Limits, LoadRestrictions, Options, Profile, Reorder};
pub use remote::{CloneOf, Remote, RemoteError, RepoSpec, redact_urls};
pub use select::label_selector::LabelSelector;
pub use tree::{DiskTree, Entry, FileTree, MemoryTree, Resolved, TreeError, TreeErrorReason};
