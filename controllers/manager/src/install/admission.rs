//! Who may reach the controller, and who may write what it reads.

use serde_json::{Value, json};

use super::{InstallFlags, NAME};

/// Nobody has to reach the controller but for its metrics, and for artifacts that it serves.
pub(super) fn network_policy(flags: &InstallFlags, metadata: &Value) -> Value {
    let mut ports = vec![json!({"port": "http-prom", "protocol": "TCP"})];
    if flags.produces() {
        ports.push(json!({"port": "storage", "protocol": "TCP"}));
    }
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "openflux"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        },
    })
}

/// Users that take the reference to an owner away when the owner is deleted without its dependents.
const GARBAGE_COLLECTORS: [&str; 2] = [
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

/// Says who may write Artifacts; others may change nothing that deployers read.
pub(super) fn writers_policy(flags: &InstallFlags, writers: &[String], labels: &Value) -> [Value; 2] {
    let name = format!("{NAME}-artifact-writers");
    let metadata = json!({"name": name, "labels": labels});
    let named = writers.iter().map(String::as_str).filter(|user| !user.is_empty());
    let users: Vec<_> = named.chain(GARBAGE_COLLECTORS).collect();
    let ours = format!("system:serviceaccounts:{}", flags.namespace);
    let expression = format!(
        "request.userInfo.username in {users} || {ours} in request.userInfo.groups || \
         'system:masters' in request.userInfo.groups || (oldObject != null && object.spec == oldObject.spec && \
         object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences)",
        users = json!(users),
        ours = json!(ours),
    );
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": metadata,
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["openfluxcd.ocm.software"], "apiVersions": ["*"], "resources": ["artifacts"],
                "operations": ["CREATE", "UPDATE"],
            }]},
            "validations": [{
                "expression": expression, "reason": "Forbidden",
                "message": "only the controllers of Flux and the --artifact-writers of openflux-controller may write Artifacts",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    [policy, binding]
}
