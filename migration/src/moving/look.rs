//! Looking at all that an object has applied, by metadata alone.

use std::collections::{BTreeMap, BTreeSet};

use controller_kit::Mapper;
use flux_api::{HELM_NAME, HELM_NAMESPACE, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, ObjectId};
use flux_fleet::moving::{Change, Footprint, Header, Snapshot};
use flux_fleet::{DeployerKind, Handle};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};

use super::flux::patiently;
use crate::cluster::CommandError;

/// How many objects one answer has.
const PAGE: u32 = 500;

/// How many objects are asked for at once when they cannot be listed.
const AT_ONCE: usize = 16;

/// What is to be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) handle: Handle,
    /// Identifiers and versions of the inventory.
    pub(crate) entries: Vec<(ObjectId, String)>,
    /// Namespace of the records of a release, and its name.
    pub(crate) release: Option<(String, String)>,
}

/// A list that can be watched from where it ended.
pub(crate) struct Listed {
    api: Api<DynamicObject>,
    selector: String,
    version: String,
    group: String,
    kind: String,
}

/// What was seen.
pub(crate) struct Look {
    pub(crate) snapshot: Snapshot,
    /// Objects of the inventory that are not there.
    pub(crate) missing: Vec<String>,
    /// The lists that it was seen by.
    pub(crate) lists: Vec<Listed>,
}

/// Objects that get a label from whoever applies them, while those are looked at: a child moves with its parent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// The key of the label.
    key: String,
    objects: BTreeSet<Handle>,
}

impl Expected {
    /// What others bring the label to in the course of a migration.
    pub(crate) fn of(header: &Header, key: &str) -> Self {
        if !header.via_git {
            return Self::default();
        }
        Self {
            key: key.to_owned(),
            objects: header.objects().cloned().collect(),
        }
    }

    fn footprint(&self, id: &ObjectId, meta: &ObjectMeta, salt: &str) -> Footprint {
        let kind = DeployerKind::of(&id.group, &id.kind);
        let handle = kind.map(|kind| Handle::new(kind, &id.namespace, &id.name));
        if handle.is_some_and(|handle| self.objects.contains(&handle)) {
            Footprint::of_labelled(meta.clone(), salt, &self.key)
        } else {
            Footprint::of(meta, salt)
        }
    }
}

/// Looks at objects.
#[derive(Clone)]
pub(crate) struct Looker {
    client: Client,
    mapper: Mapper,
    expected: Expected,
}

impl Looker {
    pub(crate) fn new(client: Client, expected: Expected) -> Self {
        Self {
            mapper: Mapper::new(client.clone()),
            client,
            expected,
        }
    }

    /// Looks at everything that was applied, one list a kind.
    pub(crate) async fn look(&self, applied: &Applied, salt: &str) -> Result<Look, CommandError> {
        let mut kinds: BTreeMap<(&str, &str, &str), Vec<&ObjectId>> = BTreeMap::new();
        for (id, version) in &applied.entries {
            kinds.entry((&id.group, version, &id.kind)).or_default().push(id);
        }
        let mut look = Look {
            snapshot: Snapshot {
                salt: salt.to_owned(),
                ..Snapshot::default()
            },
            missing: Vec::new(),
            lists: Vec::new(),
        };
        let selector = owner_selector(&applied.handle);
        let mut deployments: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((group, version, kind), ids) in kinds {
            let mapping = self.mapper.mapping(group, version, kind).await;
            let mapping = mapping.map_err(|error| CommandError::Unread(format!("{kind}: {error}")))?;
            let found = self
                .list_kind(&mapping.api_resource(), &selector, &mut look)
                .await?;
            let found = self
                .complete(&mapping.api_resource(), mapping.namespaced, ids.clone(), found)
                .await?;
            for id in ids {
                match found.get(&(id.namespace.clone(), id.name.clone())) {
                    Some(meta) => {
                        if kind == "Deployment" && group == "apps" {
                            let uids = deployments.entry(id.namespace.clone()).or_default();
                            uids.extend(meta.uid.clone());
                        }
                        let footprint = self.expected.footprint(id, meta, salt);
                        look.snapshot.objects.insert(id.to_string(), footprint);
                    }
                    None => look.missing.push(format!("{kind}/{}/{}", id.namespace, id.name)),
                }
            }
        }
        for (namespace, uids) in deployments {
            let sets = self.replica_sets(&namespace, &uids).await?;
            look.snapshot.replica_sets.extend(sets);
        }
        if let Some((namespace, name)) = &applied.release {
            look.snapshot.releases = self.releases(namespace, name).await?;
        }
        Ok(look)
    }

    /// Lists a kind by the label of its owner; nothing if that is not allowed, since its objects can be asked for one by one.
    async fn list_kind(
        &self,
        resource: &ApiResource,
        selector: &str,
        look: &mut Look,
    ) -> Result<BTreeMap<(String, String), ObjectMeta>, CommandError> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), resource);
        let Some((objects, version)) = all(&api, selector, &resource.kind).await? else {
            return Ok(BTreeMap::new());
        };
        look.lists.push(Listed {
            api,
            selector: selector.to_owned(),
            version,
            group: resource.group.clone(),
            kind: resource.kind.clone(),
        });
        let by_name = objects.into_iter().map(|meta| {
            let key = (
                meta.namespace.clone().unwrap_or_default(),
                meta.name.clone().unwrap_or_default(),
            );
            (key, meta)
        });
        Ok(by_name.collect())
    }

    /// Asks for the objects that a list does not have, such as definitions of kinds, which Helm does not label.
    async fn complete(
        &self,
        resource: &ApiResource,
        namespaced: bool,
        ids: Vec<&ObjectId>,
        mut found: BTreeMap<(String, String), ObjectMeta>,
    ) -> Result<BTreeMap<(String, String), ObjectMeta>, CommandError> {
        let missing = ids
            .into_iter()
            .filter(|id| !found.contains_key(&(id.namespace.clone(), id.name.clone())));
        let get = |id: &ObjectId| {
            let api: Api<DynamicObject> = if namespaced {
                Api::namespaced_with(self.client.clone(), &id.namespace, resource)
            } else {
                Api::all_with(self.client.clone(), resource)
            };
            let id = id.clone();
            async move {
                let object = patiently(async || {
                    let found = api.get_metadata_opt(&id.name).await;
                    found.map_err(CommandError::api(format!("{}/{}", id.kind, id.name)))
                })
                .await?;
                Ok::<_, CommandError>(((id.namespace, id.name), object))
            }
        };
        let gets: Vec<_> = missing.map(get).collect();
        let mut gets = futures::stream::iter(gets).buffer_unordered(AT_ONCE);
        while let Some(answer) = gets.next().await {
            let (key, object) = answer?;
            if let Some(object) = object {
                found.insert(key, object.metadata);
            }
        }
        Ok(found)
    }

    async fn replica_sets(
        &self,
        namespace: &str,
        uids: &BTreeSet<String>,
    ) -> Result<Vec<String>, CommandError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "ReplicaSet"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = all(&api, "", "ReplicaSet").await?;
        let Some((sets, _)) = found else {
            return Err(CommandError::Unread(format!(
                "ReplicaSets of {namespace} may not be listed"
            )));
        };
        let is_owned = |meta: &&ObjectMeta| {
            let mut owners = meta.owner_references.iter().flatten();
            owners.any(|owner| uids.contains(&owner.uid))
        };
        let names = sets.iter().filter(is_owned).filter_map(|meta| meta.name.as_ref());
        Ok(names.map(|name| format!("{namespace}/{name}")).collect())
    }

    async fn releases(&self, namespace: &str, name: &str) -> Result<BTreeSet<String>, CommandError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = all(&api, &format!("owner=helm,name={name}"), "Secret").await?;
        let Some((records, _)) = found else {
            return Err(CommandError::Unread(format!(
                "the records of release {name}, which are Secrets of {namespace}, may not be listed"
            )));
        };
        Ok(records.into_iter().filter_map(|meta| meta.name).collect())
    }
}

/// The label selector of what an object has applied.
fn owner_selector(handle: &Handle) -> String {
    let (name, namespace) = match handle.kind {
        DeployerKind::Kustomization => (KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE),
        DeployerKind::HelmRelease => (HELM_NAME, HELM_NAMESPACE),
    };
    format!("{name}={},{namespace}={}", handle.key.name, handle.key.namespace)
}

/// Lists metadata page by page; nothing if that is not allowed.
async fn all(
    api: &Api<DynamicObject>,
    selector: &str,
    kind: &str,
) -> Result<Option<(Vec<ObjectMeta>, String)>, CommandError> {
    let mut params = ListParams::default().limit(PAGE);
    if !selector.is_empty() {
        params = params.labels(selector);
    }
    let mut objects = Vec::new();
    loop {
        let page = patiently(async || {
            api.list_metadata(&params)
                .await
                .map_err(CommandError::api(format!("{kind}s")))
        })
        .await;
        let page = match page {
            Ok(page) => page,
            Err(CommandError::Api { error, .. }) if matches!(&*error, kube::Error::Api(status) if status.code == 403) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        objects.extend(page.items.into_iter().map(|object| object.metadata));
        let version = page.metadata.resource_version.unwrap_or_default();
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(Some((objects, version))),
        }
    }
}

impl Looker {
    /// Watches lists until one of them tells of a change that there is something to say about; ends with the watches.
    pub(crate) async fn watch_lists(
        &self,
        lists: &[Listed],
        seconds: u32,
        snapshot: &Snapshot,
    ) -> Option<(String, Change)> {
        let mut streams = futures::stream::SelectAll::new();
        for list in lists {
            let params = WatchParams::default()
                .labels(&list.selector)
                .timeout(seconds.max(1));
            // A watch that does not begin is made up for by the look at the end.
            if let Ok(events) = list.api.watch_metadata(&params, &list.version).await {
                let named = events.map(move |event| (list, event));
                streams.push(Box::pin(named));
            }
        }
        while let Some((list, event)) = streams.next().await {
            let (object, is_gone) = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => (object, false),
                Ok(WatchEvent::Deleted(object)) => (object, true),
                _ => continue,
            };
            let id = ObjectId {
                namespace: object.namespace().unwrap_or_default(),
                name: object.name_any(),
                group: list.group.clone(),
                kind: list.kind.clone(),
            };
            let Some(before) = snapshot.objects.get(&id.to_string()) else {
                continue;
            };
            let change = if is_gone {
                Some(Change::deleted())
            } else {
                before.change(&self.expected.footprint(&id, &object.metadata, &snapshot.salt))
            };
            if let Some(change) = change {
                return Some((format!("{}/{}/{}", id.kind, id.namespace, id.name), change));
            }
        }
        None
    }
}
