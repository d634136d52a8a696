//! ConfigMaps and Secrets that are followed: their changes wake those who read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::ControlFlow;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::follow::{Failure, Follower, follow};
use crate::watch::ObjectKey;

/// The kinds that objects read their configuration from.
#[derive(Clone, Copy, Debug)]
pub enum ConfigKind {
    /// ConfigMaps.
    ConfigMap,
    /// Secrets.
    Secret,
}

impl ConfigKind {
    /// Gives the name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Hears which object has changed.
pub type OnConfigChange = Box<dyn FnMut(ObjectKey) + Send>;

/// Follows the ConfigMaps or Secrets that `config` selects until `shutdown`; only metadata is read.
pub async fn follow_configs(
    kind: ConfigKind,
    client: Client,
    namespace: Option<String>,
    config: watcher::Config,
    shutdown: CancellationToken,
    on_change: OnConfigChange,
) {
    let configs = Configs {
        kind: kind.as_str(),
        seen: BTreeMap::new(),
        listed: BTreeSet::new(),
        is_synced: false,
        on_change,
    };
    match kind {
        ConfigKind::ConfigMap => {
            configs
                .run::<ConfigMap>(client, namespace, config, shutdown)
                .await;
        }
        ConfigKind::Secret => configs.run::<Secret>(client, namespace, config, shutdown).await,
    }
}

/// The objects of one kind that are followed.
struct Configs {
    kind: &'static str,
    /// Their resource versions.
    seen: BTreeMap<ObjectKey, String>,
    listed: BTreeSet<ObjectKey>,
    is_synced: bool,
    on_change: OnConfigChange,
}

impl Configs {
    async fn run<C>(
        mut self,
        client: Client,
        namespace: Option<String>,
        config: watcher::Config,
        shutdown: CancellationToken,
    ) where
        C: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
    {
        let api: Api<PartialObjectMeta<C>> = match namespace {
            Some(namespace) => Api::namespaced(client, &namespace),
            None => Api::all(client),
        };
        let what = format!("{}, metadata", self.kind);
        let events = watcher::watcher(api, config);
        follow(&what, events, &shutdown, &mut self).await;
    }
}

impl<C> Follower<PartialObjectMeta<C>> for Configs
where
    PartialObjectMeta<C>: ResourceExt,
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
                    (self.on_change)(key);
                }
            }
            Event::Delete(object) => {
                let key = ObjectKey::of(&object);
                if self.seen.remove(&key).is_some() {
                    (self.on_change)(key);
                }
            }
            Event::Init => self.listed.clear(),
            Event::InitDone => {
                self.is_synced = true;
                let listed = std::mem::take(&mut self.listed);
                let gone = self.seen.extract_if(.., |key, _| !listed.contains(key));
                for (key, _) in gone {
                    (self.on_change)(key);
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
            tracing::warn!(kind, error, "cannot watch configuration, retrying");
        }
        ControlFlow::Continue(())
    }
}
