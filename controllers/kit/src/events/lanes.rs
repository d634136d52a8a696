//! Delivery of events in lanes: one namespace after the other takes its turn, and a slow one keeps no other from it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::report::Report;

/// How many namespaces are served at once; each has one delivery at a time, so that its events keep their order.
const LANES: usize = 16;

/// Events that wait in all namespaces; beyond it new ones are dropped.
const WAITING: usize = 4096;

/// Events that wait in one namespace: it must not leave others without room.
const WAITING_IN_ONE: usize = WAITING / 4;

/// How long one event is waited for once the process is to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Delivers all events that come, until nobody can send any more and none is left; tells how many were given up.
///
/// After `shutdown`, a namespace whose events are not delivered within a moment is given up.
pub(super) async fn deliver<F: Future<Output = ()>>(
    mut events: mpsc::Receiver<Arc<Report>>,
    shutdown: &CancellationToken,
    deliver: impl Fn(Arc<Report>) -> F,
) -> usize {
    let (mut lanes, mut running) = (Lanes::default(), FuturesUnordered::new());
    let (mut is_open, mut given_up) = (true, 0);
    loop {
        while let Some((namespace, report)) = lanes.begin(running.len()) {
            let delivery = deliver(report);
            running.push(async move {
                let done = in_time(delivery, shutdown).await;
                (namespace, done.is_some())
            });
        }
        tokio::select! {
            report = events.recv(), if is_open => match report {
                Some(report) => lanes.add(report),
                None => is_open = false,
            },
            Some((namespace, done)) = running.next() => {
                lanes.end(&namespace);
                if !done {
                    given_up += 1 + lanes.give_up(&namespace);
                }
            }
            else => return given_up,
        }
    }
}

/// Waits for a delivery, but not long once `shutdown` has come; `None` when it was given up.
async fn in_time<T>(delivery: impl Future<Output = T>, shutdown: &CancellationToken) -> Option<T> {
    let over = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_MOMENT).await;
    };
    tokio::select! {
        result = delivery => Some(result),
        () = over => None,
    }
}

/// The events that wait, by namespace.
#[derive(Default)]
struct Lanes {
    waiting: HashMap<String, VecDeque<Arc<Report>>>,
    count: usize,
    /// Namespaces with waiting events that are not being served, in the order of their turns.
    turns: VecDeque<String>,
    busy: HashSet<String>,
}

impl Lanes {
    fn add(&mut self, report: Arc<Report>) {
        let namespace = report.event.regarding.namespace.as_str();
        let before = self.waiting.get(namespace).map_or(0, VecDeque::len);
        if self.count >= WAITING || before >= WAITING_IN_ONE {
            return report.dropped();
        }
        let waiting = self.waiting.entry(namespace.to_owned()).or_default();
        if waiting.is_empty() && !self.busy.contains(namespace) {
            self.turns.push_back(namespace.to_owned());
        }
        waiting.push_back(report);
        self.count += 1;
    }

    /// Gives the next event to deliver if not too many namespaces are being served.
    fn begin(&mut self, serving: usize) -> Option<(String, Arc<Report>)> {
        if serving >= LANES {
            return None;
        }
        let namespace = self.turns.pop_front()?;
        let report = self.waiting.get_mut(&namespace)?.pop_front()?;
        self.count -= 1;
        self.busy.insert(namespace.clone());
        Some((namespace, report))
    }

    /// A delivery has ended; the namespace takes its turn behind the others.
    fn end(&mut self, namespace: &str) {
        self.busy.remove(namespace);
        if self
            .waiting
            .get(namespace)
            .is_some_and(|waiting| !waiting.is_empty())
        {
            self.turns.push_back(namespace.to_owned());
        } else {
            self.waiting.remove(namespace);
        }
    }

    /// Drops what waits in a namespace; tells how much that was.
    fn give_up(&mut self, namespace: &str) -> usize {
        self.turns.retain(|waiting| waiting != namespace);
        let dropped = self.waiting.remove(namespace).map_or(0, |waiting| waiting.len());
        self.count -= dropped;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use parking_lot::Mutex;
    use tokio::time::{Instant, sleep};

    use super::super::report::{EventRecord, Regarding, Severity};
    use super::*;

    fn report(namespace: &str, message: &str) -> Arc<Report> {
        let regarding = Regarding {
            namespace: namespace.to_owned(),
            ..Regarding::default()
        };
        let event = EventRecord {
            regarding,
            severity: Severity::Info,
            reason: "Progressing".to_owned(),
            message: message.to_owned(),
            metadata: std::collections::BTreeMap::new(),
        };
        Arc::new(Report {
            controller: Arc::from("c"),
            event,
            at: Timestamp::UNIX_EPOCH,
        })
    }

    const QUICK: Duration = Duration::from_millis(500);
    const SLOW: Duration = Duration::from_secs(30);

    /// Sends all of these, and delivers them with this pause for those of namespaces that are slow; gives who was served
    /// and when, and how many were given up.
    async fn served(
        reports: Vec<Arc<Report>>,
        shutdown: &CancellationToken,
    ) -> (Vec<(String, String, Duration)>, usize) {
        let (sender, events) = mpsc::channel(reports.len());
        for report in reports {
            sender.send(report).await.expect("there is room");
        }
        drop(sender);
        let (begun, served) = (Instant::now(), Mutex::new(Vec::new()));
        let list = &served;
        let write = |report: Arc<Report>| async move {
            let namespace = report.event.regarding.namespace.clone();
            let slow = namespace.starts_with("slow");
            sleep(if slow { SLOW } else { QUICK }).await;
            list.lock()
                .push((namespace, report.event.message.clone(), begun.elapsed()));
        };
        let given_up = deliver(events, shutdown, write).await;
        (served.into_inner(), given_up)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_namespace_delays_nobody_and_keeps_its_order() {
        let slow = (0..5).map(|number| report("slow", &number.to_string()));
        let quick = (0..5).map(|number| report("quick", &number.to_string()));
        let (all, given_up) = served(slow.chain(quick).collect(), &CancellationToken::new()).await;
        assert_eq!(given_up, 0);
        let of = |wanted: &str| {
            let all = all.iter().filter(|(namespace, ..)| namespace == wanted);
            all.map(|(_, message, at)| (message.clone(), *at))
                .collect::<Vec<_>>()
        };
        let each = |pause: Duration| {
            let numbers = 0..5_u32;
            numbers
                .map(move |number| (number.to_string(), pause * (number + 1)))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("quick"), each(QUICK));
        assert_eq!(of("slow"), each(SLOW));
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_are_bounded_and_taken_in_turns() {
        let all = (0..=LANES).flat_map(|number| {
            let namespace = format!("n-{number}");
            [report(&namespace, "0"), report(&namespace, "1")]
        });
        let (all, _) = served(all.collect(), &CancellationToken::new()).await;
        let at = |turn: u32| all.iter().filter(|(_, _, at)| *at == QUICK * turn).count();
        assert_eq!([at(1), at(2), at(3)], [LANES, LANES, 2]);
        let last = all
            .iter()
            .find(|(namespace, ..)| *namespace == format!("n-{LANES}"));
        assert_eq!(
            last.map(|(_, _, at)| *at),
            Some(QUICK * 2),
            "before the second of others"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_namespace_leaves_room_for_others_and_nobody_outlives_the_process() {
        let flood = (0..WAITING * 2).map(|_| report("slow", "m"));
        let (shutdown, quick) = (CancellationToken::new(), report("quick", "m"));
        shutdown.cancel();
        let begun = Instant::now();
        let (all, given_up) = served(flood.chain([quick]).collect(), &shutdown).await;
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0, "quick");
        assert!(given_up <= WAITING_IN_ONE + 1, "{given_up}");
        assert!(begun.elapsed() <= LAST_MOMENT * 2);
    }
}
