//! Server-side apply in stages, with the semantics of fluxcd/pkg/ssa.
//!
//! An object that the API server would reject keeps its whole stage from being applied; every stage is planned by
//! dry-run first, all of it but perhaps the object that is written first. What is known to be unchanged costs no request: see
//! the module `memory`.
//!
//! `engine` and `plan` form a circle: a plan is made and carried out with what the engine holds, and hands back to it.

mod delete;
mod engine;
mod error;
mod execute;
mod ignore;
mod interrupt;
mod look;
mod memory;
mod normalize;
mod order;
mod plan;
mod recreate;
mod stages;
mod verify;

pub use delete::{DeleteFailure, Deletion, GarbageCollection};
pub use engine::{Applier, ApplyOptions, Concurrency, Verify};
pub use error::{ApplyError, dry_run_refused};
pub use ignore::Ignores;
pub use interrupt::Interrupt;
pub use look::{Looked, Sight};
pub use memory::ApplyMemory;
pub use normalize::{Normalized, SopsEncrypted, encrypted, normalize};
pub use order::{sort_for_apply, sort_for_delete};
pub use plan::Plan;
pub use stages::{CustomStage, Stage, split_stages};

use crate::object::{ObjectId, Subject};

pub use crate::ownership::FieldManagers;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It did not exist.
    Created,
    /// It existed and was changed.
    Configured,
    /// It existed and was what it should be.
    Unchanged,
    /// It was deleted.
    Deleted,
    /// It was left alone because a marker says so.
    Skipped,
}

impl Action {
    /// Gives the word that Flux prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Skipped => "skipped",
        }
    }
}

/// One line of a change set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which object, with the namespace that the API server gave it.
    pub id: ObjectId,
    /// API version that was applied, such as `v1`, without its group.
    pub version: String,
    /// What happened.
    pub action: Action,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", Subject(&self.id), self.action.as_str())
    }
}
