//! The interlock: what a live stock controller selects too is left alone until it no longer does.

use anyhow::Result;
use e2e::testbed::{DEPLOYMENT, KUSTOMIZATION, Namespace, condition, eventually};
use serde_json::json;

use crate::app::{App, Owner, config_map};

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

/// An account that may do everything that the controller needs, but for reading Deployments.
const BLIND: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: blind}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAME}
rules:
- {apiGroups: ['', source.toolkit.fluxcd.io, kustomize.toolkit.fluxcd.io, openfluxcd.ocm.software], resources: ['*'], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}
subjects: [{kind: ServiceAccount, name: blind, namespace: NAME}]
";

#[tokio::test]
async fn nothing_is_touched_before_deployments_have_been_listed() -> Result<()> {
    let files = [("deploy/a.yaml", &*config_map("a", "blue"))];
    let app = App::owned_by(Owner::Shard("blind"), "blind", &files).await?;
    app.testbed.openflux_controller().await?;
    app.apply(&BLIND.replace("NAME", app.name())).await?;
    let kubeconfig = app.testbed.kubeconfig_of(app.name(), "blind").await?;
    let flags = [
        "--controllers=kustomize",
        "--watch-label-selector=sharding.fluxcd.io/key=blind",
    ];
    let controller = app
        .testbed
        .start_openflux_as(&kubeconfig, "openflux-controller-blind", &flags)?;
    app.deploy("app", json!({})).await?;
    eventually("the reason in the log", async || {
        let output = controller.output();
        let said = ["cannot list resource", "deployments", "--interlock=false"];
        Ok(said.iter().all(|text| output.contains(text)).then_some(()))
    })
    .await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let object = app.get(KUSTOMIZATION, "app").await?.expect("deployed");
    assert_eq!(object.metadata.finalizers, None);
    assert_eq!(app.colour("a").await?, None);

    let rule =
        json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]});
    let patch = json!([{"op": "add", "path": "/rules/-", "value": rule}]);
    let patch: kube::api::Patch<()> = kube::api::Patch::Json(serde_json::from_value(patch)?);
    kube::Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(app.client().clone())
        .patch(app.name(), &kube::api::PatchParams::default(), &patch)
        .await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}
