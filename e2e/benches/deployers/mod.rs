//! What the benchmarks of the deployers share. Each of them has a `load` of its own: what is deployed, and by whom.

pub(crate) mod floor;
pub(crate) mod harness;
pub(crate) mod rollout;
pub(crate) mod stage;
pub(crate) mod stuck;
pub(crate) mod table;
