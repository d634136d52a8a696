//! The finalizer: an object cannot vanish before what was made of it has been dealt with.

use controller_kit::object::{metadata_text, resource_version};
use controller_kit::{ObjectKey, ObjectPath, Rest, RestError};
use flux_api::FINALIZER;
use kube::Resource as _;
use serde_json::{Value, json};

use crate::kind::{Kind, mapping};

/// Whether an object is held by our finalizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It cannot vanish before we let it go; with the resource version, if it was written for that.
    Yes(Option<String>),
    /// It is gone or about to go, and nobody waits for us: nothing may be made from it any more.
    Gone,
}

/// Adds our finalizer; the resource version guards against losing somebody else's.
///
/// The first attempt starts from `object`, which may be old; a conflict is settled with a fresh one. An object that is
/// being deleted, or another one of its name, never gets it.
///
/// # Errors
/// What the API server answers.
pub(crate) async fn set<K: Kind>(rest: &Rest, object: &K::Object) -> Result<Held, RestError> {
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    let mut seen = FinalizersSeen::of::<K>(object);
    loop {
        if seen.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(Held::Yes(None));
        }
        if seen.is_deleted {
            return Ok(Held::Gone);
        }
        seen.finalizers.push(FINALIZER.to_owned());
        match seen.write::<K>(rest, object).await? {
            Write::Done(version) => return Ok(Held::Yes(Some(version))),
            Write::NotFound => return Ok(Held::Gone),
            Write::Conflict => {}
        }
        match FinalizersSeen::read::<K>(rest, object).await? {
            Some(live) if live.uid == uid => seen = live,
            _ => return Ok(Held::Gone),
        }
    }
}

/// Removes our finalizer, as [`set`] adds it; an object that is gone has none.
///
/// # Errors
/// What the API server answers.
pub(crate) async fn remove<K: Kind>(rest: &Rest, object: &K::Object) -> Result<(), RestError> {
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    let mut seen = FinalizersSeen::of::<K>(object);
    loop {
        let before = seen.finalizers.len();
        seen.finalizers.retain(|finalizer| finalizer != FINALIZER);
        if seen.finalizers.len() == before {
            return Ok(());
        }
        match seen.write::<K>(rest, object).await? {
            Write::Done(_) | Write::NotFound => return Ok(()),
            Write::Conflict => {}
        }
        match FinalizersSeen::read::<K>(rest, object).await? {
            Some(live) if live.uid == uid => seen = live,
            _ => return Ok(()),
        }
    }
}

/// The finalizers of an object, and the version that they were seen in.
struct FinalizersSeen {
    uid: String,
    resource_version: String,
    is_deleted: bool,
    finalizers: Vec<String>,
}

enum Write {
    /// With the resource version that came of it.
    Done(String),
    Conflict,
    NotFound,
}

impl FinalizersSeen {
    fn of<K: Kind>(object: &K::Object) -> Self {
        let meta = object.meta();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            is_deleted: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
        }
    }

    async fn read<K: Kind>(rest: &Rest, object: &K::Object) -> Result<Option<Self>, RestError> {
        let key = ObjectKey::of(object);
        let live = rest
            .get(&mapping::<K::Object>(), &key.namespace, &key.name)
            .await?;
        Ok(live.map(|live| {
            let listed = live.pointer("/metadata/finalizers").and_then(Value::as_array);
            let texts = listed.into_iter().flatten().filter_map(Value::as_str);
            Self {
                uid: metadata_text(&live, "uid").to_owned(),
                resource_version: resource_version(&live).to_owned(),
                is_deleted: !metadata_text(&live, "deletionTimestamp").is_empty(),
                finalizers: texts.map(str::to_owned).collect(),
            }
        }))
    }

    async fn write<K: Kind>(&self, rest: &Rest, object: &K::Object) -> Result<Write, RestError> {
        let (mapping, key) = (mapping::<K::Object>(), ObjectKey::of(object));
        let at = ObjectPath {
            mapping: &mapping,
            namespace: &key.namespace,
            name: &key.name,
        };
        let patch =
            json!({"metadata": {"finalizers": self.finalizers, "resourceVersion": self.resource_version}});
        match rest.merge_patch(&at, None, K::NAMES.status_manager, &patch).await {
            Ok(answer) => Ok(Write::Done(resource_version(&answer).to_owned())),
            Err(error) if error.is_conflict() => Ok(Write::Conflict),
            Err(error) if error.is_not_found() && !error.is_not_served() => Ok(Write::NotFound),
            Err(error) => Err(error),
        }
    }
}
