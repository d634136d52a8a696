//! `serviceAccountName`: a Kustomization may do what its service account may do.

use anyhow::Result;
use e2e::testbed::KUSTOMIZATION;
use serde_json::json;

use crate::app::{App, config_map};

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

const SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: secret}}";

#[tokio::test]
async fn what_the_account_may_not_do_is_refused_by_name() -> Result<()> {
    let app = App::start("tenant", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.apply(&DEPLOYER.replace(
        "name: deployer}]",
        &format!("name: deployer, namespace: {}}}]", app.name()),
    ))
    .await?;
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
