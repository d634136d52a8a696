//! ConfigMaps and Secrets that ask to be followed: their changes wake those who read them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use controller_kit::{ObjectKey, Triggers};
use futures::StreamExt;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

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
        let mut seen: BTreeMap<ObjectKey, String> = BTreeMap::new();
        let mut synced = false;
        let mut listed: BTreeSet<ObjectKey> = BTreeSet::new();
        let mut events = std::pin::pin!(watcher::watcher(api, config));
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                event = events.next() => event,
            };
            let changed: Vec<ObjectKey> = match event {
                Some(Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                    let key = ObjectKey::of(&object);
                    listed.insert(key.clone());
                    let version = object.metadata.resource_version.unwrap_or_default();
                    let known = seen.insert(key.clone(), version.clone());
                    // What was there before we looked is no change.
                    let is_new = synced && known.as_ref() != Some(&version);
                    is_new.then_some(key).into_iter().collect()
                }
                Some(Ok(watcher::Event::Delete(object))) => {
                    let key = ObjectKey::of(&object);
                    seen.remove(&key).map(|_| key).into_iter().collect()
                }
                Some(Ok(watcher::Event::Init)) => {
                    listed.clear();
                    Vec::new()
                }
                Some(Ok(watcher::Event::InitDone)) => {
                    synced = true;
                    let gone: Vec<_> = seen.keys().filter(|key| !listed.contains(key)).cloned().collect();
                    seen.retain(|key, _| listed.contains(key));
                    gone
                }
                Some(Err(error)) => {
                    tracing::warn!(kind, %error, "cannot watch labelled configuration, retrying");
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_secs(5)) => {}
                    }
                    Vec::new()
                }
                None => return,
            };
            for config in changed {
                let readers = self.context.references.lock().readers(kind, config);
                for reader in readers {
                    self.context.queue.add(reader, Triggers::CONFIG);
                }
            }
        }
    }
}
