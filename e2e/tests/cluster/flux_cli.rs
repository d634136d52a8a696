//! The `flux` command line works on a Kustomization that is ours.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, Testbed};
use e2e::tools::Tool::Flux;

use crate::app::{self, Owner};

#[tokio::test]
async fn get_tree_reconcile_suspend_and_resume() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("cli").await?;
    let name = namespace.name();
    testbed.openflux_controller().await?;
    let repo = app::repository(testbed, &namespace).await?;
    app::deploy(&namespace, &repo, Owner::Ours).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;

    let get = testbed
        .run(Flux, &["get", "kustomizations", "--namespace", name])
        .await?;
    assert!(get.contains("Applied revision: main@sha1:"), "{get}");
    let tree = testbed
        .run(Flux, &["tree", "kustomization", "app", "--namespace", name])
        .await?;
    assert!(tree.contains(&format!("ConfigMap/{name}/settings")), "{tree}");

    repo.commit("red", &[("deploy/settings.yaml", &app::settings("red"))])
        .await?;
    testbed
        .run(
            Flux,
            &[
                "reconcile",
                "kustomization",
                "app",
                "--with-source",
                "--namespace",
                name,
            ],
        )
        .await?;
    let settings = namespace
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it is applied");
    assert_eq!(
        settings.data["data"]["colour"], "red",
        "flux reconcile returned before the commit was applied"
    );

    testbed
        .run(Flux, &["suspend", "kustomization", "app", "--namespace", name])
        .await?;
    namespace.delete(CONFIG_MAP, "settings").await?;
    testbed
        .run(Flux, &["resume", "kustomization", "app", "--namespace", name])
        .await?;
    namespace
        .wait(CONFIG_MAP, "settings", "is back", |_| true)
        .await?;
    Ok(())
}
