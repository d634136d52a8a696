//! Which release an object belongs to, as the object says.

use controller_kit::RestError;
use controller_kit::object::{metadata_map, set_metadata_entry};
use serde_json::Value;

use super::Cluster;
use super::apply::AHEAD;
use super::resource::Resource;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const HELM: &str = "Helm";
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Objects that a release may not take, in Helm's words.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// Whether one exists is not known.
    #[error("could not get information about the resource {object}: {error}")]
    Look {
        /// The object.
        object: String,
        /// Why.
        error: RestError,
    },
    /// It belongs to somebody else.
    #[error(
        "{object} exists and cannot be imported into the current release: invalid ownership metadata; {reason}"
    )]
    Foreign {
        /// The object.
        object: String,
        /// What it lacks.
        reason: String,
    },
    /// It is to have a name, and the API server is to make one up.
    #[error("metadata.name and metadata.generateName cannot both be set")]
    TwoNames,
}

/// Writes into objects which release they belong to.
pub(crate) fn set_owner(resources: &mut [Resource], release: &str, namespace: &str) {
    for resource in resources {
        let object = &mut resource.object;
        set_metadata_entry(object, "labels", MANAGED_BY, HELM);
        set_metadata_entry(object, "annotations", RELEASE_NAME, release);
        set_metadata_entry(object, "annotations", RELEASE_NAMESPACE, namespace);
    }
}

/// Who may take an object that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adoption<'a> {
    /// Everybody.
    Any,
    /// The release with this name and namespace, if the object says that it belongs to it.
    Own(&'a str, &'a str),
}

impl Cluster {
    /// Gives those of the objects that exist already and may be taken.
    pub(crate) async fn adopt(
        &self,
        resources: &[Resource],
        adoption: Adoption<'_>,
    ) -> Result<Vec<Resource>, OwnershipError> {
        let mut adopted = Vec::new();
        for some in resources.chunks(AHEAD) {
            let live = self.look_at(some).await;
            take_those(some, live, adoption, &mut adopted)?;
        }
        Ok(adopted)
    }
}

/// Adds the objects that exist and may be taken.
fn take_those(
    resources: &[Resource],
    live: Vec<Result<Option<Value>, RestError>>,
    adoption: Adoption<'_>,
    adopted: &mut Vec<Resource>,
) -> Result<(), OwnershipError> {
    for (resource, live) in resources.iter().zip(live) {
        if resource.has_generated_name() {
            if resource.name.is_empty() {
                continue;
            }
            return Err(OwnershipError::TwoNames);
        }
        let live = live.map_err(|error| OwnershipError::Look {
            object: told(resource),
            error,
        })?;
        let Some(live) = live else { continue };
        if let Adoption::Own(release, namespace) = adoption {
            check(&live, release, namespace).map_err(|reason| OwnershipError::Foreign {
                object: told(resource),
                reason,
            })?;
        }
        adopted.push(resource.clone());
    }
    Ok(())
}

fn told(resource: &Resource) -> String {
    let quote = |text: &str| gotmpl::quote(text.as_bytes());
    format!(
        "{} {} in namespace {}",
        resource.mapping.kind,
        quote(&resource.name),
        quote(&resource.namespace)
    )
}

/// Tells what an object lacks of a release's own.
fn check(object: &Value, release: &str, namespace: &str) -> Result<(), String> {
    let require = |field: &str, kind: &str, key: &str, wanted: &str| {
        let found = metadata_map(object, field).and_then(|entries| entries.get(key)?.as_str());
        let quote = |text: &str| gotmpl::quote(text.as_bytes());
        let problem = match found {
            None => format!("missing key {}: must be set to {}", quote(key), quote(wanted)),
            Some(found) if found != wanted => format!(
                "key {} must equal {}: current value is {}",
                quote(key),
                quote(wanted),
                quote(found)
            ),
            Some(_) => return None,
        };
        Some(format!("{kind} validation error: {problem}"))
    };
    let problems: Vec<String> = [
        require("labels", "label", MANAGED_BY, HELM),
        require("annotations", "annotation", RELEASE_NAME, release),
        require("annotations", "annotation", RELEASE_NAMESPACE, namespace),
    ]
    .into_iter()
    .flatten()
    .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_object_lacks_is_told() {
        let own = json!({"metadata": {
            "labels": {MANAGED_BY: HELM}, "annotations": {RELEASE_NAME: "web", RELEASE_NAMESPACE: "apps"},
        }});
        assert_eq!(check(&own, "web", "apps"), Ok(()));
        assert_eq!(
            check(&own, "api", "apps").unwrap_err(),
            r#"annotation validation error: key "meta.helm.sh/release-name" must equal "api": current value is "web""#
        );
        let none = check(&json!({}), "web", "apps").unwrap_err();
        assert_eq!(
            none,
            [
                r#"label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm""#,
                r#"annotation validation error: missing key "meta.helm.sh/release-name": must be set to "web""#,
                r#"annotation validation error: missing key "meta.helm.sh/release-namespace": must be set to "apps""#,
            ]
            .join("; ")
        );
    }
}
