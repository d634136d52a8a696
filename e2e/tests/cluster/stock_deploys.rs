//! The testbed itself: a stock GitRepository and a stock Kustomization work on it.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, GIT_REPOSITORY, KUSTOMIZATION, Testbed};

#[tokio::test]
async fn a_commit_becomes_a_config_map() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("stock").await?;
    testbed.source_controller().await?;
    testbed.stock_kustomize_controller().await?;
    let repo = testbed.git().await?.create(namespace.name()).await?;
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: blue}}";
    repo.commit("first", &[("deploy/settings.yaml", manifest)])
        .await?;
    let url = repo.url();
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
metadata: {{name: app}}
spec:
  interval: 1h
  prune: true
  path: deploy
  targetNamespace: {}
  sourceRef: {{kind: GitRepository, name: app}}
",
            namespace.name()
        ))
        .await?;
    namespace.wait_ready(GIT_REPOSITORY, "app").await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let settings = namespace.get(CONFIG_MAP, "settings").await?;
    assert_eq!(
        settings.map(|settings| settings.data["data"]["colour"].clone()),
        Some("blue".into())
    );
    Ok(())
}
