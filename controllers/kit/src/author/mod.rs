//! What authors of controllers meet on either side, as producers and as consumers: failures, schedules, Secrets.
//!
//! [`Failure`] says why a look at an object failed, and by its [`Fate`] when the next one is; [`Pace`] keeps to that, and to
//! the [`ScheduleExt`] of the object. [`Secrets`] are what an author was told and nobody else may hear, [`Readers`] those who are
//! looked at again when one changes.
//!
//! Around that, the set-up that their controllers have in common: [`reason`] says why an object is looked at, [`serve`] begins
//! when the caches are complete, [`guarded`] calls what the author wrote, [`write_status`], [`record`] and [`count`] tell what became
//! of it, [`once_told`] says what it counts as, and [`status_of`] what was told last.

mod changes;
mod failure;
mod guarded;
mod pace;
mod readers;
mod schedule;
mod secrets;
mod serving;
mod telling;

pub use changes::{reason, scope};
pub use failure::{Failure, Fate, ResultExt};
pub use guarded::{guarded, timed_out};
pub use pace::{Due, Pace, once_told};
pub use readers::{Readers, follow_secrets};
pub use schedule::{ScheduleExt, lengthened};
pub use secrets::Secrets;
pub use serving::serve;
pub use telling::{count, record, record_unreadable, status_of, write_status};
