//! Bases on other machines: those that hang are left at once, nobody waits for another namespace's, and some hosts are
//! not asked.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use controller_kit::leader::lease_name;
use e2e::testbed::{
    Answer, Archive, ArtifactServer, KUSTOMIZATION, Namespace, PATIENCE, Process, Testbed, condition,
    eventually,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{Owner, config_map};
use crate::artifacts::{consume_as, offer};

/// A GET of a base is given up after a minute; whatever ends in this time did not wait for that.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Serves bases, and artifacts with a kustomization of them: `silent` hangs, `good` does not, `none` has none.
struct Bases {
    bases: ArtifactServer,
    artifacts: ArtifactServer,
}

fn artifact(base: &str) -> Result<Answer> {
    let text = format!("resources: ['{base}']\n");
    Ok(Answer::Bytes(
        Archive::of(&[("kustomization.yaml", &text)]).pack()?,
    ))
}

impl Bases {
    fn start() -> Result<Self> {
        let good = Answer::Bytes(config_map("good", "blue").into_bytes());
        let bases = ArtifactServer::start([("silent", Answer::Silent), ("good", good)])?;
        let none = Archive::of(&[("a.yaml", &config_map("none", "blue"))]).pack()?;
        let artifacts = ArtifactServer::start([
            ("silent", artifact(&bases.url("silent"))?),
            ("good", artifact(&bases.url("good"))?),
            ("none", Answer::Bytes(none)),
        ])?;
        Ok(Self { bases, artifacts })
    }

    /// Waits until so many builds hang.
    async fn hanging(&self, number: usize) -> Result<()> {
        eventually("the builds to hang", async || {
            Ok((self.bases.requests("silent") >= number).then_some(()))
        })
        .await
    }
}

/// A Kustomization `app` of ours whose base hangs.
async fn hanging(prefix: &str, owner: Owner) -> Result<(Namespace, Bases)> {
    let namespace = Testbed::shared().await?.namespace(prefix).await?;
    let bases = Bases::start()?;
    offer(&namespace, "app", &bases.artifacts, "silent").await?;
    consume_as(owner, &namespace, "app", "app", json!({})).await?;
    bases.hanging(1).await?;
    Ok((namespace, bases))
}

#[tokio::test]
async fn a_base_that_hangs_is_left_for_a_newer_artifact() -> Result<()> {
    Testbed::shared().await?.openflux_controller().await?;
    let (namespace, bases) = hanging("newer-base", Owner::Ours).await?;
    let start = Instant::now();
    offer(&namespace, "app", &bases.artifacts, "none").await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_base_that_hangs_is_left_when_its_kustomization_is_suspended_or_deleted() -> Result<()> {
    Testbed::shared().await?.openflux_controller().await?;
    let (namespace, bases) = hanging("left-base", Owner::Ours).await?;
    let start = Instant::now();
    namespace
        .patch(KUSTOMIZATION, "app", json!({"spec": {"suspend": true}}))
        .await?;
    // Resuming begins again, which it could not while the build went on.
    namespace
        .patch(KUSTOMIZATION, "app", json!({"spec": {"suspend": false}}))
        .await?;
    bases.hanging(2).await?;
    namespace.delete(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(KUSTOMIZATION, "app").await?;
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    Ok(())
}

const TAR_PIT: &str = "sharding.fluxcd.io/key=tarpit";

/// Who holds the Lease of the shard `tarpit`; empty when nobody does.
async fn holder(testbed: &Testbed) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(testbed.client().await?, "flux-system");
    let lease = leases.get(&lease_name("kustomize-controller", TAR_PIT)).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    Ok(holder.unwrap_or_default())
}

#[tokio::test]
async fn a_process_whose_bases_hang_ends_quickly_and_gives_its_lease_back() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let selector = format!("--watch-label-selector={TAR_PIT}");
    let flags = ["--controllers=kustomize", &selector, "--enable-leader-election"];
    let mut process = testbed.start_openflux("openflux-controller-tarpit", &flags)?;
    let (_namespace, _bases) = hanging("ending-base", Owner::Shard("tarpit")).await?;
    assert_ne!(holder(testbed).await?, "");
    let start = Instant::now();
    let status = process.stop(PATIENCE)?;
    ensure!(status.success(), "after SIGTERM: {status}");
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert_eq!(holder(testbed).await?, "", "the Lease is given back");
    Ok(())
}

#[tokio::test]
async fn bases_that_hang_do_not_keep_other_namespaces_waiting() -> Result<()> {
    let testbed = Testbed::shared().await?;
    testbed.openflux_controller().await?;
    let greedy = testbed.namespace("greedy").await?;
    let modest = testbed.namespace("modest").await?;
    let bases = Bases::start()?;
    offer(&greedy, "app", &bases.artifacts, "silent").await?;
    for number in 0..12 {
        consume_as(Owner::Ours, &greedy, &format!("app-{number}"), "app", json!({})).await?;
    }
    bases.hanging(4).await?;
    let start = Instant::now();
    offer(&modest, "app", &bases.artifacts, "good").await?;
    consume_as(Owner::Ours, &modest, "app", "app", json!({})).await?;
    modest.wait_ready(KUSTOMIZATION, "app").await?;
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_base_in_a_repository_needs_no_git_program() -> Result<()> {
    let testbed = Testbed::shared().await?;
    testbed.openflux_controller().await?;
    let namespace = testbed.namespace("git-base").await?;
    let git = testbed.git().await?;
    let repository = git.create("bases").await?;
    let kustomization = "resources: [map.yaml]\nnameSuffix: -from-git\n";
    let files = [
        ("base/kustomization.yaml", kustomization),
        ("base/map.yaml", &config_map("good", "blue")),
    ];
    let commit = repository.commit("one", &files).await?;
    for (name, reference) in [("branch", "main"), ("commit", commit.as_str())] {
        let base = format!("git::{}//base?ref={reference}", repository.url());
        let server = ArtifactServer::start([(name, artifact(&base)?)])?;
        offer(&namespace, name, &server, name).await?;
        consume_as(Owner::Ours, &namespace, name, name, json!({})).await?;
        namespace.wait_ready(KUSTOMIZATION, name).await?;
    }
    let maps: Api<ConfigMap> = Api::namespaced(testbed.client().await?, namespace.name());
    assert!(maps.get_opt("good-from-git").await?.is_some());
    let server = ArtifactServer::start([(
        "gone",
        artifact(&format!("git::{}//base?ref=gone", repository.url()))?,
    )])?;
    offer(&namespace, "gone", &server, "gone").await?;
    consume_as(
        Owner::Ours,
        &namespace,
        "gone",
        "gone",
        json!({"retryInterval": "1h"}),
    )
    .await?;
    refused(&namespace, "gone", "couldn't find remote ref gone").await
}

/// Waits until the build of `app` fails with this text.
async fn refused(namespace: &Namespace, name: &str, text: &str) -> Result<()> {
    let says = |object: &DynamicObject| {
        let ready = condition(object, "Ready").filter(|ready| ready["reason"] == "BuildFailed");
        ready.is_some_and(|ready| ready["message"].as_str().unwrap_or_default().contains(text))
    };
    namespace
        .wait(KUSTOMIZATION, name, &format!("is refused with {text:?}"), says)
        .await?;
    Ok(())
}

fn with_hosts(testbed: &Testbed, shard: &str, hosts: &str) -> Result<Process> {
    let flags = [
        "--controllers=kustomize".to_owned(),
        format!("--watch-label-selector=sharding.fluxcd.io/key={shard}"),
        format!("--remote-base-hosts={hosts}"),
    ];
    let flags = flags.each_ref().map(String::as_str);
    testbed.start_openflux(&format!("openflux-controller-{shard}"), &flags)
}

#[tokio::test]
async fn bases_do_not_come_from_this_machine_or_the_cluster_unless_they_are_meant_to() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("guarded").await?;
    let services: Api<Service> = Api::namespaced(testbed.client().await?, "default");
    let kubernetes = services.get("kubernetes").await?.spec;
    let service = kubernetes
        .and_then(|spec| spec.cluster_ip)
        .context("its address")?;
    let bases = Bases::start()?;
    let port = bases.bases.url("good");
    let port = port.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
    let port = port.context("a port")?;
    let this_machine = "an address of this machine";
    let cases = [
        ("loopback", bases.bases.url("good"), this_machine),
        ("localhost", format!("http://localhost:{port}/good"), this_machine),
        (
            "git",
            format!("git::http://127.0.0.1:{port}/good.git?ref=main"),
            this_machine,
        ),
        (
            "ssh",
            "ssh://git@127.0.0.1/good.git?ref=main".to_owned(),
            this_machine,
        ),
        (
            "metadata",
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "a link-local address",
        ),
        (
            "service",
            format!("https://{service}/good"),
            "an address of the cluster's services",
        ),
    ];
    let served = cases
        .iter()
        .map(|(name, url, _)| Ok((*name, artifact(url)?)))
        .collect::<Result<Vec<_>>>()?;
    let server = ArtifactServer::start(served)?;
    let _process = with_hosts(testbed, "guarded", "")?;
    for (name, _, text) in cases {
        offer(&namespace, name, &server, name).await?;
        consume_as(
            Owner::Shard("guarded"),
            &namespace,
            name,
            name,
            json!({"retryInterval": "1h"}),
        )
        .await?;
        refused(&namespace, name, text).await?;
    }
    assert_eq!(bases.bases.requests("good"), 0);
    Ok(())
}

#[tokio::test]
async fn a_redirect_leads_to_no_host_that_may_not_be_asked() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("redirected").await?;
    let away = Answer::Redirect("http://127.0.0.2:1/good".to_owned());
    let bases = ArtifactServer::start([("away", away)])?;
    let server = ArtifactServer::start([("app", artifact(&bases.url("away"))?)])?;
    let _process = with_hosts(testbed, "redirected", "127.0.0.1")?;
    offer(&namespace, "app", &server, "app").await?;
    let owner = Owner::Shard("redirected");
    consume_as(owner, &namespace, "app", "app", json!({"retryInterval": "1h"})).await?;
    refused(
        &namespace,
        "app",
        "leads to 127.0.0.2, an address of this machine",
    )
    .await?;
    assert_eq!(bases.requests("away"), 1);
    Ok(())
}
