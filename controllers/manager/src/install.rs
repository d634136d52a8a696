//! `openflux-controller install --export`: the manifests, from the same source as the code that they run.

use clap::Args;
use serde_json::{Value, json};

/// What to install, and where.
#[derive(Args, Debug)]
pub(crate) struct InstallFlags {
    /// Print the manifests to standard output; nothing is ever applied from here.
    #[arg(long, required = true)]
    export: bool,
    /// Namespace of the controller; that of Flux.
    #[arg(long, default_value = "flux-system")]
    namespace: String,
    /// Image of the controller.
    #[arg(long, default_value = concat!("openflux-controller:", env!("CARGO_PKG_VERSION")))]
    image: String,
    /// Kustomizations to reconcile, by labels.
    #[arg(long, default_value = "sharding.fluxcd.io/key=openflux")]
    watch_label_selector: String,
}

const NAME: &str = "openflux-controller";

/// Prints the manifests.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn install(flags: &InstallFlags) -> anyhow::Result<()> {
    use std::io::Write;
    let mut text = artifact_crd::CRD_YAML.to_owned();
    for object in objects(flags) {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str("---\n");
        text.push_str(&go_yaml::sigs::value_to_string(&object).map_err(|error| anyhow::anyhow!("{error}"))?);
    }
    if flags.export {
        std::io::stdout().write_all(text.as_bytes())?;
    }
    Ok(())
}

fn objects(flags: &InstallFlags) -> Vec<Value> {
    let labels = json!({"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "openflux"});
    let namespaced = json!({"name": NAME, "namespace": flags.namespace, "labels": labels});
    let cluster_wide = json!({"name": NAME, "labels": labels});
    let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": flags.namespace}]);
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": namespaced}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": cluster_wide, "rules": rules()}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": cluster_wide,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}, "subjects": subject,
        }),
        // As stock's cluster-reconciler: Kustomizations without a service account are applied by the controller itself.
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{NAME}-cluster-reconciler"), "labels": labels},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": subject,
        }),
        deployment(flags, &namespaced),
    ]
}

/// What the controller needs besides what it applies.
fn rules() -> Value {
    json!([
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts", "artifacts/status"], "verbs": ["*"]},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        // For the bridge.
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["externalartifacts", "externalartifacts/status"],
         "verbs": ["create", "update", "patch"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"],
         "resources": ["kustomizations", "kustomizations/status", "kustomizations/finalizers"],
         "verbs": ["get", "list", "watch", "update", "patch"]},
        // To leave alone what stock's controllers select.
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps", "secrets", "serviceaccounts"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    ])
}

fn deployment(flags: &InstallFlags, metadata: &Value) -> Value {
    let labels = json!({"app": NAME});
    let events = format!(
        "http://notification-controller.{}.svc.cluster.local./",
        flags.namespace
    );
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "healthz"}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}},
                "spec": {
                    "serviceAccountName": NAME,
                    "priorityClassName": "system-cluster-critical",
                    "terminationGracePeriodSeconds": 60,
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 1337,
                        "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "manager",
                        "image": flags.image,
                        "args": [
                            "run",
                            format!("--watch-label-selector={}", flags.watch_label_selector),
                            format!("--events-addr={events}"),
                            "--enable-leader-election",
                        ],
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
                        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}},
                        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]}},
                        // Remote bases are cloned there.
                        "volumeMounts": [{"name": "temp", "mountPath": "/tmp"}],
                    }],
                    "volumes": [{"name": "temp", "emptyDir": {}}],
                },
            },
        },
    })
}
