//! Kinds that are not served yet, or not at the moment, although somebody has defined them.

use std::collections::HashSet;
use std::time::Duration;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use crate::mapper::Mapper;
use crate::mapping::{KindVersion, Mapping};
use crate::rest::{Rest, RestError};

/// How long finding out about missing kinds may take.
const LONGEST: Duration = Duration::from_secs(10);

impl Mapper {
    /// Tells whether all of these kinds, which are not served, are about to be: they are defined, were served until a
    /// moment ago, or their extension API server is not available yet.
    ///
    /// What cannot be read counts as not about to be served.
    pub async fn are_coming(&self, kinds: &HashSet<KindVersion>) -> bool {
        match tokio::time::timeout(LONGEST, self.are_announced(kinds)).await {
            Ok(Ok(are_announced)) => are_announced,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot tell whether missing kinds are being defined");
                false
            }
            Err(_) => false,
        }
    }

    async fn are_announced(&self, kinds: &HashSet<KindVersion>) -> Result<bool, RestError> {
        let rest = self.rest();
        let mut names: Option<Vec<String>> = None;
        for kind in kinds {
            if self.is_just_gone(kind).await || is_unavailable(rest, kind).await? {
                continue;
            }
            let names = match &mut names {
                Some(names) => names,
                none => none.insert(self.definition_names().await?),
            };
            let of_group = format!(".{}", kind.group);
            let mut is_defined = false;
            for name in names.iter().filter(|name| name.ends_with(&of_group)) {
                let definition = rest.get(&definitions(), "", name).await?;
                is_defined = definition.is_some_and(|definition| defines(&definition, kind));
                if is_defined {
                    break;
                }
            }
            if !is_defined {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists only names: definitions are large, and there may be hundreds.
    async fn definition_names(&self) -> Result<Vec<String>, RestError> {
        let api = Api::<DynamicObject>::all_with(self.rest().client().clone(), &definitions().api_resource());
        let list = api.list_metadata(&ListParams::default()).await?;
        Ok(list
            .items
            .into_iter()
            .filter_map(|item| item.metadata.name)
            .collect())
    }
}

/// Tells whether the extension API server of a kind does not answer, as far as the API server knows.
async fn is_unavailable(rest: &Rest, kind: &KindVersion) -> Result<bool, RestError> {
    let name = format!("{}.{}", kind.version, kind.group);
    let service = rest.get(&api_services(), "", &name).await?;
    Ok(service.is_some_and(|service| !is_available(&service)))
}

/// Tells whether a CustomResourceDefinition is that of `kind`, and serves its version.
fn defines(definition: &Value, kind: &KindVersion) -> bool {
    let says = |pointer: &str, text: &str| definition.pointer(pointer).and_then(Value::as_str) == Some(text);
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let is_served = |version: &Value| {
        version.get("name").and_then(Value::as_str) == Some(&kind.version)
            && version.get("served").and_then(Value::as_bool) == Some(true)
    };
    says("/spec/group", &kind.group)
        && says("/spec/names/kind", &kind.kind)
        && versions.is_some_and(|versions| versions.iter().any(is_served))
}

/// Tells whether an APIService says that its server answers.
fn is_available(service: &Value) -> bool {
    let conditions = service.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("Available")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

fn definitions() -> Mapping {
    Mapping {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
        namespaced: false,
    }
}

fn api_services() -> Mapping {
    Mapping {
        group: "apiregistration.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "APIService".to_owned(),
        plural: "apiservices".to_owned(),
        namespaced: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_is_of_one_kind_in_the_versions_that_it_serves() {
        let definition = json!({"spec": {"group": "example.org", "names": {"kind": "Widget"}, "versions": [
            {"name": "v1", "served": true}, {"name": "v1beta1", "served": false}]}});
        let kind = |version: &str, kind: &str| KindVersion {
            group: "example.org".to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        };
        assert!(defines(&definition, &kind("v1", "Widget")));
        assert!(!defines(&definition, &kind("v1beta1", "Widget")), "not served");
        assert!(!defines(&definition, &kind("v2", "Widget")));
        assert!(!defines(&definition, &kind("v1", "Gadget")));
    }

    #[test]
    fn an_extension_api_server_that_says_nothing_yet_is_on_its_way() {
        assert!(!is_available(&json!({})));
        let service =
            |status: &str| json!({"status": {"conditions": [{"type": "Available", "status": status}]}});
        assert!(!is_available(&service("False")));
        assert!(is_available(&service("True")));
    }
}
