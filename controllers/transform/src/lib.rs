//! The controller of `Transformation`: artifacts become other artifacts.
//!
//! What comes out is made by the crate `flux-transform`, which is the same on a laptop. Here is what is around it:
//!
//! - [`run`] is the controller: watches, and who is woken by what.
//! - `look` is one look: why, and when the next one is. `turn` has those go first that it is made of, `attempt` finds out whether the
//!   inputs are others than before, and `make` makes what is wanted of them; `rest` keeps what a suspended one offers.
//! - `inputs` gets what there is of inputs, `consent` asks those of other namespaces, `offer` stores an output and writes its Artifact, `decide` says what there is to write,
//!   and `said` what labels, annotations and metadata tell beside the content.
//! - `graph` knows who is made of whom: circles are refused, and who comes before somebody ends before.
//! - `heavy` bounds how much is built at once.
//! - `report` says what became of a run, and `tell` writes it.
//!
//! # Guarantees
//! - Nothing is fetched, stored or written when nothing changed.
//! - An output that fails keeps what it offered last, and the others go on.
//! - An Artifact that somebody else made is left alone.
//! - Inputs of other namespaces are refused, unless they say themselves that they may be read, or the controller is told so: what
//!   comes out can be read by anybody.

mod attempt;
mod consent;
mod controller;
mod decide;
mod failure;
#[cfg(test)]
mod fixture;
mod graph;
mod heavy;
mod inputs;
mod keeper;
mod kind;
mod last_read;
mod look;
mod make;
mod offer;
mod references;
mod report;
mod rest;
mod said;
mod tell;
mod turn;

pub use controller::{Connections, Settings, run};
pub use kind::{CONTROLLER, InputStatus, OutputStatus, Status, Transformation};
