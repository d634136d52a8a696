//! Another cluster, and the Secrets that lead there.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{Namespace, Testbed};
use serde_json::{Value, json};

/// A namespace of another cluster.
pub(crate) struct Far {
    pub(crate) testbed: &'static Testbed,
    pub(crate) namespace: Namespace,
}

impl Far {
    /// A namespace of its own in the other cluster, for the objects of one test.
    pub(crate) async fn start(prefix: &str) -> Result<Self> {
        let testbed = Testbed::remote().await?;
        let namespace = testbed.namespace(&format!("far-{prefix}")).await?;
        Ok(Self { testbed, namespace })
    }

    /// An account in the other cluster that may do everything in its namespace; gives a kubeconfig of it.
    pub(crate) async fn hire(&self, account: &str) -> Result<String> {
        let namespace = self.namespace.name();
        self.namespace
            .apply(&format!(
                "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {account}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {account}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: {account}, namespace: {namespace}}}]
"
            ))
            .await?;
        self.testbed.portable_kubeconfig_of(namespace, account).await
    }
}

/// Puts a kubeconfig into the key `value` of a Secret that asks to be followed.
pub(crate) async fn keep(namespace: &Namespace, secret: &str, kubeconfig: &str) -> Result<()> {
    keep_as(namespace, secret, "value", kubeconfig).await
}

/// The same under another key.
pub(crate) async fn keep_as(namespace: &Namespace, secret: &str, key: &str, kubeconfig: &str) -> Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": secret, "labels": {"reconcile.fluxcd.io/watch": "Enabled"}},
        "data": {key: STANDARD.encode(kubeconfig)},
    });
    namespace.apply(&object.to_string()).await
}

/// The part of a spec that leads to another cluster.
pub(crate) fn through(secret: &str) -> Value {
    json!({"secretRef": {"name": secret}})
}
