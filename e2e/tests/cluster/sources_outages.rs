//! The adapters when something is not there: the source-controller's storage, or a CRD.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, Result};
use e2e::testbed::{
    ARTIFACT, BUCKET, EXTERNAL_ARTIFACT, GIT_REPOSITORY, Options, Process, Testbed, eventually,
};
use e2e::tools::{self, Tool};
use serde_json::json;

use crate::odd_objects::{install_definition, remove_definition};
use crate::sources::{Adapters, apply_git_repository, mirror, mirrored, mirrored_content, offer};

/// A source-controller that can be killed and started again on the same port and storage.
fn source_controller(testbed: &Testbed, storage: &Path, port: u16) -> Result<Process> {
    let [program] = tools::ensure([Tool::SourceController])?;
    std::fs::create_dir_all(storage)?;
    let arguments = [
        "--watch-all-namespaces".to_owned(),
        "--metrics-addr=:0".to_owned(),
        "--health-addr=:0".to_owned(),
        "--events-addr=".to_owned(),
        format!("--storage-path={}", storage.display()),
        format!("--storage-addr=127.0.0.1:{port}"),
        format!("--storage-adv-addr=127.0.0.1:{port}"),
    ];
    let environment = [
        ("KUBECONFIG", testbed.kubeconfig().display().to_string()),
        ("RUNTIME_NAMESPACE", "flux-system".to_owned()),
    ];
    Process::spawn(
        "source-controller",
        testbed.logs(),
        &program,
        arguments,
        &environment,
    )
}

#[tokio::test]
async fn a_source_controller_that_lost_its_storage_takes_no_artifact_along() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("storage").await?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let storage = testbed.dir().join("storage");
    let mut controller = source_controller(&testbed, &storage, port)?;
    let adapters = Adapters::start(&namespace)?;
    let repo = testbed.git().await?.create("app").await?;
    repo.commit("first", &[("a.yaml", "a: 1\n")]).await?;
    apply_git_repository(&namespace, "git", repo.url()).await?;
    let before = mirrored(&namespace, GIT_REPOSITORY, "git").await?;

    controller.kill()?;
    std::fs::remove_dir_all(&storage)?;
    // Out of reach, the repository cannot be fetched anew: the controller empties the status and stays there.
    let url = |url: &str| json!({"spec": {"url": url}});
    namespace
        .patch(GIT_REPOSITORY, "git", url("http://127.0.0.1:1/none"))
        .await?;
    let _restarted = source_controller(&testbed, &storage, port)?;
    let name = mirror(&namespace, GIT_REPOSITORY, "git");
    namespace
        .wait_failed(ARTIFACT, &name, "SourceUnavailable")
        .await?;
    let kept = namespace
        .get(ARTIFACT, &name)
        .await?
        .context("the Artifact is kept")?;
    assert_eq!(kept.metadata.uid, before.metadata.uid);
    assert_eq!(kept.data["spec"], before.data["spec"]);

    namespace.patch(GIT_REPOSITORY, "git", url(repo.url())).await?;
    let after = mirrored_content(&namespace, GIT_REPOSITORY, "git").await?;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    adapters.stop().await
}

#[tokio::test]
async fn a_missing_crd_stops_no_other_kind() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("crds").await?;
    let buckets = remove_definition(&namespace, BUCKET).await?;
    let adapters = Adapters::start(&namespace)?;
    offer(&namespace, "app", "http://127.0.0.1:1/a", "1").await?;
    mirrored(&namespace, EXTERNAL_ARTIFACT, "app").await?;

    install_definition(&namespace, &buckets).await?;
    let bucket = "{apiVersion: source.toolkit.fluxcd.io/v1, kind: Bucket, metadata: {name: late}, \
                  spec: {interval: 1h, bucketName: late, endpoint: '127.0.0.1:1'}}";
    eventually("the new kind", async || Ok(namespace.apply(bucket).await.ok())).await?;
    let artifact = json!({
        "url": "http://127.0.0.1:1/late", "path": "p", "revision": "sha256:1",
        "digest": format!("sha256:{}", "b".repeat(64)), "lastUpdateTime": "2026-01-01T00:00:00Z",
    });
    namespace
        .patch_status(BUCKET, "late", json!({"status": {"artifact": artifact}}))
        .await?;
    mirrored(&namespace, BUCKET, "late").await?;
    adapters.stop().await
}
