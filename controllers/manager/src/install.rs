//! `openflux-controller install --export`: the manifests, from the same source as the code that they run.

use clap::Args;
use flux_sources::SourceKind;
use serde_json::{Value, json};

/// What to install, and where.
#[derive(Args, Debug)]
pub(crate) struct InstallFlags {
    /// Print the manifests to standard output; nothing is ever applied from here.
    #[arg(long, required = true)]
    export: bool,
    /// Namespace of the controller; that of Flux, whose network policies let only its own pods fetch artifacts.
    #[arg(long, default_value = "flux-system")]
    namespace: String,
    /// Image of the controller.
    #[arg(long, default_value = concat!("openflux-controller:", env!("CARGO_PKG_VERSION")))]
    image: String,
    /// Kustomizations to reconcile, by labels.
    #[arg(long, default_value = "sharding.fluxcd.io/key=openflux")]
    watch_label_selector: String,
    /// Service account of Kustomizations that name none, for clusters with tenants. The controller itself may then
    /// change nothing that it applies; without this it is a cluster administrator, as stock's is.
    #[arg(long, default_value = "")]
    default_service_account: String,
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
    let labels = labels();
    let namespaced = json!({"name": NAME, "namespace": flags.namespace, "labels": labels});
    let cluster_wide = |name: &str| json!({"name": name, "labels": labels});
    let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": flags.namespace}]);
    let role = |kind: &str, name: &str| json!({"apiGroup": RBAC_GROUP, "kind": kind, "name": name});
    let rbac = |kind: &str, metadata: &Value| json!({"apiVersion": format!("{RBAC_GROUP}/v1"), "kind": kind, "metadata": metadata});
    let with = |mut object: Value, fields: Value| {
        if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
            object.extend(fields);
        }
        object
    };
    let bind = |kind: &str, metadata: &Value, role: Value| {
        with(
            rbac(kind, metadata),
            json!({"roleRef": role, "subjects": subject}),
        )
    };
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": namespaced}),
        with(
            rbac("ClusterRole", &cluster_wide(NAME)),
            json!({"rules": rules()}),
        ),
        bind(
            "ClusterRoleBinding",
            &cluster_wide(NAME),
            role("ClusterRole", NAME),
        ),
        with(rbac("Role", &namespaced), json!({"rules": rules_at_home()})),
        bind("RoleBinding", &namespaced, role("Role", NAME)),
    ];
    if flags.default_service_account.is_empty() {
        // As in stock: Kustomizations without a service account are applied by the controller itself.
        let name = format!("{NAME}-cluster-reconciler");
        objects.push(bind(
            "ClusterRoleBinding",
            &cluster_wide(&name),
            role("ClusterRole", "cluster-admin"),
        ));
    } else {
        // What service accounts have applied is watched, so that its readiness need not be asked for.
        let name = format!("{NAME}-watcher");
        let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
        objects.push(with(
            rbac("ClusterRole", &cluster_wide(&name)),
            json!({"rules": everything}),
        ));
        objects.push(bind(
            "ClusterRoleBinding",
            &cluster_wide(&name),
            role("ClusterRole", &name),
        ));
    }
    objects.push(deployment(flags, &namespaced));
    objects
}

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/part-of": "openflux",
        "app.kubernetes.io/version": env!("CARGO_PKG_VERSION"),
    })
}

/// What the controller needs besides what it applies.
fn rules() -> Value {
    let read = ["get", "list", "watch"];
    let sources = SourceKind::ALL.map(SourceKind::plural);
    // Where owner references are checked, whoever blocks the deletion of an owner needs this right on it.
    let owners = sources.map(|plural| format!("{plural}/finalizers"));
    json!([
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts"],
         "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts/status"], "verbs": ["patch"]},
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts/finalizers"], "verbs": ["update"]},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": sources, "verbs": read},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": owners, "verbs": ["update"]},
        // For the bridge.
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["externalartifacts"], "verbs": ["create", "patch"]},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["externalartifacts/status"], "verbs": ["patch"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations"],
         "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations/status"], "verbs": ["patch"]},
        // To leave alone what stock's controllers select.
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": read},
        // Variables, and their changes.
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": read},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "impersonate"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ])
}

/// What the controller needs in its own namespace.
fn rules_at_home() -> Value {
    json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}])
}

fn deployment(flags: &InstallFlags, metadata: &Value) -> Value {
    let selected = json!({"app": NAME});
    let mut labels = labels();
    labels["app"] = NAME.into();
    let mut arguments = vec![
        "run".to_owned(),
        format!("--watch-label-selector={}", flags.watch_label_selector),
        format!("--events-addr={}", events_address(flags)),
        "--enable-leader-election".to_owned(),
    ];
    if !flags.default_service_account.is_empty() {
        arguments.push(format!(
            "--default-service-account={}",
            flags.default_service_account
        ));
    }
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "healthz"}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selected},
            "template": {
                "metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}},
                "spec": {
                    "serviceAccountName": NAME,
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "priorityClassName": "system-cluster-critical",
                    "terminationGracePeriodSeconds": 60,
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 1337,
                        "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "manager",
                        "image": flags.image,
                        "args": arguments,
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
                        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}},
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

fn events_address(flags: &InstallFlags) -> String {
    format!(
        "http://notification-controller.{}.svc.cluster.local./",
        flags.namespace
    )
}
