//! Moves that do not go as moves go: of what is suspended, with a commit while it is watched, killed on the way back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION};
use serde_json::json;

use crate::app::config_map;
use crate::beside::Fleet;
use crate::tool_at_work::{comes_to, ended, kill, steps};

#[tokio::test]
async fn what_is_suspended_moves_when_that_is_asked_for_and_stays_suspended() -> Result<()> {
    let fleet = Fleet::start("migrate-suspended").await?;
    let (app, before) = (fleet.handle("ks", "app"), fleet.traces().await?);
    // Its parent would take that back.
    fleet.suspend("root", true).await?;
    fleet.suspend("app", true).await?;
    let told = fleet.moves(1, &[&app], &[]).await?;
    ensure!(told.contains("M103"), "{told}");
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none());

    let told = fleet.moves(0, &[&app], &["--include-suspended"]).await?;
    ensure!(told.contains("not proven: it is suspended"), "{told}");
    ensure!(told.contains("unmoved 3/3"), "{told}");
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.as_deref() == Some("openflux"));
    ensure!(fleet.app().await?.data["spec"]["suspend"] == true);
    let told = fleet.rolls_back(&app).await?;
    ensure!(told.contains("With openflux: 0. With stock: 1."), "{told}");
    ensure!(fleet.app().await?.data["spec"]["suspend"] == true);
    fleet.suspend("app", false).await?;
    fleet.reconcile("app", "resumed").await?;
    ensure!(fleet.traces().await? == before, "an object was written");
    Ok(())
}

#[tokio::test]
async fn a_commit_while_it_is_watched_is_no_surprise() -> Result<()> {
    let fleet = Fleet::start("migrate-soak").await?;
    let app = fleet.handle("ks", "app");
    let journal = fleet.journal("soak");
    let tool = fleet.begin_move(&app, &journal, &["--soak", "8s"])?;
    comes_to(&journal, "soak").await?;
    let red = config_map("settings", "red");
    fleet.add(&[("deploy/settings.yaml", &red)]).await?;
    let is_red = |object: &kube::api::DynamicObject| object.data["data"]["colour"] == "red";
    fleet
        .namespace
        .wait(CONFIG_MAP, "settings", "is red", is_red)
        .await?;
    let (told, _) = ended(tool, 0).await?;
    ensure!(
        told.contains("a new revision or spec came during the move"),
        "{told}"
    );
    ensure!(
        told.contains("soak 8s") && told.contains("With openflux: 1."),
        "{told}"
    );
    fleet.rolls_back(&app).await?;
    Ok(())
}

#[tokio::test]
async fn a_tool_that_is_killed_on_the_way_back_is_gone_on_with() -> Result<()> {
    let fleet = Fleet::start("migrate-back").await?;
    let app = fleet.handle("ks", "app");
    let mut caught = false;
    for number in 0..5 {
        let journal = fleet.journal(&format!("back-{number}"));
        let mut tool = fleet.begin_move(&app, &journal, &["--soak", "60s"])?;
        comes_to(&journal, "soak").await?;
        let change = json!({"data": {"by-hand": number.to_string()}});
        fleet.namespace.patch(CONFIG_MAP, "settings", change).await?;
        while !steps(&journal).iter().any(|step| step == "back") && tool.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        kill(&mut tool).await?;
        let last = steps(&journal).pop().context("the journal is empty")?;
        if last == "back" {
            caught = true;
            let migration = fleet.migration().await?;
            let told = fleet.moves(3, &[&migration], &["--resume"]).await?;
            ensure!(told.contains("with stock"), "{told}");
            ensure!(told.contains("With openflux: 0. With stock: 1."), "{told}");
        }
        ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none());
        let change = json!({"data": {"by-hand": null}});
        fleet.namespace.patch(CONFIG_MAP, "settings", change).await?;
        fleet.reconcile("app", &format!("after-{number}")).await?;
        if caught {
            break;
        }
    }
    ensure!(caught, "the tool was never killed on its way back");
    Ok(())
}
