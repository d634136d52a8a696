//! From references to what they lead to, and back: whom a new Artifact concerns.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_crd::Artifact;
use controller_kit::artifact::ContentCache;
use controller_kit::author::Failure;
use controller_kit::{Change, Following, ObjectKey, RefIndex, SharedWatch};
use flux_api::CrossNamespaceSourceReference;
use parking_lot::{Mutex, RwLock};

use crate::index::{ArtifactIndex, ArtifactName, LookupError};
use crate::inputs::{Input, Inputs};
use crate::reference::{Access, SourceKey, resolve};

/// All Artifacts, and who consumes which.
pub struct Sources {
    index: RwLock<ArtifactIndex>,
    consumers: Mutex<RefIndex<SourceKey, ObjectKey>>,
    content: Arc<ContentCache>,
    access: Access,
}

impl Sources {
    /// Knows nothing yet; what may be referred to is said by `access`.
    pub fn new(content: Arc<ContentCache>, access: Access) -> Self {
        Self {
            index: RwLock::default(),
            consumers: Mutex::default(),
            content,
            access,
        }
    }

    /// Follows Artifacts until what this returns is dropped, and wakes the objects that refer to those that change.
    pub fn follow(
        self: &Arc<Self>,
        artifacts: &SharedWatch<Artifact>,
        wake: impl Fn(&ObjectKey) + Send + 'static,
    ) -> Following<Artifact> {
        let sources = Arc::clone(self);
        artifacts.follow(move |change| {
            let touched = match change {
                Change::Applied { new, .. } => sources.index.write().apply(new),
                Change::Deleted { old } => sources.index.write().remove(&ArtifactName::of(old)),
                Change::Undecodable { .. } => return,
            };
            let woken: Vec<_> = {
                let consumers = sources.consumers.lock();
                let referring = touched.iter().flat_map(|source| consumers.referrers(source));
                referring.cloned().collect()
            };
            for object in &woken {
                wake(object);
            }
        })
    }

    /// Finds what an object refers to, in the order of its references; from now on it is woken when that changes.
    ///
    /// # Errors
    /// A reference that must not be followed, or leads nowhere yet.
    pub fn inputs<'r>(
        &self,
        object: &ObjectKey,
        annotations: &BTreeMap<String, String>,
        references: impl IntoIterator<Item = &'r CrossNamespaceSourceReference>,
    ) -> Result<Inputs, Failure> {
        let resolved: Result<Vec<_>, _> = references
            .into_iter()
            .map(|reference| {
                let field = "spec.sourceRef";
                resolve(
                    reference,
                    field,
                    &object.namespace,
                    Some(annotations),
                    &self.access,
                )
            })
            .collect();
        let keys = match resolved {
            Ok(keys) => keys,
            Err(error) => {
                self.forget(object);
                return Err(Failure::edit("ReferenceInvalid", error.to_string()));
            }
        };
        // First whom to wake, then what there is: what comes between is not missed.
        self.consumers.lock().set(object, keys.clone());
        let index = self.index.read();
        let found: Result<Vec<_>, _> = keys
            .iter()
            .map(|key| {
                let artifact = index.find(key)?;
                Ok(Input::new(Arc::clone(artifact), Arc::clone(&self.content)))
            })
            .collect();
        let found = found.map_err(|error: LookupError| Failure::later("InputNotFound", error.to_string()));
        let mut found = found?.into_iter();
        let first = found.next();
        let first =
            first.ok_or_else(|| Failure::edit("ReferenceInvalid", "the object refers to no source"))?;
        Ok(Inputs::new(first, found.collect()))
    }

    /// Wakes an object no more.
    pub fn forget(&self, object: &ObjectKey) {
        self.consumers.lock().set(object, Vec::new());
    }
}
