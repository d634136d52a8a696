//! Transformations that are edited, suspended, out of time, or made of what is in other namespaces.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, HTTP, Namespace, TRANSFORMATION, Testbed, condition, is_ready,
};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::config_map;
use crate::producing::{Producing, get, input, labelled};

fn start(testbed: &Testbed, name: &str) -> Result<Producing> {
    let selector = format!("--transform-label-selector=test={name}");
    let process = format!("xf-{name}");
    Producing::start(
        testbed,
        &process,
        &process,
        &["--controllers=transform", &selector],
    )
}

/// Two folders with a file each.
fn server() -> Result<ArtifactServer> {
    let archive = |colour: &str| {
        let (a, b) = (config_map("a", colour), config_map("b", colour));
        Archive::of(&[("a/a.yaml", &a), ("b/b.yaml", &b)]).pack()
    };
    ArtifactServer::start([
        ("blue", Answer::Bytes(archive("blue")?)),
        ("green", Answer::Bytes(archive("green")?)),
    ])
}

fn inputs() -> Value {
    json!([{"name": "in", "sourceRef": {"kind": "Artifact", "name": "fleet"}}])
}

fn output(folder: &str) -> Value {
    let from = format!("@in/{folder}/");
    json!({"name": folder, "copy": [{"from": from, "to": "@artifact/"}]})
}

/// Whether an Artifact is what a reference to its transformation means.
fn is_first(artifact: &DynamicObject) -> bool {
    let mut owners = artifact.owner_references().iter();
    owners.any(|owner| owner.controller == Some(true))
}

/// Takes the owner out of an Artifact.
async fn orphan(namespace: &Namespace, name: &str) -> Result<()> {
    let patch = json!({"metadata": {"ownerReferences": null}});
    namespace.patch(ARTIFACT, name, patch).await.map(|_| ())
}

async fn request(namespace: &Namespace, token: &str) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    namespace.patch(TRANSFORMATION, "fleet", patch).await.map(|_| ())
}

#[tokio::test]
async fn an_edit_reaches_the_artifacts_and_there_is_one_first() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("edited").await?;
    let _controller = start(testbed, "edited")?;
    let server = server()?;
    input(&namespace, &server, "fleet", "blue").await?;
    let mut a = output("a");
    a["labels"] = json!({"team": "web", "tier": "one"});
    let spec = json!({
        "inputs": inputs(), "outputs": [a, output("b")],
        "commonMetadata": {"annotations": {"note": "x"}},
    });
    labelled(&namespace, TRANSFORMATION, "edited", "fleet", spec).await?;
    namespace.wait_ready(TRANSFORMATION, "fleet").await?;
    let (a, b) = (
        namespace.wait_ready(ARTIFACT, "a").await?,
        namespace.wait_ready(ARTIFACT, "b").await?,
    );
    assert!(is_first(&a) && !is_first(&b));
    assert_eq!(a.labels().get("tier").map(String::as_str), Some("one"));
    assert_eq!(b.annotations().get("note").map(String::as_str), Some("x"));

    // Labels and annotations that are not wanted any more go, and nothing else changes.
    let mut without = output("a");
    without["labels"] = json!({"team": "web"});
    let spec = json!({"spec": {"outputs": [without, output("b")], "commonMetadata": null}});
    namespace.patch(TRANSFORMATION, "fleet", spec).await?;
    let taken = |object: &DynamicObject| !object.labels().contains_key("tier");
    let a_now = namespace.wait(ARTIFACT, "a", "has lost the label", taken).await?;
    assert_eq!(a_now.labels().get("team").map(String::as_str), Some("web"));
    let taken = |object: &DynamicObject| !object.annotations().contains_key("note");
    let b_now = namespace
        .wait(ARTIFACT, "b", "has lost the annotation", taken)
        .await?;
    for (before, after) in [(&a, &a_now), (&b, &b_now)] {
        assert_eq!(before.data["spec"], after.data["spec"]);
        assert_eq!(before.metadata.uid, after.metadata.uid);
    }

    // The other one comes first: the one that was steps down before.
    let spec = json!({"spec": {"outputs": [output("b"), output("a")]}});
    namespace.patch(TRANSFORMATION, "fleet", spec).await?;
    let b_now = namespace.wait(ARTIFACT, "b", "is the first", is_first).await?;
    let a_now = namespace.get(ARTIFACT, "a").await?.context("the Artifact")?;
    assert!(!is_first(&a_now), "there are two");
    for (before, after) in [(&a, &a_now), (&b, &b_now)] {
        assert_eq!(before.data["spec"], after.data["spec"]);
        assert_eq!(before.metadata.uid, after.metadata.uid);
    }

    // Somebody takes their owner out: they have it again, and are what they were.
    for (name, before) in [("a", &a_now), ("b", &b_now)] {
        orphan(&namespace, name).await?;
        let owned = |object: &DynamicObject| object.owner_references() == before.owner_references();
        let mended = namespace.wait(ARTIFACT, name, "has its owner", owned).await?;
        assert_eq!(before.data["spec"], mended.data["spec"]);
        assert_eq!(before.metadata.uid, mended.metadata.uid);
    }
    Ok(())
}

#[tokio::test]
async fn a_suspended_one_keeps_what_it_offers_and_makes_nothing() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("resting").await?;
    let mut controller = start(testbed, "resting")?;
    let server = server()?;
    input(&namespace, &server, "fleet", "blue").await?;
    let mut a = output("a");
    a["labels"] = json!({"team": "web"});
    let spec = json!({"inputs": inputs(), "outputs": [a]});
    labelled(&namespace, TRANSFORMATION, "resting", "fleet", spec).await?;
    let ready = namespace.wait_ready(TRANSFORMATION, "fleet").await?;
    let before = namespace.wait_ready(ARTIFACT, "a").await?;
    let url = before.data["spec"]["url"].as_str().unwrap_or_default();
    let served = get(url).await?;
    namespace
        .patch(TRANSFORMATION, "fleet", json!({"spec": {"suspend": true}}))
        .await?;
    input(&namespace, &server, "fleet", "green").await?;

    // After a restart it is served as before, and what others do to its Artifact is put right.
    controller = controller.restart(testbed)?;
    let again = e2e::testbed::eventually("the file to be served again", async || Ok(get(url).await.ok()));
    assert_eq!(again.await?, served);
    let forged = json!({"spec": {"url": "http://127.0.0.1:1/evil", "revision": "evil"}});
    namespace.patch(ARTIFACT, "a", forged).await?;
    let is_right = |object: &DynamicObject| {
        let fields = ["url", "revision", "digest", "size"];
        fields
            .iter()
            .all(|field| object.data["spec"][field] == before.data["spec"][field])
    };
    namespace.wait(ARTIFACT, "a", "is put right", is_right).await?;
    orphan(&namespace, "a").await?;
    namespace.wait(ARTIFACT, "a", "is the first", is_first).await?;
    namespace.delete(ARTIFACT, "a").await?;
    let is_back = |object: &DynamicObject| object.metadata.uid != before.metadata.uid && is_right(object);
    let back = namespace.wait(ARTIFACT, "a", "is back", is_back).await?;
    assert_eq!(back.labels().get("team").map(String::as_str), Some("web"));
    assert!(is_first(&back));
    let resting = namespace.get(TRANSFORMATION, "fleet").await?.context("it")?;
    assert_eq!(resting.data["status"]["outputs"], ready.data["status"]["outputs"]);

    // What is lost is not made anew, and the Artifact says why.
    let volume = controller.volume.clone();
    drop(controller);
    std::fs::remove_dir_all(&volume)?;
    let _controller = start(testbed, "resting")?;
    let message = namespace.wait_failed(ARTIFACT, "a", "Rebuilding").await?;
    assert!(message.contains("suspended: resume it"), "{message}");
    let lost = namespace.get(ARTIFACT, "a").await?.context("the Artifact")?;
    assert_eq!(lost.data["spec"]["digest"], before.data["spec"]["digest"]);
    namespace
        .patch(TRANSFORMATION, "fleet", json!({"spec": {"suspend": false}}))
        .await?;
    let is_new = |object: &DynamicObject| object.data["spec"]["digest"] != before.data["spec"]["digest"];
    let made = namespace
        .wait(ARTIFACT, "a", "is made of the new commit", is_new)
        .await?;
    namespace.wait_ready(ARTIFACT, "a").await?;
    get(made.data["spec"]["url"].as_str().unwrap_or_default()).await?;
    Ok(())
}

#[tokio::test]
async fn what_was_made_in_time_stays_and_the_next_run_goes_on() -> Result<()> {
    const OUTPUTS: usize = 24;
    const OBJECTS: usize = 150;
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("slow").await?;
    let _controller = start(testbed, "slow")?;
    let manifests = (0..OBJECTS).map(|number| config_map(&format!("c{number}"), "blue"));
    let manifests: Vec<_> = manifests.map(|text| text.trim().to_owned()).collect();
    let archive = Archive::of(&[("all.yaml", &manifests.join("\n---\n"))]).pack()?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(archive))])?;
    input(&namespace, &server, "fleet", "blue").await?;
    let outputs = |round: usize| -> Value {
        let one = |number: usize| {
            json!({
                "name": format!("out-{number}"), "copy": [{"from": "@in/all.yaml", "to": "@artifact/"}],
                "steps": [{"kustomize": {"path": ".", "namePrefix": format!("r{round}-{number}-")}}],
            })
        };
        (0..OUTPUTS).map(one).collect()
    };
    let begun = Instant::now();
    let spec = json!({"inputs": inputs(), "outputs": outputs(0)});
    labelled(&namespace, TRANSFORMATION, "slow", "fleet", spec).await?;
    namespace.wait_ready(TRANSFORMATION, "fleet").await?;
    let mut all = begun.elapsed();
    // On a machine that was busy then and is not now, what takes a quarter of that may be all of it.
    for round in 1..8 {
        let limit = (all / 4).max(Duration::from_millis(20));
        let spec = json!({"timeout": format!("{}ms", limit.as_millis()), "outputs": outputs(round)});
        let edited = namespace
            .patch(TRANSFORMATION, "fleet", json!({"spec": spec}))
            .await?;
        let generation = edited.metadata.generation;
        let is_over = |object: &DynamicObject| {
            let ready = condition(object, "Ready");
            let seen = ready.and_then(|ready| ready["observedGeneration"].as_i64());
            seen == generation && ready.is_some_and(|ready| ready["status"] != "Unknown")
        };
        let first = namespace
            .wait(TRANSFORMATION, "fleet", "was run", is_over)
            .await?;
        let ready = condition(&first, "Ready").context("a condition")?;
        if ready["status"] == "True" {
            all = limit;
            continue;
        }
        assert_eq!(ready["reason"], "Timeout", "{ready}");
        let listed = first.data["status"]["outputs"].as_array().map(Vec::len);
        assert_eq!(listed, Some(OUTPUTS), "what was there before is forgotten");
        // All of it takes longer than a run may, so that it can only end if each goes on where the last one stopped.
        namespace.wait_ready(TRANSFORMATION, "fleet").await?;
        let last = namespace
            .wait_ready(ARTIFACT, &format!("out-{}", OUTPUTS - 1))
            .await?;
        ensure!(last.data["spec"]["url"].is_string());
        return Ok(());
    }
    Err(anyhow::anyhow!("no run took longer than its timeout"))
}

#[tokio::test]
async fn a_source_of_another_namespace_says_who_may_read_it() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("reader").await?;
    let other = testbed.namespace("owner").await?;
    let _controller = start(testbed, "consent")?;
    let server = server()?;
    // A source of another group, whose Artifacts nobody but the test makes.
    labelled(
        &other,
        HTTP,
        "nobody",
        "fleet",
        json!({"url": server.url("blue")}),
    )
    .await?;
    let offer = async |content: &str| {
        let source = other.get(HTTP, "fleet").await?.context("the source")?;
        let owner = json!({
            "apiVersion": HTTP.api_version, "kind": HTTP.kind, "name": "fleet", "uid": source.metadata.uid,
            "controller": true,
        });
        let artifact = json!({
            "apiVersion": ARTIFACT.api_version, "kind": ARTIFACT.kind,
            "metadata": {"name": "fleet-artifact", "ownerReferences": [owner]},
            "spec": {
                "url": server.url(content), "revision": content, "digest": server.digest(content),
                "lastUpdateTime": "2026-01-01T00:00:00Z",
            },
        });
        other.apply(&artifact.to_string()).await
    };
    let allow = async |list: Option<&str>| {
        let patch = json!({"metadata": {"annotations": {"openfluxcd.ocm.software/allow-from": list}}});
        other.patch(HTTP, "fleet", patch).await
    };
    offer("blue").await?;
    allow(Some("somebody, else")).await?;
    let source = json!({
        "apiVersion": HTTP.api_version, "kind": HTTP.kind, "name": "fleet", "namespace": other.name(),
    });
    let spec = json!({
        "interval": "1h", "inputs": [{"name": "in", "sourceRef": source}], "outputs": [output("a")],
    });
    labelled(&namespace, TRANSFORMATION, "consent", "fleet", spec).await?;
    let message = namespace
        .wait_failed(TRANSFORMATION, "fleet", "AccessDenied")
        .await?;
    for part in [
        "cross-namespace references have been blocked",
        "openfluxcd.ocm.software/allow-from",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(namespace.get(ARTIFACT, "a").await?.is_none());
    // One that is not there is refused in the same words.
    let missing = json!({"kind": "GitRepository", "name": "none", "namespace": other.name()});
    let spec = json!({"inputs": [{"name": "in", "sourceRef": missing}], "outputs": [output("b")]});
    labelled(&namespace, TRANSFORMATION, "consent", "missing", spec).await?;
    let message = namespace
        .wait_failed(TRANSFORMATION, "missing", "AccessDenied")
        .await?;
    assert!(
        message.contains("cross-namespace references have been blocked"),
        "{message}"
    );

    allow(Some(&format!("somebody, {}", namespace.name()))).await?;
    request(&namespace, "allowed").await?;
    namespace.wait_ready(TRANSFORMATION, "fleet").await?;
    let made = namespace.wait_ready(ARTIFACT, "a").await?;
    // Its changes are heard of from there, as those of one of the same namespace.
    offer("green").await?;
    let is_green = |object: &DynamicObject| {
        object.data["spec"]["digest"] != made.data["spec"]["digest"] && is_ready(object)
    };
    let green = namespace.wait(ARTIFACT, "a", "is green", is_green).await?;

    // Whoever takes it back keeps the next commits, and not those that were published.
    allow(None).await?;
    offer("blue").await?;
    namespace
        .wait_failed(TRANSFORMATION, "fleet", "AccessDenied")
        .await?;
    let kept = namespace.get(ARTIFACT, "a").await?.context("the Artifact")?;
    assert_eq!(kept.data["spec"], green.data["spec"]);
    Ok(())
}
