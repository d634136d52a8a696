//! What a clone may take: time, bytes on disk, and the patience of whoever waits for it.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use kustomize::RemoteError;

use crate::{Network, NetworkError};

/// The bytes on disk that a clone and its submodules may still take, all together.
#[derive(Debug)]
pub(crate) struct Room {
    limit: u64,
    left: Cell<u64>,
}

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            left: Cell::new(limit),
        }
    }

    pub(crate) fn left(&self) -> u64 {
        self.left.get()
    }

    /// Takes room for bytes that are about to be written.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), RemoteError> {
        self.left.set(self.check(bytes)?);
        Ok(())
    }

    /// Fails when there is no room for so many bytes; gives what would be left.
    pub(crate) fn check(&self, bytes: u64) -> Result<u64, RemoteError> {
        self.left.get().checked_sub(bytes).ok_or_else(|| {
            let text = format!("the clone is larger than {} bytes", self.limit);
            RemoteError::TooLarge(text)
        })
    }

    /// Gives back what was taken for bytes that are gone.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.left.set(self.left.get().saturating_add(bytes));
    }
}

/// The bounds of one step, such as fetching a repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    network: &'a dyn Network,
    pub(crate) room: &'a Room,
    time: Duration,
    end: Instant,
}

impl<'a> Bounds<'a> {
    /// A step that begins now.
    pub(crate) fn new(network: &'a dyn Network, room: &'a Room, time: Duration) -> Self {
        let now = Instant::now();
        Self {
            network,
            room,
            time,
            // A time that no clock reaches is none that anybody waits for.
            end: now
                .checked_add(time)
                .unwrap_or_else(|| now + Duration::from_hours(24 * 365)),
        }
    }

    /// How much of the time is left.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Fails when the time is over, or when nobody waits any more.
    pub(crate) fn check(&self) -> Result<(), RemoteError> {
        if self.network.is_cancelled() {
            return Err(given_up());
        }
        if self.left().is_zero() {
            return Err(self.timed_out());
        }
        Ok(())
    }

    /// Tells what the network said, unless it said so because nobody waits any more.
    pub(crate) fn network_error(&self, error: NetworkError) -> RemoteError {
        if self.network.is_cancelled() {
            return given_up();
        }
        match error {
            NetworkError::TimedOut => self.timed_out(),
            NetworkError::TooLarge => RemoteError::TooLarge(error.to_string()),
            NetworkError::Failed(reason) => RemoteError::Failed(reason),
        }
    }

    fn timed_out(&self) -> RemoteError {
        RemoteError::TimedOut(format!("hit {:?} timeout", self.time))
    }
}

pub(crate) fn given_up() -> RemoteError {
    RemoteError::Failed("the build was given up".to_owned())
}

/// A failure of this machine's file system.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn io_error(error: io::Error) -> RemoteError {
    RemoteError::Failed(format!("cannot clone: {error}"))
}

/// Says what it was that failed.
pub(crate) fn failing(what: &str) -> impl FnOnce(RemoteError) -> RemoteError {
    move |error| match error {
        RemoteError::Status(code, text) => RemoteError::Failed(format!("{what}: {code} {text}")),
        RemoteError::TooLarge(text) => RemoteError::TooLarge(format!("{what}: {text}")),
        RemoteError::TimedOut(text) => RemoteError::TimedOut(format!("{what}: {text}")),
        RemoteError::Failed(text) => RemoteError::Failed(format!("{what}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_given_back() {
        let room = Room::new(10);
        assert!(room.take(7).is_ok());
        assert!(room.take(4).is_err());
        room.give_back(7);
        assert!(room.take(10).is_ok());
        assert_eq!(room.left(), 0);
    }
}
