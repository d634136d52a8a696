//! Adapter controllers that mirror the artifacts of stock Flux sources into Artifact resources, and the bridge back
//! ([`run_bridge`]), which offers the Artifacts of custom sources as ExternalArtifacts.
//!
//! # Flow
//! For every source of the six kinds: [`ObservedSource`] is what the watch knows, [`decide`] compares it with the
//! Artifacts that exist and says what to do and why, and the adapters ([`run`]) do it, write conditions, and report.
//!
//! # Guarantees
//! - A good Artifact is never emptied: while a source has no artifact (its controller restarts, say), the Artifact
//!   stays and its `Ready` condition says so.
//! - An Artifact follows a change of digest as well as of revision, and goes away with its source.
//! - Nothing is written when nothing changed. Nothing is written to a source, ever.
//! - An Artifact that somebody else made is left alone.
//! - A kind whose CRD is missing, or an object that cannot be read, stops none of the others.
//!
//! # Assumptions
//! One process at a time runs the adapters (leader election is the caller's), and it may read the six kinds and read
//! and write Artifacts.

mod adapters;
mod bridge;
mod conditions;
mod decide;
mod first_look;
mod name;
mod source;

pub use adapters::{AdapterOptions, run};
pub use bridge::run as run_bridge;
pub use decide::{Decision, Existing, Step, decide};
pub use name::{MANAGED_BY, MANAGED_BY_VALUE, artifact_names, is_ours};
pub use source::{BRIDGED_FROM, ObservedSource, SourceId, SourceKind, SourceState};
