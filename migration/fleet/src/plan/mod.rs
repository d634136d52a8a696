//! `migrate plan`: what was proven about objects, in which order they move, and the way back; as data that `apply` reads.
//!
//! A [`MigrationPlan`] says what was proven about which inputs, and promises nothing: `apply` proves each object again before it
//! moves it, and [`Proof::inputs`](flux_proof::Proof) says whether anything has changed since.

mod back;
mod data;
mod make;
mod report;
mod waves;

#[cfg(test)]
mod tests;

pub use data::{Carrier, ClusterId, Label, MigrationPlan, PlanError, PlannedObject, Versions};
pub use make::{Asked, plan};
pub use waves::WaveBy;
