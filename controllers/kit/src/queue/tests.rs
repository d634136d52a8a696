//! The order of runs, their waits, and their ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn queue() -> Queue<u32> {
    Queue::new(Backoff::default(), QueueMetrics::unregistered())
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn keys_run_in_the_order_they_came() {
    let (queue, seen, shutdown) = (queue(), Arc::new(Mutex::new(vec![])), CancellationToken::new());
    for key in 0..20 {
        queue.add(key, Triggers::STARTUP);
        queue.add(key, Triggers::OBJECT);
    }
    let (order, stop) = (Arc::clone(&seen), shutdown.clone());
    let handler = move |run: Run<u32>| {
        let (order, stop) = (Arc::clone(&order), stop.clone());
        async move {
            assert_eq!(run.triggers, Triggers::STARTUP | Triggers::OBJECT);
            order.lock().push(run.key);
            if run.key == 19 {
                stop.cancel();
            }
            Requeue::Never
        }
    };
    queue.serve(1, shutdown, handler).await;
    assert_eq!(*seen.lock(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_does_not_hold_its_slot() {
    let (queue, shutdown) = (queue(), CancellationToken::new());
    for key in 0..10 {
        queue.add(key, Triggers::STARTUP);
    }
    let (stop, done) = (shutdown.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&done);
    let handler = move |mut run: Run<u32>| {
        let (stop, done) = (stop.clone(), Arc::clone(&counter));
        async move {
            if run.key == 0 {
                run.slot.park(tokio::time::sleep(Duration::from_hours(1))).await;
                assert_eq!(
                    done.load(Ordering::Relaxed),
                    9,
                    "all others ran while the first waited"
                );
                stop.cancel();
            }
            done.fetch_add(1, Ordering::Relaxed);
            Requeue::Never
        }
    };
    queue.serve(1, shutdown, handler).await;
    assert_eq!(done.load(Ordering::Relaxed), 10);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_comes_back_goes_before_those_that_have_not_begun() {
    let (queue, shutdown) = (queue(), CancellationToken::new());
    let order = Arc::new(Mutex::new(vec![]));
    for key in 0..10 {
        queue.add(key, Triggers::STARTUP);
    }
    let (ended, stop) = (Arc::clone(&order), shutdown.clone());
    let handler = move |mut run: Run<u32>| {
        let (ended, stop) = (Arc::clone(&ended), stop.clone());
        async move {
            if run.key == 0 {
                run.slot.park(tokio::time::sleep(Duration::from_secs(1))).await;
            } else {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            ended.lock().push(run.key);
            if ended.lock().len() == 10 {
                stop.cancel();
            }
            Requeue::Never
        }
    };
    queue.serve(1, shutdown, handler).await;
    // The third ends after 1.2 s; the first, which wants its place back since 1.0 s, gets it.
    assert_eq!(*order.lock(), [1, 2, 3, 0, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn an_event_during_a_run_supersedes_it_and_runs_once_more() {
    let (queue, shutdown) = (queue(), CancellationToken::new());
    let runs = Arc::new(Mutex::new(vec![]));
    queue.add(7, Triggers::STARTUP);
    let (feed, stop, log) = (queue.clone(), shutdown.clone(), Arc::clone(&runs));
    let handler = move |mut run: Run<u32>| {
        let (feed, stop, log) = (feed.clone(), stop.clone(), Arc::clone(&log));
        async move {
            log.lock().push(run.triggers);
            if run.triggers == Triggers::STARTUP {
                feed.add(7, Triggers::ARTIFACT);
                feed.add(7, Triggers::CONFIG);
                let superseded = run.superseded.clone();
                run.slot.park(superseded.wait()).await;
                assert_eq!(superseded.because_of(), Triggers::ARTIFACT | Triggers::CONFIG);
            } else {
                stop.cancel();
            }
            Requeue::After(Duration::from_mins(1))
        }
    };
    queue.serve(4, shutdown, handler).await;
    assert_eq!(
        *runs.lock(),
        [Triggers::STARTUP, Triggers::ARTIFACT | Triggers::CONFIG]
    );
}

/// A run of key 7 that waits until it is superseded; counts the runs that ended.
fn waiting(
    ended: &Arc<AtomicUsize>,
) -> impl Fn(Run<u32>) -> futures::future::BoxFuture<'static, Requeue> + use<> {
    let ended = Arc::clone(ended);
    move |mut run: Run<u32>| {
        let ended = Arc::clone(&ended);
        Box::pin(async move {
            let superseded = run.superseded.clone();
            run.slot.park(superseded.wait()).await;
            ended.fetch_add(1, Ordering::Relaxed);
            Requeue::After(Duration::from_mins(1))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_waits() {
    let (queue, shutdown, ended) = (queue(), CancellationToken::new(), Arc::default());
    queue.add(7, Triggers::STARTUP);
    let serving = tokio::spawn({
        let (queue, stop, handler) = (queue.clone(), shutdown.clone(), waiting(&ended));
        async move { queue.serve(1, stop, handler).await }
    });
    settle().await;
    let start = Instant::now();
    shutdown.cancel();
    serving.await.expect("served");
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(ended.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_run_waits_no_longer_and_is_the_last() {
    let (queue, shutdown, ended) = (queue(), CancellationToken::new(), Arc::default());
    queue.add(7, Triggers::STARTUP);
    let serving = tokio::spawn({
        let (queue, stop, handler) = (queue.clone(), shutdown.clone(), waiting(&ended));
        async move { queue.serve(1, stop, handler).await }
    });
    settle().await;
    queue.forget(&7);
    settle().await;
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    assert!(
        queue.shared.state.lock().entries.is_empty(),
        "nothing is left of it"
    );
    queue.add(7, Triggers::OBJECT);
    settle().await;
    shutdown.cancel();
    serving.await.expect("served");
    assert_eq!(ended.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn back_off_doubles_up_to_what_the_run_allows() {
    assert_eq!(pauses(Requeue::Backoff).await, [750, 1500, 3000]);
    let within = Requeue::BackoffWithin(Duration::from_secs(2));
    assert_eq!(pauses(within).await, [750, 1500, 2000]);
}

/// The milliseconds between four runs of a key that end this way.
async fn pauses(requeue: Requeue) -> Vec<u128> {
    let (queue, shutdown) = (queue(), CancellationToken::new());
    let times = Arc::new(Mutex::new(vec![]));
    queue.add(1, Triggers::STARTUP);
    let (stop, log, start) = (shutdown.clone(), Arc::clone(&times), Instant::now());
    let handler = move |_: Run<u32>| {
        let (stop, log) = (stop.clone(), Arc::clone(&log));
        async move {
            log.lock().push(start.elapsed().as_millis());
            if log.lock().len() == 4 {
                stop.cancel();
            }
            requeue
        }
    };
    queue.serve(1, shutdown, handler).await;
    let times = times.lock();
    let gaps = times.windows(2).map(|pair| (pair[1] - pair[0]) / 10 * 10);
    gaps.collect()
}

#[tokio::test(start_paused = true)]
async fn a_panicking_run_is_retried_and_hurts_no_other() {
    let (queue, shutdown) = (queue(), CancellationToken::new());
    let ok = Arc::new(AtomicUsize::new(0));
    queue.add(1, Triggers::STARTUP);
    queue.add(2, Triggers::STARTUP);
    let (server, stop, count) = (queue.clone(), shutdown.clone(), Arc::clone(&ok));
    let serving = tokio::spawn(async move {
        let handler = move |run: Run<u32>| {
            let count = Arc::clone(&count);
            async move {
                assert_ne!(run.key, 1, "boom");
                count.fetch_add(1, Ordering::Relaxed);
                Requeue::Never
            }
        };
        server.serve(1, stop, handler).await;
    });
    settle().await;
    assert_eq!(ok.load(Ordering::Relaxed), 1);
    shutdown.cancel();
    assert!(serving.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_is_no_used_worker() {
    let metrics = QueueMetrics::unregistered();
    let (queue, shutdown) = (
        Queue::new(Backoff::default(), metrics.clone()),
        CancellationToken::new(),
    );
    let (stop, seen) = (shutdown.clone(), metrics.clone());
    queue.add(1, Triggers::STARTUP);
    let handler = move |mut run: Run<u32>| {
        let (stop, seen) = (stop.clone(), seen.clone());
        async move {
            assert_eq!(seen.active_now(), 1);
            let parked = run.slot.park(async { seen.active_now() }).await;
            assert_eq!((parked, seen.active_now()), (0, 1));
            stop.cancel();
            Requeue::Never
        }
    };
    queue.serve(2, shutdown, handler).await;
    assert_eq!(metrics.active_now(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_active_while_it_runs_or_is_about_to() {
    let (queue, shutdown) = (queue(), CancellationToken::new());
    assert!(!queue.is_active(&1));
    queue.add(1, Triggers::STARTUP);
    assert!(queue.is_active(&1));
    let (running, stop) = (queue.clone(), shutdown.clone());
    let handler = move |run: Run<u32>| {
        let (running, stop) = (running.clone(), stop.clone());
        async move {
            assert!(running.is_active(&run.key));
            stop.cancel();
            Requeue::After(Duration::from_hours(1))
        }
    };
    queue.serve(2, shutdown, handler).await;
    assert!(!queue.is_active(&1), "it waits for its timer");
}

#[tokio::test(start_paused = true)]
async fn operators_see_what_is_queued_parked_and_due() {
    let metrics = crate::metrics::Metrics::new().expect("names").queue("inspected");
    let (queue, shutdown) = (Queue::new(Backoff::default(), metrics), CancellationToken::new());
    queue.add("parked", Triggers::OBJECT | Triggers::ARTIFACT);
    queue.add("works", Triggers::STARTUP);
    queue.add("waits", Triggers::CONFIG);
    queue.add_after("later", Duration::from_hours(1));
    let serving = queue.clone();
    tokio::spawn(async move {
        let handler = |mut run: Run<&'static str>| async move {
            if run.key == "parked" {
                run.slot.on("a test").park(std::future::pending::<()>()).await;
            }
            std::future::pending::<Requeue>().await
        };
        serving.serve(1, shutdown, handler).await;
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    queue.add("works", Triggers::REQUESTED);
    let all: serde_json::Value = serde_json::from_str(&inspect::runs()).expect("JSON");
    let all = all["queues"].as_array().expect("a list");
    let report = all
        .iter()
        .find(|report| report["queue"] == "inspected")
        .expect("the queue");
    let running = report["running"].as_array().expect("a list");
    let of = |object: &str| {
        running
            .iter()
            .find(|run| run["object"] == object)
            .expect("it runs")
    };
    assert_eq!(
        of("parked")["parked"],
        serde_json::json!({"on": "a test", "seconds": 2.0})
    );
    assert_eq!(
        of("parked")["because_of"],
        serde_json::json!(["object", "artifact"])
    );
    assert_eq!(of("works")["parked"], serde_json::Value::Null);
    assert_eq!(
        (&of("works")["is_superseded"], &of("parked")["is_superseded"]),
        (&true.into(), &false.into())
    );
    let waiting = serde_json::json!([{"object": "waits", "seconds": 2.0, "because_of": ["config"]}]);
    assert_eq!(report["queued"], waiting);
    let later = serde_json::json!([{"object": "later", "in_seconds": 3598.0}]);
    assert_eq!(
        (&report["scheduled"], &report["scheduled_in_all"]),
        (&later, &1.into())
    );
}
