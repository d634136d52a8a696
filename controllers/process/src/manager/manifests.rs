//! What a program has to be given in a cluster: definitions of its kinds, and rights.

use kube::Resource;
use serde_json::{Value, json};

/// What a kind is to Artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Artifacts are made for it.
    Source,
    /// It consumes Artifacts, and has one.
    Transformation,
    /// It consumes Artifacts.
    Deployer,
}

/// A kind of a program.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) role: Role,
    pub(super) kind: String,
    group: String,
    version: String,
    plural: String,
}

impl Registered {
    pub(super) fn of<K: Resource<DynamicType = ()>>(role: Role) -> Self {
        Self {
            role,
            kind: K::kind(&()).into_owned(),
            group: K::group(&()).into_owned(),
            version: K::version(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
        }
    }

    #[cfg(test)]
    pub(super) fn named(role: Role, kind: &str) -> Self {
        Self {
            role,
            kind: kind.to_owned(),
            group: "example.com".to_owned(),
            version: "v1".to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
        }
    }

    /// A definition that takes any spec; what is in it is the author's to check, or to describe more closely.
    fn crd(&self) -> Value {
        let Self {
            group,
            version,
            kind,
            plural,
            ..
        } = self;
        let ready = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group,
                "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase()},
                "scope": "Namespaced",
                "versions": [{
                    "name": version,
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                        {"name": "Ready", "type": "string", "jsonPath": ready("status")},
                        {"name": "Status", "type": "string", "jsonPath": ready("message")},
                    ],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": open}}},
                }],
            },
        })
    }
}

/// The definitions of all kinds.
pub(super) fn crds(kinds: &[Registered]) -> Value {
    let items: Vec<_> = kinds.iter().map(Registered::crd).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// What the controllers may do: everywhere, and in the namespace where they run.
pub(super) fn rights(name: &str, kinds: &[Registered]) -> Value {
    let leases = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": name}, "rules": [leases],
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [cluster_role(name, kinds), role]})
}

fn cluster_role(name: &str, kinds: &[Registered]) -> Value {
    let read = ["get", "list", "watch"];
    let mut rules = Vec::new();
    for Registered { group, plural, .. } in kinds {
        rules.extend([
            json!({"apiGroups": [group], "resources": [plural], "verbs": [read[0], read[1], read[2], "patch"]}),
            json!({"apiGroups": [group], "resources": [format!("{plural}/status")], "verbs": ["get", "patch"]}),
            // Owner references that block the deletion of their owner.
            json!({"apiGroups": [group], "resources": [format!("{plural}/finalizers")], "verbs": ["update"]}),
        ]);
    }
    let stores = kinds.iter().any(|kind| kind.role != Role::Deployer);
    let mut verbs = read.to_vec();
    if stores {
        verbs.extend(["create", "patch", "delete"]);
        let status = format!("{}/status", artifact_crd::PLURAL);
        rules.push(
            json!({"apiGroups": [artifact_crd::GROUP], "resources": [status], "verbs": ["get", "patch"]}),
        );
    }
    rules.extend([
        json!({"apiGroups": [artifact_crd::GROUP], "resources": [artifact_crd::PLURAL], "verbs": verbs}),
        json!({"apiGroups": [""], "resources": ["secrets"], "verbs": read}),
        json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]}),
    ]);
    if kinds.iter().any(|kind| kind.role == Role::Deployer) {
        // What an object that names a service account deploys is written as that one.
        rules.push(json!({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}));
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_for_the_namespace_and_deployers_may_impersonate() {
        let of = |role| {
            let rights = rights("nightly", &[Registered::named(role, "Feed")]);
            let cluster_wide = rights["items"][0]["rules"].to_string();
            assert!(!cluster_wide.contains("leases"));
            assert_eq!(rights["items"][1]["kind"], "Role");
            assert_eq!(rights["items"][1]["rules"][0]["resources"][0], "leases");
            cluster_wide.contains("impersonate")
        };
        assert!(of(Role::Deployer) && !of(Role::Source) && !of(Role::Transformation));
    }
}
