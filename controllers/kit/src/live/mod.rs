//! The live state of what was applied: per object a few hashes and its readiness, kept current by watches.
//!
//! One watch per kind and version, restricted to objects that carry the owner label, is opened when a kind is applied
//! for the first time. The objects themselves are not kept.

mod wait;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::{Notify, watch as signal};
use tokio_util::sync::CancellationToken;

use crate::apply::{FieldManagers, content_hash, markers, owned_hash};
use crate::mapper::Mapping;
use crate::object::{ObjectId, metadata_map, name, namespace, resource_version};
use crate::raw::RawObject;
use crate::readiness::{Status, status};
use crate::watch::{MAX_PAUSE, MIN_PAUSE, ObjectKey};

pub use wait::{Target, WaitEnd, WaitOptions};

/// What is known of a live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Resource version at which this was seen.
    pub resource_version: Box<str>,
    /// Hash of what drift is judged by.
    pub content: u64,
    /// Hash of what our field manager owns, fields and values; 0 when it owns nothing.
    pub owned: u64,
    /// Readiness.
    pub status: Status,
    /// Whether traces of other tools have to be removed before it is applied.
    pub needs_cleanup: bool,
    /// Whether it carries a marker that steers how it is applied, so that the whole object has to be read.
    pub has_markers: bool,
}

/// The live state of all applied objects of one cluster; clones share it.
#[derive(Clone)]
pub struct LiveStore {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    managers: FieldManagers,
    selector: String,
    shutdown: CancellationToken,
    kinds: Mutex<HashMap<Mapping, Arc<KindWatch>>>,
    waiters: Mutex<HashMap<ObjectId, Vec<Arc<Notify>>>>,
}

struct KindWatch {
    objects: RwLock<HashMap<ObjectKey, Live>>,
    state: signal::Sender<KindState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KindState {
    Starting,
    Synced,
    /// The watch broke off. It may go on from there, but until it does, what is known is old.
    Interrupted,
    Unavailable,
}

/// What a watch is opened on: all labelled objects of a kind, or one named object.
enum Scope<'a> {
    Labelled,
    Named { namespace: &'a str, name: &'a str },
}

/// A kind that is still not found after pauses of this length is not served any more.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// A watch that was opened again and has not failed for this long goes on: connecting would have failed by now.
const RESUMED_AFTER: Duration = Duration::from_secs(15);

/// Objects of one answer to a list; the default of 500 would need tens of MiB for a moment.
const LIST_PAGE: u32 = 100;

impl LiveStore {
    /// Creates a store that watches objects which carry the label `owner_label`.
    pub fn new(
        client: Client,
        managers: FieldManagers,
        owner_label: &str,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                managers,
                selector: owner_label.to_owned(),
                shutdown,
                kinds: Mutex::default(),
                waiters: Mutex::default(),
            }),
        }
    }

    /// Gives the field managers by which ownership is judged.
    pub fn managers(&self) -> &FieldManagers {
        &self.shared.managers
    }

    /// Gives what is known of an object; `None` when its kind is not watched at the moment, or it does not carry the
    /// label.
    pub fn get(&self, mapping: &Mapping, namespace: &str, name: &str) -> Option<Live> {
        let kind = Arc::clone(self.shared.kinds.lock().get(mapping)?);
        if *kind.state.borrow() != KindState::Synced {
            return None;
        }
        let key = ObjectKey::new(if mapping.namespaced { namespace } else { "" }, name);
        kind.objects.read().get(&key).cloned()
    }

    /// Opens the watch of a kind unless it is open.
    pub fn follow(&self, mapping: &Mapping) {
        let mut kinds = self.shared.kinds.lock();
        if kinds.contains_key(mapping) {
            return;
        }
        let kind = Arc::new(KindWatch::new());
        kinds.insert(mapping.clone(), Arc::clone(&kind));
        let (store, mapping, shutdown) = (self.clone(), mapping.clone(), self.shared.shutdown.clone());
        tokio::spawn(async move { store.run(&mapping, &Scope::Labelled, &kind, shutdown).await });
    }

    async fn run(&self, mapping: &Mapping, scope: &Scope<'_>, kind: &KindWatch, stop: CancellationToken) {
        let resource = mapping.api_resource();
        let client = self.shared.client.clone();
        let (api, config) = match scope {
            Scope::Labelled => (
                Api::<RawObject>::all_with(client, &resource),
                watcher::Config::default().labels(&self.shared.selector),
            ),
            Scope::Named { namespace, name } => {
                let api = if mapping.namespaced {
                    Api::namespaced_with(client, namespace, &resource)
                } else {
                    Api::all_with(client, &resource)
                };
                (
                    api,
                    watcher::Config::default().fields(&format!("metadata.name={name}")),
                )
            }
        };
        // Objects arrive whole and are reduced one by one: what is in flight counts, not what there is.
        let mut events = std::pin::pin!(watcher::watcher(api, config.page_size(LIST_PAGE)));
        let mut listed: Option<HashMap<ObjectKey, Live>> = None;
        let mut pause = MIN_PAUSE;
        loop {
            let goes_on = *kind.state.borrow() == KindState::Interrupted && listed.is_none();
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.next() => event,
                () = tokio::time::sleep(RESUMED_AFTER), if goes_on => {
                    kind.resume();
                    continue;
                }
            };
            match event {
                None => return,
                Some(Ok(event)) => {
                    // A list begins well even where it cannot succeed.
                    if !matches!(event, Event::Init) {
                        pause = MIN_PAUSE;
                    }
                    if matches!(event, Event::Apply(_) | Event::Delete(_)) {
                        kind.resume();
                    }
                    self.handle(mapping, kind, event, &mut listed);
                }
                // A kind that has just been defined may need a moment.
                Some(Err(watcher::Error::InitialListFailed(kube::Error::Api(status))))
                    if status.code == 404 && (pause > GONE_AFTER || kind.was_synced()) =>
                {
                    return self.end(mapping, kind);
                }
                Some(Err(error)) => {
                    let kind_name = &mapping.kind;
                    tracing::warn!(kind = %kind_name, %error, "cannot watch applied objects of this kind, retrying");
                    kind.state.send_if_modified(|state| {
                        let next = match state {
                            KindState::Starting => KindState::Unavailable,
                            KindState::Synced => KindState::Interrupted,
                            KindState::Interrupted | KindState::Unavailable => return false,
                        };
                        *state = next;
                        true
                    });
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    /// Ends the watch of a kind that is not served any more; it is opened again when the kind is applied again.
    fn end(&self, mapping: &Mapping, kind: &KindWatch) {
        tracing::info!(kind = %mapping.kind, "this kind is not served any more");
        let mut kinds = self.shared.kinds.lock();
        if kinds
            .get(mapping)
            .is_some_and(|known| std::ptr::eq(known.as_ref(), kind))
        {
            kinds.remove(mapping);
        }
        drop(kinds);
        kind.state.send_replace(KindState::Unavailable);
        let gone = std::mem::take(&mut *kind.objects.write());
        for key in gone.keys() {
            self.notify(mapping, key);
        }
    }

    fn handle(
        &self,
        mapping: &Mapping,
        kind: &KindWatch,
        event: Event<RawObject>,
        listed: &mut Option<HashMap<ObjectKey, Live>>,
    ) {
        match event {
            Event::Init => *listed = Some(HashMap::new()),
            Event::InitApply(mut object) => {
                if let Some(listed) = listed {
                    name_kind(mapping, &mut object.value);
                    let live = Live::observe(&object.value, &self.shared.managers);
                    listed.insert(key_of(&object.value), live);
                }
            }
            Event::InitDone => {
                let mut listed = listed.take().unwrap_or_default();
                let mut objects = kind.objects.write();
                for (key, live) in &mut listed {
                    if let Some(known) = objects.get(key).filter(|known| known.is_newer_than(live)) {
                        *live = known.clone();
                    }
                }
                if !kind.was_synced() {
                    // So far everything was learned from writes, which the first list may be older than. What is
                    // younger than the list shows up in the watch that follows it.
                    for (key, learned) in &*objects {
                        listed.entry(key.clone()).or_insert_with(|| learned.clone());
                    }
                }
                let before = std::mem::replace(&mut *objects, listed);
                let keys: Vec<ObjectKey> = objects.keys().cloned().chain(before.into_keys()).collect();
                drop(objects);
                kind.state.send_replace(KindState::Synced);
                for key in &keys {
                    self.notify(mapping, key);
                }
            }
            Event::Apply(object) => {
                let key = key_of(&object.value);
                let live = Live::observe(&object.value, &self.shared.managers);
                if kind.store(key.clone(), live) {
                    self.notify(mapping, &key);
                }
            }
            Event::Delete(object) => {
                let key = key_of(&object.value);
                if kind.remove(&key, &Live::observe(&object.value, &self.shared.managers)) {
                    self.notify(mapping, &key);
                }
            }
        }
    }

    /// Takes note of what the API server answered to a write, ahead of the watch.
    ///
    /// Without it a wait that follows an apply could see the state before that apply.
    pub(crate) fn learn(&self, mapping: &Mapping, object: &Value) {
        let Some(kind) = self.shared.kinds.lock().get(mapping).map(Arc::clone) else {
            return;
        };
        kind.store(key_of(object), Live::observe(object, &self.shared.managers));
    }

    fn notify(&self, mapping: &Mapping, key: &ObjectKey) {
        let id = ObjectId {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            group: mapping.group.clone(),
            kind: mapping.kind.clone(),
        };
        if let Some(waiters) = self.shared.waiters.lock().get(&id) {
            for waiter in waiters {
                waiter.notify_one();
            }
        }
    }
}

impl KindWatch {
    fn new() -> Self {
        let (state, _) = signal::channel(KindState::Starting);
        Self {
            objects: RwLock::default(),
            state,
        }
    }

    /// A watch that goes on has missed nothing.
    fn resume(&self) {
        self.state.send_if_modified(|state| {
            let interrupted = *state == KindState::Interrupted;
            if interrupted {
                *state = KindState::Synced;
            }
            interrupted
        });
    }

    /// Stores `live` unless something newer is known; tells whether the readiness changed.
    fn store(&self, key: ObjectKey, live: Live) -> bool {
        let mut objects = self.objects.write();
        match objects.get(&key) {
            Some(known) if known.is_newer_than(&live) => false,
            known => {
                let changed = known.is_none_or(|known| known.status != live.status);
                objects.insert(key, live);
                changed
            }
        }
    }

    /// Removes an object that was last seen as `live`, unless it has been created anew since; tells whether it did.
    fn remove(&self, key: &ObjectKey, live: &Live) -> bool {
        let mut objects = self.objects.write();
        if objects.get(key).is_some_and(|known| known.is_newer_than(live)) {
            return false;
        }
        objects.remove(key).is_some()
    }

    fn was_synced(&self) -> bool {
        matches!(*self.state.borrow(), KindState::Synced | KindState::Interrupted)
    }

    async fn settled(&self) -> KindState {
        let mut receiver = self.state.subscribe();
        match receiver.wait_for(|state| *state != KindState::Starting).await {
            Ok(state) => *state,
            Err(_) => KindState::Unavailable,
        }
    }
}

impl Live {
    fn observe(object: &Value, managers: &FieldManagers) -> Self {
        let keys = || {
            ["labels", "annotations"]
                .into_iter()
                .filter_map(|field| metadata_map(object, field))
                .flat_map(|m| m.keys())
        };
        Self {
            resource_version: resource_version(object).into(),
            content: content_hash(object),
            owned: owned_hash(object, managers),
            status: status(object, jiff::Timestamp::now().as_second()),
            needs_cleanup: managers.takes_over_any(object)
                || keys().any(|key| FieldManagers::is_stale_key(key)),
            has_markers: keys().any(|key| is_marker(key)),
        }
    }

    /// Resource versions of one kind are comparable numbers (KEP-5504); anything else counts as not newer.
    fn is_newer_than(&self, other: &Self) -> bool {
        let number = |live: &Self| live.resource_version.parse::<u64>().ok();
        matches!((number(self), number(other)), (Some(own), Some(other)) if own > other)
    }
}

/// Adds kind and version, which the items of a list do not have, and without which no kind's rules apply to them.
fn name_kind(mapping: &Mapping, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    for (field, value) in [
        ("apiVersion", mapping.api_version()),
        ("kind", mapping.kind.clone()),
    ] {
        fields.entry(field).or_insert_with(|| value.into());
    }
}

fn key_of(object: &Value) -> ObjectKey {
    ObjectKey::new(namespace(object), name(object))
}

fn is_marker(key: &str) -> bool {
    [markers::RECONCILE, markers::SSA, markers::FORCE].contains(&key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(version: &str) -> Live {
        let managers = FieldManagers {
            own: "kustomize-controller".to_owned(),
            overridden: Vec::new(),
        };
        Live::observe(&json!({"metadata": {"resourceVersion": version}}), &managers)
    }

    #[test]
    fn an_item_of_a_list_is_judged_by_its_kind() {
        let deployments = Mapping {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            plural: "deployments".to_owned(),
            namespaced: true,
        };
        let mut item = json!({"metadata": {"name": "web"}, "spec": {"replicas": 1}, "status": {}});
        name_kind(&deployments, &mut item);
        assert_eq!(
            (&item["apiVersion"], &item["kind"]),
            (&json!("apps/v1"), &json!("Deployment"))
        );
        assert_eq!(status(&item, 0), Status::InProgress);
    }

    #[test]
    fn what_a_watch_tells_late_changes_nothing() {
        let (kind, key) = (KindWatch::new(), ObjectKey::new("apps", "job"));
        assert!(kind.store(key.clone(), live("10")));
        assert!(!kind.store(key.clone(), live("9")));
        // The end of the object that was there before.
        assert!(!kind.remove(&key, &live("8")));
        assert_eq!(kind.objects.read().get(&key), Some(&live("10")));
        assert!(kind.remove(&key, &live("11")));
        assert!(!kind.remove(&key, &live("11")));
    }

    #[test]
    fn a_watch_that_broke_off_may_go_on() {
        let kind = KindWatch::new();
        kind.resume();
        assert!(!kind.was_synced(), "it has not begun");
        for (state, expected) in [
            (KindState::Synced, KindState::Synced),
            (KindState::Interrupted, KindState::Synced),
            (KindState::Unavailable, KindState::Unavailable),
        ] {
            kind.state.send_replace(state);
            kind.resume();
            assert_eq!(*kind.state.borrow(), expected, "{state:?}");
        }
    }
}
