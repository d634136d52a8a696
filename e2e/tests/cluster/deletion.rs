//! What becomes of the objects when their Kustomization is deleted: `deletionPolicy`, `prune`, `suspend`.

use anyhow::{Context as _, Result};
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, eventually};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::json;

use crate::app::{App, config_map};

#[tokio::test]
async fn each_policy_deletes_or_keeps() -> Result<()> {
    let app = App::start("deletion", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    for (name, spec, deletes) in [
        ("mirror", json!({}), true),
        ("mirror-no-prune", json!({"prune": false}), false),
        (
            "delete",
            json!({"prune": false, "deletionPolicy": "Delete"}),
            true,
        ),
        ("wait", json!({"deletionPolicy": "WaitForTermination"}), true),
        ("orphan", json!({"deletionPolicy": "Orphan"}), false),
        ("suspended", json!({"deletionPolicy": "Delete"}), false),
    ] {
        let mut spec = spec;
        spec["namePrefix"] = format!("{name}-").into();
        app.deploy_ready(name, spec).await?;
        if name == "suspended" {
            app.patch(KUSTOMIZATION, name, json!({"spec": {"suspend": true}}))
                .await?;
        }
        app.delete(KUSTOMIZATION, name).await?;
        app.wait_gone(KUSTOMIZATION, name).await?;
        let left = app.get(CONFIG_MAP, &format!("{name}-a")).await?;
        assert_eq!(left.is_none(), deletes, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn wait_for_termination_waits() -> Result<()> {
    let held = config_map("a", "blue").replace("name: a", "name: a, finalizers: [openflux.test/hold]");
    let app = App::start("termination", &[("deploy/a.yaml", &held)]).await?;
    app.deploy_ready(
        "app",
        json!({"deletionPolicy": "WaitForTermination", "timeout": "2m"}),
    )
    .await?;
    app.delete(KUSTOMIZATION, "app").await?;
    let terminating = |object: &DynamicObject| object.metadata.deletion_timestamp.is_some();
    app.wait(CONFIG_MAP, "a", "is being deleted", terminating).await?;
    // Nobody else is held up by it.
    app.deploy_ready("other", json!({"namePrefix": "other-"})).await?;
    app.existing(KUSTOMIZATION, "app").await?;
    app.patch(CONFIG_MAP, "a", json!({"metadata": {"finalizers": null}}))
        .await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert!(app.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_namespace_goes_with_the_kustomizations_in_it() -> Result<()> {
    let app = App::start("namespace", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let outside = app.testbed.namespace("outside").await?;
    app.deploy_ready("app", json!({"targetNamespace": outside.name()}))
        .await?;
    outside.get(CONFIG_MAP, "a").await?.context("applied")?;
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(app.client().clone());
    namespaces.delete(app.name(), &DeleteParams::default()).await?;
    eventually("the namespace to go", async || {
        Ok(namespaces.get_opt(app.name()).await?.is_none().then_some(()))
    })
    .await?;
    assert!(outside.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}
