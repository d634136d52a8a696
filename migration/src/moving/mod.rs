//! Moving objects between the controllers of a cluster: what `migrate apply` and `migrate rollback` do.
//!
//! What follows on what is decided by `flux_fleet::moving`; here is what reads and writes. `waves` goes through many objects, with what `around` does before and after each wave, `one` the
//! way of each, by the steps of `there`, `held` and `back`, with what `state` knows. `store` keeps the journal, `lease` keeps two
//! runs apart, `stop` hears that one is to end, `look` reads what objects have applied, `flux` reads and writes the objects that move.

pub(crate) mod around;
pub(crate) mod back;
pub(crate) mod flux;
mod held;
pub(crate) mod inherit;
pub(crate) mod lease;
pub(crate) mod look;
mod one;
pub(crate) mod prove;
pub(crate) mod setting;
pub(crate) mod state;
pub(crate) mod stop;
pub(crate) mod store;
mod there;
pub(crate) mod waves;
