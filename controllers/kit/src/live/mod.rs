//! The live state of what was applied: per object a few hashes and its readiness, kept current by watches.
//!
//! One watch per kind and version, restricted to objects that carry the owner label, is opened when a kind is applied
//! for the first time (`follow`, `kind`). The objects themselves are not kept. Runs wait for readiness on these watches,
//! and on a bounded number of watches of single objects that do not carry the label (`wait`, `named`).

mod end;
mod follow;
mod health;
mod kind;
mod named;
mod rule;
mod tally;
mod wait;
mod wake;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::mapper::Mapper;
use crate::mapping::Mapping;
use crate::object::{metadata_map, name, namespace, resource_version};
use crate::ownership::{FieldManagers, content_hash, markers, owned_hash};
use crate::watch::ObjectKey;
use crate::written::is_newer;

use follow::Scope;
use kind::{KindState, KindWatch};
use named::NamedWatches;
use wake::Waiters;

pub use end::WaitEnd;
pub use health::Health;
pub use rule::Rule;
pub use wait::{Target, WaitOptions};

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
    pub health: Health,
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
    mapper: Mapper,
    managers: FieldManagers,
    selector: String,
    /// The only namespace that is watched; all when absent.
    namespace: Option<String>,
    /// What is said of the cluster on the list of open watches; nothing of the controller's own.
    at: String,
    shutdown: CancellationToken,
    kinds: Mutex<HashMap<Mapping, Arc<KindWatch>>>,
    named: NamedWatches,
    waiters: Waiters,
    /// Bounds the connections that reading objects takes at once, however many runs wait.
    reads: Semaphore,
}

/// How many objects are read at once for all waits together.
const READS: usize = 8;

/// How long reading one object may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

impl LiveStore {
    /// Creates a store that watches objects which carry the label `owner_label`, in one namespace or in all.
    ///
    /// Restricted to a namespace, it watches nothing outside: what lies elsewhere is read when somebody waits for it.
    pub fn new(
        client: Client,
        mapper: Mapper,
        managers: FieldManagers,
        owner_label: &str,
        namespace: Option<String>,
        shutdown: CancellationToken,
    ) -> Self {
        let at = String::new();
        Self::at(client, mapper, managers, owner_label, namespace, shutdown, at)
    }

    /// The same of another cluster; `at` says of which, on the list of open watches.
    pub(crate) fn at(
        client: Client,
        mapper: Mapper,
        managers: FieldManagers,
        owner_label: &str,
        namespace: Option<String>,
        shutdown: CancellationToken,
        at: String,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                mapper,
                managers,
                selector: owner_label.to_owned(),
                namespace,
                at,
                shutdown,
                kinds: Mutex::default(),
                named: NamedWatches::default(),
                waiters: Waiters::default(),
                reads: Semaphore::new(READS),
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
        let kind = self.watch_of(mapping)?;
        if kind.state() != KindState::Synced {
            return None;
        }
        let key = ObjectKey::new(if mapping.namespaced { namespace } else { "" }, name);
        kind.objects.read().get(&key).cloned()
    }

    /// Tells whether no object of that name carries the label, as far as the watch of its kind knows; it may exist without.
    pub fn lacks(&self, mapping: &Mapping, namespace: &str, name: &str) -> bool {
        let watched = self.covers(mapping, namespace).then(|| self.watch_of(mapping));
        watched.flatten().is_some_and(|kind| {
            let key = ObjectKey::new(if mapping.namespaced { namespace } else { "" }, name);
            kind.state() == KindState::Synced && !kind.objects.read().contains_key(&key)
        })
    }

    /// Opens the watch of a kind unless it is open.
    pub fn follow(&self, mapping: &Mapping) {
        if self.shared.namespace.is_some() && !mapping.namespaced {
            return;
        }
        let mut kinds = self.shared.kinds.lock();
        if kinds.contains_key(mapping) {
            return;
        }
        let kind = Arc::new(KindWatch::new());
        kinds.insert(mapping.clone(), Arc::clone(&kind));
        let (store, mapping, shutdown) = (self.clone(), mapping.clone(), self.shared.shutdown.clone());
        tokio::spawn(async move { store.run(&mapping, &Scope::Labelled, &kind, shutdown).await });
    }

    /// Takes note of what the API server answered to a write, ahead of the watch.
    ///
    /// Without it a wait that follows an apply could see the state before that apply. An object that does not carry the
    /// label is forgotten: the watch of its kind would never tell what becomes of it.
    pub fn learn(&self, mapping: &Mapping, object: &Value) {
        if !self.covers(mapping, namespace(object)) {
            return;
        }
        let Some(kind) = self.watch_of(mapping) else {
            return;
        };
        let (key, live) = (key_of(object), Live::observe(object, &self.shared.managers));
        let is_labelled =
            metadata_map(object, "labels").is_some_and(|labels| labels.contains_key(&self.shared.selector));
        let is_news = if is_labelled {
            kind.store(key.clone(), live)
        } else {
            kind.remove(&key, &live)
        };
        if is_news {
            // The watch has nothing new to tell about it later.
            self.notify(mapping, &key);
        } else {
            self.shared.waiters.notify_watchful(mapping, &key);
        }
    }

    #[cfg(test)]
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shared.shutdown
    }

    fn watch_of(&self, mapping: &Mapping) -> Option<Arc<KindWatch>> {
        self.shared.kinds.lock().get(mapping).map(Arc::clone)
    }

    /// Tells whether objects of a kind in a namespace may be watched.
    fn covers(&self, mapping: &Mapping, namespace: &str) -> bool {
        match &self.shared.namespace {
            Some(only) => mapping.namespaced && only == namespace,
            None => true,
        }
    }

    fn notify(&self, mapping: &Mapping, key: &ObjectKey) {
        self.shared.waiters.notify(mapping, key);
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
            health: Health::of(object),
            needs_cleanup: managers.takes_over_any(object)
                || keys().any(|key| FieldManagers::is_stale_key(key)),
            has_markers: keys().any(|key| is_marker(key)),
        }
    }

    fn is_newer_than(&self, other: &Self) -> bool {
        is_newer(&self.resource_version, &other.resource_version)
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

    /// A store for an API server that is not there.
    pub(super) fn store(namespace: Option<&str>) -> LiveStore {
        let nowhere = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
        let client = Client::try_from(nowhere).unwrap();
        let managers = FieldManagers {
            own: "kustomize-controller".to_owned(),
            overridden: Vec::new(),
        };
        let (mapper, namespace) = (Mapper::new(client.clone()), namespace.map(ToOwned::to_owned));
        LiveStore::new(
            client,
            mapper,
            managers,
            "owner",
            namespace,
            CancellationToken::new(),
        )
    }

    pub(super) fn kind(name: &str, plural: &str, namespaced: bool) -> Mapping {
        Mapping {
            group: String::new(),
            version: "v1".to_owned(),
            kind: name.to_owned(),
            plural: plural.to_owned(),
            namespaced,
        }
    }

    /// An object as it was applied.
    fn applied(namespace: &str, version: &str) -> Value {
        json!({"metadata": {
            "namespace": namespace, "name": "a", "resourceVersion": version, "labels": {"owner": "b"},
        }})
    }

    #[tokio::test]
    async fn a_store_of_one_namespace_follows_nothing_outside() {
        let (secrets, namespaces) = (
            kind("Secret", "secrets", true),
            kind("Namespace", "namespaces", false),
        );
        let store = store(Some("apps"));
        store.follow(&namespaces);
        assert!(
            store.watch_of(&namespaces).is_none(),
            "it would list the whole cluster"
        );

        store.follow(&secrets);
        let watch = store.watch_of(&secrets).unwrap();
        for namespace in ["apps", "elsewhere"] {
            store.learn(&secrets, &applied(namespace, "1"));
        }
        let known: Vec<String> = watch.objects.read().keys().map(ToString::to_string).collect();
        assert_eq!(known, ["apps/a"], "nothing would keep the other current");
    }

    #[tokio::test]
    async fn what_a_watch_does_not_show_is_lacking_once_it_has_told_all() {
        let (store, secrets) = (store(Some("apps")), kind("Secret", "secrets", true));
        assert!(!store.lacks(&secrets, "apps", "b"), "nobody watches the kind");
        store.follow(&secrets);
        store.learn(&secrets, &applied("apps", "1"));
        assert!(!store.lacks(&secrets, "apps", "b"), "the list has not come");
        let watch = store.watch_of(&secrets).unwrap();
        watch.state.send_replace(KindState::Synced);
        assert!(store.lacks(&secrets, "apps", "b"));
        assert!(!store.lacks(&secrets, "apps", "a"), "it is there");
        assert!(!store.lacks(&secrets, "elsewhere", "b"), "it is not watched");
    }

    #[tokio::test]
    async fn what_a_write_answered_wakes_who_waits() {
        let (store, secrets) = (store(None), kind("Secret", "secrets", true));
        store.follow(&secrets);
        let wake = Arc::<wake::Wake>::default();
        let key = ObjectKey::new("apps", "a");
        store.shared.waiters.add(&secrets, &key, &wake, 0, false);
        for woken in [1, 0] {
            store.learn(&secrets, &applied("apps", "1"));
            assert_eq!(wake.take().len(), woken);
        }
    }

    #[tokio::test]
    async fn what_the_watch_of_a_kind_does_not_tell_is_not_learned() {
        let (store, secrets) = (store(None), kind("Secret", "secrets", true));
        store.follow(&secrets);
        let watch = store.watch_of(&secrets).unwrap();
        let without_label = |version: &str| {
            let mut object = applied("apps", version);
            object["metadata"]["labels"] = json!({"other": "a"});
            object
        };
        store.learn(&secrets, &without_label("1"));
        assert!(watch.objects.read().is_empty(), "nothing would keep it current");

        let wake = Arc::<wake::Wake>::default();
        store
            .shared
            .waiters
            .add(&secrets, &ObjectKey::new("apps", "a"), &wake, 0, false);
        store.learn(&secrets, &applied("apps", "3"));
        assert_eq!(wake.take().len(), 1);
        for (version, woken, left) in [("2", 0, 1), ("4", 1, 0), ("5", 0, 0)] {
            store.learn(&secrets, &without_label(version));
            assert_eq!(
                (wake.take().len(), watch.objects.read().len()),
                (woken, left),
                "{version}"
            );
        }
    }

    #[tokio::test]
    async fn watches_of_single_objects_are_shared_and_few() {
        let (store, secrets) = (store(None), kind("Secret", "secrets", true));
        let key = |at: usize| ObjectKey::new("apps", format!("secret-{at}"));
        let first = store.follow_named(&secrets, &key(0)).unwrap();
        let again = store.follow_named(&secrets, &key(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));

        let mut open: Vec<_> = (1..)
            .map_while(|at| store.follow_named(&secrets, &key(at)))
            .collect();
        assert_eq!(open.len() + 1, 32);
        open.pop();
        assert!(
            store.follow_named(&secrets, &key(1000)).is_some(),
            "one has ended"
        );
    }
}
