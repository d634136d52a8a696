//! Library to write a controller that consumes Artifact resources.
//!
//! A consumer follows all Artifacts with a watch and feeds them to an [`ArtifactIndex`]. For each of its own objects
//! it resolves the reference to a source ([`resolve`]) into a [`SourceKey`], and asks the index for the Artifact of
//! that key. When the index says that an event matters to a key, the consumer wakes the objects that refer to it.
//!
//! That is what Flux's own deployers are built from, which know how to run already. The author of another deployer writes one
//! async function, [`Deploy::deploy`], from an object of their kind and the [`Inputs`] that it refers to; the rest is here:
//! watches and queue, intervals and requests, look-up, download and verification, statuses, events, finalizers. In reading
//! order:
//!
//! - [`Consumer`] and [`Deploy`] are the author's part; [`Inputs`] and [`Run`] are what the library gives it.
//! - [`run`] is the controller: `look` looks at one object, `report` says what became of it.
//! - [`Sources`] leads from references to Artifacts, and back to those whom a change concerns.
//!
//! # Guarantees
//! - What is deployed was verified: it has the digest that the Artifact says.
//! - An object is looked at when it, an input, or a Secret that it read has changed, when somebody asks, and each interval.
//! - A server of artifacts that is away makes nothing unready that is up to date.
//! - Nothing is written when nothing changed; the conditions of others are left alone.

mod consumer;
mod controller;
mod index;
mod inputs;
mod reference;
mod run;
mod sources;

pub use artifact_crd::{ConsumerStatus, LocalReference, Schedule};
pub use consumer::{Consumer, Deploy, Deployed, SourceReference};
pub use controller::{Connections, Settings, run};
pub use controller_kit::author::{Failure, Fate, ResultExt};
pub use index::{ArtifactIndex, ArtifactName, LookupError, MAX_OWNERS, consumed_as};
pub use inputs::{Input, Inputs};
pub use reference::{Access, ReferenceError, SourceKey, resolve};
pub use run::Run;
pub use sources::Sources;

/// Everything that the author of a deployer sees.
pub mod prelude {
    pub use controller_kit::events::Severity;
    pub use controller_kit::object::ObjectId;

    pub use crate::{
        Consumer, ConsumerStatus, Deploy, Deployed, Failure, Fate, Input, Inputs, LocalReference, ResultExt,
        Run, Schedule, SourceReference,
    };
}
