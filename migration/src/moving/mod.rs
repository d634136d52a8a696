//! Moving objects between the controllers of a cluster: what `migrate apply` and `migrate rollback` do.
//!
//! What follows on what is decided by `flux_fleet::moving`; here is what reads and writes.
//!
//! - Many objects: `waves` goes through them, with what `around` does before and after each wave and `asking` whoever is at the
//!   terminal; `shares` says who has them then.
//! - One: `one` is its way, by the steps of `there`, `held` and `back`, with what `state` knows and what `prove` says of it; between stock
//!   and ours there is `quiet`, which asks `leaders`.
//! - What all need: `setting` is found out first, `store` keeps the journal, `lease` keeps two runs apart by who is `holder` of it, `stop`
//!   hears that one is to end, `look` reads what objects have applied, `flux` reads and writes the objects that move, and `inherit` hands
//!   their labels over to Git.

pub(crate) mod around;
pub(crate) mod asking;
pub(crate) mod back;
pub(crate) mod flux;
mod held;
mod holder;
pub(crate) mod inherit;
mod leaders;
pub(crate) mod lease;
pub(crate) mod look;
mod one;
pub(crate) mod prove;
mod quiet;
pub(crate) mod setting;
pub(crate) mod shares;
pub(crate) mod state;
pub(crate) mod stop;
pub(crate) mod store;
mod there;
pub(crate) mod waves;
