//! Which kinds live in no namespace.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::api_version::split_api_version;
use super::builtin::builtin_scope;

/// What is known about the kinds of a build: the built-in types, and those of the custom schema if one is chosen. Copies
/// know what any of them is told, objects that were read before included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes(Arc<OnceLock<CustomScopes>>);

/// By kind, each `apiVersion` and whether it is known to have no namespace.
pub(crate) type CustomScopes = HashMap<String, Vec<(String, bool)>>;

impl Scopes {
    /// Adds what a custom schema says; the first one counts.
    pub(super) fn add(&self, scopes: CustomScopes) {
        // A build chooses one schema.
        let _ = self.0.set(scopes);
    }

    /// Whether objects of this type certainly have no namespace.
    pub(crate) fn is_cluster_scoped(&self, group: &str, version: &str, kind: &str) -> bool {
        builtin_scope(group, version, kind).unwrap_or_else(|| {
            let versions = self.0.get().and_then(|custom| custom.get(kind));
            versions
                .into_iter()
                .flatten()
                .any(|(api_version, is_cluster_scoped)| {
                    *is_cluster_scoped && split_api_version(api_version) == (group, version)
                })
        })
    }
}

/// The scopes that the paths of an OpenAPI v2 document tell: a kind without a path below a namespace has none.
pub(super) fn of_document(document: &Value) -> CustomScopes {
    let mut scopes = CustomScopes::new();
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths
        .into_iter()
        .flatten()
        .filter(|(path, _)| path.starts_with('/'))
    {
        let Some(gvk) = item
            .get("get")
            .and_then(|get| get.get("x-kubernetes-group-version-kind"))
        else {
            continue;
        };
        let text = |key| gvk.get(key).and_then(Value::as_str).unwrap_or_default();
        let api_version = match text("group") {
            "" => text("version").to_owned(),
            group => format!("{group}/{}", text("version")),
        };
        let is_cluster_scoped = !path.contains("namespaces/{namespace}");
        let versions = scopes.entry(text("kind").to_owned()).or_default();
        match versions.iter_mut().find(|(known, _)| *known == api_version) {
            Some((_, known)) => *known &= is_cluster_scoped,
            None => versions.push((api_version, is_cluster_scoped)),
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_tell_the_scope() {
        let gvk = |kind: &str| json!({"get": {"x-kubernetes-group-version-kind": {"group": "e.io", "version": "v1", "kind": kind}}});
        let scopes = Scopes::default();
        assert!(!scopes.is_cluster_scoped("e.io", "v1", "Zone"));
        scopes.clone().add(of_document(&json!({"paths": {
            "/apis/e.io/v1/zones": gvk("Zone"),
            "/apis/e.io/v1/boxes": gvk("Box"),
            "/apis/e.io/v1/namespaces/{namespace}/boxes": gvk("Box"),
        }})));
        for (version, kind, expected) in [("v1", "Zone", true), ("v2", "Zone", false), ("v1", "Box", false)] {
            assert_eq!(
                scopes.is_cluster_scoped("e.io", version, kind),
                expected,
                "{version} {kind}"
            );
        }
        assert!(scopes.is_cluster_scoped("", "v1", "Namespace"));
    }
}
