//! Kustomizations and HelmReleases as a move reads and writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use flux_api::REQUESTED_AT;
use flux_fleet::carrier::label_managers;
use flux_fleet::moving::{
    HELD_SINCE, MANAGER, MOVED_AT, MOVED_BY, MOVED_FROM, Readiness, SUSPENDED_FOR, Sight,
};
use flux_fleet::{DeployerKind, Handle, Owners, World};
use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{CommandError, STOCK_AND_OURS, describe, list};

/// How long a look lasts before the Deployments are looked at again too.
const GLANCE: Duration = Duration::from_secs(5);

/// How long an API server that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a move reads and writes.
#[derive(Clone)]
pub(crate) struct Flux {
    pub(crate) client: Client,
    /// The label that moves objects.
    pub(crate) label: (String, String),
}

/// What came of a wait.
pub(crate) enum Waited {
    /// It is as it should be.
    Now(Box<Sight>),
    /// It will not be.
    Never(String),
    /// It was not in time.
    Late(String),
    /// The object is gone.
    Gone,
}

/// Why a label could not be set.
pub(crate) enum LabelError {
    /// The object was written meanwhile.
    Conflict,
    /// Somebody else owns the label.
    Owned(String),
    /// The API server does not take it.
    Other(CommandError),
}

impl Flux {
    /// Says who has which Deployments now.
    pub(crate) async fn owners(&self) -> Result<Owners, CommandError> {
        let [stock, ours] = STOCK_AND_OURS;
        let read = async |selector: &str| {
            let found = list::<Deployment>(&self.client, None, Some(selector)).await;
            found.map_err(CommandError::Unread)
        };
        let world = World {
            stock: patiently(async || read(stock).await).await?,
            ours: patiently(async || read(ours).await).await?,
            ..World::default()
        };
        Ok(Owners::of(&world))
    }

    /// Reads an object; nothing if it is not there.
    pub(crate) async fn get(&self, handle: &Handle) -> Result<Option<DynamicObject>, CommandError> {
        let api = self.api(handle);
        let name = &handle.key.name;
        patiently(async || {
            let found = api.get_opt(name).await;
            found.map_err(CommandError::api(handle.to_string()))
        })
        .await
    }

    /// Looks at an object that was read.
    pub(crate) fn sight(
        handle: &Handle,
        object: &DynamicObject,
        owners: &Owners,
    ) -> Result<Sight, CommandError> {
        let labels: BTreeMap<String, String> = object.labels().clone();
        let owner = owners.owner_with(handle, &labels);
        let value =
            serde_json::to_value(object).map_err(|error| CommandError::Document(error.to_string()))?;
        let odd = |error: serde_json::Error| CommandError::Document(format!("{handle}: {error}"));
        Ok(match handle.kind {
            DeployerKind::Kustomization => {
                Sight::of_kustomization(&serde_json::from_value(value).map_err(odd)?, owner)
            }
            DeployerKind::HelmRelease => {
                Sight::of_helm_release(&serde_json::from_value(value).map_err(odd)?, owner)
            }
        })
    }

    /// Waits until an object is as it should be: by a watch, and by looking at the Deployments again from time to time.
    pub(crate) async fn wait(
        &self,
        handle: &Handle,
        timeout: Duration,
        judge: impl Fn(&Sight) -> Readiness,
    ) -> Result<Waited, CommandError> {
        let end = Instant::now() + timeout;
        let api = self.api(handle);
        let of_object = WatchParams::default()
            .fields(&format!("metadata.name={}", handle.key.name))
            .timeout(u32::try_from(GLANCE.as_secs()).unwrap_or(5));
        loop {
            let owners = self.owners().await?;
            let Some(object) = self.get(handle).await? else {
                return Ok(Waited::Gone);
            };
            let sight = Self::sight(handle, &object, &owners)?;
            let mut why = match judge(&sight) {
                Readiness::Now => return Ok(Waited::Now(Box::new(sight))),
                Readiness::Never(why) => return Ok(Waited::Never(why)),
                Readiness::Wait(why) => why,
            };
            let version = object.resource_version().unwrap_or_default();
            let glance = end.min(Instant::now() + GLANCE);
            let Ok(events) = api.watch(&of_object, &version).await else {
                // The next look says what is the matter.
                tokio::time::sleep_until(end.min(Instant::now() + Duration::from_millis(500))).await;
                if Instant::now() >= end {
                    return Ok(Waited::Late(why));
                }
                continue;
            };
            pin_mut!(events);
            while let Ok(Some(Ok(event))) = tokio::time::timeout_at(glance, events.next()).await {
                let object = match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => object,
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Deleted(_) | WatchEvent::Error(_) => break,
                };
                let sight = Self::sight(handle, &object, &owners)?;
                match judge(&sight) {
                    Readiness::Now => return Ok(Waited::Now(Box::new(sight))),
                    Readiness::Never(why) => return Ok(Waited::Never(why)),
                    Readiness::Wait(new) => why = new,
                }
            }
            if Instant::now() >= end {
                return Ok(Waited::Late(why));
            }
        }
    }

    /// Asks the controller of an object for a run, and writes nothing else: a label of this tool stays as it is.
    pub(crate) async fn ask(
        &self,
        handle: &Handle,
        object: &DynamicObject,
        token: &str,
    ) -> Result<(), CommandError> {
        let meta = &object.metadata;
        let mut metadata = json!({"uid": meta.uid, "annotations": {REQUESTED_AT: token}});
        let (key, _) = &self.label;
        let is_own = label_managers(meta, key).iter().any(|manager| manager == MANAGER);
        if let Some(value) = object.labels().get(key).filter(|_| is_own) {
            // What is left out of what a manager applies is taken away: a shard that was put back, for one.
            metadata["labels"] = json!({key: value});
        }
        let body = Self::body(handle, metadata);
        self.apply(handle, &body, true).await.map(|_| ())
    }

    /// Asks for a run by the one annotation, unless the object was written since it was looked at; says whether it was asked for.
    pub(crate) async fn request(
        &self,
        handle: &Handle,
        object: &DynamicObject,
        token: &str,
    ) -> Result<bool, CommandError> {
        let version = object.metadata.resource_version.as_deref();
        let patch = json!({"metadata": {"resourceVersion": version, "annotations": {REQUESTED_AT: token}}});
        match self.merge(handle, patch).await {
            Ok(()) => Ok(true),
            Err(CommandError::Api { error, .. }) if matches!(&*error, kube::Error::Api(status) if status.code == 409) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the label, unless the object was written since it was looked at; asks for a run in the same write if there is a token.
    pub(crate) async fn set_label(
        &self,
        handle: &Handle,
        version: &str,
        carried: &Carried,
        token: Option<&str>,
    ) -> Result<ObjectMeta, LabelError> {
        let (key, value) = &self.label;
        let mut metadata = json!({
            "resourceVersion": version,
            "labels": {key: value},
            "annotations": {MOVED_AT: carried.at.to_string(), MOVED_BY: carried.by, MOVED_FROM: carried.from},
        });
        if let Some(token) = token {
            metadata["annotations"][REQUESTED_AT] = token.into();
        }
        if carried.is_held {
            metadata["annotations"][HELD_SINCE] = Timestamp::now().to_string().into();
        }
        let body = Self::body(handle, metadata);
        let params = PatchParams {
            // The label of somebody at a terminal is taken over; that of a repository is not.
            force: carried.is_forced,
            ..PatchParams::apply(MANAGER)
        };
        let api = self.api(handle);
        let applied = api
            .patch_metadata(&handle.key.name, &params, &Patch::Apply(&body))
            .await;
        match applied {
            Ok(object) => Ok(object.metadata),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let mut causes = status.details.iter().flat_map(|details| &details.causes);
                let of_label = causes.find(|cause| cause.field.contains(key.as_str()));
                Err(match of_label {
                    Some(cause) => {
                        LabelError::Owned(format!("M117 the label is owned by another: {}", cause.message))
                    }
                    None => LabelError::Conflict,
                })
            }
            Err(error) => Err(LabelError::Other(CommandError::api(format!(
                "labelling {handle}"
            ))(error))),
        }
    }

    /// Takes away all fields of this tool but the request, and puts back the value that the label had.
    pub(crate) async fn release(
        &self,
        handle: &Handle,
        uid: &str,
        former: Option<&str>,
        token: &str,
    ) -> Result<(), CommandError> {
        let mut metadata = json!({"uid": uid, "annotations": {REQUESTED_AT: token}});
        if let Some(former) = former {
            metadata["labels"] = json!({&self.label.0: former});
        }
        let body = Self::body(handle, metadata);
        self.apply(handle, &body, true).await.map(|_| ())
    }

    /// Takes away the label whoever owns it, with all that this tool has set.
    pub(crate) async fn strip(&self, handle: &Handle, uid: &str, token: &str) -> Result<(), CommandError> {
        let annotations =
            json!({REQUESTED_AT: token, MOVED_AT: null, MOVED_BY: null, MOVED_FROM: null, HELD_SINCE: null});
        let labels = json!({&self.label.0: null});
        self.merge(
            handle,
            json!({"metadata": {"uid": uid, "labels": labels, "annotations": annotations}}),
        )
        .await
    }

    /// Suspends the parent of an object, or resumes it.
    pub(crate) async fn suspend(&self, parent: &Handle, object: Option<&Handle>) -> Result<(), CommandError> {
        let patch = json!({
            "metadata": {"annotations": {SUSPENDED_FOR: object.map(ToString::to_string)}},
            "spec": {"suspend": object.is_some()},
        });
        self.merge(parent, patch).await
    }

    async fn merge(&self, handle: &Handle, patch: Value) -> Result<(), CommandError> {
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let (api, name) = (self.api(handle), &handle.key.name);
        patiently(async || {
            let patched = api.patch_metadata(name, &params, &Patch::Merge(&patch)).await;
            patched.map_err(CommandError::api(handle.to_string()))
        })
        .await
        .map(|_| ())
    }

    async fn apply(&self, handle: &Handle, body: &Value, force: bool) -> Result<ObjectMeta, CommandError> {
        let params = PatchParams {
            force,
            ..PatchParams::apply(MANAGER)
        };
        let (api, name) = (self.api(handle), &handle.key.name);
        let applied = patiently(async || {
            let applied = api.patch_metadata(name, &params, &Patch::Apply(body)).await;
            applied.map_err(CommandError::api(handle.to_string()))
        })
        .await?;
        Ok(applied.metadata)
    }

    fn body(handle: &Handle, mut metadata: Value) -> Value {
        metadata["name"] = handle.key.name.as_str().into();
        metadata["namespace"] = handle.key.namespace.as_str().into();
        let api_version = format!("{}/{}", handle.kind.group(), handle.kind.version());
        json!({"apiVersion": api_version, "kind": handle.kind.kind(), "metadata": metadata})
    }

    /// The API of an object's kind in its namespace.
    pub(crate) fn api(&self, handle: &Handle) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &handle.key.namespace, &resource(handle.kind))
    }
}

/// The resource of a kind.
pub(crate) fn resource(kind: DeployerKind) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(kind.group(), kind.version(), kind.kind()))
}

/// What the annotations of a moved object say.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) from: String,
    /// Whether the label is taken over from others.
    pub(crate) is_forced: bool,
    /// Whether ours is to let the object be, from now on.
    pub(crate) is_held: bool,
}

impl Carried {
    /// What they say of an object that carries the label by this tool.
    pub(crate) fn by(meta: &ObjectMeta) -> Option<Self> {
        let annotations = meta.annotations.as_ref()?;
        let said = |key: &str| annotations.get(key).cloned();
        Some(Self {
            at: said(MOVED_AT)?.parse().unwrap_or_else(|_| whole_second()),
            by: said(MOVED_BY).unwrap_or_default(),
            from: said(MOVED_FROM).unwrap_or_default(),
            is_forced: true,
            is_held: false,
        })
    }
}

/// Now, as people write it down.
pub(super) fn whole_second() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Asks again as long as the API server does not answer.
pub(crate) async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(200);
    loop {
        match ask().await {
            Err(CommandError::Api { error, .. }) if is_passing(&error) && Instant::now() < end => {}
            answer => return answer,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(3));
    }
}

/// Whether the same request may be answered in a moment.
fn is_passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500..),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

/// Says what the API server said, for the words in which a step failed.
pub(crate) fn said(error: &CommandError) -> String {
    match error {
        CommandError::Api { what, error } => format!("{what}: {}", describe(error)),
        other => other.to_string(),
    }
}
