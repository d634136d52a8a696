//! Releases that somebody was at work on who is gone.

use helm::release::{Release, Status};

use super::Actions;
use super::error::ActionError;
use super::install::set_status;
use crate::storage::StorageError;

/// A release that was pending.
#[derive(Debug)]
pub struct Unlocked {
    /// Its record, marked as failed, or as deployed.
    pub record: Release,
    /// The status that it had.
    pub was: Status,
    /// Why the record could not be written, if it could not.
    pub result: Result<(), StorageError>,
}

impl Actions<'_> {
    /// Marks the last revision as failed if it is pending; nothing if it is not, or there is none. One of which nothing is
    /// missing but to say so is marked as deployed: nothing would be left otherwise that is.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn unlock(&mut self, name: &str) -> Result<Option<Unlocked>, ActionError> {
        let Some(mut record) = self.storage.last(name).await? else {
            return Ok(None);
        };
        let was = record.info.status.clone();
        if !was.is_pending() {
            return Ok(None);
        }
        let is_complete = match was {
            Status::PendingUpgrade | Status::PendingRollback => self.storage.was_completed(&record).await?,
            _ => false,
        };
        if is_complete {
            record.info.status = Status::Deployed;
            if was == Status::PendingUpgrade {
                "Upgrade complete".clone_into(&mut record.info.description);
            }
        } else {
            let description = format!("Release unlocked from stale '{was}' state");
            set_status(&mut record, Status::Failed, &description);
        }
        let result = self.storage.update(&record).await;
        Ok(Some(Unlocked { record, was, result }))
    }
}
