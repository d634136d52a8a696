//! Planning a stage: finds out what applying its objects would do.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::engine::{Applier, ApplyOptions, Interrupt, Verify};
use super::memory::{ApplyMemory, Desired};
use super::{Action, ApplyError, Entry, Normalized, markers, normalize};
use crate::live::Live;
use crate::mapper::Mapping;
use crate::object::{ObjectId, api_version, has_marker, id_of, kind, metadata_map, split_api_version};
use crate::rest::ObjectPath;

/// What applying the objects of one stage would do, in the order of application.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) items: Vec<Planned>,
}

impl Plan {
    /// Gives what is to become of each object.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.items.iter().map(|item| item.entry(item.step.action()))
    }
}

/// What is to be done with one object.
#[derive(Debug)]
pub(super) enum Step {
    /// A marker says to leave it alone.
    Skip,
    /// It is what it should be.
    Keep {
        /// The hash of what we own of it, if that has just been seen.
        owned: Option<u64>,
    },
    /// It does not exist.
    Create,
    /// It differs.
    Change {
        /// The very object that it was compared with.
        uid: String,
        /// Its resource version then.
        version: String,
        /// Removes what other tools left behind.
        cleanup: Option<Value>,
    },
    /// The only object of its stage that changed, and one that we own: applied without a dry-run.
    ChangeDirectly {
        /// Resource version at which we own it.
        version: String,
    },
    /// It cannot become what it should be.
    Recreate {
        /// The very object that is in the way.
        uid: String,
        /// Its resource version when that was found out.
        version: String,
    },
}

impl Step {
    pub(super) fn action(&self) -> Action {
        match self {
            Self::Skip => Action::Skipped,
            Self::Keep { .. } => Action::Unchanged,
            Self::Create | Self::Recreate { .. } => Action::Created,
            Self::Change { .. } | Self::ChangeDirectly { .. } => Action::Configured,
        }
    }
}

/// An object, where it belongs, and what is to be done with it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) object: Value,
    pub(super) mapping: Mapping,
    pub(super) id: ObjectId,
    pub(super) desired: Desired,
    pub(super) normalized: Normalized,
    pub(super) step: Step,
}

impl Planned {
    pub(super) fn path(&self) -> ObjectPath<'_> {
        ObjectPath {
            mapping: &self.mapping,
            namespace: &self.id.namespace,
            name: &self.id.name,
        }
    }

    pub(super) fn entry(&self, action: Action) -> Entry {
        Entry {
            id: self.id.clone(),
            version: self.mapping.version.clone(),
            action,
        }
    }
}

/// An API server that says nothing for this long keeps nobody else waiting, and no newer event.
const PATIENCE: Duration = Duration::from_secs(1);

/// Planning may take at least this long, however short a timeout is.
const MIN_TIMEOUT: Duration = Duration::from_secs(5);

impl Applier<'_> {
    /// Finds out what applying `objects` would do; nothing is written, but for the migration of `managedFields`.
    ///
    /// # Errors
    /// What the API server would reject, all of it; or the first failure that says nothing about an object, such as a
    /// webhook that does not answer, since all others would only wait for the same. [`ApplyError::Interrupted`] when
    /// the plan is of no use any more.
    pub async fn plan(
        &self,
        objects: Vec<Value>,
        options: ApplyOptions,
        memory: &ApplyMemory,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Plan, ApplyError> {
        let timeout = options.timeout.max(MIN_TIMEOUT);
        let deadline = Instant::now() + timeout;
        let all = objects.len();
        let mut decided = Vec::with_capacity(all);
        let mut open = Vec::new();
        for (at, object) in objects.into_iter().enumerate() {
            match interrupt.answer(self.resolve(object), deadline).await? {
                Some(Ok(mut item)) => {
                    if self.known_step(&mut item, options, memory) {
                        decided.push((at, Ok(item)));
                    } else {
                        open.push((at, item));
                    }
                }
                Some(Err(error)) if error.is_of_system() => return Err(error),
                Some(Err(error)) => decided.push((at, Err(error))),
                None => return Err(ApplyError::timed_out(timeout, decided.len() + open.len(), all)),
            }
        }
        if let [(_, only)] = open.as_mut_slice()
            && decided.iter().all(|(_, item)| item.is_ok())
            && let Some(live) = self.direct(only, options, memory)
        {
            only.step = Step::ChangeDirectly {
                version: live.resource_version.into(),
            };
            decided.push((open[0].0, Ok(open.remove(0).1)));
        }
        let mut answers = stream::iter(open)
            .map(|(at, item)| async move { (at, self.verify(item, options).await) })
            .buffer_unordered(options.concurrency.0.max(1));
        loop {
            match interrupt.answer(answers.next(), deadline).await? {
                Some(Some((at, item))) => {
                    let stop = item.as_ref().is_err_and(ApplyError::is_of_system);
                    decided.push((at, item));
                    if stop {
                        break;
                    }
                }
                Some(None) => break,
                None => {
                    let error = ApplyError::timed_out(timeout, decided.len(), all);
                    decided.push((all, Err(error)));
                    break;
                }
            }
        }
        decided.sort_by_key(|(at, _)| *at);
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        for (_, item) in decided {
            match item {
                Ok(item) => items.push(item),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Plan { items })
        } else {
            Err(ApplyError::several(errors))
        }
    }

    /// Normalises an object and finds its endpoint.
    async fn resolve(&self, mut object: Value) -> Result<Planned, ApplyError> {
        let normalized = normalize(&mut object)?;
        let mut id = id_of(&object);
        let (group, version) = split_api_version(api_version(&object));
        let mapping = match self.mapper.mapping(group, version, kind(&object)).await {
            Ok(mapping) => mapping,
            Err(source) => return Err(ApplyError::Kind { id, source }),
        };
        if !mapping.namespaced {
            id.namespace.clear();
        } else if id.namespace.is_empty() {
            return Err(ApplyError::NoNamespace { id });
        }
        self.live.follow(&mapping);
        let desired = Desired::of(&object);
        Ok(Planned {
            object,
            mapping,
            id,
            desired,
            normalized,
            step: Step::Skip,
        })
    }

    /// Decides what needs no request; tells whether the step is decided.
    fn known_step(&self, item: &mut Planned, options: ApplyOptions, memory: &ApplyMemory) -> bool {
        if is_ignored(&item.object) {
            item.step = Step::Skip;
            return true;
        }
        if options.verify == Verify::All || has_marker(&item.object, markers::SSA, "IfNotPresent") {
            return false;
        }
        let unchanged = self.live_state(item).is_some_and(|live| {
            !live.needs_cleanup
                && !live.has_markers
                && memory.is_unchanged(&item.id, item.desired, live.owned)
        });
        if unchanged {
            item.step = Step::Keep { owned: None };
        }
        unchanged
    }

    /// An object that we applied before, and that nobody has touched since, can be applied without a dry-run when
    /// no other object of its stage depends on the answer, and when only values of fields differ that we own already:
    /// of what equals the cluster, stock takes no ownership.
    fn direct(&self, item: &Planned, options: ApplyOptions, memory: &ApplyMemory) -> Option<Live> {
        let plain = !options.force
            && !options.migrate_api_version
            && options.verify == Verify::Changed
            && ![markers::SSA, markers::FORCE]
                .iter()
                .any(|marker| has_any(&item.object, marker));
        let live = self.live_state(item).filter(|_| plain)?;
        let undisturbed = !live.needs_cleanup
            && !live.has_markers
            && memory.has_only_other_values(&item.id, item.desired, live.owned);
        undisturbed.then_some(live)
    }
}

impl Interrupt<'_> {
    /// Awaits an answer; nothing once `deadline` has passed. The slot is given up when that takes long.
    async fn answer<T>(
        &mut self,
        answer: impl Future<Output = T>,
        deadline: Instant,
    ) -> Result<Option<T>, ApplyError> {
        let (obsolete, superseded) = (self.obsolete.as_mut(), self.superseded);
        let overtaken = async {
            superseded.wait().await;
            sleep(PATIENCE).await;
        };
        let mut end = pin!(async {
            tokio::select! {
                biased;
                () = obsolete => Err(ApplyError::Interrupted),
                answer = answer => Ok(Some(answer)),
                () = overtaken => Err(ApplyError::Interrupted),
                () = sleep_until(deadline) => Ok(None),
            }
        });
        tokio::select! {
            biased;
            end = &mut end => end,
            () = sleep(PATIENCE) => self.slot.park(end).await,
        }
    }
}

/// Tells whether a marker keeps an object from being applied, whether it is desired or live.
pub(super) fn is_ignored(object: &Value) -> bool {
    has_marker(object, markers::RECONCILE, "disabled") || has_marker(object, markers::SSA, "Ignore")
}

fn has_any(object: &Value, key: &str) -> bool {
    ["labels", "annotations"]
        .iter()
        .any(|field| metadata_map(object, field).is_some_and(|entries| entries.contains_key(key)))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use serde_json::json;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::metrics::QueueMetrics;
    use crate::queue::{Backoff, Queue, Requeue, Run, Triggers};

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

    #[test]
    fn markers_on_labels_or_annotations_stop_an_apply() {
        let marked = |field: &str, key: &str, value: &str| json!({"metadata": {field: {key: value}}});
        assert!(is_ignored(&marked("labels", markers::RECONCILE, "Disabled")));
        assert!(is_ignored(&marked("annotations", markers::SSA, "ignore")));
        assert!(!is_ignored(&marked("annotations", markers::SSA, "Merge")));
    }
}
