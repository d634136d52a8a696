//! The interlock: what a live stock controller selects too is left alone until it no longer does.

use anyhow::Result;
use e2e::testbed::{DEPLOYMENT, KUSTOMIZATION, Namespace, condition};
use serde_json::json;

use crate::app::{App, config_map};

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
    let app = App::start("interlock", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.apply(STOCK).await?;
    let exists = |object: &kube::api::DynamicObject| object.data["status"]["replicas"] == 1;
    app.wait(DEPLOYMENT, "kustomize-controller", "has a pod", exists)
        .await?;
    app.deploy("app", json!({})).await?;

    let conflicts = |object: &kube::api::DynamicObject| condition(object, "OwnershipConflict").is_some();
    let refused = app.wait(KUSTOMIZATION, "app", "is left alone", conflicts).await?;
    let message = condition(&refused, "OwnershipConflict").map(|condition| condition["message"].clone());
    let message = message.unwrap_or_default().to_string();
    let deployment = format!("Deployment '{}/kustomize-controller'", app.name());
    for part in [deployment.as_str(), "no --watch-label-selector", "scale"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(refused.metadata.finalizers, None);
    assert!(
        condition(&refused, "Ready").is_none(),
        "Ready is the stock controller's"
    );
    assert_eq!(app.colour("a").await?, None);
    app.events_with("StockControllerSelects").await?;

    let own = "--watch-all-namespaces=false";
    with_arguments(&app, &[own, "--watch-label-selector=!sharding.fluxcd.io/key"]).await?;
    let ready = app.wait_ready(KUSTOMIZATION, "app").await?;
    assert!(!conflicts(&ready), "{:#}", ready.data["status"]);
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));

    with_arguments(&app, &[own]).await?;
    let refused = app
        .wait(KUSTOMIZATION, "app", "is left alone again", conflicts)
        .await?;
    assert!(
        e2e::testbed::is_ready(&refused),
        "Ready is the stock controller's"
    );
    let scaled = json!({"spec": {"replicas": 0}});
    app.patch(DEPLOYMENT, "kustomize-controller", scaled).await?;
    let free = |object: &kube::api::DynamicObject| !conflicts(object);
    app.wait(KUSTOMIZATION, "app", "is ours again", free).await?;
    Ok(())
}
