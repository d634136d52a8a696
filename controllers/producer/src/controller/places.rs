//! The places in which sources are looked at, shared among namespaces.

use controller_kit::{FairBudget, ObjectKey, Portion, Queue, Slot, Superseded, Triggers};

/// Gives so many places, of which one namespace has three quarters at most; where there is but one, it has that.
pub(crate) fn of(concurrent: usize) -> FairBudget {
    FairBudget::new(concurrent, concurrent - concurrent.div_ceil(4))
}

/// Waits for a place of a namespace without a worker; nothing if there is news of the source, or the process ends, before.
pub(crate) async fn take(
    places: &FairBudget,
    namespace: &str,
    slot: &mut Slot,
    superseded: &Superseded,
) -> Option<Portion> {
    let taking = async {
        tokio::select! {
            biased;
            () = superseded.wait() => None,
            portion = places.take(namespace, 1) => Some(portion),
        }
    };
    slot.on("a place of its namespace").park(taking).await
}

/// Leaves to the run that follows what a run was asked for which did nothing; nothing follows where the process ends.
pub(crate) fn hand_on(queue: &Queue<ObjectKey>, key: ObjectKey, triggers: Triggers, superseded: &Superseded) {
    if superseded.because_of() != Triggers::default() {
        queue.add(key, triggers);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use controller_kit::{Backoff, Metrics, Requeue, Run};
    use tokio::sync::mpsc;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_namespace_never_has_all_of_several_places() {
        let moment = Duration::from_millis(1);
        for (concurrent, most) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (8, 6)] {
            let (places, mut held) = (of(concurrent), Vec::new());
            while let Ok(place) = timeout(moment, places.take("slow", 1)).await {
                held.push(place);
            }
            assert_eq!(held.len(), most, "of {concurrent}");
            let other = timeout(moment, places.take("other", 1)).await;
            assert_eq!(other.is_ok(), concurrent > 1, "of {concurrent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_place_hears_of_news_and_of_the_end() {
        let metrics = Metrics::new().expect("metrics");
        let queue: Queue<ObjectKey> = Queue::new(Backoff::default(), metrics.queue("http"));
        let (places, shutdown) = (of(1), CancellationToken::new());
        let slow = places.take("apps", 1).await;
        let (began, mut begun) = mpsc::unbounded_channel();
        let waiting = (places.clone(), queue.clone());
        let handler = move |run: Run<ObjectKey>| {
            let ((places, queue), began) = (waiting.clone(), began.clone());
            async move {
                let Run {
                    key,
                    triggers,
                    mut slot,
                    superseded,
                } = run;
                began.send(triggers).expect("somebody listens");
                if take(&places, &key.namespace, &mut slot, &superseded)
                    .await
                    .is_none()
                {
                    hand_on(&queue, key, triggers, &superseded);
                }
                Requeue::Never
            }
        };
        let serving = {
            let (queue, shutdown) = (queue.clone(), shutdown.clone());
            tokio::spawn(async move { queue.serve(1, shutdown, handler).await })
        };
        let key = ObjectKey::new("apps", "web");
        queue.add(key.clone(), Triggers::REQUESTED);
        assert_eq!(begun.recv().await, Some(Triggers::REQUESTED));
        queue.add(key, Triggers::OBJECT);
        let both = Triggers::REQUESTED | Triggers::OBJECT;
        assert_eq!(begun.recv().await, Some(both), "what it was asked for is lost");
        shutdown.cancel();
        let ended = timeout(Duration::from_secs(1), serving).await;
        assert!(ended.is_ok(), "it waits for a place that nobody gives up");
        assert!(begun.recv().await.is_none(), "it began again");
        drop(slow);
    }
}
