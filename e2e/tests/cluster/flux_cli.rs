//! The `flux` command line works on a Kustomization that is ours.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, eventually};
use e2e::tools::Tool::Flux;
use serde_json::json;

use crate::app::{App, config_map};

impl App {
    /// Runs `flux` in the namespace.
    async fn flux(&self, command: &str) -> Result<String> {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--namespace", self.name()]);
        self.testbed.run(Flux, &arguments).await
    }
}

#[tokio::test]
async fn get_tree_reconcile_suspend_and_resume() -> Result<()> {
    let app = App::start(
        "cli",
        &[("deploy/settings.yaml", &config_map("settings", "blue"))],
    )
    .await?;
    app.deploy_ready("app", json!({})).await?;

    let get = app.flux("get kustomizations").await?;
    assert!(get.contains("Applied revision: main@sha1:"), "{get}");
    let tree = app.flux("tree kustomization app").await?;
    assert!(
        tree.contains(&format!("ConfigMap/{}/settings", app.name())),
        "{tree}"
    );

    app.commit(&[("deploy/settings.yaml", &config_map("settings", "red"))])
        .await?;
    app.flux("reconcile kustomization app --with-source").await?;
    let colour = app.colour("settings").await?;
    assert_eq!(
        colour.as_deref(),
        Some("red"),
        "flux reconcile returned before the commit was applied"
    );

    eventually("flux to show the event", async || {
        let events = app.flux("events --for Kustomization/app").await?;
        Ok(events.contains("ReconciliationSucceeded").then_some(()))
    })
    .await?;
    let trace = app.flux("trace configmap settings").await?;
    assert!(
        trace.contains("Kustomization:") && trace.contains("GitRepository:"),
        "{trace}"
    );
    let export = app.flux("export kustomization app").await?;
    assert!(export.contains("path: deploy"), "{export}");

    app.flux("suspend kustomization app").await?;
    app.delete(CONFIG_MAP, "settings").await?;
    app.flux("resume kustomization app").await?;
    app.wait(CONFIG_MAP, "settings", "is back", |_| true).await?;
    Ok(())
}
