//! What people are told: events in full and by whom they are about, and the log as `flux logs` reads it.

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{CONFIG_MAP, EVENT, EXTERNAL_ARTIFACT, KUSTOMIZATION, eventually};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{self, App, Owner, config_map};
use crate::together::{Side, together};

#[tokio::test]
async fn a_long_list_of_changes_is_told_in_full_and_logged() -> Result<()> {
    let maps: Vec<_> = (0..60)
        .map(|number| config_map(&format!("an-object-with-quite-a-long-name-{number}"), "blue"))
        .collect();
    let files = [("deploy/all.yaml", &*maps.join("---\n"))];
    let app = App::owned_by(Owner::Shard("telling"), "telling", &files).await?;
    app.testbed.openflux_controller().await?;
    let controller = app::start_shard(app.testbed, "telling")?;
    app.deploy_ready("app", json!({})).await?;
    ensure!(
        app.get(CONFIG_MAP, "an-object-with-quite-a-long-name-59")
            .await?
            .is_some()
    );
    // The list begins with another one when they are sorted.
    let events = app
        .events_with("an-object-with-quite-a-long-name-0 created")
        .await?;
    let messages = events.iter().filter_map(|event| event.data["message"].as_str());
    let created = messages.map(|message| message.matches(" created").count()).max();
    assert_eq!(created, Some(60));

    let line = eventually("the change set in the log", async || {
        let output = controller.output();
        let entries = output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut applied = entries.filter(|entry| entry["msg"] == "server-side apply completed");
        Ok(applied.next())
    })
    .await?;
    let subject = format!("ConfigMap/{}/an-object-with-quite-a-long-name-59", app.name());
    assert_eq!(line["output"][subject], "created");
    for (key, expected) in [
        ("controller", json!("kustomization")),
        ("controllerGroup", json!("kustomize.toolkit.fluxcd.io")),
        ("controllerKind", json!("Kustomization")),
        ("Kustomization", json!({"name": "app", "namespace": app.name()})),
        ("namespace", json!(app.name())),
        ("name", json!("app")),
        ("level", json!("info")),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
    let id = line["reconcileID"].as_str().context("an id of the run")?;
    ensure!(id.len() == 36, "{id}");

    app.patch(KUSTOMIZATION, "app", json!({"spec": {"suspend": true}}))
        .await?;
    eventually("the suspension in the log", async || {
        let said = controller
            .output()
            .contains("Reconciliation is suspended for this object");
        Ok(said.then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_adapters_report_under_their_own_name() -> Result<()> {
    let app = App::start("reporter", &[("deploy/a.yaml", &config_map("a", "1"))]).await?;
    crate::sources::offer(&app, "elsewhere", "http://elsewhere.example/a", "1").await?;
    let event = eventually("the refusal", async || {
        let mut events = app.list(EVENT).await?.into_iter();
        Ok(events.find(|event| event.data["involvedObject"]["kind"] == EXTERNAL_ARTIFACT.kind))
    })
    .await?;
    assert_eq!(event.data["reason"], "URLNotAllowed");
    assert_eq!(event.data["source"]["component"], "openflux-source-adapter");
    Ok(())
}

/// By how many Events it is told that fourteen runs have finished, and how many of these stand for others too.
async fn told_runs(side: Side) -> Result<Value> {
    const RUNS: usize = 14;
    let app = App::owned_by(
        side.owner,
        "repeated",
        &[("deploy/a.yaml", &config_map("a", "blue"))],
    )
    .await?;
    app.deploy_ready("app", json!({})).await?;
    for _ in 1..RUNS {
        app.reconcile("app").await?;
    }
    side.same("all runs are told", async || {
        let mut events = app.events().await?;
        events.retain(|event| {
            let message = event.data["message"].as_str().unwrap_or_default();
            message.contains("Reconciliation finished in")
        });
        let count = |event: &DynamicObject| event.data["count"].as_i64().unwrap_or(1);
        let combined = |event: &DynamicObject| {
            let message = event.data["message"].as_str().unwrap_or_default();
            message.starts_with("(combined from similar events): ")
        };
        let all: i64 = events.iter().map(count).sum();
        let of_many = events.iter().filter(|event| combined(event)).count();
        Ok((usize::try_from(all)? >= RUNS).then(|| json!([events.len(), of_many])))
    })
    .await
}

#[tokio::test]
async fn what_is_told_again_and_again_is_combined_as_in_stock() -> Result<()> {
    let (_, ours) = together(told_runs).await?;
    assert_eq!(ours, json!([10, 1]), "the tenth stands for all that follow");
    Ok(())
}
