//! What ends a question to the API server before it has an answer, and who waits meanwhile.

use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::ApplyError;
use crate::queue::{Slot, Superseded};

/// What ends planning before the API server has said all that was asked.
pub struct Interrupt<'a> {
    /// Completes once what is being planned is of no use any more.
    pub obsolete: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    /// Tells of any newer event, which is only heeded while the API server does not answer.
    pub superseded: &'a Superseded,
    /// The worker slot, which is given up while the API server does not answer.
    pub slot: &'a mut Slot,
}

/// An API server that says nothing for this long keeps nobody else waiting, and no newer event.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is told about who waits for that.
pub(super) const ANSWER: &str = "an answer of the API server, or of a webhook that it asks";

impl Interrupt<'_> {
    /// Awaits an answer; nothing once `deadline` has passed. The slot is given up when that takes long.
    pub(super) async fn answer<T>(
        &mut self,
        answer: impl Future<Output = T>,
        deadline: Instant,
    ) -> Result<Option<T>, ApplyError> {
        let (obsolete, superseded) = (self.obsolete.as_mut(), self.superseded);
        let overtaken = async {
            superseded.wait().await;
            sleep(PATIENCE).await;
        };
        let end = async {
            tokio::select! {
                biased;
                () = obsolete => Err(ApplyError::Interrupted),
                answer = answer => Ok(Some(answer)),
                () = overtaken => Err(ApplyError::Interrupted),
                () = sleep_until(deadline) => Ok(None),
            }
        };
        patiently(self.slot, end).await
    }

    /// Awaits the answer to something that must not be given up half-way; the slot is given up when that takes long.
    pub(super) async fn end_of<T>(&mut self, answer: impl Future<Output = T>) -> T {
        patiently(self.slot, answer).await
    }
}

async fn patiently<T>(slot: &mut Slot, end: impl Future<Output = T>) -> T {
    let mut end = pin!(end);
    tokio::select! {
        biased;
        end = &mut end => end,
        () = sleep(PATIENCE) => slot.on(ANSWER).park(end).await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::backoff::Backoff;
    use crate::metrics::QueueMetrics;
    use crate::queue::{Queue, Requeue, Run, Triggers};

    /// A queue with one place, and the runs that get it; they hold it until they give it up.
    fn one_place() -> (Queue<u8>, mpsc::UnboundedReceiver<Run<u8>>) {
        let queue = Queue::new(Backoff::default(), QueueMetrics::unregistered());
        let (sender, runs) = mpsc::unbounded_channel();
        let serving = queue.clone();
        tokio::spawn(async move {
            let hand_out = move |run| {
                let sent = sender.send(run).is_ok();
                async move {
                    if sent {
                        pending::<()>().await;
                    }
                    Requeue::Never
                }
            };
            serving.serve(1, CancellationToken::new(), hand_out).await;
        });
        (queue, runs)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_answer_holds_no_place_and_ends_at_the_deadline() {
        let (queue, mut runs) = one_place();
        queue.add(1, Triggers::OBJECT);
        queue.add(2, Triggers::OBJECT);
        let mut run = runs.recv().await.unwrap();
        let mut obsolete = pin!(pending());
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &run.superseded,
            slot: &mut run.slot,
        };
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(10);
        let waiting = interrupt.answer(pending::<()>(), deadline);
        let other = async {
            let other = runs.recv().await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(2), "the place was given up");
            other.key
        };
        let (end, other) = tokio::join!(waiting, other);
        assert!(matches!(end, Ok(None)), "{end:?}");
        assert_eq!(other, 2);
        assert!(begun.elapsed() >= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_event_ends_only_waiting_in_vain_and_the_end_of_its_object_ends_it_at_once() {
        let (queue, mut runs) = one_place();
        queue.add(1, Triggers::OBJECT);
        let mut run = runs.recv().await.unwrap();
        queue.add(1, Triggers::ARTIFACT);
        let deadline = Instant::now() + Duration::from_mins(1);
        let slow = async || sleep(PATIENCE / 2).await;
        {
            let mut obsolete = pin!(pending());
            let mut interrupt = Interrupt {
                obsolete: obsolete.as_mut(),
                superseded: &run.superseded,
                slot: &mut run.slot,
            };
            for _ in 0..10 {
                assert!(matches!(interrupt.answer(slow(), deadline).await, Ok(Some(()))));
            }
            let end = interrupt.answer(pending::<()>(), deadline).await;
            assert!(matches!(end, Err(ApplyError::Interrupted)), "{end:?}");
        }
        let mut obsolete = pin!(ready(()));
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &run.superseded,
            slot: &mut run.slot,
        };
        let end = interrupt.answer(slow(), deadline).await;
        assert!(matches!(end, Err(ApplyError::Interrupted)), "{end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_not_be_given_up_holds_no_place_either() {
        let (queue, mut runs) = one_place();
        queue.add(1, Triggers::OBJECT);
        let mut run = runs.recv().await.unwrap();
        queue.add(1, Triggers::ARTIFACT);
        queue.add(2, Triggers::OBJECT);
        let mut obsolete = pin!(ready(()));
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &run.superseded,
            slot: &mut run.slot,
        };
        let writing = async {
            let other = runs.recv().await.unwrap();
            sleep(Duration::from_mins(1)).await;
            other.key
        };
        assert_eq!(interrupt.end_of(writing).await, 2);
    }
}
