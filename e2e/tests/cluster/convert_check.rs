//! `openflux convert artifactgenerator --check`: what comes out beside what source-watcher offers.

use std::process::Output;

use anyhow::{Context as _, Result};
use e2e::testbed::{Answer, Archive, ArtifactServer, EXTERNAL_ARTIFACT, Namespace, Testbed, program};
use serde_json::json;

/// An ExternalArtifact as source-watcher writes it.
async fn offer(namespace: &Namespace, server: &ArtifactServer, name: &str, content: &str) -> Result<()> {
    let object = json!({
        "apiVersion": EXTERNAL_ARTIFACT.api_version, "kind": EXTERNAL_ARTIFACT.kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "source-watcher"}},
        "spec": {"sourceRef": {
            "apiVersion": "source.extensions.fluxcd.io/v1beta1", "kind": "ArtifactGenerator", "name": "split",
        }},
    });
    namespace.apply(&object.to_string()).await?;
    let artifact = json!({
        "url": server.url(content), "path": content, "digest": server.digest(content), "size": 1,
        "revision": format!("latest@{}", server.digest(content)), "lastUpdateTime": "2026-01-01T00:00:00Z",
    });
    let status = json!({"status": {"artifact": artifact}});
    namespace.patch_status(EXTERNAL_ARTIFACT, name, status).await?;
    Ok(())
}

async fn check(testbed: &Testbed, namespace: &Namespace, file: &std::path::Path) -> Result<Output> {
    let output = tokio::process::Command::new(program("openflux")?)
        .args([
            "convert",
            "artifactgenerator",
            "--check",
            "--artifact-hosts=127.0.0.1",
        ])
        .arg(format!("--namespace={}", namespace.name()))
        .arg("--file")
        .arg(file)
        .env("KUBECONFIG", testbed.kubeconfig())
        .output();
    output.await.context("running openflux")
}

#[tokio::test]
async fn what_is_converted_is_compared_with_what_is_there() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("convert").await?;
    let pack = |files: &[(&str, &str)]| Archive::of(files).pack().map(Answer::Bytes);
    let server = ArtifactServer::start([
        (
            "repo",
            pack(&[
                ("a/x.yaml", "x: 1\n"),
                ("a/logo.png", "p"),
                ("b/y.yaml", "y: 1\n"),
            ])?,
        ),
        ("a", pack(&[("a/x.yaml", "x: 1\n")])?),
        ("b", pack(&[("b/y.yaml", "y: 2\n"), ("b/z.yaml", "z: 1\n")])?),
        ("b-right", pack(&[("b/y.yaml", "y: 1\n")])?),
    ])?;
    offer(&namespace, &server, "repo", "repo").await?;
    offer(&namespace, &server, "app-a", "a").await?;
    offer(&namespace, &server, "app-b", "b").await?;
    let copy = |from: &str| json!([{"from": from, "to": "@artifact/"}]);
    let generator = json!({
        "apiVersion": "source.extensions.fluxcd.io/v1beta1", "kind": "ArtifactGenerator",
        "metadata": {"name": "split"},
        "spec": {
            "sources": [{"alias": "repo", "kind": "ExternalArtifact", "name": "repo"}],
            "artifacts": [
                {"name": "app-a", "copy": copy("@repo/a/")},
                {"name": "app-b", "copy": copy("@repo/b/")},
            ],
        },
    });
    let file = testbed.dir().join("generator.json");
    std::fs::write(&file, generator.to_string())?;
    let output = check(testbed, &namespace, &file).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "app-a: the same 1 files\napp-b: 2 files differ\n  ~ b/y.yaml\n  - b/z.yaml\n";
    assert_eq!(
        (text.as_str(), output.status.code()),
        (expected, Some(1)),
        "{errors}"
    );

    offer(&namespace, &server, "app-b", "b-right").await?;
    let output = check(testbed, &namespace, &file).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "app-a: the same 1 files\napp-b: the same 1 files\n";
    assert_eq!((text.as_str(), output.status.code()), (expected, Some(0)));
    Ok(())
}
