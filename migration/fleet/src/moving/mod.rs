//! A move of a Kustomization or HelmRelease from one controller to the other, as far as it is a matter of thought.
//!
//! The label is the whole state: an object is ours with it and stock's without. [`step`] says what follows on what, [`sight`] whether an
//! object may be taken and whether it was, [`footprint`] whether anything moved that should not, [`journal`] what is written down and
//! how somebody else goes on from it, [`way_back`] how an object returns, [`report`] what is told in the end, [`verify`] whether all is well later on.

pub mod footprint;
pub mod journal;
pub mod report;
pub mod sight;
pub mod step;
pub mod verify;
pub mod way_back;

pub use footprint::{Change, ChangeClass, Footprint, Snapshot};
pub use journal::{Header, Journal, Progress, Record};
pub use report::{Ending, Report};
pub use sight::{Readiness, Sight};
pub use step::{Event, Next, Step};
pub use way_back::{Exclusion, Return, back_lines};

pub use flux_api::HELD_SINCE;

pub use crate::carrier::MANAGER;

/// Says when an object was moved by a label in the cluster.
pub const MOVED_AT: &str = "openfluxcd.ocm.software/moved-at";
/// Says who moved it.
pub const MOVED_BY: &str = "openfluxcd.ocm.software/moved-by";
/// Says which value the label had before; empty if it had none.
pub const MOVED_FROM: &str = "openfluxcd.ocm.software/moved-from";
/// Says of a Kustomization that this tool suspended it, and for which object.
pub const SUSPENDED_FOR: &str = "openfluxcd.ocm.software/suspended-for";
