//! `prune`: what is no longer in the source goes, unless somebody said otherwise.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION};
use kube::Api;
use serde_json::json;

use crate::app::{App, config_map, deployment};

#[tokio::test]
async fn what_left_the_source_is_deleted_but_for_what_is_marked() -> Result<()> {
    let marked = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: marked\n  \
                  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\n";
    let files = [
        ("deploy/kept.yaml", &*config_map("kept", "blue")),
        ("deploy/removed.yaml", &*config_map("removed", "blue")),
        ("deploy/renamed.yaml", &*config_map("before", "blue")),
        ("deploy/marked.yaml", marked),
    ];
    let app = App::start("prune", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    // Somebody took this one over: it no longer says that it is ours.
    let release = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "somebody-else"}}});
    app.apply(&config_map("stranger", "blue")).await?;
    app.patch(CONFIG_MAP, "stranger", release).await?;

    let commit = app
        .push(&[
            ("deploy/removed.yaml", ""),
            ("deploy/marked.yaml", ""),
            ("deploy/renamed.yaml", &config_map("after", "blue")),
        ])
        .await?;
    let object = app.wait_applied("app", &commit).await?;
    for gone in ["removed", "before"] {
        app.wait_gone(CONFIG_MAP, gone).await?;
    }
    for there in ["kept", "after", "marked", "stranger"] {
        app.existing(CONFIG_MAP, there).await?;
    }
    let entries = &object.data["status"]["inventory"]["entries"];
    let ids: Vec<_> = entries
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| &entry["id"])
        .collect();
    let id = |name: &str| format!("{}_{name}__ConfigMap", app.name());
    assert_eq!(ids, [&id("after"), &id("kept")]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_deleted_where_prune_is_off() -> Result<()> {
    let files = [
        ("deploy/kept.yaml", &*config_map("kept", "blue")),
        ("deploy/removed.yaml", &*config_map("removed", "blue")),
    ];
    let app = App::start("prune-off", &files).await?;
    app.deploy_ready("app", json!({"prune": false})).await?;
    let commit = app.push(&[("deploy/removed.yaml", "")]).await?;
    app.wait_applied("app", &commit).await?;
    app.existing(CONFIG_MAP, "removed").await?;
    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    app.existing(CONFIG_MAP, "kept").await?;
    Ok(())
}

#[tokio::test]
async fn what_goes_goes_in_reverse_order_and_others_keep_what_they_have() -> Result<()> {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
    let files = [
        ("deploy/settings.yaml", &*config_map("settings", "blue")),
        ("deploy/service.yaml", service),
        ("deploy/web.yaml", &*deployment("web", 0)),
        ("other/settings.yaml", &*config_map("other", "blue")),
    ];
    let app = App::start("reverse", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    app.deploy_ready("other", json!({"path": "other"})).await?;
    let known = app.writes().await?.len();
    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    let mut deleted = app.writes().await?.split_off(known);
    deleted.retain(|write| {
        write.verb == "delete" && ["configmaps", "services", "deployments"].contains(&&*write.resource)
    });
    let order: Vec<_> = deleted.iter().map(|write| write.resource.as_str()).collect();
    assert_eq!(order, ["deployments", "services", "configmaps"]);
    assert_eq!(app.colour("other").await?.as_deref(), Some("blue"));
    Ok(())
}

#[tokio::test]
async fn the_namespace_of_the_controller_is_never_deleted() -> Result<()> {
    // The controller of the tests runs in `flux-system`, as its RUNTIME_NAMESPACE says.
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: anything}}";
    let app = App::start("runtime", &[("deploy/namespace.yaml", namespace)]).await?;
    app.deploy_ready("app", json!({"targetNamespace": "flux-system"}))
        .await?;
    app.events_with("existed before").await?;
    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    app.events_with("the controller runs in it").await?;
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(app.client().clone());
    let own = namespaces.get("flux-system").await?;
    assert_eq!(own.metadata.deletion_timestamp, None);
    Ok(())
}
