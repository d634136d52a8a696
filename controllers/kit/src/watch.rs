//! Typed caches over watch streams: one undecodable object, or a kind that is not installed, stops nothing else.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use flux_api::Tolerant;
use kube::core::Resource;
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use tokio::sync::watch as signal;
use tokio_util::sync::CancellationToken;

use crate::follow::{Failure, Follower, follow};

pub use flux_api::ObjectKey;

/// One change of a cached object, as handlers see it.
#[derive(Debug)]
pub enum Change<'a, T> {
    /// The object appeared or changed.
    Applied {
        /// What the cache held before.
        old: Option<&'a Arc<T>>,
        /// What it holds now.
        new: &'a Arc<T>,
    },
    /// The object is gone, or the selector no longer matches it.
    Deleted {
        /// What the cache held.
        old: &'a Arc<T>,
    },
    /// The object exists but does not have the shape of its kind; the cache keeps what it held before.
    Undecodable {
        /// Which object.
        key: &'a ObjectKey,
        /// Why it could not be read.
        error: &'a str,
    },
}

impl<T> Clone for Change<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

// It holds references only, so that this asks nothing of `T`.
impl<T> Copy for Change<'_, T> {}

/// A cache of all objects of one kind that a selector matches; clones share it.
pub struct WatchCache<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for WatchCache<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

struct Shared<T> {
    objects: RwLock<HashMap<ObjectKey, Arc<T>>>,
    /// Objects whose newest version could not be read, whether or not an earlier one is kept.
    odd: RwLock<HashSet<ObjectKey>>,
    state: signal::Sender<WatchState>,
}

/// How far a watch has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The first list has not arrived; that it failed for a reason that passes changes nothing.
    Starting,
    /// The cache is complete and follows the cluster.
    Synced,
    /// The kind cannot be watched, because its CRD is not installed or RBAC forbids it.
    Unavailable(String),
}

impl<T> Default for WatchCache<T> {
    fn default() -> Self {
        let (state, _) = signal::channel(WatchState::Starting);
        Self {
            shared: Arc::new(Shared {
                objects: RwLock::default(),
                odd: RwLock::default(),
                state,
            }),
        }
    }
}

impl<T> WatchCache<T> {
    /// Gives the cached object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.shared.objects.read().get(key).cloned()
    }

    /// Tells whether the object exists in a form that cannot be read: one that is not cached is not gone then.
    pub fn is_undecodable(&self, key: &ObjectKey) -> bool {
        self.shared.odd.read().contains(key)
    }

    /// Gives all cached objects, in no order.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.shared.objects.read().values().cloned().collect()
    }

    /// Tells how far the watch has come.
    pub fn state(&self) -> WatchState {
        self.shared.state.borrow().clone()
    }

    /// Waits until the first list has arrived, or until it is known that the kind cannot be watched.
    pub async fn settled(&self) -> WatchState {
        let mut receiver = self.shared.state.subscribe();
        match receiver.wait_for(|state| *state != WatchState::Starting).await {
            Ok(state) => state.clone(),
            // The sender lives in `self`, so that it cannot be gone.
            Err(_) => self.state(),
        }
    }

    /// Waits until the cache is complete, however long the kind cannot be watched.
    pub async fn synced(&self) {
        let mut receiver = self.shared.state.subscribe();
        // The sender lives in `self`, so that this cannot end early.
        let _ = receiver.wait_for(|state| *state == WatchState::Synced).await;
    }
}

impl<T> WatchCache<T>
where
    T: Resource + ResourceExt + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    T::DynamicType: Clone + Default + Debug + Eq + std::hash::Hash + Send,
{
    /// Follows the cluster until `shutdown`, calling `on_change` after each change of the cache.
    ///
    /// Failures are logged once per distinct text.
    pub async fn run(
        &self,
        api: Api<Tolerant<T>>,
        config: watcher::Config,
        shutdown: CancellationToken,
        on_change: impl FnMut(Change<'_, T>) + Send,
    ) {
        let mut filling = Filling {
            cache: self,
            listed: None,
            on_change,
        };
        let events = watcher::watcher(api, config);
        let what = T::kind(&T::DynamicType::default()).into_owned();
        follow(&what, events, &shutdown, &mut filling).await;
    }

    /// Notes that the watch failed.
    fn failed(&self, error: &watcher::Error, text: &str) {
        self.shared.state.send_if_modified(|state| match state {
            // A cache that was complete stays usable; the watcher lists again by itself.
            WatchState::Synced => false,
            // What a server that restarts answers says nothing about the kind.
            WatchState::Starting | WatchState::Unavailable(_) if !is_refused(error) => false,
            WatchState::Unavailable(known) if *known == text => false,
            WatchState::Starting | WatchState::Unavailable(_) => {
                *state = WatchState::Unavailable(text.to_owned());
                true
            }
        });
    }

    fn handle(
        &self,
        event: Event<Tolerant<T>>,
        listed: &mut Option<Listing<T>>,
        on_change: &mut impl FnMut(Change<'_, T>),
    ) {
        match event {
            Event::Init => *listed = Some(Listing::default()),
            Event::InitApply(guard) => {
                let (key, Some(listed)) = (guard_key(&guard), listed) else {
                    return;
                };
                match guard.0 {
                    Ok(object) => {
                        listed.objects.insert(key, Arc::new(object));
                    }
                    Err(invalid) => {
                        // Still there, so that it must not look deleted.
                        if let Some(old) = self.get(&key) {
                            listed.objects.insert(key.clone(), old);
                        }
                        listed.odd.insert(key.clone());
                        report_undecodable(&key, &invalid.reason, on_change);
                    }
                }
            }
            Event::InitDone => {
                if let Some(Listing { objects, odd }) = listed.take() {
                    *self.shared.odd.write() = odd;
                    self.replace_all(&objects, on_change);
                }
                self.shared.state.send_replace(WatchState::Synced);
            }
            Event::Apply(guard) => {
                let key = guard_key(&guard);
                match guard.0 {
                    Ok(object) => self.apply(key, &Arc::new(object), on_change),
                    Err(invalid) => {
                        self.shared.odd.write().insert(key.clone());
                        report_undecodable(&key, &invalid.reason, on_change);
                    }
                }
            }
            Event::Delete(guard) => {
                let key = guard_key(&guard);
                self.shared.odd.write().remove(&key);
                let old = self.shared.objects.write().remove(&key);
                if let Some(old) = old {
                    on_change(Change::Deleted { old: &old });
                }
            }
        }
    }

    fn apply(&self, key: ObjectKey, new: &Arc<T>, on_change: &mut impl FnMut(Change<'_, T>)) {
        self.shared.odd.write().remove(&key);
        let old = self.shared.objects.write().insert(key, Arc::clone(new));
        on_change(Change::Applied {
            old: old.as_ref(),
            new,
        });
    }

    fn replace_all(&self, listed: &HashMap<ObjectKey, Arc<T>>, on_change: &mut impl FnMut(Change<'_, T>)) {
        let before = std::mem::replace(&mut *self.shared.objects.write(), listed.clone());
        for (key, old) in &before {
            if !listed.contains_key(key) {
                on_change(Change::Deleted { old });
            }
        }
        for (key, new) in listed {
            let old = before.get(key);
            if old.is_none_or(|old| old.resource_version() != new.resource_version()) {
                on_change(Change::Applied { old, new });
            }
        }
    }
}

/// A cache that is being filled by its watch.
struct Filling<'a, T, F> {
    cache: &'a WatchCache<T>,
    listed: Option<Listing<T>>,
    on_change: F,
}

impl<T, F> Follower<Tolerant<T>> for Filling<'_, T, F>
where
    T: Resource + ResourceExt + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    T::DynamicType: Clone + Default + Debug + Eq + std::hash::Hash + Send,
    F: FnMut(Change<'_, T>) + Send,
{
    fn on_event(&mut self, event: Event<Tolerant<T>>) {
        self.cache.handle(event, &mut self.listed, &mut self.on_change);
    }

    fn count(&self) -> usize {
        self.cache.shared.objects.read().len()
    }

    fn on_failure(&mut self, failure: &Failure<'_>) -> ControlFlow<()> {
        if failure.is_news {
            let kind = T::kind(&T::DynamicType::default()).into_owned();
            tracing::warn!(kind, error = failure.text, "cannot watch this kind, retrying");
        }
        self.cache.failed(failure.error, failure.text);
        ControlFlow::Continue(())
    }
}

/// Whether the API server has decided about the kind: it does not serve it, or not to us.
fn is_refused(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return false;
    };
    matches!(status.code, 403..=405)
}

/// What a list has brought so far.
struct Listing<T> {
    objects: HashMap<ObjectKey, Arc<T>>,
    odd: HashSet<ObjectKey>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            odd: HashSet::new(),
        }
    }
}

fn guard_key<T: Resource + ResourceExt>(guard: &Tolerant<T>) -> ObjectKey
where
    T::DynamicType: Default,
{
    let meta = guard.meta();
    ObjectKey::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

fn report_undecodable<T>(key: &ObjectKey, error: &str, on_change: &mut impl FnMut(Change<'_, T>)) {
    tracing::warn!(object = %key, error, "object does not have the shape of its kind, ignoring this version of it");
    on_change(Change::Undecodable { key, error });
}

#[cfg(test)]
mod tests {
    use flux_api::Kustomization;
    use serde_json::json;

    use super::*;

    fn object(path: &serde_json::Value) -> Tolerant<Kustomization> {
        let object = json!({"metadata": {"name": "app", "namespace": "apps"}, "spec": {"path": path}});
        serde_json::from_value(object).expect("tolerated")
    }

    #[test]
    fn only_an_answer_about_the_kind_makes_it_unavailable() {
        let cache = WatchCache::<Kustomization>::default();
        let fail = |code: u16| {
            let status = kube::core::Status::failure("no", "Reason").with_code(code);
            let error = watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)));
            cache.failed(&error, &error.to_string());
            cache.state()
        };
        for passing in [429, 500, 503] {
            assert_eq!(fail(passing), WatchState::Starting, "{passing}");
        }
        let WatchState::Unavailable(why) = fail(404) else {
            panic!("a kind that is not served");
        };
        assert_eq!(
            fail(503),
            WatchState::Unavailable(why),
            "that is still the last answer about the kind"
        );
        let listed = [Event::Init, Event::InitDone];
        for event in listed {
            cache.handle(event, &mut None, &mut |_| {});
        }
        assert_eq!(fail(403), WatchState::Synced);
    }

    #[test]
    fn what_cannot_be_read_is_neither_cached_nor_gone() {
        let (cache, key) = (
            WatchCache::<Kustomization>::default(),
            ObjectKey::new("apps", "app"),
        );
        let (mut listed, mut ignore) = (None, |_: Change<'_, Kustomization>| {});
        let mut list = |listing: Vec<Tolerant<Kustomization>>| {
            let apply = listing.into_iter().map(Event::InitApply);
            for event in std::iter::once(Event::Init).chain(apply).chain([Event::InitDone]) {
                cache.handle(event, &mut listed, &mut ignore);
            }
            (cache.get(&key).is_some(), cache.is_undecodable(&key))
        };
        assert_eq!(list(vec![object(&json!(7))]), (false, true));
        assert_eq!(list(vec![object(&json!("a"))]), (true, false));
        assert_eq!(
            list(vec![object(&json!(7))]),
            (true, true),
            "the last good version is kept"
        );
        assert_eq!(list(vec![]), (false, false));
        assert_eq!(cache.state(), WatchState::Synced);
    }
}
