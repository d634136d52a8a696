//! What authors of controllers meet on either side, as producers and as consumers: failures, schedules, Secrets.
//!
//! [`Failure`] says why a look at an object failed, and by its [`Fate`] when the next one is; [`Pace`] keeps to that, and to
//! the [`ScheduleExt`] of the object. [`Secrets`] are what an author was told and nobody else may hear.

mod failure;
mod pace;
mod schedule;
mod secrets;

pub use failure::{Failure, Fate, ResultExt};
pub use pace::{Due, Pace};
pub use schedule::{ScheduleExt, lengthened};
pub use secrets::Secrets;
