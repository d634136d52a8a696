//! Coexistence: stock and ours run on one cluster; moving a Kustomization over and back writes nothing to its objects.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, Namespace, Testbed};
use serde_json::{Value, json};

use crate::app::{self, Owner};

/// What a write would change: resource versions and managed fields.
async fn traces(namespace: &Namespace) -> Result<Value> {
    let mut traces = Vec::new();
    for (kind, name) in [(CONFIG_MAP, "settings"), (DEPLOYMENT, "web")] {
        let object = namespace.get(kind, name).await?.expect("it is applied");
        traces.push(json!([
            name,
            object.metadata.resource_version,
            object.metadata.managed_fields
        ]));
    }
    Ok(json!(traces))
}

/// Moves the Kustomization and waits until its new owner has reconciled it.
async fn move_to(namespace: &Namespace, owner: Owner, request: &str) -> Result<()> {
    let patch = json!({"metadata": {
        "labels": {"sharding.fluxcd.io/key": owner.label()},
        "annotations": {"reconcile.fluxcd.io/requestedAt": request},
    }});
    namespace.patch(KUSTOMIZATION, "app", patch).await?;
    let handled = |object: &kube::api::DynamicObject| {
        object.data["status"]["lastHandledReconcileAt"] == request && e2e::testbed::is_ready(object)
    };
    namespace
        .wait(
            KUSTOMIZATION,
            "app",
            &format!("was reconciled by {owner:?}"),
            handled,
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn moving_over_and_back_writes_nothing() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("hand-over").await?;
    testbed.stock_kustomize_controller().await?;
    testbed.openflux_controller().await?;
    let repo = app::repository(testbed, &namespace).await?;
    app::deploy(&namespace, &repo, Owner::Stock).await?;
    let before = namespace.wait_ready(KUSTOMIZATION, "app").await?;
    // The Deployment's own controller writes its status; it is done when the Kustomization that waits for it is ready.
    let stock = traces(&namespace).await?;

    move_to(&namespace, Owner::Ours, "over").await?;
    assert_eq!(traces(&namespace).await?, stock, "moving over wrote to an object");
    let over = namespace.wait_ready(KUSTOMIZATION, "app").await?;
    for field in ["inventory", "lastAppliedRevision", "lastAttemptedRevision"] {
        assert_eq!(
            over.data["status"][field], before.data["status"][field],
            "{field}"
        );
    }
    assert_eq!(over.metadata.finalizers, before.metadata.finalizers);

    move_to(&namespace, Owner::Stock, "back").await?;
    assert_eq!(traces(&namespace).await?, stock, "moving back wrote to an object");
    Ok(())
}
