//! `Http` sources: what they download is deployed by ours and, over the bridge, by stock; servers that lie; restarts.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, CONFIG_MAP, EXTERNAL_ARTIFACT, HTTP, KUSTOMIZATION, Namespace,
    Process, Stock, Testbed, condition, eventually, free_port, is_ready,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{self, Owner, config_map};

/// The producer, in a process of its own, with a volume that outlives it.
struct Producer {
    volume: PathBuf,
    address: String,
    process: Process,
}

impl Producer {
    fn start(testbed: &Testbed, name: &str) -> Result<Self> {
        let volume = testbed.dir().join(format!("volume-{name}"));
        let address = format!("127.0.0.1:{}", free_port()?);
        let process = Self::process(testbed, name, &volume, &address)?;
        Ok(Self {
            volume,
            address,
            process,
        })
    }

    fn process(testbed: &Testbed, name: &str, volume: &std::path::Path, address: &str) -> Result<Process> {
        let arguments = [
            (if name == "both" {
                "--controllers=http,bridge"
            } else {
                "--controllers=http"
            })
            .to_owned(),
            format!("--storage-path={}", volume.display()),
            format!("--storage-addr={address}"),
            "--http-source-hosts=127.0.0.1".to_owned(),
            format!("--http-source-label-selector=test={name}"),
            "--artifact-retention-ttl=1s".to_owned(),
            "--storage-grace=1s".to_owned(),
            "--storage-reserve=0".to_owned(),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        testbed.start_openflux(&format!("http-{name}"), &arguments)
    }

    /// Ends the process as a failing machine does, and starts it anew.
    fn restart(self, testbed: &Testbed, name: &str) -> Result<Self> {
        let Self {
            volume,
            address,
            process,
        } = self;
        drop(process);
        let process = Self::process(testbed, name, &volume, &address)?;
        Ok(Self {
            volume,
            address,
            process,
        })
    }
}

fn archive(colour: &str) -> Result<Vec<u8>> {
    let manifest = config_map("settings", colour);
    Archive::of(&[("app/settings.yaml", &manifest), ("app/logo.png", "ignored")]).pack()
}

async fn source(namespace: &Namespace, label: &str, name: &str, spec: Value) -> Result<()> {
    let object = json!({
        "apiVersion": HTTP.api_version, "kind": HTTP.kind,
        "metadata": {"name": name, "labels": {"test": label}}, "spec": spec,
    });
    namespace.apply(&object.to_string()).await
}

/// Asks for a look, and waits until it was taken.
async fn look(namespace: &Namespace, name: &str, token: &str) -> Result<DynamicObject> {
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    namespace.patch(HTTP, name, patch).await?;
    let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == token;
    namespace.wait(HTTP, name, "was looked at", handled).await
}

/// The bytes that a URL of an Artifact serves.
async fn get(url: &str) -> Result<Vec<u8>> {
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .context("a URL")?;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.context("an HTTP answer")? + 4);
    let head = String::from_utf8_lossy(&answer);
    ensure!(head.split(' ').nth(1) == Some("200"), "{url} answered {head}");
    Ok(body)
}

fn revision(artifact: &DynamicObject) -> String {
    artifact.data["spec"]["revision"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_download_is_deployed_by_ours_and_by_stock() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    testbed.openflux_controller().await?;
    let producer = Producer::start(testbed, "both")?;
    let _stock = testbed.start_stock(
        Stock::Kustomize,
        &[
            "--feature-gates=ExternalArtifact=true",
            "--watch-label-selector=sharding.fluxcd.io/key=http",
        ],
    )?;
    let server = ArtifactServer::start([
        ("blue", Answer::Bytes(archive("blue")?)),
        ("green", Answer::Bytes(archive("green")?)),
    ])?;
    source(&namespace, "both", "web", json!({"url": server.url("blue")})).await?;
    let http = namespace.wait_ready(HTTP, "web").await?;
    let name = format!("http-{}-web", namespace.name());
    assert_eq!(http.data["status"]["artifactName"], name);
    assert!(http.metadata.finalizers.is_none());
    let artifact = namespace.wait_ready(ARTIFACT, &name).await?;
    let owner = &artifact.metadata.owner_references.as_deref().unwrap_or_default()[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("Http", Some(true)));
    assert!(
        revision(&artifact).starts_with("latest@sha256:"),
        "{}",
        revision(&artifact)
    );
    let url = artifact.data["spec"]["url"].as_str().unwrap_or_default();
    assert!(
        url.starts_with(&format!(
            "http://{}/http/{}/web/",
            producer.address,
            namespace.name()
        )),
        "{url}"
    );

    let ours = json!({"sourceRef": {"apiVersion": HTTP.api_version, "kind": "ExternalArtifact", "name": "web"}, "path": "app"});
    let mut object = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {
            "name": "ours", "labels": {"sharding.fluxcd.io/key": "openflux"},
            "annotations": {"openfluxcd.ocm.software/source-kind": "Http"},
        },
        "spec": {"interval": "1h", "prune": true, "targetNamespace": namespace.name()},
    });
    for (field, value) in ours.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    namespace.apply(&object.to_string()).await?;
    let applied = namespace.wait_ready(KUSTOMIZATION, "ours").await?;
    assert_eq!(applied.data["status"]["lastAppliedRevision"], revision(&artifact));
    namespace.delete(KUSTOMIZATION, "ours").await?;
    namespace.wait_gone(CONFIG_MAP, "settings").await?;

    namespace.wait_ready(EXTERNAL_ARTIFACT, "web").await?;
    let spec = json!({"sourceRef": {"kind": "ExternalArtifact", "name": "web"}, "path": "app"});
    app::deploy(&namespace, Owner::Shard("http"), "app", &[spec]).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;

    let patch = json!({"spec": {"url": server.url("green")}});
    namespace.patch(HTTP, "web", patch).await?;
    let green = |object: &DynamicObject| object.data["data"]["colour"] == "green";
    namespace.wait(CONFIG_MAP, "settings", "is green", green).await?;

    namespace.delete(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(KUSTOMIZATION, "app").await?;
    namespace.delete(HTTP, "web").await?;
    namespace.wait_gone(ARTIFACT, &name).await?;
    namespace.wait_gone(EXTERNAL_ARTIFACT, "web").await?;
    let folder = producer.volume.join("http").join(namespace.name());
    eventually("the files to be removed", async || {
        Ok((!folder.exists()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_restart_writes_nothing_and_a_lost_volume_is_made_anew() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let mut producer = Producer::start(testbed, "restart")?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(archive("blue")?))])?;
    source(
        &namespace,
        "restart",
        "web",
        json!({"url": server.url("blue"), "interval": "1h"}),
    )
    .await?;
    namespace.wait_ready(HTTP, "web").await?;
    let name = format!("http-{}-web", namespace.name());
    let before = namespace.wait_ready(ARTIFACT, &name).await?;
    let url = before.data["spec"]["url"].as_str().unwrap_or_default().to_owned();
    let download = async || Ok(get(&url).await.ok());

    producer = producer.restart(testbed, "restart")?;
    let bytes = eventually("the file to be served again", download).await?;
    assert_eq!(Some(bytes.len() as u64), before.data["spec"]["size"].as_u64());
    let after = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    assert_eq!(server.requests("blue"), 1);

    let Producer {
        volume,
        address,
        process,
    } = producer;
    drop(process);
    std::fs::remove_dir_all(&volume)?;
    let process = Producer::process(testbed, "restart", &volume, &address)?;
    let again = eventually("the file to be made anew", download).await?;
    assert_eq!(bytes, again);
    let ready = namespace.wait_ready(ARTIFACT, &name).await?;
    assert_eq!(ready.data["spec"], before.data["spec"]);
    assert_eq!(server.requests("blue"), 2);

    // Somebody edits the Artifact by hand: it is put right without a download.
    let forged =
        json!({"spec": {"url": "http://127.0.0.1:1/evil", "digest": format!("sha256:{}", "0".repeat(64))}});
    namespace.patch(ARTIFACT, &name, forged).await?;
    let right = |object: &DynamicObject| object.data["spec"] == before.data["spec"];
    namespace.wait(ARTIFACT, &name, "is put right", right).await?;
    // Somebody deletes it: it comes back, without a download as well.
    namespace.delete(ARTIFACT, &name).await?;
    let back = |object: &DynamicObject| {
        object.metadata.uid != before.metadata.uid && object.data["spec"]["url"] == url
    };
    namespace.wait(ARTIFACT, &name, "is back", back).await?;
    namespace.wait_ready(ARTIFACT, &name).await?;
    assert_eq!(server.requests("blue"), 2);
    drop(process);
    Ok(())
}

#[tokio::test]
async fn servers_that_lie_leave_the_last_good_artifact() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let _producer = Producer::start(testbed, "liars")?;
    let good = archive("blue")?;
    let escaping = Archive::default().file("../evil", b"x").pack()?;
    let server = ArtifactServer::start([
        ("good", Answer::Bytes(good.clone())),
        ("truncated", Answer::Truncated(good.clone())),
        ("endless", Answer::Endless),
        ("page", Answer::Html),
        ("gone", Answer::Status(404)),
        ("secret", Answer::Status(401)),
        ("broken", Answer::Status(500)),
        ("escaping", Answer::Bytes(escaping)),
        (
            "inside",
            Answer::Redirect("http://169.254.169.254/latest/meta-data".to_owned()),
        ),
    ])?;
    source(&namespace, "liars", "web", json!({"url": server.url("good")})).await?;
    namespace.wait_ready(HTTP, "web").await?;
    let name = format!("http-{}-web", namespace.name());
    let before = namespace.wait_ready(ARTIFACT, &name).await?;
    let digest = format!("sha256:{}", "0".repeat(64));
    for (url, more, reason) in [
        (server.url("truncated"), json!({}), "FetchFailed"),
        (
            server.url("endless"),
            json!({"maxSize": 100_000}),
            "LimitExceeded",
        ),
        (
            server.url("page"),
            json!({"content": {"type": "Archive"}}),
            "InvalidContent",
        ),
        (server.url("gone"), json!({}), "NotFound"),
        (server.url("secret"), json!({}), "AuthenticationFailed"),
        (server.url("broken"), json!({}), "FetchFailed"),
        (server.url("escaping"), json!({}), "InvalidContent"),
        (server.url("inside"), json!({}), "URLInvalid"),
        ("http://169.254.169.254/".to_owned(), json!({}), "URLInvalid"),
        (
            "http://user:hunter22@127.0.0.1/".to_owned(),
            json!({}),
            "URLInvalid",
        ),
        (server.url("good"), json!({"digest": digest}), "VerificationError"),
        (
            server.url("good"),
            json!({"content": {"path": "nowhere"}}),
            "NothingMatched",
        ),
        (
            server.url("good"),
            json!({"secretRef": {"name": "none"}}),
            "SecretNotFound",
        ),
    ] {
        let mut spec = json!({"url": url});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        source(&namespace, "liars", "web", spec.clone()).await?;
        let message = namespace.wait_failed(HTTP, "web", reason).await?;
        ensure!(!message.contains("hunter22"), "{message}");
        let artifact = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
        assert_eq!(artifact.data["spec"], before.data["spec"], "{spec}");
        let ready = condition(&artifact, "Ready").context("a condition")?;
        assert_eq!(ready["status"], "True", "{spec}");
    }
    source(&namespace, "liars", "web", json!({"url": server.url("good")})).await?;
    let http = namespace.wait_ready(HTTP, "web").await?;
    let left = http.data["status"]["conditions"].as_array().map(Vec::len);
    assert_eq!(left, Some(2), "{}", http.data["status"]);
    let artifact = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    assert_eq!(artifact.data["spec"], before.data["spec"]);

    // Nothing new is no reason to write.
    let looked = look(&namespace, "web", "again").await?;
    assert!(is_ready(&looked));
    let artifact_now = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    let version = |object: &DynamicObject| object.metadata.resource_version.clone();
    assert_eq!(version(&artifact_now), version(&artifact));
    Ok(())
}
