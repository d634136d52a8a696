//! What the watch of a kind tells, and what becomes of it here.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use kube::Api;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::kind::{KindState, KindWatch};
use super::{Live, LiveStore, key_of};
use crate::follow::{Failure, Follower, follow};
use crate::mapping::Mapping;
use crate::raw::RawObject;
use crate::watch::ObjectKey;

/// What a watch is opened on: all labelled objects of a kind, or one named object.
pub(super) enum Scope<'a> {
    Labelled,
    Named(&'a ObjectKey),
}

/// A kind that is still not found after pauses of this length is not served any more.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// A watch that was opened again and has not failed for this long goes on: connecting would have failed by now.
const RESUMED_AFTER: Duration = Duration::from_secs(15);

/// Objects of one answer to a list; the default of 500 would need tens of MiB for a moment.
const LIST_PAGE: u32 = 100;

impl LiveStore {
    /// Keeps `kind` current until `stop`, or until the kind is not served any more.
    pub(super) async fn run(
        &self,
        mapping: &Mapping,
        scope: &Scope<'_>,
        kind: &KindWatch,
        stop: CancellationToken,
    ) {
        let (api, config) = self.endpoint(mapping, scope);
        // Objects arrive whole and are reduced one by one: what is in flight counts, not what there is.
        let events = watcher::watcher(api, config.page_size(LIST_PAGE));
        let mut keeping = Keeping {
            store: self,
            mapping,
            kind,
            listed: None,
        };
        let (kind, version) = (&mapping.kind, mapping.api_version());
        let at = &self.shared.at;
        let what = match scope {
            Scope::Labelled => format!("{kind} {version}, as applied{at}"),
            Scope::Named(key) => format!("{kind} {version} {key}{at}"),
        };
        follow(&what, events, &stop, &mut keeping).await;
    }

    fn endpoint(&self, mapping: &Mapping, scope: &Scope<'_>) -> (Api<RawObject>, watcher::Config) {
        let (client, resource) = (self.shared.client.clone(), mapping.api_resource());
        let config = watcher::Config::default();
        let (namespace, config) = match scope {
            Scope::Labelled => (
                self.shared.namespace.as_deref(),
                config.labels(&self.shared.selector),
            ),
            Scope::Named(key) => (
                Some(key.namespace.as_str()),
                config.fields(&format!("metadata.name={}", key.name)),
            ),
        };
        let api = match namespace.filter(|_| mapping.namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        (api, config)
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
        self.shared.mapper.doubt();
        kind.state.send_replace(KindState::Unavailable);
        kind.objects.write().clear();
        // Who waits for what never was there has to look elsewhere too.
        self.shared.waiters.notify_kind(mapping);
    }

    fn handle(
        &self,
        mapping: &Mapping,
        kind: &KindWatch,
        event: Event<RawObject>,
        listed: &mut Option<HashMap<ObjectKey, Live>>,
    ) {
        let managers = &self.shared.managers;
        match event {
            Event::Init => *listed = Some(HashMap::new()),
            Event::InitApply(mut object) => {
                if let Some(listed) = listed {
                    name_kind(mapping, &mut object.value);
                    listed.insert(key_of(&object.value), Live::observe(&object.value, managers));
                }
            }
            Event::InitDone => {
                let keys = kind.replace(listed.take().unwrap_or_default());
                kind.state.send_replace(KindState::Synced);
                for key in &keys {
                    self.notify(mapping, key);
                }
                self.definition_changed(mapping);
            }
            Event::Apply(object) => {
                let key = key_of(&object.value);
                if kind.store(key.clone(), Live::observe(&object.value, managers)) {
                    self.notify(mapping, &key);
                    self.definition_changed(mapping);
                } else {
                    self.shared.waiters.notify_watchful(mapping, &key);
                }
            }
            Event::Delete(object) => {
                let key = key_of(&object.value);
                if kind.remove(&key, &Live::observe(&object.value, managers)) {
                    self.notify(mapping, &key);
                    self.definition_changed(mapping);
                }
            }
        }
    }

    /// A definition that has become established, or is gone, changes what is served.
    fn definition_changed(&self, mapping: &Mapping) {
        if mapping.kind == "CustomResourceDefinition" {
            self.shared.mapper.doubt();
        }
    }
}

/// What is kept of a kind while its watch tells.
struct Keeping<'a> {
    store: &'a LiveStore,
    mapping: &'a Mapping,
    kind: &'a KindWatch,
    listed: Option<HashMap<ObjectKey, Live>>,
}

impl Follower<RawObject> for Keeping<'_> {
    fn on_event(&mut self, event: Event<RawObject>) {
        if matches!(event, Event::Apply(_) | Event::Delete(_)) {
            self.kind.resume();
        }
        self.store
            .handle(self.mapping, self.kind, event, &mut self.listed);
    }

    fn count(&self) -> usize {
        self.kind.objects.read().len()
    }

    fn on_failure(&mut self, failure: &Failure<'_>) -> ControlFlow<()> {
        // A kind that has just been defined may need a moment.
        if is_not_served(failure.error) && (failure.pause > GONE_AFTER || self.kind.was_synced()) {
            self.store.end(self.mapping, self.kind);
            return ControlFlow::Break(());
        }
        let (kind, error) = (&self.mapping.kind, failure.text);
        if failure.is_news {
            tracing::warn!(%kind, error, "cannot watch applied objects of this kind, going on to try; their readiness is asked for instead");
        }
        self.kind.interrupt();
        ControlFlow::Continue(())
    }

    fn patience(&self) -> Option<Duration> {
        let goes_on = self.kind.state() == KindState::Interrupted && self.listed.is_none();
        goes_on.then_some(RESUMED_AFTER)
    }

    fn on_silence(&mut self) {
        self.kind.resume();
    }
}

fn is_not_served(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::json;

    use super::super::tests;
    use super::*;
    use crate::readiness::{Status, status};

    #[tokio::test]
    async fn lists_stay_within_the_namespace() {
        let (secrets, namespaces) = (
            tests::kind("Secret", "secrets", true),
            tests::kind("Namespace", "namespaces", false),
        );
        let url = |namespace, mapping| {
            let (api, _) = tests::store(namespace).endpoint(mapping, &Scope::Labelled);
            api.resource_url().to_owned()
        };
        assert_eq!(url(None, &secrets), "/api/v1/secrets");
        assert_eq!(url(Some("apps"), &secrets), "/api/v1/namespaces/apps/secrets");
        assert_eq!(url(None, &namespaces), "/api/v1/namespaces");
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_watched_is_said_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (kind, secrets) = (KindWatch::new(), tests::kind("Secret", "secrets", true));
        let (store, stop) = (tests::store(None), CancellationToken::new());
        let running = store.run(&secrets, &Scope::Labelled, &kind, stop);
        let ended = tokio::time::timeout(Duration::from_mins(10), running).await;
        assert!(ended.is_err(), "it goes on to try");
        assert_eq!(kind.state(), KindState::Unavailable);
        let said = String::from_utf8(log.0.lock().clone()).unwrap();
        assert_eq!(said.matches("cannot watch").count(), 1, "{said}");
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
}
