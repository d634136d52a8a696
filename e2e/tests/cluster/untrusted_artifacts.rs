//! Bad input: what an Artifact's URL answers is not trusted, and a bad one harms nobody else.

use anyhow::Result;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use e2e::testbed::{HttpServer, KUSTOMIZATION, Namespace, Testbed};

use crate::app::{self, Owner};

/// An Artifact at `url` that claims to have `digest`, and a Kustomization that deploys it.
async fn deploy(namespace: &Namespace, name: &str, url: &str, digest: &str) -> Result<()> {
    namespace
        .apply(&format!(
            "
apiVersion: openfluxcd.ocm.software/v1alpha1
kind: Artifact
metadata: {{name: {name}}}
spec: {{url: '{url}', revision: 'main@sha1:0', digest: '{digest}', lastUpdateTime: '2026-01-01T00:00:00Z'}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, labels: {{sharding.fluxcd.io/key: openflux}}}}
spec:
  interval: 1h
  prune: true
  sourceRef: {{apiVersion: openfluxcd.ocm.software/v1alpha1, kind: ExternalArtifact, name: {name}}}
"
        ))
        .await
}

const SOME_DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[tokio::test]
async fn bad_answers_fail_with_a_message_and_harm_nobody() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("untrusted").await?;
    testbed.openflux_controller().await?;
    let html = || async { ([(header::CONTENT_TYPE, "text/html")], "<html>sign in</html>") };
    let server = HttpServer::start(
        Router::new()
            .route("/html", get(html))
            .route("/forbidden", get(|| async { StatusCode::FORBIDDEN }))
            .route(
                "/redirect",
                get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data") }),
            ),
    )?;
    for (name, url) in [
        ("html", server.url("/html")),
        ("forbidden", server.url("/forbidden")),
        ("redirect", server.url("/redirect")),
        ("metadata", "http://169.254.169.254/latest/meta-data".to_owned()),
        ("file", "file:///etc/passwd".to_owned()),
    ] {
        // A URL that the Artifact's own schema refuses cannot even be written.
        if let Err(error) = deploy(&namespace, name, &url, SOME_DIGEST).await {
            assert!(error.to_string().contains("url"), "{name}: {error:#}");
            continue;
        }
        let message = namespace
            .wait_failed(KUSTOMIZATION, name, "ArtifactFailed")
            .await?;
        assert!(message.len() < 1000 && !message.is_empty(), "{name}: {message}");
    }

    let repo = app::repository(testbed, &namespace).await?;
    app::deploy(&namespace, &repo, Owner::Ours).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}
