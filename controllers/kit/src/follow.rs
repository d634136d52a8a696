//! The one loop of all watches: list, watch, and again after every failure, with pauses that grow.

use std::ops::ControlFlow;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, spread};
use crate::inspect::OpenWatch;

/// Pauses between attempts to open a watch.
const PAUSES: Backoff = Backoff {
    min: Duration::from_millis(200),
    max: Duration::from_secs(15),
};

/// Whoever keeps what a watch tells.
pub trait Follower<T> {
    /// Something was listed, or has changed.
    fn on_event(&mut self, event: Event<T>);

    /// Tells how many objects are kept.
    fn count(&self) -> usize;

    /// The watch failed. It is opened again, unless its follower breaks off.
    fn on_failure(&mut self, failure: &Failure<'_>) -> ControlFlow<()>;

    /// How long nothing has to be heard before [`Follower::on_silence`] is called; never when absent.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Nothing was heard for as long as [`Follower::patience`] says.
    fn on_silence(&mut self) {}
}

/// How a watch failed.
pub struct Failure<'a> {
    /// What is wrong.
    pub error: &'a watcher::Error,
    /// The same as a text.
    pub text: &'a str,
    /// Whether that is not what was wrong before, so that it is worth being told.
    pub is_news: bool,
    /// The pause before the watch is opened again, which grows with each failure in a row; at most that.
    pub pause: Duration,
}

/// Follows a watch until `stop`, or until the follower breaks off; `what` is its name on the list of open watches.
pub async fn follow<T>(
    what: &str,
    events: impl Stream<Item = watcher::Result<Event<T>>>,
    stop: &CancellationToken,
    follower: &mut impl Follower<T>,
) {
    let mut events = std::pin::pin!(events);
    let open = OpenWatch::new(what);
    let mut attempts = PAUSES.attempts();
    let mut told = String::new();
    loop {
        let patience = follower.patience();
        let silence = tokio::time::sleep(patience.unwrap_or_default());
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
            () = silence, if patience.is_some() => {
                follower.on_silence();
                continue;
            }
        };
        match event {
            None => return,
            Some(Ok(event)) => {
                // A list begins well even where it cannot succeed.
                let works = !matches!(event, Event::Init);
                follower.on_event(event);
                if works {
                    attempts.succeeded();
                    told.clear();
                    open.works(follower.count());
                }
            }
            Some(Err(error)) => {
                let text = error.to_string();
                open.fails(&text);
                let pause = attempts.failed();
                let failure = Failure {
                    error: &error,
                    is_news: text != told,
                    text: &text,
                    pause,
                };
                if follower.on_failure(&failure).is_break() {
                    return;
                }
                told = text;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(spread(pause)) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::Instant;

    use super::*;

    /// Breaks off after a number of failures.
    #[derive(Default)]
    struct Patient {
        failures: Vec<(bool, Duration)>,
        heard: usize,
        most: usize,
    }

    impl Follower<()> for Patient {
        fn on_event(&mut self, _: Event<()>) {
            self.heard += 1;
        }

        fn count(&self) -> usize {
            0
        }

        fn on_failure(&mut self, failure: &Failure<'_>) -> ControlFlow<()> {
            self.failures.push((failure.is_news, failure.pause));
            if self.failures.len() < self.most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }
    }

    fn failure(code: u16) -> watcher::Result<Event<()>> {
        let status = kube::core::Status::failure(&format!("no {code}"), "Reason").with_code(code);
        Err(watcher::Error::WatchError(Box::new(status)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_opened_again_after_pauses_that_grow_until_it_works() {
        let init = || Ok(Event::Init);
        let done = Ok(Event::InitDone);
        let events = vec![
            init(),
            failure(1),
            init(),
            failure(1),
            init(),
            done,
            failure(1),
            failure(2),
            failure(2),
        ];
        let mut patient = Patient {
            most: 5,
            ..Patient::default()
        };
        let begun = Instant::now();
        let stop = CancellationToken::new();
        follow("a test", stream::iter(events), &stop, &mut patient).await;
        let pauses = patient.failures.iter().map(|(_, pause)| pause.as_millis());
        assert_eq!(pauses.collect::<Vec<_>>(), [200, 400, 200, 400, 800]);
        let news = patient.failures.iter().map(|(is_news, _)| *is_news);
        assert_eq!(news.collect::<Vec<_>>(), [true, false, true, true, false]);
        assert_eq!(patient.heard, 4);
        let waited = begun.elapsed();
        let longest = Duration::from_millis(200 + 400 + 200 + 400);
        assert!(longest / 2 <= waited && waited <= longest, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_process_is_not_waited_for() {
        let (stop, begun) = (CancellationToken::new(), Instant::now());
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            stopping.cancel();
        });
        let events = stream::repeat_with(|| failure(1));
        let mut patient = Patient {
            most: usize::MAX,
            ..Patient::default()
        };
        follow("a test", events, &stop, &mut patient).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
    }
}
