//! Artifacts as they are written: names, what there is to do, and the requests that do it.

mod claim;
mod conditions;
mod decide;
#[cfg(test)]
mod fixture;
mod names;
mod whose;
mod write;

pub use claim::claim;
pub use conditions::{Said, status};
pub use decide::{Step, decide, is_same};
pub use names::names;
pub use whose::{Whose, is_abandoned, is_written_by, whose};
pub use write::{Writer, delete};
