//! How a run waits.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use controller_kit::{Slot, Superseded};
use flux_deployer::HandOver;
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

/// Between two looks, once there was news.
const LOOK: Duration = Duration::from_millis(500);

/// Work that takes less than this is not given up.
const LONG: Duration = Duration::from_secs(5);

/// An answer that takes longer keeps nobody else waiting.
const ANSWER: Duration = Duration::from_secs(1);

/// What a run hears of its object while it waits.
pub struct News<'a> {
    /// Tells that there is something to look at.
    pub superseded: Superseded,
    /// Whether the object is another controller's by now.
    pub hand_over: HandOver,
    /// Whether there is something newer to release, which ends waits for readiness; nothing does if there is none.
    pub is_newer: Option<Box<dyn Fn() -> bool + Send + Sync + 'a>>,
}

impl News<'_> {
    /// Completes when nobody is to wait for the matter any more.
    async fn end(&self, matter: Matter) {
        self.superseded.wait().await;
        let is_newer = self.is_newer.as_ref().filter(|_| matter == Matter::Readiness);
        while !self.hand_over.is_over() && !is_newer.is_some_and(|is_newer| is_newer()) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How a run waits: it gives its worker slot up meanwhile, and may be told to wait no longer.
pub struct Patience<'a> {
    slot: Option<&'a mut Slot>,
    news: Option<News<'a>>,
    shutdown: CancellationToken,
}

impl<'a> Patience<'a> {
    /// Waits outside of the slot, until the process ends.
    pub fn new(slot: &'a mut Slot, shutdown: CancellationToken) -> Self {
        Self {
            slot: Some(slot),
            news: None,
            shutdown,
        }
    }

    /// Waits until the process ends.
    pub fn without_slot(shutdown: CancellationToken) -> Self {
        Self {
            slot: None,
            news: None,
            shutdown,
        }
    }

    /// Waits only as long as the object is not another controller's.
    #[must_use]
    pub fn with_news(self, news: News<'a>) -> Self {
        Self {
            news: Some(news),
            ..self
        }
    }

    /// Gives long work a way to ask whether nobody wants it any more; what is short is done before it matters.
    pub(crate) fn gives_up(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let hand_over = self.news.as_ref().map(|news| news.hand_over.clone());
        let (shutdown, start) = (self.shutdown.clone(), Instant::now());
        Arc::new(move || {
            let is_unwanted =
                || shutdown.is_cancelled() || hand_over.as_ref().is_some_and(HandOver::is_unwanted);
            start.elapsed() >= LONG && is_unwanted()
        })
    }

    /// Awaits an answer of the API server to something that is not given up half-way. A webhook that it asks may take its time:
    /// then the worker slot is given up meanwhile.
    pub(crate) async fn answer<F: Future>(&mut self, answer: F) -> F::Output {
        let Some(slot) = &mut self.slot else {
            return answer.await;
        };
        let mut answer = pin!(answer);
        tokio::select! {
            biased;
            output = &mut answer => output,
            () = tokio::time::sleep(ANSWER) => {
                let what = "an answer of the API server, or of a webhook that it asks";
                slot.on(what).park(answer).await
            }
        }
    }

    /// Awaits `waiting` unless it is to be waited for no longer.
    pub(crate) async fn wait<F: Future>(
        &mut self,
        matter: Matter,
        waiting: F,
    ) -> Result<F::Output, Canceled> {
        let Self { slot, news, shutdown } = self;
        let end = async {
            match news {
                Some(news) => news.end(matter).await,
                None => std::future::pending().await,
            }
        };
        let either = async {
            tokio::select! {
                output = waiting => Ok(output),
                () = end => Err(Canceled),
                () = shutdown.cancelled() => Err(Canceled),
            }
        };
        match slot {
            Some(slot) => slot.park(either).await,
            None => either.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_however_long_it_takes() {
        let mut patience = Patience::without_slot(CancellationToken::new());
        let answer = async {
            tokio::time::sleep(ANSWER * 10).await;
            7
        };
        assert_eq!(patience.answer(answer).await, 7);
    }

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
