//! How a run waits.

use controller_kit::{Slot, Superseded};
use tokio_util::sync::CancellationToken;

/// A wait that was ended before it was over, in Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("context canceled")]
pub struct Canceled;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    /// Objects become ready, which is of no interest any more when there is something newer.
    Readiness,
    /// What is not left half done, such as hooks.
    Else,
}

/// How a run waits: it gives its worker slot up meanwhile, and may be told to wait no longer.
pub struct Patience<'a> {
    slot: Option<&'a mut Slot>,
    superseded: Option<Superseded>,
    shutdown: CancellationToken,
}

impl<'a> Patience<'a> {
    /// Waits outside of the slot, until the process ends.
    pub fn new(slot: &'a mut Slot, shutdown: CancellationToken) -> Self {
        Self {
            slot: Some(slot),
            superseded: None,
            shutdown,
        }
    }

    /// Waits until the process ends.
    pub fn without_slot(shutdown: CancellationToken) -> Self {
        Self {
            slot: None,
            superseded: None,
            shutdown,
        }
    }

    /// Waits for readiness only as long as the run is not superseded.
    #[must_use]
    pub fn until_superseded(self, superseded: Superseded) -> Self {
        Self {
            superseded: Some(superseded),
            ..self
        }
    }

    /// Awaits `waiting` unless it is to be waited for no longer.
    pub(crate) async fn wait<F: Future>(
        &mut self,
        matter: Matter,
        waiting: F,
    ) -> Result<F::Output, Canceled> {
        let superseded = self.superseded.clone().filter(|_| matter == Matter::Readiness);
        let shutdown = self.shutdown.clone();
        let newer = async {
            match superseded {
                Some(superseded) => superseded.wait().await,
                None => std::future::pending().await,
            }
        };
        let either = async {
            tokio::select! {
                output = waiting => Ok(output),
                () = newer => Err(Canceled),
                () = shutdown.cancelled() => Err(Canceled),
            }
        };
        match &mut self.slot {
            Some(slot) => slot.park(either).await,
            None => either.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_the_process() {
        let shutdown = CancellationToken::new();
        let mut patience = Patience::without_slot(shutdown.clone());
        assert_eq!(patience.wait(Matter::Else, async { 1 }).await, Ok(1));
        shutdown.cancel();
        let never = std::future::pending::<()>();
        assert_eq!(patience.wait(Matter::Else, never).await, Err(Canceled));
        assert_eq!(Canceled.to_string(), "context canceled");
    }
}
