//! What the Flux objects and controllers of a cluster are to each other, and how people are told: pure, without a client.
//!
//! A command reads a [`World`] and makes a result of it: [`status`], [`tree`], [`trace`], [`doctor`], [`scan`], [`plan`], [`diff`]. Each result is data with a JSON
//! form, and can be shown to people by [`text`]. Who reconciles an object is computed in [`owner`] and nowhere else. [`moving`] is how one
//! moves from one controller to the other.

pub mod artifacts;
pub mod carrier;
pub mod codes;
pub mod diff;
pub mod doctor;
pub mod git;
pub mod live;
pub mod moving;
pub mod owner;
pub mod plan;
pub mod prepare;
pub mod scan;
pub mod status;
pub mod subject;
pub mod text;
pub mod trace;
pub mod tree;
pub mod uninstall;
pub mod world;

pub use owner::{Owner, Owners};
pub use subject::{DeployerKind, Handle, HandleError, State, Subject};
pub use world::{SourceState, World};

/// API version of the documents that commands print as JSON or YAML.
pub const API_VERSION: &str = "cli.openfluxcd.ocm.software/v1alpha1";
