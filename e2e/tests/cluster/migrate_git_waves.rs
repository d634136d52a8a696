//! Moves by commits of several objects: parents with their children, more than move at once, and some that are not proven.

use anyhow::{Result, ensure};
use e2e::testbed::{HELM_RELEASE, KUSTOMIZATION, Kind, eventually};
use serde_json::json;

use crate::beside::Fleet;
use crate::migrate_git::labelled;
use crate::tool_at_work::ended;

async fn lose_labels(fleet: &Fleet, objects: &[(Kind, &str)]) -> Result<()> {
    for (kind, name) in objects {
        eventually(&format!("{name} to lose its label"), async || {
            Ok(fleet.label(*kind, name).await?.is_none().then_some(()))
        })
        .await?;
        fleet.settled(*kind, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn parents_and_children_move_by_the_commits_of_their_labels() -> Result<()> {
    let fleet = Fleet::start("migrate-git-waves").await?;
    // What applies the root, and what applies that.
    let root = fleet.kustomization("root", "root", None);
    let base = fleet.kustomization("base", "base", None);
    fleet
        .add(&[("base/root.yaml", &root), ("top/base.yaml", &base)])
        .await?;
    fleet
        .namespace
        .apply(&fleet.kustomization("top", "top", None))
        .await?;
    for name in ["top", "base", "root"] {
        fleet.settled(KUSTOMIZATION, name).await?;
    }
    let before = fleet.traces().await?;
    let checkout = fleet.clone_to("checkout").await?;
    let path = checkout.display().to_string();
    let objects = [
        fleet.handle("ks", "app"),
        fleet.handle("hr", "web"),
        fleet.handle("ks", "root"),
        fleet.handle("ks", "base"),
    ];
    let objects = objects.each_ref().map(String::as_str);
    let by_git = [
        "--via=git",
        "--git",
        &path,
        "--path",
        "top",
        "--git-timeout",
        "2m",
        "--yes",
        "--soak",
        "0",
        "--max-parallel",
        "1",
    ];
    let tool = fleet.begin(&[&["migrate", "apply"][..], &objects, &by_git].concat())?;
    let (children, parents) = (
        ["root/app.yaml", "root/web.yaml"],
        ["base/root.yaml", "top/base.yaml"],
    );
    labelled(&checkout, &children, &parents).await?;
    fleet.publish(&checkout).await?;
    labelled(&checkout, &parents, &[]).await?;
    fleet.publish(&checkout).await?;
    let (told, errors) = ended(tool, 0).await?;
    ensure!(told.matches("unmoved").count() == 4, "{told}{errors}");
    ensure!(told.contains("With openflux: 4. With stock: 0."), "{told}");
    ensure!(fleet.traces().await? == before, "moving wrote to an object");

    fleet.revert(&checkout, &["HEAD", "HEAD~1"]).await?;
    let objects = [
        (KUSTOMIZATION, "base"),
        (KUSTOMIZATION, "root"),
        (KUSTOMIZATION, "app"),
        (HELM_RELEASE, "web"),
    ];
    lose_labels(&fleet, &objects).await?;
    ensure!(fleet.traces().await? == before, "the way back wrote to an object");
    Ok(())
}

#[tokio::test]
async fn what_is_not_proven_gets_no_label_by_a_commit() -> Result<()> {
    let fleet = Fleet::start("migrate-git-some").await?;
    let (app, web) = (fleet.handle("ks", "app"), fleet.handle("hr", "web"));
    let checkout = fleet.clone_to("checkout").await?;
    let path = checkout.display().to_string();
    let by_git = [
        "--via=git",
        "--git",
        &path,
        "--path",
        "root",
        "--git-timeout",
        "2m",
        "--idle-timeout",
        "5s",
        "--yes",
        "--soak",
        "0",
    ];
    // One that is not what was proven stops everything before anything is labelled.
    let plan = fleet.journal("plan").display().to_string();
    let planned = ["migrate", "plan", &app, &web, "-o", &plan];
    fleet.beside.ends(0, &planned).await?;
    let spec = |timeout| json!({"spec": {"timeout": timeout}});
    fleet
        .namespace
        .patch(HELM_RELEASE, "web", spec(json!("4m")))
        .await?;
    let nobody = ["--shadow-url", "http://127.0.0.1:9"];
    let words = [&["migrate", "apply", &plan][..], &by_git, &nobody].concat();
    let told = fleet.beside.ends(3, &words).await?;
    ensure!(told.contains("its spec changed"), "{told}");
    labelled(&checkout, &[], &["root/app.yaml", "root/web.yaml"]).await?;
    for (kind, name) in [(KUSTOMIZATION, "app"), (HELM_RELEASE, "web")] {
        ensure!(fleet.label(kind, name).await?.is_none(), "{name} has the label");
    }
    fleet
        .namespace
        .patch(HELM_RELEASE, "web", spec(json!(null)))
        .await?;
    fleet.settled(HELM_RELEASE, "web").await?;

    // What fails with stock is left, and the others go on.
    let broken = json!({"spec": {"path": "./nowhere"}});
    fleet.namespace.patch(KUSTOMIZATION, "app", broken).await?;
    let tool = fleet.begin(&[&["migrate", "apply", &app, &web][..], &by_git].concat())?;
    labelled(&checkout, &["root/web.yaml"], &["root/app.yaml"]).await?;
    fleet.publish(&checkout).await?;
    let (told, errors) = ended(tool, 1).await?;
    ensure!(
        told.contains("M104 kustomization path not found"),
        "{told}{errors}"
    );
    ensure!(told.contains("With openflux: 1. With stock: 1."), "{told}");
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none());
    ensure!(fleet.label(HELM_RELEASE, "web").await?.as_deref() == Some("openflux"));

    fleet.revert(&checkout, &["HEAD"]).await?;
    lose_labels(&fleet, &[(HELM_RELEASE, "web"), (KUSTOMIZATION, "app")]).await
}
