//! What was found out about a Kustomization or HelmRelease before it moves to another controller: pure, without a client.
//!
//! A controller, or a tool in its place, renders what the object asks for, has the API server say what applying it would do, and
//! changes nothing. [`Answer`] is what it says about one object: a [`Proof`], and [`Finding`]s with a code each. No value of an
//! object is in any of them.

mod answer;
mod finding;
mod proof;

pub use answer::{Answer, Name, Owned, Question};
pub use finding::{FieldOwner, Finding};
pub use proof::{Counts, NextUpgrade, Proof, Prover, ReleaseProof};
