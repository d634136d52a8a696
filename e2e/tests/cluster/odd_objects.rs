//! Objects without the shape of their kind, and kinds that come late: nothing else suffers, and nothing is lost.

use anyhow::{Context as _, Result};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, BUCKET, EXTERNAL_ARTIFACT, GIT_REPOSITORY, HELM_CHART,
    HELM_REPOSITORY, KUSTOMIZATION, Kind, Namespace, OCI_REPOSITORY, Options, Testbed, eventually,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation, JSONSchemaProps,
};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::json;

use crate::app::{App, config_map};
use crate::artifacts::{consume, offer, refused};
use crate::sources::{Adapters, mirror, mirrored};

/// The kinds that are watched, each with a field of `spec` that is no number.
const KINDS: [(Kind, &str); 8] = [
    (GIT_REPOSITORY, "url"),
    (OCI_REPOSITORY, "url"),
    (BUCKET, "bucketName"),
    (HELM_REPOSITORY, "url"),
    (HELM_CHART, "chart"),
    (EXTERNAL_ARTIFACT, "sourceRef"),
    (KUSTOMIZATION, "path"),
    (ARTIFACT, "url"),
];

fn definition(kind: Kind) -> String {
    let group = kind.api_version.split('/').next().unwrap_or_default();
    format!("{}.{group}", kind.plural)
}

fn definitions(client: &kube::Client) -> Api<CustomResourceDefinition> {
    Api::all(client.clone())
}

/// Deletes the definition of a kind and waits until it is gone; gives it as it can be installed again.
pub(crate) async fn remove_definition(namespace: &Namespace, kind: Kind) -> Result<CustomResourceDefinition> {
    let (crds, name) = (definitions(namespace.client()), definition(kind));
    let mut removed = crds.get(&name).await?;
    crds.delete(&name, &DeleteParams::default()).await?;
    eventually("the definition to go", async || {
        Ok(crds.get_opt(&name).await?.is_none().then_some(()))
    })
    .await?;
    removed.metadata = ObjectMeta {
        name: Some(name),
        ..Default::default()
    };
    removed.status = None;
    Ok(removed)
}

pub(crate) async fn install_definition(namespace: &Namespace, crd: &CustomResourceDefinition) -> Result<()> {
    let crds = definitions(namespace.client());
    crds.create(&PostParams::default(), crd).await?;
    Ok(())
}

#[tokio::test]
async fn one_odd_object_of_each_kind_stops_no_watch_and_loses_no_artifact() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("odd").await?;
    let anything = CustomResourceValidation {
        open_api_v3_schema: Some(JSONSchemaProps {
            type_: Some("object".to_owned()),
            x_kubernetes_preserve_unknown_fields: Some(true),
            ..Default::default()
        }),
    };
    let crds = definitions(namespace.client());
    for (kind, _) in KINDS {
        let mut crd = crds.get(&definition(kind)).await?;
        for version in &mut crd.spec.versions {
            version.schema = Some(anything.clone());
        }
        crds.replace(&definition(kind), &PostParams::default(), &crd)
            .await?;
    }
    // What a source of today may be tomorrow: read, mirrored, and then of another shape.
    let adapters = Adapters::start(&namespace)?;
    crate::sources::offer(&namespace, "turned", "http://127.0.0.1:1/a", "1").await?;
    let before = mirrored(&namespace, EXTERNAL_ARTIFACT, "turned").await?;
    adapters.stop().await?;
    let odd = json!({"spec": {"sourceRef": 7}});
    namespace.patch(EXTERNAL_ARTIFACT, "turned", odd).await?;
    for (kind, field) in KINDS {
        let odd = json!({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "odd",
            "labels": {"sharding.fluxcd.io/key": "openflux"}}, "spec": {field: 7}});
        // The schema takes a moment to be in force.
        eventually("the odd object", async || {
            Ok(namespace.apply(&odd.to_string()).await.ok())
        })
        .await?;
    }

    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    let _controller = testbed.openflux_controller().await?;
    crate::sources::offer(&namespace, "healthy", "http://127.0.0.1:1/b", "1").await?;
    mirrored(&namespace, EXTERNAL_ARTIFACT, "healthy").await?;
    offer(&namespace, "app", &server, "app").await?;
    consume(&namespace, "app", "app", json!({})).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let name = mirror(&namespace, EXTERNAL_ARTIFACT, "turned");
    let kept = namespace
        .get(ARTIFACT, &name)
        .await?
        .context("the Artifact is kept")?;
    assert_eq!(kept.metadata.uid, before.metadata.uid);
    assert_eq!(kept.data["spec"], before.data["spec"]);
    Ok(())
}

#[tokio::test]
async fn a_controller_that_starts_before_its_definitions_finds_what_comes_later() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("late").await?;
    let artifacts = remove_definition(&namespace, ARTIFACT).await?;
    let flags = ["--controllers=kustomize", "--requeue-dependency=1h"];
    let _controller = testbed.start_openflux("openflux-controller", &flags)?;
    consume(&namespace, "app", "app", json!({"retryInterval": "1h"})).await?;
    refused(&namespace, "app", "Artifacts cannot be read").await?;

    install_definition(&namespace, &artifacts).await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    // Most likely it is there before the kind is watched again.
    eventually("the new kind", async || {
        Ok(offer(&namespace, "app", &server, "app").await.ok())
    })
    .await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

/// A definition of the kind Gadget.
fn gadgets(plural: &str) -> CustomResourceDefinition {
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
        {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.odd.openflux.test")},
        "spec": {"group": "odd.openflux.test", "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": plural}, "versions": [version]},
    });
    serde_json::from_value(definition).unwrap_or_default()
}

#[tokio::test]
async fn a_kind_that_comes_back_at_another_address_is_found_there() -> Result<()> {
    const GADGET: Kind = Kind {
        api_version: "odd.openflux.test/v1",
        kind: "Gadget",
        plural: "gadgets",
    };
    let moved = Kind {
        plural: "gizmos",
        ..GADGET
    };
    let gadget = "{apiVersion: odd.openflux.test/v1, kind: Gadget, metadata: {name: g}, spec: {size: 1}}";
    let app = App::start("moved", &[("deploy/gadget.yaml", gadget)]).await?;
    let crds = definitions(app.client());
    crds.create(&PostParams::default(), &gadgets("gadgets")).await?;
    app.deploy_ready("app", json!({})).await?;
    remove_definition(&app, GADGET).await?;
    crds.create(&PostParams::default(), &gadgets("gizmos")).await?;
    app.reconcile("app").await?;
    app.wait(moved, "g", "is back", |_| true).await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}
