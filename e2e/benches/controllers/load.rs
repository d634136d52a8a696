//! What is deployed: Kustomizations of four objects, which impersonate a service account and substitute three variables.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use e2e::testbed::{Archive, GIT_REPOSITORY, KUSTOMIZATION, Kind, Stock};
use e2e::tools::{Tool, ensure};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::deployers::stage::{App, Release};

/// The kind of what is deployed.
pub(crate) const OBJECT: Kind = KUSTOMIZATION;

/// The kind of its sources.
pub(crate) const SOURCE: Kind = GIT_REPOSITORY;

/// Where they come from, by their specs.
pub(crate) const SOURCE_URL: &str = "https://example.org/app";

/// The other contender.
pub(crate) const STOCK: Stock = Stock::Kustomize;

/// What it is called.
pub(crate) const STOCK_NAME: &str = "kustomize-controller";

/// A shorter wait for dependencies than the default of 30 s, in stock's favour.
pub(crate) const STOCK_FLAGS: &[&str] = &["--requeue-dependency=5s"];

/// What one object consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// Four objects.
    Four,
    /// The same, and a Secret that is encrypted.
    Encrypted,
    /// Four objects that are well as soon as they exist, on a cluster where nobody acts on them.
    Still,
}

/// What the Secret is encrypted for.
const KEY: &str = include_str!("../../../compat/sops/cases/keys/a.agekey");

/// The Secret with that key.
const KEYS: &str = "keys";

/// What the spec of a Kustomization says that has encrypted files.
pub(crate) fn decryption() -> Value {
    json!({"decryption": {"provider": "sops", "secretRef": {"name": KEYS}}})
}

/// What is there before: a service account that may do everything in its namespace, as tenants have it, and a key.
pub(crate) fn before(namespace: &str) -> String {
    let keys = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS}, "stringData": {"age.agekey": KEY},
    });
    format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: deployer}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: deployer}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: deployer, namespace: {namespace}}}]
---
{keys}
"
    )
}

/// The spec of a Kustomization.
pub(crate) fn spec(app: &App, namespace: &str) -> Value {
    let name = &app.name;
    let variables =
        json!({"name": name, "image": "registry.example.org/app:1", "host": format!("{name}.example.org")});
    json!({
        "interval": "1h", "prune": true, "wait": app.wait, "timeout": app.timeout, "retryInterval": "5s", "path": "./",
        "targetNamespace": namespace, "serviceAccountName": "deployer",
        "sourceRef": {"kind": SOURCE.kind, "name": app.source}, "postBuild": {"substitute": variables},
    })
}

/// Whether a Kustomization that is ready has applied a release.
pub(crate) fn has_deployed(object: &DynamicObject, release: &Release) -> bool {
    object.data.pointer("/status/lastAppliedRevision") == Some(&json!(release.revision))
}

/// Packs four objects or more; `version` changes one of them. With replicas, on a cluster without nodes, they never become ready.
pub(crate) fn pack(version: &str, replicas: u32, size: Size) -> Result<Release> {
    let mut documents = objects("${name}", "${image}", "${host}", version, replicas);
    if matches!(size, Size::Still) {
        documents[2] = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${name}"}, "data": {"key": "value"}});
    }
    let yaml = documents
        .iter()
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join("\n---\n");
    let mut files = vec![("app.yaml", yaml.as_str())];
    if matches!(size, Size::Encrypted) {
        files.push(("secret.yaml", secret()?));
    }
    let archive = Archive::of(&files).pack()?;
    Ok(Release::of(archive, version, |_| format!("main@sha1:{version}")))
}

/// The Secret, which sops encrypts once: each time would give another text.
fn secret() -> Result<&'static str> {
    static SECRET: OnceLock<String> = OnceLock::new();
    if let Some(text) = SECRET.get() {
        return Ok(text);
    }
    let [sops] = ensure([Tool::Sops])?;
    let recipient = KEY.lines().find_map(|line| line.strip_prefix("# public key: "));
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    let plain = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\nstringData:\n  password: hunter2\n  user: app\n";
    std::fs::write(file.path(), plain)?;
    let output = Command::new(sops)
        .args(["encrypt", "--encrypted-regex", "^stringData$", "--age"])
        .arg(recipient.context("the recipient of the key")?)
        .arg(file.path())
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(SECRET.get_or_init(|| text))
}

fn objects(name: &str, image: &str, host: &str, version: &str, replicas: u32) -> [Value; 4] {
    let labels = json!({"app": name});
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "annotations": {"version": version}},
            "spec": {"selector": labels, "ports": [{"port": 80, "protocol": "TCP"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": image}]}}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {"rules": [{"host": host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
    ]
}
