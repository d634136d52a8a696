//! The main job: a commit becomes an Artifact becomes objects, and a later commit changes and prunes them.

use anyhow::Result;
use e2e::testbed::{ARTIFACT, CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, Testbed};

use crate::app::{self, Owner};

#[tokio::test]
async fn a_commit_rolls_out_and_the_next_one_prunes() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("ours").await?;
    testbed.openflux_controller().await?;
    let repo = app::repository(testbed, &namespace).await?;
    app::deploy(&namespace, &repo, Owner::Ours).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let settings = namespace
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it is applied");
    assert_eq!(settings.data["data"]["colour"], "blue");
    assert_eq!(
        settings.metadata.managed_fields.unwrap_or_default()[0]
            .manager
            .as_deref(),
        Some("kustomize-controller")
    );
    assert_eq!(namespace.list(ARTIFACT).await?.len(), 1);

    let commit = repo
        .commit(
            "second",
            &[
                ("deploy/settings.yaml", &app::settings("red")),
                ("deploy/web.yaml", ""),
            ],
        )
        .await?;
    let name = namespace.name();
    testbed
        .run(
            e2e::tools::Tool::Flux,
            &["reconcile", "source", "git", "app", "--namespace", name],
        )
        .await?;
    let applied = |object: &kube::api::DynamicObject| {
        object.data["status"]["lastAppliedRevision"]
            .as_str()
            .is_some_and(|revision| revision.ends_with(&commit))
    };
    namespace
        .wait(KUSTOMIZATION, "app", "applied the second commit", applied)
        .await?;
    let settings = namespace
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it is applied");
    assert_eq!(settings.data["data"]["colour"], "red");
    namespace.wait_gone(DEPLOYMENT, "web").await
}

#[tokio::test]
async fn deleting_the_kustomization_prunes_its_objects() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("delete").await?;
    testbed.openflux_controller().await?;
    let repo = app::repository(testbed, &namespace).await?;
    app::deploy(&namespace, &repo, Owner::Ours).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    namespace.delete(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(CONFIG_MAP, "settings").await
}
