//! What was found out about a Kustomization or HelmRelease before it moves to another controller: pure, without a client.
//!
//! A controller, or a tool in its place, renders what the object asks for, has the API server say what applying it would do, and
//! changes nothing. [`compare()`] says of one applied object what would change and whose fault that is, [`kustomization`] judges all of
//! them together; the [`Answer`] about an object is a [`Proof`], and [`Finding`]s with a code each. No value of an object is in any of
//! them.

mod answer;
mod compare;
mod config;
mod finding;
mod inputs;
pub mod kustomization;
mod proof;

pub use answer::{Answer, Name, Owned, Question};
pub use compare::{Circumstances, cleanup, compare, differ};
pub use config::Config;
pub use finding::{FieldOwner, Finding};
pub use inputs::Inputs;
pub use proof::{Counts, NextUpgrade, Proof, Prover, ReleaseProof};
