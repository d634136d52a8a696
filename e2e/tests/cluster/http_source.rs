//! `Http` sources: what they download is deployed by ours and, over the bridge, by stock; servers that lie; restarts.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, CONFIG_MAP, EVENT, EXTERNAL_ARTIFACT, HTTP, HttpServer,
    KUSTOMIZATION, Namespace, SECRET, Stock, Testbed, Write, condition, eventually, free_port, is_ready,
};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::app::{self, Owner, config_map};
use crate::producer::Producer;
use crate::producing::{get, labelled};

/// The producer of sources with a label.
fn producer(testbed: &'static Testbed, namespace: &Namespace, label: &str) -> Result<Producer> {
    let controllers = if label == "both" { "http,bridge" } else { "http" };
    let selector = format!("--http-source-label-selector=test={label}");
    let flags = [
        selector.as_str(),
        "--http-source-hosts=127.0.0.1",
        "--artifact-retention-ttl=1s",
        "--storage-grace=1s",
    ];
    Producer::start(testbed, namespace, &format!("http-{label}"), controllers, &flags)
}

fn archive(colour: &str) -> Result<Vec<u8>> {
    let manifest = config_map("settings", colour);
    Archive::of(&[("app/settings.yaml", &manifest), ("app/logo.png", "ignored")]).pack()
}

async fn source(namespace: &Namespace, label: &str, name: &str, spec: Value) -> Result<()> {
    labelled(namespace, HTTP, label, name, spec).await
}

/// Asks for a look, and waits until it was taken.
async fn look(namespace: &Namespace, name: &str, token: &str) -> Result<DynamicObject> {
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    namespace.patch(HTTP, name, patch).await?;
    let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == token;
    namespace.wait(HTTP, name, "was looked at", handled).await
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
    let producer = producer(testbed, &namespace, "both")?;
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

/// What was written so far about the source `web`: to it, to its Artifact, and as events.
async fn written(testbed: &Testbed, namespace: &Namespace, artifact: &str) -> Result<Vec<Write>> {
    let mut writes = testbed.writes(namespace).await?;
    writes.retain(|write| match write.resource.as_str() {
        "artifacts" => write.name == artifact,
        "https" => write.name == "web",
        "events" => write.name.starts_with("web."),
        _ => false,
    });
    Ok(writes)
}

#[tokio::test]
async fn a_restart_writes_nothing_and_a_lost_volume_is_made_anew() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let mut producer = producer(testbed, &namespace, "restart")?;
    let server = ArtifactServer::start([
        ("blue", Answer::Bytes(archive("blue")?)),
        ("green", Answer::Bytes(archive("green")?)),
    ])?;
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
    // It is told beside the work.
    eventually("the event", async || {
        let events = namespace.list(EVENT).await?;
        let of_web = |event: &&DynamicObject| event.data["involvedObject"]["name"] == "web";
        Ok(events.iter().find(of_web).map(|_| ()))
    })
    .await?;
    let known = written(testbed, &namespace, &name).await?.len();

    producer.restart()?;
    let bytes = eventually("the file to be served again", download).await?;
    assert_eq!(Some(bytes.len() as u64), before.data["spec"]["size"].as_u64());
    // What is looked at later is made: by then, it has looked at the first.
    let spec = json!({"url": server.url("green"), "interval": "1h"});
    source(&namespace, "restart", "later", spec).await?;
    namespace.wait_ready(HTTP, "later").await?;
    let since = written(testbed, &namespace, &name).await?.split_off(known);
    assert!(since.is_empty(), "{since:#?}");
    let after = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    assert_eq!(server.requests("blue"), 1);

    producer.kill()?;
    std::fs::remove_dir_all(&producer.volume)?;
    producer.restart()?;
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
    // Somebody takes its owner out: it has it again, and is still the same.
    let orphaned = json!({"metadata": {"ownerReferences": null}});
    namespace.patch(ARTIFACT, &name, orphaned.clone()).await?;
    let owned = |object: &DynamicObject| object.owner_references() == before.owner_references();
    let mended = namespace.wait(ARTIFACT, &name, "has its owner", owned).await?;
    assert_eq!(mended.metadata.uid, before.metadata.uid);
    assert_eq!(mended.data["spec"], before.data["spec"]);
    // Somebody deletes it: it comes back, without a download as well.
    namespace.delete(ARTIFACT, &name).await?;
    let back = |object: &DynamicObject| {
        object.metadata.uid != before.metadata.uid && object.data["spec"]["url"] == url
    };
    namespace.wait(ARTIFACT, &name, "is back", back).await?;
    namespace.wait_ready(ARTIFACT, &name).await?;
    assert_eq!(server.requests("blue"), 2);

    // Nobody is there when it loses its owner and then its source: nobody else would remove it.
    producer.kill()?;
    namespace.patch(ARTIFACT, &name, orphaned).await?;
    namespace.delete(HTTP, "web").await?;
    producer.restart()?;
    namespace.wait_gone(ARTIFACT, &name).await
}

#[tokio::test]
async fn servers_that_lie_leave_the_last_good_artifact() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let _producer = producer(testbed, &namespace, "liars")?;
    let good = archive("blue")?;
    let escaping = Archive::default().file("../evil", b"x").pack()?;
    let sparse = Archive::default().sparse("a.yaml", 4 << 30).pack()?;
    let server = ArtifactServer::start([
        ("good", Answer::Bytes(good.clone())),
        ("truncated", Answer::Truncated(good.clone())),
        ("endless", Answer::Endless),
        ("silent", Answer::Silent),
        ("sparse", Answer::Bytes(sparse)),
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
        (server.url("silent"), json!({"timeout": "2s"}), "Timeout"),
        (server.url("sparse"), json!({}), "LimitExceeded"),
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

#[tokio::test]
async fn a_secret_that_changes_wakes_those_who_read_it() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let _producer = producer(testbed, &namespace, "secrets")?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(archive("blue")?))])?;
    let spec = json!({"url": server.url("blue"), "interval": "1h", "secretRef": {"name": "token"}});
    source(&namespace, "secrets", "web", spec).await?;
    namespace.wait_failed(HTTP, "web", "SecretNotFound").await?;
    let secret = |key: &str| {
        let data = json!({key: "hunter22"});
        json!({"apiVersion": SECRET.api_version, "kind": SECRET.kind, "metadata": {"name": "token"}, "stringData": data})
    };
    namespace.apply(&secret("bearerToken").to_string()).await?;
    namespace.wait_ready(HTTP, "web").await?;
    namespace.delete(SECRET, "token").await?;
    namespace.wait_failed(HTTP, "web", "SecretNotFound").await?;
    namespace.apply(&secret("header.Host").to_string()).await?;
    let message = namespace.wait_failed(HTTP, "web", "SecretInvalid").await?;
    ensure!(!message.contains("hunter22"), "{message}");
    Ok(())
}

#[tokio::test]
async fn over_tls_urls_say_so_and_the_own_deployer_asks_nobody() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let folder = testbed.dir().join("storage-tls");
    std::fs::create_dir_all(&folder)?;
    for (from, to) in [("server.crt", "tls.crt"), ("server.key", "tls.key")] {
        std::fs::copy(testbed.dir().join("pki").join(from), folder.join(to))?;
    }
    let certificate = format!("--storage-tls-secret-dir={}", folder.display());
    let flags = [
        "--watch-label-selector=sharding.fluxcd.io/key=tls",
        certificate.as_str(),
        "--http-source-hosts=127.0.0.1",
        "--http-source-label-selector=test=tls",
    ];
    let both = Producer::start(testbed, &namespace, "http-tls", "http,bridge,kustomize", &flags)?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(archive("blue")?))])?;
    source(&namespace, "tls", "web", json!({"url": server.url("blue")})).await?;
    let name = format!("http-{}-web", namespace.name());
    let artifact = namespace.wait_ready(ARTIFACT, &name).await?;
    let url = artifact.data["spec"]["url"].as_str().unwrap_or_default();
    let expected = format!("https://{}/http/{}/web/", both.address, namespace.name());
    assert!(url.starts_with(&expected), "{url}");
    let external = namespace.wait_ready(EXTERNAL_ARTIFACT, "web").await?;
    assert_eq!(external.data["status"]["artifact"]["url"], url);
    let plain = get(&url.replace("https://", "http://")).await;
    assert!(plain.is_err(), "it was served without TLS");

    // Nobody told this process about the authority of the certificate, so that it could not fetch what it has itself.
    let kustomization = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {
            "name": "app", "labels": {"sharding.fluxcd.io/key": "tls"},
            "annotations": {"openfluxcd.ocm.software/source-kind": "Http"},
        },
        "spec": {
            "interval": "1h", "prune": true, "targetNamespace": namespace.name(), "path": "app",
            "sourceRef": {"apiVersion": HTTP.api_version, "kind": "ExternalArtifact", "name": "web"},
        },
    });
    namespace.apply(&kustomization.to_string()).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    namespace.delete(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(KUSTOMIZATION, "app").await
}

/// What a server says about what it has, whatever it has.
#[derive(Clone, Default)]
struct Liar(Arc<Mutex<(Vec<u8>, bool)>>);

impl Liar {
    fn has(&self, body: Vec<u8>, says_nothing_is_new: bool) {
        *self.0.lock() = (body, says_nothing_is_new);
    }
}

async fn lie(State(liar): State<Liar>, request: Request) -> Response {
    let (body, says_nothing_is_new) = liar.0.lock().clone();
    let etag = [(header::ETAG, "\"always the same\"")];
    if says_nothing_is_new && request.headers().contains_key(header::IF_NONE_MATCH) {
        return (StatusCode::NOT_MODIFIED, etag).into_response();
    }
    (etag, body).into_response()
}

#[tokio::test]
async fn an_etag_that_lies_is_found_out_when_somebody_insists() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let _producer = producer(testbed, &namespace, "etags")?;
    let liar = Liar::default();
    let router = Router::new().fallback(lie).with_state(liar.clone());
    let server = HttpServer::start(router)?;
    liar.has(archive("blue")?, true);
    source(
        &namespace,
        "etags",
        "web",
        json!({"url": server.url("/web"), "interval": "1h"}),
    )
    .await?;
    namespace.wait_ready(HTTP, "web").await?;
    let name = format!("http-{}-web", namespace.name());
    let blue = namespace.wait_ready(ARTIFACT, &name).await?;

    // The body is another one, and the server says that it is the same.
    liar.has(archive("green")?, true);
    look(&namespace, "web", "1").await?;
    let same = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    assert_eq!(same.metadata.resource_version, blue.metadata.resource_version);
    let force = json!({"metadata": {"annotations": {
        "reconcile.fluxcd.io/requestedAt": "2", "reconcile.fluxcd.io/forceAt": "2",
    }}});
    namespace.patch(HTTP, "web", force).await?;
    let another = |object: &DynamicObject| revision(object) != revision(&blue);
    let green = namespace.wait(ARTIFACT, &name, "is another", another).await?;

    // It sends the body although it is the same: nothing is written.
    liar.has(archive("green")?, false);
    look(&namespace, "web", "3").await?;
    let same = namespace.wait_ready(ARTIFACT, &name).await?;
    assert_eq!(same.data["spec"], green.data["spec"]);
    // It sends another under the same name: the body counts.
    liar.has(archive("blue")?, false);
    look(&namespace, "web", "4").await?;
    let back = |object: &DynamicObject| revision(object) == revision(&blue);
    namespace.wait(ARTIFACT, &name, "is what it was", back).await?;
    Ok(())
}

#[tokio::test]
async fn an_owner_that_is_replaced_and_a_second_replica_change_nothing_for_consumers() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("http").await?;
    let mut producer = producer(testbed, &namespace, "twins")?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(archive("blue")?))])?;
    let spec = json!({"url": server.url("blue"), "interval": "1h"});
    source(&namespace, "twins", "web", spec.clone()).await?;
    namespace.wait_ready(HTTP, "web").await?;
    let name = format!("http-{}-web", namespace.name());
    let before = namespace.wait_ready(ARTIFACT, &name).await?;

    // Another object of the same name, at once: its Artifact is its own, and the same content.
    namespace.delete(HTTP, "web").await?;
    source(&namespace, "twins", "web", spec).await?;
    let http = namespace.wait_ready(HTTP, "web").await?;
    let is_owned = |object: &DynamicObject| {
        let mut owners = object.metadata.owner_references.iter().flatten();
        owners.any(|owner| Some(&owner.uid) == http.metadata.uid.as_ref())
    };
    let after = namespace
        .wait(ARTIFACT, &name, "belongs to the new one", is_owned)
        .await?;
    assert_eq!(after.data["spec"]["revision"], before.data["spec"]["revision"]);
    let url = after.data["spec"]["url"].as_str().unwrap_or_default().to_owned();
    eventually("the file to be served", async || Ok(get(&url).await.ok())).await?;

    // A second process on the same volume waits for it, and serves nothing meanwhile.
    let address = format!("127.0.0.1:{}", free_port()?);
    let second = producer.another(&address)?;
    let path = url.split_once(&producer.address).map_or("", |(_, path)| path);
    let elsewhere = format!("http://{address}{path}");
    let answered = eventually("the second process to answer", async || {
        Ok(get(&elsewhere)
            .await
            .err()
            .map(|error| error.to_string())
            .filter(|error| error.contains(" 503 ")))
    });
    answered.await?;
    let now = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    assert_eq!(now.data["spec"], after.data["spec"]);
    // It takes over when the first one is gone: the URL has another host, and the content is the same without a download.
    let requests = server.requests("blue");
    producer.kill()?;
    let moved = |object: &DynamicObject| object.data["spec"]["url"] == elsewhere;
    let moved = namespace
        .wait(ARTIFACT, &name, "is served by the second process", moved)
        .await?;
    assert_eq!(moved.data["spec"]["digest"], after.data["spec"]["digest"]);
    get(&elsewhere).await?;
    assert_eq!(server.requests("blue"), requests);
    drop(second);
    Ok(())
}
