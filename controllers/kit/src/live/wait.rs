//! Waiting for objects to become ready, woken by their watches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flux_cel::health::HealthChecks;
use serde_json::Value;
use tokio::time::Instant;

use super::end::WaitEnd;
use super::health::Health;
use super::kind::{KindState, KindWatch};
use super::named::NamedWatch;
use super::rule::Rule;
use super::tally::{Tally, Verdict};
use super::wake::Wake;
use super::{LiveStore, READ_TIMEOUT};
use crate::mapper::MapError;
use crate::mapping::Mapping;
use crate::object::ObjectId;
use crate::readiness::Status;
use crate::rest::Rest;
use crate::watch::ObjectKey;

/// An object to wait for.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its identity.
    pub id: ObjectId,
    /// Its API version; the one that the server prefers when absent.
    pub version: Option<String>,
    /// Whether it is known to carry the owner label.
    pub owned: bool,
    /// Whether its absence is success: Jobs that remove themselves (`ttlSecondsAfterFinished`).
    pub may_vanish: bool,
    /// When it counts as ready.
    pub rule: Rule,
}

/// How long to wait, and what ends it early.
#[derive(Clone, Debug, Default)]
pub struct WaitOptions {
    /// Longest wait.
    pub timeout: Duration,
    /// End as soon as one object has failed.
    pub fail_fast: bool,
    /// What tells the readiness of some kinds instead of the rule; not whether they are gone.
    pub expressions: Option<Arc<HealthChecks>>,
}

/// Objects that cannot be watched, and kinds that are not served yet, are looked at this often.
const POLL: Duration = Duration::from_secs(5);

impl LiveStore {
    /// Waits until all targets are ready; `rest` reads those that the controller itself cannot watch.
    ///
    /// The future only sleeps on events, so that it is meant to be awaited outside a worker slot.
    pub async fn wait(&self, targets: Vec<Target>, options: WaitOptions, rest: &Rest) -> WaitEnd {
        let deadline = Instant::now() + options.timeout;
        let mut served = self.shared.mapper.changes();
        let mut wait = Wait::new(self, rest, targets, deadline, options.expressions);
        // All watches are opened before the first is waited for.
        for target in 0..wait.targets.len() {
            wait.attach(target).await;
        }
        if let Some(id) = wait.lacks_namespace() {
            return WaitEnd::NoNamespace(id);
        }
        let mut changed: BTreeSet<usize> = (0..wait.targets.len()).collect();
        let mut next_poll = Instant::now() + POLL;
        loop {
            let looking = async {
                for target in changed {
                    wait.look(target).await;
                }
            };
            // An API server that does not answer must not stretch the time for long.
            let at_most = deadline.max(Instant::now() + READ_TIMEOUT);
            if tokio::time::timeout_at(at_most, looking).await.is_err() {
                tracing::info!("the readiness of some objects could not be read in time");
            }
            wait.tally.pass(now());
            match wait.tally.verdict(options.fail_fast) {
                Verdict::Ready => return WaitEnd::Ready,
                Verdict::Failed => return wait.not_ready(false),
                Verdict::Waiting if Instant::now() >= deadline => return wait.not_ready(true),
                Verdict::Waiting => {}
            }
            changed = tokio::select! {
                () = wait.wake.news() => wait.wake.take(),
                Ok(()) = served.changed(), if wait.awaits_kinds() => wait.of_unserved_kinds(),
                () = tokio::time::sleep_until(next_poll), if !wait.asked.is_empty() => {
                    next_poll = Instant::now() + POLL;
                    wait.asked.clone()
                }
                () = tokio::time::sleep_until(wait.next_moment()) => BTreeSet::new(),
            };
        }
    }
}

/// A wait in progress.
struct Wait<'a> {
    store: &'a LiveStore,
    rest: &'a Rest,
    deadline: Instant,
    expressions: Option<Arc<HealthChecks>>,
    targets: Vec<Watched>,
    tally: Tally,
    /// The targets that no watch tells about, as long as they are not ready.
    asked: BTreeSet<usize>,
    wake: Arc<Wake>,
    /// What this wait is registered for.
    registered: Vec<ObjectId>,
}

struct Watched {
    target: Target,
    source: Source,
}

/// How the state of a target is learned.
enum Source {
    /// Its kind is not served, as far as is known.
    Unserved(String),
    /// A watch tells.
    Watch {
        mapping: Mapping,
        kind: Arc<KindWatch>,
        /// Keeps the watch of a single object open.
        named: Option<Arc<NamedWatch>>,
    },
    /// It is read from time to time.
    Poll(Mapping),
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.store
            .shared
            .waiters
            .remove(self.registered.iter(), &self.wake);
    }
}

impl<'a> Wait<'a> {
    fn new(
        store: &'a LiveStore,
        rest: &'a Rest,
        targets: Vec<Target>,
        deadline: Instant,
        expressions: Option<Arc<HealthChecks>>,
    ) -> Self {
        let mut tally = Tally::default();
        for target in 0..targets.len() {
            tally.note(target, Health::unknown("it could not be read in time"), false, 0);
        }
        let unserved = |target| Watched {
            target,
            source: Source::Unserved(String::new()),
        };
        Self {
            store,
            rest,
            deadline,
            expressions,
            targets: targets.into_iter().map(unserved).collect(),
            tally,
            asked: BTreeSet::new(),
            wake: Arc::default(),
            registered: Vec::new(),
        }
    }

    /// Finds out how the state of a target is learned, and opens its watch.
    async fn attach(&mut self, at: usize) {
        let Some(target) = self.targets.get(at).map(|watched| watched.target.clone()) else {
            return;
        };
        let source = match self.endpoint(&target).await {
            Ok(mapping) => {
                let key = key_of(&mapping, &target);
                let waiters = &self.store.shared.waiters;
                let every = self.has_expressions(&target);
                self.registered
                    .push(waiters.add(&mapping, &key, &self.wake, at, every));
                self.open(&target, mapping, &key).await
            }
            Err(MapError::NoMatch { kind, .. }) => {
                let group = &target.id.group;
                Source::Unserved(format!("no matches for kind {kind:?} in group {group:?}"))
            }
            Err(error) => Source::Unserved(error.to_string()),
        };
        if let Some(watched) = self.targets.get_mut(at) {
            watched.source = source;
        }
    }

    async fn endpoint(&self, target: &Target) -> Result<Mapping, MapError> {
        let (mapper, id) = (&self.store.shared.mapper, &target.id);
        match &target.version {
            Some(version) => mapper.mapping(&id.group, version, &id.kind).await,
            None => mapper.preferred(&id.group, &id.kind).await,
        }
    }

    async fn open(&self, target: &Target, mapping: Mapping, key: &ObjectKey) -> Source {
        let store = self.store;
        let lies_nowhere = mapping.namespaced && key.namespace.is_empty();
        if lies_nowhere || !store.covers(&mapping, &key.namespace) {
            return Source::Poll(mapping);
        }
        if !target.owned && !self.may_read(&mapping, key).await {
            return Source::Poll(mapping);
        }
        let watch = if target.owned || store.get(&mapping, &key.namespace, &key.name).is_some() {
            store.follow(&mapping);
            store.watch_of(&mapping).map(|kind| (kind, None))
        } else {
            let named = store.follow_named(&mapping, key);
            named.map(|named| (Arc::clone(&named.kind), Some(named)))
        };
        match watch {
            Some((kind, named)) => Source::Watch { mapping, kind, named },
            None => Source::Poll(mapping),
        }
    }

    /// Watches are the controller's, which may see more than whoever asks.
    async fn may_read(&self, mapping: &Mapping, key: &ObjectKey) -> bool {
        !self.rest.is_impersonating() || self.read(mapping, key).await.status(now()) != Status::Unknown
    }

    /// Finds a target of a namespaced kind that has no namespace.
    fn lacks_namespace(&self) -> Option<ObjectId> {
        let lacks = self.targets.iter().find(|watched| match &watched.source {
            Source::Unserved(_) => false,
            Source::Watch { mapping, .. } | Source::Poll(mapping) => {
                mapping.namespaced && watched.target.id.namespace.is_empty()
            }
        });
        lacks.map(|watched| watched.target.id.clone())
    }

    /// Learns the state of a target.
    async fn look(&mut self, at: usize) {
        let is_unserved = |watched: &Watched| matches!(watched.source, Source::Unserved(_));
        if self.targets.get(at).is_some_and(is_unserved) {
            self.attach(at).await;
        }
        let mut health = self.observe(at).await;
        if health.is_none() {
            // What its watch told is not to be had from there any more.
            self.attach(at).await;
            health = self.observe(at).await;
            if health.is_none() {
                self.ask_instead(at);
                health = self.observe(at).await;
            }
        }
        let Some(watched) = self.targets.get(at) else {
            return;
        };
        let (may_vanish, rule) = (watched.target.may_vanish, watched.target.rule);
        let is_watched = matches!(watched.source, Source::Watch { .. });
        let health = health.unwrap_or_else(Health::not_found);
        let has_expressions = self.has_expressions(&watched.target);
        // What is read when its watch tells of it, and could not be read, is read again: the watch may have no more to tell.
        let is_told = is_watched && !(has_expressions && health.status(now()) == Status::Unknown);
        let health = if has_expressions {
            health
        } else {
            rule.judge(&watched.target.id, health)
        };
        if self.tally.note(at, health, may_vanish, now()) || is_told {
            self.asked.remove(&at);
        } else {
            self.asked.insert(at);
        }
    }

    /// Gives what is known of a target; nothing when its watch cannot tell.
    async fn observe(&self, at: usize) -> Option<Health> {
        let watched = self.targets.get(at)?;
        match &watched.source {
            // With the kind its objects are gone.
            Source::Unserved(_) if watched.target.rule == Rule::Gone => Some(Health::not_found()),
            Source::Unserved(error) => Some(Health::unknown(error)),
            Source::Poll(mapping) => Some(self.ask(mapping, &watched.target).await),
            Source::Watch { mapping, kind, named } => {
                let settled = tokio::time::timeout_at(self.deadline, kind.settled()).await;
                if !matches!(settled, Ok(KindState::Synced | KindState::Interrupted)) {
                    return None;
                }
                let key = key_of(mapping, &watched.target);
                let known = kind.objects.read().get(&key).map(|live| live.health.clone());
                match known {
                    // It may have lost the label.
                    None if named.is_none() && !watched.target.owned => None,
                    // Of what is watched only the readiness by the rules is kept.
                    Some(_) if self.has_expressions(&watched.target) => {
                        Some(self.ask(mapping, &watched.target).await)
                    }
                    known => Some(known.unwrap_or_else(Health::not_found)),
                }
            }
        }
    }

    /// Gives up on the watch of a target.
    fn ask_instead(&mut self, at: usize) {
        if let Some(watched) = self.targets.get_mut(at)
            && let Source::Watch { mapping, .. } = &watched.source
        {
            watched.source = Source::Poll(mapping.clone());
        }
    }

    /// Tells whether the readiness of a target is told by expressions.
    fn has_expressions(&self, target: &Target) -> bool {
        let (expressions, id) = (self.expressions.as_ref(), &target.id);
        target.rule != Rule::Gone
            && expressions.is_some_and(|expressions| expressions.of(&id.group, &id.kind).is_some())
    }

    /// Reads a target and judges it, by expressions where there are some for it.
    async fn ask(&self, mapping: &Mapping, target: &Target) -> Health {
        let key = key_of(mapping, target);
        let expressions = self.expressions.clone().filter(|_| self.has_expressions(target));
        let Some(expressions) = expressions else {
            return self.read(mapping, &key).await;
        };
        let object = match self.fetch(mapping, &key).await {
            Ok(object) => object,
            Err(health) => return health,
        };
        let id = target.id.clone();
        // An expression may take its time, within its limits.
        let judging = tokio::task::spawn_blocking(move || {
            let check = expressions.of(&id.group, &id.kind);
            check.map_or_else(|| Health::of(&object), |check| Health::by(check, &object))
        });
        judging.await.unwrap_or_else(|error| Health::unknown(&error))
    }

    async fn read(&self, mapping: &Mapping, key: &ObjectKey) -> Health {
        self.fetch(mapping, key)
            .await
            .map_or_else(|health| health, |object| Health::of(&object))
    }

    /// Reads an object; what keeps it from being read is what is known of it.
    async fn fetch(&self, mapping: &Mapping, key: &ObjectKey) -> Result<Value, Health> {
        if mapping.namespaced && key.namespace.is_empty() {
            let why = "an empty namespace may not be set when a resource name is provided";
            return Err(Health::unknown(why));
        }
        let reading = async {
            let _permit = self.store.shared.reads.acquire().await;
            self.rest.get(mapping, &key.namespace, &key.name).await
        };
        match tokio::time::timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(Some(object))) => Ok(object),
            Ok(Ok(None)) => Err(Health::not_found()),
            Ok(Err(error)) => Err(Health::unknown(&error)),
            Err(_) => Err(Health::unknown("the API server does not answer")),
        }
    }

    fn awaits_kinds(&self) -> bool {
        self.asked.iter().any(|at| self.is_unserved(*at))
    }

    fn of_unserved_kinds(&self) -> BTreeSet<usize> {
        let asked = self.asked.iter().copied();
        asked.filter(|at| self.is_unserved(*at)).collect()
    }

    fn is_unserved(&self, at: usize) -> bool {
        let watched = self.targets.get(at);
        watched.is_some_and(|watched| matches!(watched.source, Source::Unserved(_)))
    }

    /// The next moment at which something is true that is not true yet.
    fn next_moment(&self) -> Instant {
        let failure = self.tally.next_failure().map(|at| {
            let seconds = u64::try_from(at - now()).unwrap_or_default();
            Instant::now() + Duration::from_secs(seconds.max(1))
        });
        failure.map_or(self.deadline, |at| at.min(self.deadline))
    }

    fn not_ready(&self, timed_out: bool) -> WaitEnd {
        let told = |(at, health): (usize, &Health)| {
            let id = self.targets.get(at)?.target.id.clone();
            Some((id, health.status(now()), health.error().map(ToOwned::to_owned)))
        };
        let objects = if timed_out {
            self.tally.open().filter_map(told).collect()
        } else {
            self.tally.failed().filter_map(told).collect()
        };
        WaitEnd::NotReady { timed_out, objects }
    }
}

fn key_of(mapping: &Mapping, target: &Target) -> ObjectKey {
    // Whoever names what lies in no namespace may have given it one.
    let namespace = if mapping.namespaced {
        target.id.namespace.as_str()
    } else {
        ""
    };
    ObjectKey::new(namespace, target.id.name.as_str())
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
