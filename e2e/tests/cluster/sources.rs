//! The adapters against the real source-controller: every kind is mirrored, changes are followed, nothing is lost.

use anyhow::{Context as _, Result};
use controller_kit::artifact::HostAllowList;
use controller_kit::events::recorder;
use controller_kit::{Metrics, Rest, SharedWatch};
use e2e::testbed::{
    ARTIFACT, BUCKET, EXTERNAL_ARTIFACT, GIT_REPOSITORY, HELM_CHART, HELM_REPOSITORY, Kind, Namespace,
    OCI_REPOSITORY, Options, S3, Testbed, condition, eventually, is_ready,
};
use flux_sources::AdapterOptions;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A control plane of our own: the adapters of other tests would mirror our sources too.
async fn testbed() -> Result<&'static Testbed> {
    static TESTBED: OnceCell<Testbed> = OnceCell::const_new();
    TESTBED
        .get_or_try_init(|| Testbed::start(Options::default()))
        .await
}

/// The adapters of one namespace, in this process.
pub(crate) struct Adapters {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Adapters {
    pub(crate) fn start(namespace: &Namespace) -> Result<Self> {
        let client = namespace.client().clone();
        let (events, sink) = recorder(Rest::new(client.clone()), "openflux", "test", "")?;
        let shutdown = CancellationToken::new();
        tokio::spawn(sink.run(shutdown.clone()));
        let options = AdapterOptions {
            hosts: HostAllowList::parse(["127.0.0.1"])?,
            namespace: Some(namespace.name().to_owned()),
            concurrency: 16,
        };
        let artifacts = Api::namespaced(client.clone(), namespace.name());
        let task = tokio::spawn(flux_sources::run(
            client,
            SharedWatch::new(artifacts, shutdown.clone()),
            options,
            Metrics::new()?,
            events,
            CancellationToken::new(),
            shutdown.clone(),
        ));
        Ok(Self { shutdown, task })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        self.task.await.context("the adapters panicked")
    }
}

/// The name of the Artifact that mirrors a source.
pub(crate) fn mirror(namespace: &Namespace, kind: Kind, name: &str) -> String {
    format!("{}-{}-{name}", kind.kind, namespace.name()).to_lowercase()
}

/// Waits until a source has an artifact and its Artifact says the same; returns the Artifact.
pub(crate) async fn mirrored(namespace: &Namespace, kind: Kind, name: &str) -> Result<DynamicObject> {
    let artifact = mirrored_content(namespace, kind, name).await?;
    let source = namespace.wait(kind, name, "has an artifact", |object| offered(object).is_some());
    let offer = offered(&source.await?).cloned().unwrap_or_default();
    assert_eq!(artifact.data["spec"]["lastUpdateTime"], offer["lastUpdateTime"]);
    Ok(artifact)
}

/// As [`mirrored`], for a source that may have been rebuilt with the same bytes: `lastUpdateTime` alone is no change.
pub(crate) async fn mirrored_content(namespace: &Namespace, kind: Kind, name: &str) -> Result<DynamicObject> {
    let source = namespace
        .wait(kind, name, "has an artifact", |object| offered(object).is_some())
        .await?;
    let offer = offered(&source).cloned().unwrap_or_default();
    let same = |artifact: &DynamicObject| {
        ["url", "revision", "digest", "size", "metadata"]
            .iter()
            .all(|field| artifact.data["spec"][field] == offer[field])
            && is_ready(artifact)
    };
    let artifact = namespace
        .wait(
            ARTIFACT,
            &mirror(namespace, kind, name),
            "mirrors its source",
            same,
        )
        .await?;
    let owners = json!(artifact.metadata.owner_references);
    assert_eq!(owners[0]["uid"].as_str(), source.metadata.uid.as_deref());
    assert_eq!(owners[0]["controller"], json!(true));
    Ok(artifact)
}

fn offered(source: &DynamicObject) -> Option<&Value> {
    source.data.pointer("/status/artifact")
}

fn field<'a>(artifact: &'a DynamicObject, name: &str) -> &'a str {
    artifact.data["spec"][name].as_str().unwrap_or_default()
}

/// An ExternalArtifact whose status the test writes, since its producer is whoever likes to.
pub(crate) async fn offer(namespace: &Namespace, name: &str, url: &str, revision: &str) -> Result<()> {
    let object = format!(
        "{{apiVersion: source.toolkit.fluxcd.io/v1, kind: ExternalArtifact, metadata: {{name: {name}}}, spec: {{}}}}"
    );
    namespace.apply(&object).await?;
    let artifact = json!({
        "url": url, "path": "p", "revision": revision, "lastUpdateTime": "2026-01-01T00:00:00Z",
        "digest": format!("sha256:{}", "a".repeat(64)),
    });
    namespace
        .patch_status(EXTERNAL_ARTIFACT, name, json!({"status": {"artifact": artifact}}))
        .await?;
    Ok(())
}

async fn git_repository(
    testbed: &Testbed,
    namespace: &Namespace,
    name: &str,
) -> Result<e2e::testbed::GitRepo> {
    testbed.source_controller().await?;
    let repo = testbed
        .git()
        .await?
        .create(&format!("{}-{name}", namespace.name()))
        .await?;
    repo.commit("first", &[("a.yaml", "a: 1\n"), ("b.yaml", "b: 1\n")])
        .await?;
    apply_git_repository(namespace, name, repo.url()).await?;
    Ok(repo)
}

pub(crate) async fn apply_git_repository(namespace: &Namespace, name: &str, url: &str) -> Result<()> {
    namespace
        .apply(&format!(
            "{{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {{name: {name}}}, \
             spec: {{interval: 1h, url: '{url}', ref: {{branch: main}}}}}}"
        ))
        .await
}

#[tokio::test]
async fn all_six_kinds_are_mirrored() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("kinds").await?;
    let adapters = Adapters::start(&namespace)?;
    git_repository(testbed, &namespace, "git").await?;
    let image = testbed
        .push_artifact(namespace.name(), "v1", &[("a.yaml", "a: 1\n")])
        .await?;
    let image = image.trim_end_matches(":v1");
    let s3 = testbed.s3().await?;
    s3.put("mirrored", "a.yaml", "a: 1\n")?;
    let charts = testbed.helm_repository().await?;
    charts
        .add(&[
            ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n"),
            ("values.yaml", "a: 1\n"),
        ])
        .await?;
    namespace
        .apply(&format!(
            "
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {{name: oci}}
spec: {{interval: 1h, url: '{image}', insecure: true, ref: {{tag: v1}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: s3}}
stringData: {{accesskey: {access}, secretkey: {secret}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {{name: bucket}}
spec: {{interval: 1h, provider: generic, bucketName: mirrored, endpoint: '{endpoint}', insecure: true, secretRef: {{name: s3}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {{name: charts}}
spec: {{interval: 1h, url: '{charts}'}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmChart
metadata: {{name: web}}
spec: {{interval: 1h, chart: web, version: '1.x', sourceRef: {{kind: HelmRepository, name: charts}}}}
",
            access = S3::ACCESS_KEY,
            secret = S3::SECRET_KEY,
            endpoint = s3.endpoint(),
            charts = charts.url(),
        ))
        .await?;
    offer(
        &namespace,
        "external",
        "http://127.0.0.1:1/external.tar.gz",
        "latest@sha256:1",
    )
    .await?;
    let rows = [
        (GIT_REPOSITORY, "git", "main@sha1:"),
        (OCI_REPOSITORY, "oci", "v1@sha256:"),
        (BUCKET, "bucket", "sha256:"),
        (HELM_REPOSITORY, "charts", "sha256:"),
        (HELM_CHART, "web", "1.2.3"),
        (EXTERNAL_ARTIFACT, "external", "latest@sha256:1"),
    ];
    for (kind, name, revision) in rows {
        let artifact = mirrored(&namespace, kind, name).await?;
        assert!(
            field(&artifact, "revision").starts_with(revision),
            "{} of {}",
            field(&artifact, "revision"),
            kind.kind
        );
    }
    assert_eq!(namespace.list(ARTIFACT).await?.len(), rows.len());
    adapters.stop().await
}

#[tokio::test]
async fn a_new_commit_and_a_new_digest_are_followed() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("follow").await?;
    let adapters = Adapters::start(&namespace)?;
    let repo = git_repository(testbed, &namespace, "git").await?;
    let first = mirrored(&namespace, GIT_REPOSITORY, "git").await?;

    // The same commit without one of its files: the revision stays, the bytes do not.
    namespace
        .patch(GIT_REPOSITORY, "git", json!({"spec": {"ignore": "b.yaml"}}))
        .await?;
    let other_bytes = |artifact: &DynamicObject| {
        field(artifact, "digest") != field(&first, "digest")
            && field(artifact, "revision") == field(&first, "revision")
    };
    let name = mirror(&namespace, GIT_REPOSITORY, "git");
    namespace
        .wait(ARTIFACT, &name, "has the new digest", other_bytes)
        .await?;

    let commit = repo.commit("second", &[("a.yaml", "a: 2\n")]).await?;
    let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}});
    namespace.patch(GIT_REPOSITORY, "git", request).await?;
    let newer = |artifact: &DynamicObject| field(artifact, "revision").ends_with(&commit);
    namespace
        .wait(ARTIFACT, &name, "has the new commit", newer)
        .await?;
    adapters.stop().await
}

#[tokio::test]
async fn an_artifact_goes_with_its_source_and_comes_back_with_the_next() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("recreate").await?;
    let adapters = Adapters::start(&namespace)?;
    let repo = git_repository(testbed, &namespace, "git").await?;
    let first = mirrored(&namespace, GIT_REPOSITORY, "git").await?;
    namespace.delete(GIT_REPOSITORY, "git").await?;
    namespace
        .wait_gone(ARTIFACT, &mirror(&namespace, GIT_REPOSITORY, "git"))
        .await?;

    apply_git_repository(&namespace, "git", repo.url()).await?;
    let second = mirrored(&namespace, GIT_REPOSITORY, "git").await?;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    adapters.stop().await
}

#[tokio::test]
async fn a_source_that_loses_its_artifact_does_not_take_ours_along() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("blank").await?;
    let adapters = Adapters::start(&namespace)?;
    offer(&namespace, "app", "http://127.0.0.1:1/a", "1").await?;
    let before = mirrored(&namespace, EXTERNAL_ARTIFACT, "app").await?;
    namespace
        .patch_status(EXTERNAL_ARTIFACT, "app", json!({"status": {"artifact": null}}))
        .await?;
    let name = mirror(&namespace, EXTERNAL_ARTIFACT, "app");
    let message = namespace
        .wait_failed(ARTIFACT, &name, "SourceUnavailable")
        .await?;
    assert!(
        message.contains(&format!("ExternalArtifact/{}/app", namespace.name())),
        "{message}"
    );
    let kept = namespace
        .get(ARTIFACT, &name)
        .await?
        .context("the Artifact is kept")?;
    assert_eq!(kept.data["spec"], before.data["spec"]);

    offer(&namespace, "app", "http://127.0.0.1:1/b", "2").await?;
    mirrored(&namespace, EXTERNAL_ARTIFACT, "app").await?;
    adapters.stop().await
}

#[tokio::test]
async fn a_restart_catches_up_and_writes_nothing_that_did_not_change() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("restart").await?;
    let adapters = Adapters::start(&namespace)?;
    for name in ["same", "changed", "deleted"] {
        offer(&namespace, name, "http://127.0.0.1:1/a", "1").await?;
        mirrored(&namespace, EXTERNAL_ARTIFACT, name).await?;
    }
    let name = |source: &str| mirror(&namespace, EXTERNAL_ARTIFACT, source);
    let before = namespace
        .get(ARTIFACT, &name("same"))
        .await?
        .context("mirrored")?;
    adapters.stop().await?;

    namespace.delete(EXTERNAL_ARTIFACT, "deleted").await?;
    offer(&namespace, "changed", "http://127.0.0.1:1/b", "2").await?;
    offer(&namespace, "new", "http://127.0.0.1:1/c", "1").await?;
    let adapters = Adapters::start(&namespace)?;
    for source in ["changed", "new", "same"] {
        mirrored(&namespace, EXTERNAL_ARTIFACT, source).await?;
    }
    namespace.wait_gone(ARTIFACT, &name("deleted")).await?;
    let after = namespace
        .get(ARTIFACT, &name("same"))
        .await?
        .context("mirrored")?;
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    adapters.stop().await
}

#[tokio::test]
async fn a_hostile_address_is_refused_and_reported() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("hostile").await?;
    let adapters = Adapters::start(&namespace)?;
    let hostile = "http://169.254.169.254/latest/meta-data";
    offer(&namespace, "fresh", hostile, "1").await?;
    offer(&namespace, "turned", "http://127.0.0.1:1/a", "1").await?;
    let good = mirrored(&namespace, EXTERNAL_ARTIFACT, "turned").await?;

    offer(&namespace, "turned", hostile, "2").await?;
    let turned = mirror(&namespace, EXTERNAL_ARTIFACT, "turned");
    let message = namespace.wait_failed(ARTIFACT, &turned, "URLNotAllowed").await?;
    assert!(message.contains("--artifact-hosts"), "{message}");
    let kept = namespace
        .get(ARTIFACT, &turned)
        .await?
        .context("the Artifact is kept")?;
    assert_eq!(kept.data["spec"], good.data["spec"]);

    let events: kube::Api<k8s_openapi::api::core::v1::Event> =
        kube::Api::namespaced(namespace.client().clone(), namespace.name());
    eventually("an event about the refused source", async || {
        let mut reported = events
            .list(&kube::api::ListParams::default())
            .await?
            .items
            .into_iter();
        Ok(reported.find(|event| {
            event.reason.as_deref() == Some("URLNotAllowed")
                && event.involved_object.name.as_deref() == Some("fresh")
        }))
    })
    .await?;
    assert!(
        namespace
            .get(ARTIFACT, &mirror(&namespace, EXTERNAL_ARTIFACT, "fresh"))
            .await?
            .is_none()
    );
    adapters.stop().await
}

#[tokio::test]
async fn artifacts_of_others_are_left_alone() -> Result<()> {
    let testbed = testbed().await?;
    let namespace = testbed.namespace("others").await?;
    let taken = mirror(&namespace, EXTERNAL_ARTIFACT, "app");
    namespace
        .apply(&format!(
            "{{apiVersion: openfluxcd.ocm.software/v1alpha1, kind: Artifact, metadata: {{name: {taken}}}, \
             spec: {{url: 'http://127.0.0.1:1/theirs', revision: theirs, lastUpdateTime: '2026-01-01T00:00:00Z'}}}}"
        ))
        .await?;
    let adapters = Adapters::start(&namespace)?;
    offer(&namespace, "app", "http://127.0.0.1:1/ours", "ours").await?;
    let ours = eventually("a mirror under another name", async || {
        let mut artifacts = namespace.list(ARTIFACT).await?.into_iter();
        Ok(artifacts.find(|artifact| field(artifact, "revision") == "ours"))
    })
    .await?;
    assert!(
        ours.metadata
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with(&format!("{taken}-")))
    );
    let theirs = namespace.get(ARTIFACT, &taken).await?.context("still there")?;
    assert_eq!(field(&theirs, "revision"), "theirs");
    assert!(condition(&theirs, "Ready").is_none());
    adapters.stop().await
}
