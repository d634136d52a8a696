//! The order in which kinds are applied, as fluxcd/pkg/ssa sorts them.

use serde_json::Value;

use crate::object::{ObjectId, id_of};

const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The place of a kind; the group is not looked at, as upstream.
fn rank(kind: &str) -> usize {
    let first = FIRST.iter().position(|first| *first == kind);
    let last = || {
        LAST.iter()
            .position(|last| *last == kind)
            .map(|at| FIRST.len() + 1 + at)
    };
    first.or_else(last).unwrap_or(FIRST.len())
}

/// Sorts objects into the order of application: kind, then group, kind, namespace and name.
pub fn sort_for_apply<T>(objects: &mut [T], object: impl Fn(&T) -> &Value) {
    objects.sort_by_cached_key(|entry| sort_key(id_of(object(entry))));
}

/// Sorts identities into the order of deletion, which is the reverse of application.
pub fn sort_for_delete<T>(objects: &mut [T], id: impl Fn(&T) -> ObjectId) {
    objects.sort_by_cached_key(|object| std::cmp::Reverse(sort_key(id(object))));
}

fn sort_key(id: ObjectId) -> (usize, String, String, String, String) {
    (rank(&id.kind), id.group, id.kind, id.namespace, id.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_come_first_and_webhooks_last() {
        let object = |api: &str, kind: &str, name: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "x"}});
        let mut objects = vec![
            object(
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
                "w",
            ),
            object("example.org/v1", "Anything", "b"),
            object("apps/v1", "Deployment", "d"),
            object("v1", "ConfigMap", "b"),
            object("v1", "ConfigMap", "a"),
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "c"),
        ];
        sort_for_apply(&mut objects, |object| object);
        let kinds: Vec<_> = objects
            .iter()
            .map(|o| format!("{}/{}", crate::object::kind(o), crate::object::name(o)))
            .collect();
        assert_eq!(
            kinds,
            [
                "CustomResourceDefinition/c",
                "ConfigMap/a",
                "ConfigMap/b",
                "Deployment/d",
                "Anything/b",
                "ValidatingWebhookConfiguration/w"
            ]
        );
        sort_for_delete(&mut objects, id_of);
        assert_eq!(crate::object::kind(&objects[0]), "ValidatingWebhookConfiguration");
    }
}
