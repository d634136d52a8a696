//! Bad input: neither what an Artifact says nor what its URL answers is trusted, and a bad one harms nobody else.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::{Answer, Archive, ArtifactServer, EVENT, KUSTOMIZATION, Testbed, condition, eventually};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::config_map;
use crate::artifacts::{consume, offer, offer_url, refused};

/// What is served, and what the condition says about it.
fn answers() -> Result<Vec<(&'static str, Answer, &'static str)>> {
    let good = Archive::of(&[("a.yaml", &config_map("a", "blue"))]);
    let hostile = |path: &str| Ok::<_, anyhow::Error>(Answer::Bytes(good.clone().file(path, b"x").pack()?));
    let hard = good
        .clone()
        .link("b.yaml", tar::EntryType::Link, "/etc/passwd")
        .pack()?;
    // Three hundred megabytes of zeros in a few.
    let bomb = Archive::default().file("bomb.yaml", &vec![0; 300 << 20]).pack()?;
    let mut cut = good.clone().pack()?;
    cut.truncate(cut.len() / 2);
    Ok(vec![
        (
            "bomb",
            Answer::Bytes(bomb),
            "unpacks to more than 268435456 bytes, raise --artifact-max-unpacked-bytes",
        ),
        (
            "traversal",
            hostile("../../etc/cron.d/x")?,
            "entry \"../../etc/cron.d/x\"",
        ),
        ("absolute", hostile("/etc/cron.d/x")?, "entry \"/etc/cron.d/x\""),
        (
            "hardlink",
            Answer::Bytes(hard),
            "entry \"b.yaml\" is neither a regular file nor a directory",
        ),
        ("cut", Answer::Bytes(cut), "not a valid tar.gz archive"),
        ("html", Answer::Html, "does not have digest sha256:"),
        (
            "endless",
            Answer::Endless,
            "larger than 134217728 bytes, raise --artifact-max-bytes",
        ),
        ("forbidden", Answer::Status(403), "answered 403"),
        ("missing", Answer::Status(404), "artifact not found"),
        (
            "redirect",
            Answer::Redirect("http://169.254.169.254/latest/meta-data".to_owned()),
            "answered with a redirect, which is not followed",
        ),
    ])
}

#[tokio::test]
async fn bad_answers_are_named_and_harm_nobody() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("untrusted").await?;
    testbed.openflux_controller().await?;
    let expected = answers()?;
    let healthy = Archive::of(&[("a.yaml", &config_map("healthy", "blue"))]).pack()?;
    let truncated = Answer::Truncated(Archive::of(&[("a.yaml", &config_map("truncated", "blue"))]).pack()?);
    let served = expected.iter().map(|(name, answer, _)| (*name, answer.clone()));
    let others = [("healthy", Answer::Bytes(healthy)), ("truncated", truncated)];
    let server = ArtifactServer::start(served.chain(others))?;

    for (name, ..) in &expected {
        offer(&namespace, name, &server, name).await?;
        consume(&namespace, name, name, json!({"retryInterval": "1h"})).await?;
    }
    // A connection that breaks is tried again for a while.
    offer(&namespace, "truncated", &server, "truncated").await?;
    consume(&namespace, "truncated", "truncated", json!({})).await?;

    let start = Instant::now();
    offer(&namespace, "healthy", &server, "healthy").await?;
    consume(&namespace, "healthy", "healthy", json!({})).await?;
    namespace.wait_ready(KUSTOMIZATION, "healthy").await?;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());

    for (name, _, text) in &expected {
        let message = refused(&namespace, name, text).await?;
        assert!(message.len() < 1000, "{name}: {message}");
    }
    let retrying = |object: &DynamicObject| {
        let says = |kind: &str, text: &str| {
            let message = condition(object, kind).map(|condition| condition["message"].to_string());
            message.is_some_and(|message| message.contains(text))
        };
        says("Reconciling", "retrying: failed to download artifact from")
            && says("Ready", "Retrying: failed to download artifact from")
    };
    namespace
        .wait(KUSTOMIZATION, "truncated", "says that it retries", retrying)
        .await?;
    Ok(())
}

#[tokio::test]
async fn hostile_artifacts_are_not_fetched() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("hostile").await?;
    testbed.openflux_controller().await?;
    let archive = Archive::of(&[("a.yaml", &config_map("hostile", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    let digest = server.digest("app");
    // That somebody may have the content does not mean that others get it by its digest.
    offer(&namespace, "known", &server, "app").await?;
    consume(&namespace, "known", "known", json!({})).await?;
    namespace.wait_ready(KUSTOMIZATION, "known").await?;
    let not_allowed = "is not on the allow-list; add it with --artifact-hosts";
    for (name, url, text) in [
        (
            "metadata",
            "http://169.254.169.254/latest/meta-data".to_owned(),
            not_allowed,
        ),
        ("number", "http://2852039166/".to_owned(), not_allowed),
        (
            "elsewhere",
            "http://artifacts.example.org/app.tar.gz".to_owned(),
            not_allowed,
        ),
        (
            "loopback",
            server.url("app").replace("127.0.0.1", "[::1]"),
            not_allowed,
        ),
        (
            "user",
            server.url("app").replace("//", "//user:secret@"),
            "carries credentials",
        ),
        ("file", "file:///etc/passwd".to_owned(), "url"),
    ] {
        // A URL that the Artifact's own schema refuses cannot even be written.
        if let Err(error) = offer_url(&namespace, name, &url, &digest).await {
            assert!(error.to_string().contains("spec.url"), "{name}: {error:#}");
            continue;
        }
        consume(&namespace, name, name, json!({})).await?;
        let message = refused(&namespace, name, text).await?;
        assert!(!message.contains("secret"), "{name}: {message}");
    }
    assert_eq!(server.requests("app"), 1);

    offer_url(
        &namespace,
        "digest",
        &server.url("app"),
        &format!("sha256:{}", "0".repeat(64)),
    )
    .await?;
    consume(&namespace, "digest", "digest", json!({})).await?;
    refused(&namespace, "digest", "does not have digest sha256:000").await?;
    Ok(())
}

#[tokio::test]
async fn symbolic_links_are_left_out_as_in_stock() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("links").await?;
    testbed.openflux_controller().await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))])
        .link("passwd.yaml", tar::EntryType::Symlink, "/etc/passwd")
        .pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "app").await?;
    consume(&namespace, "app", "app", json!({})).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

#[tokio::test]
async fn a_bomb_is_downloaded_once_however_often_it_is_tried() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("bomb").await?;
    testbed.openflux_controller().await?;
    let bomb = Archive::default().file("bomb.yaml", &vec![0; 300 << 20]).pack()?;
    let other = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("bomb", Answer::Bytes(bomb)), ("other", Answer::Bytes(other))])?;
    offer(&namespace, "app", &server, "bomb").await?;
    consume(&namespace, "app", "app", json!({"retryInterval": "500ms"})).await?;
    refused(&namespace, "app", "unpacks to more than").await?;
    eventually("several attempts", async || {
        let events = namespace.list(EVENT).await?;
        let mut counts = events.iter().filter_map(|event| event.data["count"].as_u64());
        Ok(counts.find(|count| *count >= 4))
    })
    .await?;
    assert_eq!(server.requests("bomb"), 1);

    // Whoever asks for a run wants another look, and what is offered next is another matter.
    let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "again"}}});
    namespace.patch(KUSTOMIZATION, "app", request).await?;
    let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == "again";
    namespace
        .wait(KUSTOMIZATION, "app", "has handled the request", handled)
        .await?;
    assert_eq!(server.requests("bomb"), 2);
    offer(&namespace, "app", &server, "other").await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_for_a_newer_artifact() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("silent").await?;
    testbed.openflux_controller().await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("silent", Answer::Silent), ("good", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "silent").await?;
    consume(&namespace, "app", "app", json!({})).await?;
    eventually("the download to begin", async || {
        Ok((server.requests("silent") > 0).then_some(()))
    })
    .await?;
    let start = Instant::now();
    offer(&namespace, "app", &server, "good").await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    // The download itself is given up after half a minute.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    Ok(())
}
