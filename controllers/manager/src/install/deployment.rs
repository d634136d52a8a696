//! The Deployment of the controller, and the arguments in it.

use serde_json::{Value, json};

use super::{CLUSTER_DOMAIN, InstallFlags, NAME, labels};

/// Where the certificate of the file server is.
pub(super) const STORAGE_TLS: &str = "/etc/openflux/storage-tls";

/// Gives one of the Deployments; each shard has one of its own.
pub(super) fn deployment(flags: &InstallFlags, name: &str, metadata: &Value) -> Value {
    let selected = json!({"app": name});
    let mut labels = labels();
    labels["app"] = name.into();
    let temp = match flags.temp_size.as_str() {
        "" => json!({}),
        size => json!({"sizeLimit": size}),
    };
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "healthz"}});
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": flags.replicas,
            "selector": {"matchLabels": selected},
            "template": {
                "metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}},
                "spec": {
                    "serviceAccountName": NAME,
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "priorityClassName": "system-cluster-critical",
                    "terminationGracePeriodSeconds": flags.grace_seconds(),
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 1337,
                        "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "manager",
                        "image": flags.image,
                        "args": arguments(flags),
                        "env": [
                            {"name": "RUNTIME_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                            // Two arenas are enough for the runtime's threads, and keep the memory small.
                            {"name": "MALLOC_ARENA_MAX", "value": "2"},
                        ],
                        "ports": [
                            {"name": "http-prom", "containerPort": 8080, "protocol": "TCP"},
                            {"name": "healthz", "containerPort": 9440, "protocol": "TCP"},
                        ],
                        "livenessProbe": probe("/healthz"),
                        "readinessProbe": probe("/readyz"),
                        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": flags.memory}},
                        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]}},
                        // Remote bases are cloned there.
                        "volumeMounts": [{"name": "temp", "mountPath": "/tmp"}],
                    }],
                    "volumes": [{"name": "temp", "emptyDir": temp}],
                },
            },
        },
    });
    if flags.produces() {
        // A second pod could not serve what the first one stores.
        deployment["spec"]["strategy"] = json!({"type": "Recreate"});
        let pod = &mut deployment["spec"]["template"]["spec"];
        let mut push = |pointer: &str, value: Value| {
            if let Some(list) = pod.pointer_mut(pointer).and_then(Value::as_array_mut) {
                list.push(value);
            }
        };
        push(
            "/containers/0/ports",
            json!({"name": "storage", "containerPort": 9090, "protocol": "TCP"}),
        );
        push(
            "/containers/0/volumeMounts",
            json!({"name": "artifacts", "mountPath": "/data"}),
        );
        let volume = if flags.storage_claim.is_empty() {
            json!({"name": "artifacts", "emptyDir": {}})
        } else {
            json!({"name": "artifacts", "persistentVolumeClaim": {"claimName": flags.storage_claim}})
        };
        push("/volumes", volume);
        if !flags.storage_tls_secret.is_empty() {
            push(
                "/containers/0/volumeMounts",
                json!({"name": "storage-tls", "mountPath": STORAGE_TLS, "readOnly": true}),
            );
            let secret = json!({"secretName": flags.storage_tls_secret});
            push("/volumes", json!({"name": "storage-tls", "secret": secret}));
        }
    }
    deployment
}

fn events_address(flags: &InstallFlags) -> String {
    format!(
        "http://notification-controller.{}.svc.{}./",
        flags.namespace, flags.cluster_domain
    )
}

/// The arguments of the controller.
fn arguments(flags: &InstallFlags) -> Vec<String> {
    let mut arguments = vec![
        "run".to_owned(),
        format!("--watch-label-selector={}", flags.watch_label_selector),
        format!("--events-addr={}", events_address(flags)),
        "--enable-leader-election".to_owned(),
        "--shadow-addr=127.0.0.1:9292".to_owned(),
    ];
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            arguments.push(format!("--{name}={value}"));
        }
    };
    let switch = |on: bool| if on { "true" } else { "" };
    add("controllers", &flags.controllers.join(","));
    add("default-service-account", &flags.default_service_account);
    add("no-cross-namespace-refs", switch(flags.no_cross_namespace_refs));
    add("no-remote-bases", switch(flags.no_remote_bases));
    add("remote-base-hosts", &flags.remote_base_hosts.join(","));
    if flags.artifact_hosts.is_empty() && flags.cluster_domain != CLUSTER_DOMAIN {
        add("artifact-hosts", &format!("*.svc,*.svc.{}", flags.cluster_domain));
    } else {
        add("artifact-hosts", &flags.artifact_hosts.join(","));
    }
    if flags.produces() {
        let address = format!("{NAME}.{}.svc.{}", flags.namespace, flags.cluster_domain);
        if flags.storage_tls_secret.is_empty() {
            arguments.push(format!("--storage-adv-addr={address}."));
        } else {
            // No certificate is for a name with a dot at its end.
            arguments.push(format!("--storage-adv-addr=https://{address}"));
            arguments.push(format!("--storage-tls-secret-dir={STORAGE_TLS}"));
        }
    }
    arguments.extend_from_slice(&flags.arg);
    arguments
}
