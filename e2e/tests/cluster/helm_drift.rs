//! Releases whose objects somebody else changes, under stock's controller and under ours.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_RELEASE, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::release_app::ReleaseApp;
use crate::release_state::{States, told};
use crate::together::{Side, together};

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

async fn drift(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "drift-hr", &["1.0.0"]).await?;
    let states = States::of(&app, &side);
    let spec = json!({"driftDetection": {"mode": "warn"}});
    app.release_ready("app", spec).await?;
    states.same("installed").await?;
    meddle(&app).await?;
    let has_drifted = |object: &DynamicObject, is: &str| {
        condition(object, "Drifted").is_some_and(|found| found["status"] == is)
    };
    let says = async |is: &str| {
        let object = app.existing(HELM_RELEASE, "app").await?;
        anyhow::Ok(has_drifted(&object, is).then(|| drifted(&object, &app)))
    };
    app.reconcile("app", &[]).await?;
    side.same("has drifted", async || says("True").await).await?;

    let ignore = json!([{"paths": ["/data/colour"], "target": {"kind": "ConfigMap"}}]);
    let enabled = json!({"spec": {"driftDetection": {"mode": "enabled", "ignore": ignore}}});
    app.patch(HELM_RELEASE, "app", enabled).await?;
    side.same("says that it is corrected", async || says("False").await)
        .await?;
    app.wait_released("app").await?;
    states.same("ignored").await?;
    side.same("data", async || {
        let settings = app.existing(CONFIG_MAP, "settings").await?;
        Ok(Some(settings.data["data"].clone()))
    })
    .await?;

    app.change("app", json!({"driftDetection": {"ignore": null}}))
        .await?;
    app.reconcile("app", &[]).await?;
    let blue = |object: &DynamicObject| object.data["data"]["colour"] == "blue";
    app.wait(CONFIG_MAP, "settings", "is blue again", blue).await?;
    app.wait(HELM_RELEASE, "app", "is corrected", |object| {
        has_drifted(object, "False")
    })
    .await?;
    app.wait_released("app").await?;
    states.same("corrected").await?;
    app.events_with("has been corrected").await?;
    side.same("events", async || {
        let events = app.events().await?;
        let mut events: Vec<_> = events.iter().map(|event| told(event, app.name())).collect();
        events.retain(|event| event.contains("Drift"));
        events.sort();
        events.dedup();
        Ok(Some(json!(events)))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn drift_is_told_and_corrected_the_same() -> Result<()> {
    together(drift).await?;
    Ok(())
}
