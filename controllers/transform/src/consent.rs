//! Whether an input of another namespace may be read: the source itself says so, in an annotation.

use std::time::Duration;

use artifact_consumer::{ReferenceError, SourceKey};
use artifact_crd::ALLOW_FROM_ANNOTATION;
use controller_kit::MapError;
use kube::core::DynamicObject;
use kube::{Api, ResourceExt};

use crate::controller::Controller;
use crate::failure::{Failure, Fate};

/// After how long a source is asked again that has not allowed it: its annotations are not watched.
const AGAIN: Duration = Duration::from_mins(1);

impl Controller {
    /// Refuses an input of another namespace than `own`, unless the controller was told to allow all of them, or the source
    /// allows this namespace. A source that is not there, or may not be read, is refused in the same words as one that says nothing.
    ///
    /// It is asked each time, as the controller, and not as whoever wrote the transformation.
    pub(crate) async fn may_read(&self, input: &str, key: &SourceKey, own: &str) -> Result<(), Failure> {
        if key.namespace == own || !self.settings.access.no_cross_namespace_refs {
            return Ok(());
        }
        let said = self.allowed_from(key).await.map_err(|why| {
            let message = format!("input {input}: cannot ask {key} whether it may be read: {why}");
            Failure::new(Fate::Retry, "InputNotReady", message)
        })?;
        if said.is_some_and(|list| allows(&list, own)) {
            return Ok(());
        }
        let refused = ReferenceError::CrossNamespace {
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        let message = format!(
            "input {input}: {refused}; its annotation '{ALLOW_FROM_ANNOTATION}: {own}' would allow this one"
        );
        Err(Failure::new(Fate::After(AGAIN), "AccessDenied", message))
    }

    /// What a source says about who may read it, if it can be asked and says anything.
    async fn allowed_from(&self, key: &SourceKey) -> Result<Option<String>, String> {
        if key.is_artifact() {
            let artifact = self.artifact(&key.namespace, &key.name);
            return Ok(
                artifact.and_then(|artifact| artifact.annotations().get(ALLOW_FROM_ANNOTATION).cloned())
            );
        }
        let mapping = match self.mapper.preferred(&key.group, &key.kind).await {
            Ok(mapping) => mapping,
            Err(MapError::NoMatch { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let resource = mapping.api_resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &key.namespace, &resource);
        match api.get_metadata_opt(&key.name).await {
            Ok(found) => Ok(found.and_then(|found| found.annotations().get(ALLOW_FROM_ANNOTATION).cloned())),
            Err(kube::Error::Api(answer)) if answer.code == 403 => {
                tracing::warn!(source = %key, error = answer.message, "a source of another namespace cannot be asked whether it may be read");
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether a list of namespaces, with commas between them, has this one; `*` has all.
fn allows(list: &str, namespace: &str) -> bool {
    let mut listed = list.split(',').map(str::trim);
    listed.any(|one| one == "*" || one == namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_allowed_by_its_whole_name_or_by_a_star() {
        for list in ["apps", "*", "a, apps ,b", "apps,", " * "] {
            assert!(allows(list, "apps"), "{list:?}");
        }
        for list in ["", "app", "apps2", "ap*", "a,b", "apps b", ","] {
            assert!(!allows(list, "apps"), "{list:?}");
        }
    }
}
