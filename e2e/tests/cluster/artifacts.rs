//! Artifacts written by hand, as any producer may write them, and Kustomizations of them.

use anyhow::Result;
use e2e::testbed::{Answer, Archive, ArtifactServer, KUSTOMIZATION, Namespace, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{self, Owner};

/// Writes an Artifact that points to what the server has under a name, with its digest.
pub(crate) async fn offer(
    namespace: &Namespace,
    artifact: &str,
    server: &ArtifactServer,
    name: &str,
) -> Result<()> {
    offer_url(namespace, artifact, &server.url(name), &server.digest(name)).await
}

/// Writes the Artifact `app` that points to these files, which are served as long as the server is kept.
pub(crate) async fn deliver(namespace: &Namespace, files: &[(&str, &str)]) -> Result<ArtifactServer> {
    let server = ArtifactServer::start([("app", Answer::Bytes(Archive::of(files).pack()?))])?;
    offer(namespace, "app", &server, "app").await?;
    Ok(server)
}

/// Writes an Artifact.
pub(crate) async fn offer_url(namespace: &Namespace, artifact: &str, url: &str, digest: &str) -> Result<()> {
    let object = json!({
        "apiVersion": "openfluxcd.ocm.software/v1alpha1", "kind": "Artifact", "metadata": {"name": artifact},
        "spec": {
            "url": url, "digest": digest, "revision": format!("main@{digest}"),
            "lastUpdateTime": "2026-01-01T00:00:00Z",
        },
    });
    namespace.apply(&object.to_string()).await
}

/// Applies a Kustomization of ours that deploys an Artifact.
pub(crate) async fn consume(namespace: &Namespace, name: &str, artifact: &str, spec: Value) -> Result<()> {
    consume_as(Owner::Ours, namespace, name, artifact, spec).await
}

/// Applies a Kustomization that deploys an Artifact.
pub(crate) async fn consume_as(
    owner: Owner,
    namespace: &Namespace,
    name: &str,
    artifact: &str,
    spec: Value,
) -> Result<()> {
    let source = json!({"sourceRef": {
        "apiVersion": "openfluxcd.ocm.software/v1alpha1", "kind": "ExternalArtifact", "name": artifact,
    }});
    app::deploy(namespace, owner, name, &[source, spec]).await
}

/// Waits until the artifact is refused with this text; gives the whole message.
pub(crate) async fn refused(namespace: &Namespace, name: &str, text: &str) -> Result<String> {
    let message = |object: &DynamicObject| {
        let ready = condition(object, "Ready").filter(|ready| ready["reason"] == "ArtifactFailed");
        Some(ready?["message"].as_str()?.to_owned())
    };
    let says = |object: &DynamicObject| message(object).is_some_and(|message| message.contains(text));
    let object = namespace
        .wait(KUSTOMIZATION, name, &format!("is refused with {text:?}"), says)
        .await?;
    Ok(message(&object).unwrap_or_default())
}
