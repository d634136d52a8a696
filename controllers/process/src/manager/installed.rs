//! Everything that a program is installed with, in one list.

use clap::Args;
use serde_json::{Value, json};

use super::manifests::{Registered, Role, crds, rights};

/// Where artifacts are kept.
const VOLUME: &str = "/data";

/// How a program is installed.
#[derive(Args, Clone, Debug)]
pub(super) struct InstallFlags {
    /// Image of the program.
    #[arg(long)]
    pub(super) image: String,
    /// Namespace to install it in; that of Flux, whose network policies let only its own pods fetch artifacts.
    #[arg(long, default_value = "flux-system")]
    pub(super) namespace: String,
    /// Domain of the cluster's services.
    #[arg(long, default_value = "cluster.local")]
    pub(super) cluster_domain: String,
    /// Keep the artifacts on this PersistentVolumeClaim; by default they are made anew after a restart of the pod.
    #[arg(long, default_value = "")]
    pub(super) storage_claim: String,
}

/// The definitions of the kinds, the rights of the controllers, and what runs them; what a deployer applies has to be added to its
/// rights.
pub(super) fn manifests(name: &str, kinds: &[Registered], flags: &InstallFlags) -> Value {
    let labels = json!({"app.kubernetes.io/name": name});
    let here = json!({"name": name, "namespace": flags.namespace, "labels": labels});
    let stores = kinds.iter().any(|kind| kind.role != Role::Deployer);
    let mut items = Vec::new();
    let mut add = |list: Value| {
        if let Value::Array(list) = list {
            items.extend(list);
        }
    };
    add(crds(kinds)["items"].take());
    add(json!([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}]));
    let mut roles = rights(name, kinds)["items"].take();
    for role in roles.as_array_mut().into_iter().flatten() {
        role["metadata"]["labels"] = labels.clone();
        if role["kind"] == "Role" {
            role["metadata"]["namespace"] = flags.namespace.as_str().into();
        }
    }
    let bindings: Vec<_> = roles
        .as_array()
        .into_iter()
        .flatten()
        .map(|role| {
            json!({
                "apiVersion": role["apiVersion"], "kind": format!("{}Binding", role["kind"].as_str().unwrap_or_default()),
                "metadata": role["metadata"],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": flags.namespace}],
            })
        })
        .collect();
    add(roles);
    add(bindings.into());
    let selected = json!({"app.kubernetes.io/name": name});
    let mut ports = vec![json!({"port": "metrics", "protocol": "TCP"})];
    if stores {
        ports.push(json!({"port": "storage", "protocol": "TCP"}));
        add(json!([{
            "apiVersion": "v1", "kind": "Service", "metadata": here,
            "spec": {"selector": selected, "ports": [{"name": "http", "port": 80, "targetPort": "storage"}]},
        }]));
    }
    add(json!([
        {
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": here,
            "spec": {"podSelector": {"matchLabels": selected}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}]},
        },
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": here,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": selected},
                // A second pod could not serve what the first one stores.
                "strategy": {"type": if stores { "Recreate" } else { "RollingUpdate" }},
                "template": {"metadata": {"labels": labels}, "spec": pod(name, flags, stores)},
            },
        },
    ]));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn pod(name: &str, flags: &InstallFlags, stores: bool) -> Value {
    let mut arguments = vec!["run".to_owned(), "--enable-leader-election".to_owned()];
    let mut ports = vec![
        json!({"name": "metrics", "containerPort": 8080}),
        json!({"name": "healthz", "containerPort": 9440}),
    ];
    // Large archives are kept there while they are read.
    let mut volumes = vec![json!({"name": "temp", "emptyDir": {}})];
    let mut mounts = vec![json!({"name": "temp", "mountPath": "/tmp"})];
    if stores {
        let InstallFlags {
            namespace,
            cluster_domain,
            storage_claim,
            ..
        } = flags;
        arguments.push(format!("--storage-path={VOLUME}"));
        arguments.push(format!(
            "--storage-adv-addr={name}.{namespace}.svc.{cluster_domain}."
        ));
        ports.push(json!({"name": "storage", "containerPort": 9090}));
        mounts.push(json!({"name": "artifacts", "mountPath": VOLUME}));
        volumes.push(if storage_claim.is_empty() {
            json!({"name": "artifacts", "emptyDir": {}})
        } else {
            json!({"name": "artifacts", "persistentVolumeClaim": {"claimName": storage_claim}})
        });
    }
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "healthz"}});
    json!({
        "serviceAccountName": name,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 1337, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "controller",
            "image": flags.image,
            "args": arguments,
            "env": [
                {"name": "RUNTIME_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                // Two arenas are enough for the runtime's threads, and keep the memory small.
                {"name": "MALLOC_ARENA_MAX", "value": "2"},
            ],
            "ports": ports,
            "livenessProbe": probe("/healthz"),
            "readinessProbe": probe("/readyz"),
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": mounts,
        }],
        "volumes": volumes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> InstallFlags {
        InstallFlags {
            image: "registry.example/feed:1".into(),
            namespace: "feeds".into(),
            cluster_domain: "cluster.local".into(),
            storage_claim: String::new(),
        }
    }

    fn kinds_of(list: &Value) -> Vec<&str> {
        let items = list["items"].as_array().into_iter().flatten();
        items.filter_map(|item| item["kind"].as_str()).collect()
    }

    #[test]
    fn who_stores_has_a_service_and_a_volume() {
        let kind = |role| Registered::named(role, "Feed");
        let source = manifests("feed", &[kind(Role::Source)], &flags());
        let expected = [
            "CustomResourceDefinition",
            "ServiceAccount",
            "ClusterRole",
            "Role",
            "ClusterRoleBinding",
            "RoleBinding",
            "Service",
            "NetworkPolicy",
            "Deployment",
        ];
        assert_eq!(kinds_of(&source), expected);
        let text = source.to_string();
        assert!(
            text.contains("--storage-adv-addr=feed.feeds.svc.cluster.local.") && text.contains("emptyDir")
        );
        let deployer = manifests("feed", &[kind(Role::Deployer)], &flags());
        assert!(
            !kinds_of(&deployer).contains(&"Service") && !deployer.to_string().contains("--storage-path")
        );
        let kept = InstallFlags {
            storage_claim: "files".into(),
            ..flags()
        };
        assert!(
            manifests("feed", &[kind(Role::Source)], &kept)
                .to_string()
                .contains("persistentVolumeClaim")
        );
    }
}
