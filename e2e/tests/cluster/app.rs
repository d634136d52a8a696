//! The application that tests deploy: a repository with a few objects, and the Flux objects that name it.

use anyhow::Result;
use e2e::testbed::{GitRepo, Namespace, Testbed};

/// Who reconciles a Kustomization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Stock,
    Ours,
}

impl Owner {
    /// The label as a merge patch has it: present for ours, absent for stock.
    pub(crate) fn label(self) -> Option<&'static str> {
        (self == Self::Ours).then_some("openflux")
    }
}

/// A repository with a ConfigMap and a Deployment, and a running source-controller.
pub(crate) async fn repository(testbed: &Testbed, namespace: &Namespace) -> Result<GitRepo> {
    testbed.source_controller().await?;
    let repo = testbed.git().await?.create(namespace.name()).await?;
    repo.commit(
        "first",
        &[
            ("deploy/settings.yaml", &settings("blue")),
            ("deploy/web.yaml", WEB),
        ],
    )
    .await?;
    Ok(repo)
}

/// A ConfigMap whose data a test can tell apart.
pub(crate) fn settings(colour: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings}}, data: {{colour: {colour}}}}}\n")
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
";

/// Applies the GitRepository and the Kustomization `app`.
pub(crate) async fn deploy(namespace: &Namespace, repo: &GitRepo, owner: Owner) -> Result<()> {
    let labels = owner
        .label()
        .map_or_else(String::new, |shard| format!("sharding.fluxcd.io/key: {shard}"));
    let (url, target) = (repo.url(), namespace.name());
    namespace
        .apply(&format!(
            "
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: app}}
spec: {{interval: 1h, url: '{url}', ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: app, labels: {{{labels}}}}}
spec:
  interval: 1h
  retryInterval: 2s
  path: deploy
  prune: true
  wait: true
  targetNamespace: {target}
  sourceRef: {{kind: GitRepository, name: app}}
"
        ))
        .await
}
