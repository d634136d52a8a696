//! The end of a leader: it gives the Lease back when it has done writing, and stops at once when it cannot renew.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    Answer, Archive, ArtifactServer, KUSTOMIZATION, Namespace, Options, PATIENCE, Process, Testbed,
    condition, eventually,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::json;

use crate::app::{Owner, deployment};
use crate::artifacts::{consume_as, offer};

const FLAGS: [&str; 6] = [
    "--controllers=kustomize",
    "--watch-label-selector=sharding.fluxcd.io/key=term",
    "--enable-leader-election",
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

/// Starts a leader that waits for a Deployment which never becomes ready.
async fn waiting_leader(testbed: &Testbed) -> Result<(Process, Namespace, ArtifactServer)> {
    let namespace = testbed.namespace("term").await?;
    let archive = Archive::of(&[("web.yaml", &deployment("web", 1))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "app").await?;
    let controller = testbed.start_openflux("openflux-controller", &FLAGS)?;
    let spec = json!({"wait": true, "timeout": "10m"});
    consume_as(Owner::Shard("term"), &namespace, "app", "app", spec).await?;
    let waits = |object: &DynamicObject| {
        condition(object, "Healthy").is_some_and(|healthy| healthy["status"] == "Unknown")
    };
    namespace
        .wait(KUSTOMIZATION, "app", "runs health checks", waits)
        .await?;
    Ok((controller, namespace, server))
}

async fn holder(testbed: &Testbed) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(testbed.client().await?, "flux-system");
    let found = leases.list(&ListParams::default()).await?.items.into_iter();
    let mut ours = found.filter(|lease| {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        name.starts_with("kustomize-controller-leader-election-")
    });
    let spec = ours.next().context("the Lease")?.spec.unwrap_or_default();
    Ok(spec.holder_identity.unwrap_or_default())
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_waits_for_nothing() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let (mut controller, namespace, _server) = waiting_leader(&testbed).await?;
    ensure!(!holder(&testbed).await?.is_empty());
    let start = Instant::now();
    let status = controller.stop(PATIENCE)?;
    // The graceful time, and the wait, would take ten minutes.
    ensure!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    ensure!(status.success(), "after SIGTERM: {status}");
    ensure!(holder(&testbed).await?.is_empty(), "the Lease was not given back");
    let left = namespace
        .get(KUSTOMIZATION, "app")
        .await?
        .context("still there")?;
    let entries = &left.data["status"]["inventory"]["entries"];
    assert_eq!(entries.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn a_process_that_has_just_begun_ends_at_once() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let flags = [
        "--controllers=sources,kustomize,bridge",
        "--enable-leader-election",
    ];
    let end = async |flags: &[&str], after: Duration| {
        let mut controller = testbed.start_openflux("openflux-controller-young", flags)?;
        tokio::time::sleep(after).await;
        let start = Instant::now();
        let status = controller.stop(PATIENCE)?;
        // Before it listens, the signal itself ends it.
        ensure!(
            status.success() || status.signal() == Some(15),
            "after {after:?}: {status}"
        );
        // The graceful time is ten minutes.
        ensure!(
            start.elapsed() < Duration::from_secs(10),
            "after {after:?}: {:?}",
            start.elapsed()
        );
        Ok(())
    };
    let leases: Api<Lease> = Api::namespaced(testbed.client().await?, "flux-system");
    for step in 0..12 {
        end(&flags, Duration::from_millis(step * 271 % 700)).await?;
        for lease in leases.list(&ListParams::default()).await?.items {
            let holder = lease.spec.unwrap_or_default().holder_identity.unwrap_or_default();
            ensure!(holder.is_empty(), "{:?} is held by {holder}", lease.metadata.name);
        }
    }
    // A server that never answers leaves every watch where it began.
    testbed.pause_api_server().await;
    end(&flags[..1], Duration::from_secs(2)).await?;
    end(&flags, Duration::from_secs(2)).await
}

#[tokio::test]
async fn a_leader_that_cannot_renew_ends_before_another_may_begin() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let (mut controller, _namespace, _server) = waiting_leader(&testbed).await?;
    // The server takes requests and answers none, which no connection error tells.
    testbed.pause_api_server().await;
    let start = Instant::now();
    let status = eventually("the controller to end", async || Ok(controller.ended()?)).await?;
    ensure!(!status.success(), "{status}");
    ensure!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    ensure!(
        controller.output().contains("leader election lost"),
        "{}",
        controller.output()
    );
    Ok(())
}
