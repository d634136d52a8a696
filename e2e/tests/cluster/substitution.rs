//! `postBuild`: variables, where they come from, and what happens when they are not there.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, config_map, deployment};

#[tokio::test]
async fn later_sources_win_and_inline_variables_win_over_all() -> Result<()> {
    let app = App::start(
        "substitute",
        &[(
            "deploy/a.yaml",
            &config_map("a", "${one}-${two}-${three}-${four:=4}"),
        )],
    )
    .await?;
    app.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: first}, data: {one: '1', two: '1', three: '1'}}",
    )
    .await?;
    app.apply("{apiVersion: v1, kind: Secret, metadata: {name: second}, stringData: {two: '2', three: '2'}}")
        .await?;
    let post_build = json!({
        "substitute": {"three": "3"},
        "substituteFrom": [
            {"kind": "ConfigMap", "name": "first"},
            {"kind": "Secret", "name": "second"},
            {"kind": "Secret", "name": "absent", "optional": true},
        ],
    });
    app.deploy_ready("app", json!({"postBuild": post_build})).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("1-2-3-4"));
    Ok(())
}

#[tokio::test]
async fn a_missing_source_is_named_and_found_by_the_retry() -> Result<()> {
    let app = App::start(
        "substitute-missing",
        &[("deploy/a.yaml", &config_map("a", "${colour}"))],
    )
    .await?;
    let post_build = json!({"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]});
    app.deploy("app", json!({"postBuild": post_build})).await?;
    let message = app.wait_failed(KUSTOMIZATION, "app", "BuildFailed").await?;
    let text = "substitute from 'ConfigMap/variables' error: configmaps \"variables\" not found";
    assert!(message.contains(text), "{message}");

    // The interval is an hour: `retryInterval` brings the next run.
    app.apply(&config_map("variables", "blue")).await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));

    let watch = json!({"metadata": {"labels": {"reconcile.fluxcd.io/watch": "Enabled"}}});
    app.patch(CONFIG_MAP, "variables", watch).await?;
    app.patch(CONFIG_MAP, "variables", json!({"data": {"colour": "red"}}))
        .await?;
    let is_red = |object: &DynamicObject| object.data["data"]["colour"] == "red";
    app.wait(CONFIG_MAP, "a", "is red", is_red).await?;
    Ok(())
}

#[tokio::test]
async fn an_unset_variable_is_an_error_that_names_object_and_variable() -> Result<()> {
    let app = App::start(
        "substitute-unset",
        &[("deploy/a.yaml", &config_map("a", "${undefined}"))],
    )
    .await?;
    let post_build = json!({"substitute": {"defined": "1"}});
    app.deploy("app", json!({"postBuild": post_build})).await?;
    let message = app.wait_failed(KUSTOMIZATION, "app", "BuildFailed").await?;
    for part in ["a", "variable not set (strict mode): \"undefined\""] {
        assert!(message.contains(part), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn an_error_about_an_object_does_not_tell_a_secret_variable() -> Result<()> {
    // Without quotes it is a number, where a text is wanted.
    let web = deployment("web", 0).replace(
        "image: app}",
        "image: app, env: [{name: PASSWORD, value: '${password}'}]}",
    );
    let app = App::start("substitute-secret", &[("deploy/web.yaml", &web)]).await?;
    app.apply("{apiVersion: v1, kind: Secret, metadata: {name: values}, stringData: {password: '73577357'}}")
        .await?;
    let post_build = json!({"substituteFrom": [{"kind": "Secret", "name": "values"}]});
    app.deploy("app", json!({"postBuild": post_build})).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(
        message.contains("env[name=\"PASSWORD\"].value") && !message.contains("73577357"),
        "{message}"
    );
    for event in app.events_with("ReconciliationFailed").await? {
        assert!(!event.data.to_string().contains("73577357"), "{event:?}");
    }
    Ok(())
}
