//! Builds whose outcome depends on the cluster or on other machines.

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, SERVICE, condition};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, Owner, config_map};
use crate::together::{Side, together};

/// A Service with fields that no Service has.
const MISSPELT: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  sesionAffinity: ClientIP
  ports: [{port: 80, nam: http}]
";

#[tokio::test]
async fn fields_that_a_built_in_kind_does_not_have_are_dropped_as_stock_drops_them() -> Result<()> {
    for owner in [Owner::Stock, Owner::Ours] {
        let app = App::owned_by(owner, "misspelt", &[("deploy/service.yaml", MISSPELT)]).await?;
        app.deploy_ready("app", json!({})).await?;
        let service = app.existing(SERVICE, "web").await?;
        assert_eq!(service.data["spec"]["ports"][0]["port"], 80, "{owner:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bases_of_other_machines_are_fetched() -> Result<()> {
    let base = [
        ("base/settings.yaml", &*config_map("settings", "green")),
        ("base/kustomization.yaml", "resources: [settings.yaml]\n"),
    ];
    let base = App::start("base", &base).await?;
    let overlay = format!("resources: ['{}//base?ref=main']\n", base.url());
    let app = App::start("remote", &[("deploy/kustomization.yaml", &overlay)]).await?;
    app.deploy_ready("app", json!({})).await?;
    assert_eq!(app.colour("settings").await?.as_deref(), Some("green"));
    Ok(())
}

/// What becomes of a Kustomization, and of what it applied before, when a commit brings these files.
async fn outcome(side: Side, files: &[(&str, &str)]) -> Result<()> {
    let app = App::owned_by(
        side.owner,
        "outcome",
        &[("deploy/a.yaml", &config_map("a", "blue"))],
    )
    .await?;
    app.deploy_ready("app", json!({"retryInterval": "1h"})).await?;
    let commit = app.push(files).await?;
    let ended = |object: &DynamicObject| {
        let attempted = object.data["status"]["lastAttemptedRevision"].as_str();
        attempted.is_some_and(|revision| revision.ends_with(&commit))
            && condition(object, "Ready").is_some_and(|ready| ready["status"] != "Unknown")
    };
    side.same(&format!("{files:?}"), async || {
        let object = app.existing(KUSTOMIZATION, "app").await?;
        let reason = condition(&object, "Ready").map(|ready| ready["reason"].clone());
        let is_there = app.colour("a").await?.is_some();
        Ok(ended(&object).then(|| json!([reason, is_there])))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn builds_without_objects_and_lists_end_as_in_stock() -> Result<()> {
    let list = format!(
        "{{apiVersion: v1, kind: ConfigMapList, items: [{}, {}]}}",
        config_map("a", "red").trim(),
        config_map("b", "red").trim()
    );
    let generated = "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}";
    let cases: [&[(&str, &str)]; 5] = [
        &[
            ("deploy/a.yaml", ""),
            ("deploy/kustomization.yaml", "resources: []\n"),
        ],
        &[("deploy/a.yaml", ""), ("deploy/readme.txt", "nothing\n")],
        &[("deploy/a.yaml", "# nothing\n")],
        &[("deploy/a.yaml", &list)],
        &[("deploy/b.yaml", generated)],
    ];
    for files in cases {
        together(async |side| outcome(side, files).await).await?;
    }
    Ok(())
}
