//! The state machine of a release, without a client, a clock or a cache.
//!
//! A run goes round and round: what is stored, what is wanted and what the status remembers are [`Facts`]; [`decide`]
//! makes one [`Next`] step of them; [`Machine`] writes into the status what the step means before it is taken, and what
//! became of it; [`Pace`] says whether the run goes on, and if not, when the next one begins. Words and counters are
//! helm-controller's, because people and dashboards know them.

mod attempt;
mod conditions;
mod decide;
mod effects;
mod facts;
mod outcome;
mod pace;
#[cfg(test)]
mod tests;
mod words;

pub use attempt::{ChartIdentity, begin_attempt, handle_force, target_change};
pub use conditions::{Machine, action_under_way};
pub use decide::{Action, ActionKind, Next, State, decide};
pub use facts::{Drift, Facts, Previous, Stored, Verification};
pub use outcome::{Attempt, Record, Told, UninstallResult, Unlocking};
pub use pace::{Ending, Pace, Performed};
pub use words::{About, Event};
