//! Releases whose objects somebody else changes, under stock's controller and under ours.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_RELEASE, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;
use crate::release_state::{States, compare, told};

/// Changes one object of the release, and deletes another one.
async fn meddle(app: &ReleaseApp) -> Result<()> {
    let data = json!({"data": {"colour": "yellow", "added": "by somebody"}});
    app.patch(CONFIG_MAP, "settings", data).await?;
    app.delete(DEPLOYMENT, "app-web").await?;
    app.wait_gone(DEPLOYMENT, "app-web").await
}

/// What `Drifted` says.
fn drifted(object: &DynamicObject, app: &ReleaseApp) -> Value {
    let condition = condition(object, "Drifted").cloned().unwrap_or_default();
    let said = json!([condition["status"], condition["reason"], condition["message"]]);
    serde_json::from_str(&said.to_string().replace(app.name(), "NAMESPACE")).unwrap_or_default()
}

async fn drift(owner: Owner) -> Result<(Vec<Value>, Vec<Value>, Vec<String>)> {
    let app = ReleaseApp::owned_by(owner, "drift-hr", &["1.0.0"]).await?;
    let (mut states, mut said) = (States::of(&app), Vec::new());
    let spec = json!({"driftDetection": {"mode": "warn"}});
    states.add(app.release_ready("app", spec).await?).await?;
    meddle(&app).await?;
    let has_drifted = |is: &'static str| {
        move |object: &DynamicObject| condition(object, "Drifted").is_some_and(|found| found["status"] == is)
    };
    app.reconcile("app", &[]).await?;
    let object = app
        .wait(HELM_RELEASE, "app", "has drifted", has_drifted("True"))
        .await?;
    said.push(drifted(&object, &app));

    let ignore = json!([{"paths": ["/data/colour"], "target": {"kind": "ConfigMap"}}]);
    let enabled = json!({"spec": {"driftDetection": {"mode": "enabled", "ignore": ignore}}});
    app.patch(HELM_RELEASE, "app", enabled).await?;
    let object = app
        .wait(HELM_RELEASE, "app", "is corrected", has_drifted("False"))
        .await?;
    said.push(drifted(&object, &app));
    states.add(app.wait_released("app").await?).await?;
    let settings = app.existing(CONFIG_MAP, "settings").await?;
    said.push(settings.data["data"].clone());

    app.change("app", json!({"driftDetection": {"ignore": null}}))
        .await?;
    app.reconcile("app", &[]).await?;
    let blue = |object: &DynamicObject| object.data["data"]["colour"] == "blue";
    app.wait(CONFIG_MAP, "settings", "is blue again", blue).await?;
    app.wait(HELM_RELEASE, "app", "is corrected", has_drifted("False"))
        .await?;
    states.add(app.wait_released("app").await?).await?;
    let events = app.events_with("has been corrected").await?;
    let mut events: Vec<_> = events.iter().map(|event| told(event, app.name())).collect();
    events.retain(|event| event.contains("Drift"));
    events.sort();
    events.dedup();
    Ok((states.all(), said, events))
}

#[tokio::test]
async fn drift_is_told_and_corrected_the_same() -> Result<()> {
    let (stock, ours) = tokio::try_join!(drift(Owner::Stock), drift(Owner::Ours))?;
    assert_eq!(ours.1, stock.1);
    compare(&["installed", "ignored", "corrected"], &stock.0, &ours.0);
    assert_eq!(ours.2, stock.2);
    Ok(())
}
