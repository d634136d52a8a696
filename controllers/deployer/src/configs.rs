//! ConfigMaps and Secrets that ask to be followed: their changes wake those who read them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use controller_kit::{Failure, Follower, ObjectKey, Triggers, follow};
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::kind::Kind;
use crate::watches::Watches;

impl<K: Kind> Watches<K> {
    /// Follows ConfigMaps or Secrets that ask to be followed by their label; only metadata is read.
    pub(crate) async fn follow_configs<C>(
        self,
        kind: &'static str,
        api: Api<PartialObjectMeta<C>>,
        config: watcher::Config,
        shutdown: CancellationToken,
    ) where
        C: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let mut configs = Configs {
            context: self.context,
            kind,
            seen: BTreeMap::new(),
            listed: BTreeSet::new(),
            is_synced: false,
        };
        let events = watcher::watcher(api, config);
        let what = format!("{kind}, as labelled for {}", K::NAMES.label);
        follow(&what, events, &shutdown, &mut configs).await;
    }
}

/// The objects of one kind that ask to be followed.
struct Configs<K: Kind> {
    context: Arc<Context<K>>,
    kind: &'static str,
    /// Their resource versions.
    seen: BTreeMap<ObjectKey, String>,
    listed: BTreeSet<ObjectKey>,
    is_synced: bool,
}

impl<K: Kind> Configs<K> {
    fn changed(&self, config: ObjectKey) {
        let readers = self.context.references.lock().readers(self.kind, config);
        for reader in readers {
            self.context.queue.add(reader, Triggers::CONFIG);
        }
    }
}

impl<C, K: Kind> Follower<PartialObjectMeta<C>> for Configs<K>
where
    PartialObjectMeta<C>: kube::ResourceExt,
{
    fn on_event(&mut self, event: Event<PartialObjectMeta<C>>) {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let key = ObjectKey::of(&object);
                self.listed.insert(key.clone());
                let version = object.metadata.resource_version.unwrap_or_default();
                let known = self.seen.insert(key.clone(), version.clone());
                // What was there before we looked is no change.
                if self.is_synced && known.as_ref() != Some(&version) {
                    self.changed(key);
                }
            }
            Event::Delete(object) => {
                let key = ObjectKey::of(&object);
                if self.seen.remove(&key).is_some() {
                    self.changed(key);
                }
            }
            Event::Init => self.listed.clear(),
            Event::InitDone => {
                self.is_synced = true;
                let listed = std::mem::take(&mut self.listed);
                let gone = self.seen.extract_if(.., |key, _| !listed.contains(key));
                let gone: Vec<_> = gone.map(|(key, _)| key).collect();
                for key in gone {
                    self.changed(key);
                }
            }
        }
    }

    fn count(&self) -> usize {
        self.seen.len()
    }

    fn on_failure(&mut self, failure: &Failure<'_>) -> ControlFlow<()> {
        if failure.is_news {
            let (kind, error) = (self.kind, failure.text);
            tracing::warn!(kind, error, "cannot watch labelled configuration, retrying");
        }
        ControlFlow::Continue(())
    }
}
