//! What became of an action, in the status and for the people who watch: a file for each action.
//!
//! All of them say it in the same way, which is [`Told`]; `written` is what they have in common.

mod corrected;
mod released;
mod rolled_back;
mod tested;
mod uninstalled;
mod unlocked;
mod written;

pub use uninstalled::UninstallResult;
pub use unlocked::Unlocking;
pub use written::{Attempt, Record, Told};
