//! The interlock: what a live stock controller selects too is left alone until it no longer does.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, EVENT, KUSTOMIZATION, Namespace, Testbed, condition};
use serde_json::json;

use crate::app::{self, Owner};

/// A Deployment as Flux installs it, restricted to its own namespace so that it concerns no other test.
const STOCK: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: kustomize-controller, labels: {app.kubernetes.io/part-of: flux}}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: kustomize-controller}}
  template:
    metadata: {labels: {app: kustomize-controller}}
    spec:
      containers:
      - {name: manager, image: 'ghcr.io/fluxcd/kustomize-controller:v1.9.5', args: [--watch-all-namespaces=false]}
";

async fn with_arguments(namespace: &Namespace, arguments: &[&str]) -> Result<()> {
    let container = json!({
        "name": "manager", "image": "ghcr.io/fluxcd/kustomize-controller:v1.9.5", "args": arguments,
    });
    let patch = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    namespace.patch(DEPLOYMENT, "kustomize-controller", patch).await?;
    Ok(())
}

#[tokio::test]
async fn an_object_of_a_live_stock_controller_is_left_alone() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("interlock").await?;
    testbed.openflux_controller().await?;
    namespace.apply(STOCK).await?;
    let exists = |object: &kube::api::DynamicObject| object.data["status"]["replicas"] == 1;
    namespace
        .wait(DEPLOYMENT, "kustomize-controller", "has a pod", exists)
        .await?;
    let repo = app::repository(testbed, &namespace).await?;
    app::deploy(&namespace, &repo, Owner::Ours).await?;

    let conflicts = |object: &kube::api::DynamicObject| condition(object, "OwnershipConflict").is_some();
    let refused = namespace
        .wait(KUSTOMIZATION, "app", "is left alone", conflicts)
        .await?;
    let message = condition(&refused, "OwnershipConflict").map(|condition| condition["message"].clone());
    let message = message.unwrap_or_default().to_string();
    let deployment = format!("Deployment '{}/kustomize-controller'", namespace.name());
    for part in [deployment.as_str(), "no --watch-label-selector", "scale"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(refused.metadata.finalizers, None);
    assert!(
        condition(&refused, "Ready").is_none(),
        "Ready is the stock controller's"
    );
    assert!(namespace.get(CONFIG_MAP, "settings").await?.is_none());
    let events = namespace.list(EVENT).await?;
    assert!(
        events
            .iter()
            .any(|event| event.data["reason"] == "StockControllerSelects"),
        "{events:?}"
    );

    let own = "--watch-all-namespaces=false";
    with_arguments(
        &namespace,
        &[own, "--watch-label-selector=!sharding.fluxcd.io/key"],
    )
    .await?;
    let ready = namespace.wait_ready(KUSTOMIZATION, "app").await?;
    assert!(!conflicts(&ready), "{:#}", ready.data["status"]);
    assert!(namespace.get(CONFIG_MAP, "settings").await?.is_some());

    with_arguments(&namespace, &[own]).await?;
    let refused = namespace
        .wait(KUSTOMIZATION, "app", "is left alone again", conflicts)
        .await?;
    assert!(
        e2e::testbed::is_ready(&refused),
        "Ready is the stock controller's"
    );
    let scaled = json!({"spec": {"replicas": 0}});
    namespace
        .patch(DEPLOYMENT, "kustomize-controller", scaled)
        .await?;
    let free = |object: &kube::api::DynamicObject| !conflicts(object);
    namespace
        .wait(KUSTOMIZATION, "app", "is ours again", free)
        .await?;
    Ok(())
}
