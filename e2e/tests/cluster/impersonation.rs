//! `serviceAccountName`: a Kustomization may do what its service account may do.

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, SERVICE_ACCOUNT};
use serde_json::json;

use crate::app::{App, config_map, deployment};

/// A service account that may manage ConfigMaps, and nothing else.
const DEPLOYER: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer}
rules: [{apiGroups: [''], resources: [configmaps], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer}]
";

async fn hire(app: &App) -> Result<()> {
    let subject = format!("name: deployer, namespace: {}}}]", app.name());
    app.apply(&DEPLOYER.replace("name: deployer}]", &subject)).await
}

const SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: secret}}";

#[tokio::test]
async fn what_the_account_may_not_do_is_refused_by_name() -> Result<()> {
    let app = App::start("tenant", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    hire(&app).await?;
    app.deploy_ready("app", json!({"serviceAccountName": "deployer"}))
        .await?;

    let commit = app.push(&[("deploy/b.yaml", SECRET)]).await?;
    let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
    let namespace = app.name();
    for part in [
        format!("Secret/{namespace}/secret dry-run failed (Forbidden): "),
        format!("system:serviceaccount:{namespace}:deployer"),
        "cannot patch resource \"secrets\"".to_owned(),
    ] {
        assert!(message.contains(&part), "{part} is not in: {message}");
    }

    // What may be done has been undone when it is deleted, with the same rights.
    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert_eq!(app.colour("a").await?, None);
    Ok(())
}

#[tokio::test]
async fn an_account_without_rights_can_do_nothing() -> Result<()> {
    let app = App::start("stranger", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy("app", json!({"serviceAccountName": "nobody"})).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(
        message.contains(&format!("system:serviceaccount:{}:nobody", app.name())),
        "{message}"
    );
    assert!(message.contains("configmaps"), "{message}");
    assert_eq!(app.colour("a").await?, None);
    Ok(())
}

#[tokio::test]
async fn what_one_account_applied_says_nothing_about_another() -> Result<()> {
    let app = App::start("replaced", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    hire(&app).await?;
    app.deploy_ready("app", json!({"serviceAccountName": "deployer"}))
        .await?;
    let spec = json!({"spec": {"serviceAccountName": "nobody"}});
    app.patch(KUSTOMIZATION, "app", spec).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(
        message.contains(":nobody") && message.contains("configmaps"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn the_readiness_of_what_the_account_may_not_see_stays_unknown() -> Result<()> {
    let app = App::start("peek", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    hire(&app).await?;
    let other = app.testbed.namespace("peeked-at").await?;
    other.apply(&deployment("web", 0)).await?;
    let check =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": other.name()});
    let spec = json!({"serviceAccountName": "deployer", "healthChecks": [check], "timeout": "1s", "retryInterval": "1h"});
    app.deploy("app", spec).await?;
    let message = app.wait_failed(KUSTOMIZATION, "app", "HealthCheckFailed").await?;
    assert!(message.contains("web status: 'Unknown'"), "{message}");
    Ok(())
}

#[tokio::test]
async fn without_its_account_an_object_is_let_go() -> Result<()> {
    let app = App::start("orphaned", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    hire(&app).await?;
    app.deploy_ready("app", json!({"serviceAccountName": "deployer"}))
        .await?;
    app.delete(SERVICE_ACCOUNT, "deployer").await?;
    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    app.events_with("unable to prune objects").await?;
    Ok(())
}
