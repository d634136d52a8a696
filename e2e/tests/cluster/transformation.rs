//! Transformations: what they make is deployed by ours and, over the bridge, by stock; nothing is written for nothing.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, CONFIG_MAP, EXTERNAL_ARTIFACT, KUSTOMIZATION, Namespace,
    Stock, TRANSFORMATION, Testbed, condition, eventually, is_ready,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{self, App, Owner, config_map};
use crate::producer::Producer;

/// The controller of Transformations with a label.
fn controller(testbed: &'static Testbed, namespace: &Namespace, label: &str) -> Result<Producer> {
    let controllers = if label == "both" {
        "transform,bridge"
    } else {
        "transform"
    };
    let selector = format!("--transform-label-selector=test={label}");
    let name = format!("xf-{label}");
    Producer::start(testbed, namespace, &name, controllers, &[selector.as_str()])
}

async fn transformation(namespace: &Namespace, label: &str, name: &str, spec: Value) -> Result<()> {
    let object = json!({
        "apiVersion": TRANSFORMATION.api_version, "kind": TRANSFORMATION.kind,
        "metadata": {"name": name, "labels": {"test": label}}, "spec": spec,
    });
    namespace.apply(&object.to_string()).await
}

/// An Artifact that nobody but the test has made.
async fn input(namespace: &Namespace, server: &ArtifactServer, name: &str, content: &str) -> Result<()> {
    let artifact = json!({
        "apiVersion": ARTIFACT.api_version, "kind": ARTIFACT.kind, "metadata": {"name": name},
        "spec": {
            "url": server.url(content), "revision": format!("{content}@{}", server.digest(content)),
            "digest": server.digest(content), "lastUpdateTime": "2026-01-01T00:00:00Z",
        },
    });
    namespace.apply(&artifact.to_string()).await
}

fn artifact_input(name: &str) -> Value {
    json!({"name": "in", "sourceRef": {"kind": "Artifact", "name": name}})
}

fn generations(artifacts: &[DynamicObject]) -> BTreeMap<String, i64> {
    artifacts
        .iter()
        .filter_map(|artifact| Some((artifact.metadata.name.clone()?, artifact.metadata.generation?)))
        .collect()
}

fn revision(artifact: &DynamicObject) -> &str {
    artifact.data["spec"]["revision"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_repository_is_transformed_for_ours_and_for_stock() -> Result<()> {
    let settings = config_map("settings", "${colour}");
    let files = [
        ("base/settings.yaml", settings.as_str()),
        (
            "overlays/prod/kustomization.yaml",
            "resources: [../../base/settings.yaml]\nnamePrefix: prod-\n",
        ),
        ("values/a.yaml", "a: 1\n"),
        ("values/b.yaml", "b: 2\n"),
        ("README.md", "one"),
    ];
    let app = App::start("transform", &files).await?;
    let testbed = Testbed::shared().await?;
    let controller = controller(testbed, &app, "both")?;
    let _stock = testbed.start_stock(
        Stock::Kustomize,
        &[
            "--feature-gates=ExternalArtifact=true",
            "--watch-label-selector=sharding.fluxcd.io/key=transform",
        ],
    )?;
    let colours = |colour: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"colour": colour},
            "metadata": {"name": "colours", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}},
        })
    };
    app.apply(&colours("blue").to_string()).await?;
    let spec = json!({
        "inputs": [
            {"name": "git", "sourceRef": {"kind": "GitRepository", "name": "app"}},
            {"name": "env", "configMap": {"name": "colours"}},
        ],
        "outputs": [
            {"name": "rendered", "revision": "@git", "origin": "@git", "labels": {"team": "a"},
             "copy": [{"from": "@git/base/", "to": "@artifact/"}, {"from": "@git/overlays/", "to": "@artifact/"}],
             "steps": [{"kustomize": {"path": "overlays/prod"}}, {"substitute": {"varsFrom": ["@env"]}}]},
            {"name": "values",
             "copy": [{"from": "@git/values/", "to": "@artifact/"}],
             "steps": [{"merge": {"files": ["values/a.yaml", "values/b.yaml"], "to": "all.yaml"}}]},
        ],
    });
    transformation(&app, "both", "web", spec).await?;
    let ready = app.wait_ready(TRANSFORMATION, "web").await?;
    let outputs = ready.data["status"]["outputs"].as_array().context("outputs")?;
    assert_eq!(outputs.len(), 2, "{outputs:?}");
    assert!(ready.metadata.finalizers.is_none());
    let rendered = app.wait_ready(ARTIFACT, "rendered").await?;
    assert!(
        revision(&rendered).starts_with("main@sha256:"),
        "{}",
        revision(&rendered)
    );
    let origin = rendered.data["spec"]["metadata"]["org.opencontainers.image.revision"].as_str();
    assert!(
        origin.is_some_and(|origin| origin.starts_with("main@sha1:")),
        "{origin:?}"
    );
    let url = rendered.data["spec"]["url"].as_str().unwrap_or_default();
    let place = format!(
        "http://{}/transformation/{}/rendered/",
        controller.address,
        app.name()
    );
    assert!(url.starts_with(&place), "{url}");

    // Ours names the Artifact, stock the ExternalArtifact of its name.
    let reference = |api_version: Option<&str>| {
        let mut reference = json!({"kind": "ExternalArtifact", "name": "rendered"});
        if let Some(api_version) = api_version {
            reference["apiVersion"] = api_version.into();
        }
        json!({"sourceRef": reference, "path": "./", "targetNamespace": app.name()})
    };
    app::deploy(
        &app,
        Owner::Ours,
        "ours",
        &[reference(Some(ARTIFACT.api_version))],
    )
    .await?;
    let applied = app.wait_ready(KUSTOMIZATION, "ours").await?;
    assert_eq!(applied.data["status"]["lastAppliedRevision"], revision(&rendered));
    let colour = |wanted: &'static str| move |object: &DynamicObject| object.data["data"]["colour"] == wanted;
    app.wait(CONFIG_MAP, "prod-settings", "is blue", colour("blue"))
        .await?;
    app.delete(KUSTOMIZATION, "ours").await?;
    app.wait_gone(KUSTOMIZATION, "ours").await?;
    let external = app.wait_ready(EXTERNAL_ARTIFACT, "rendered").await?;
    assert_eq!(
        external
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get("team"))
            .map(String::as_str),
        Some("a")
    );
    app::deploy(&app, Owner::Shard("transform"), "stock", &[reference(None)]).await?;
    app.wait(CONFIG_MAP, "prod-settings", "is blue", colour("blue"))
        .await?;

    // A commit that changes no file that is used changes nothing.
    let before = app.get(ARTIFACT, "rendered").await?.context("the Artifact")?;
    let commit = app.push(&[("README.md", "two")]).await?;
    let seen = |object: &DynamicObject| {
        let inputs = object.data["status"]["inputs"].as_array();
        let seen = |input: &Value| {
            input["revision"]
                .as_str()
                .is_some_and(|revision| revision.ends_with(&commit))
        };
        inputs.is_some_and(|inputs| inputs.iter().any(seen)) && is_ready(object)
    };
    app.wait(TRANSFORMATION, "web", "has seen the commit", seen)
        .await?;
    let after = app.get(ARTIFACT, "rendered").await?.context("the Artifact")?;
    assert_eq!(before.data["spec"], after.data["spec"]);
    assert_eq!(before.metadata.generation, after.metadata.generation);

    // A ConfigMap that asks to be followed is followed, and changes the output that it is used in alone.
    let values = app.get(ARTIFACT, "values").await?.context("the Artifact")?;
    app.apply(&colours("green").to_string()).await?;
    app.wait(CONFIG_MAP, "prod-settings", "is green", colour("green"))
        .await?;
    let values_now = app.get(ARTIFACT, "values").await?.context("the Artifact")?;
    assert_eq!(values.metadata.generation, values_now.metadata.generation);

    // An output that is not wanted any more goes; one that fails keeps what it offers.
    let spec = json!({"outputs": [
        {"name": "rendered", "copy": [{"from": "@git/gone/", "to": "@artifact/"}]},
    ]});
    let kept = app.get(ARTIFACT, "rendered").await?.context("the Artifact")?;
    app.patch(TRANSFORMATION, "web", json!({"spec": spec})).await?;
    let message = app.wait_failed(TRANSFORMATION, "web", "NothingMatched").await?;
    assert!(message.contains("output rendered, copy 1: from: "), "{message}");
    app.wait_gone(ARTIFACT, "values").await?;
    let stays = app.get(ARTIFACT, "rendered").await?.context("the Artifact")?;
    assert_eq!(kept.data["spec"], stays.data["spec"]);

    app.delete(KUSTOMIZATION, "stock").await?;
    app.wait_gone(KUSTOMIZATION, "stock").await?;
    app.delete(TRANSFORMATION, "web").await?;
    app.wait_gone(ARTIFACT, "rendered").await?;
    app.wait_gone(EXTERNAL_ARTIFACT, "rendered").await?;
    let folder = controller.volume.join("transformation").join(app.name());
    eventually("the files to be removed", async || {
        Ok((!folder.exists()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_repository_is_split_and_one_changed_file_is_one_write() -> Result<()> {
    const APPS: usize = 12;
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("transform").await?;
    let _controller = controller(testbed, &namespace, "split")?;
    let tree = |changed: &str| {
        let files = (0..APPS).map(|number| {
            (
                format!("apps/App{number}/settings.yaml"),
                config_map("settings", "blue"),
            )
        });
        let files = files.chain([("apps/App3/more.yaml".to_owned(), config_map("more", changed))]);
        let archive = files.fold(Archive::default(), |archive, (path, text)| {
            archive.file(&path, text.as_bytes())
        });
        archive.pack()
    };
    let server = ArtifactServer::start([
        ("one", Answer::Bytes(tree("blue")?)),
        ("two", Answer::Bytes(tree("green")?)),
        ("none", Answer::Bytes(Archive::of(&[("README.md", "")]).pack()?)),
    ])?;
    input(&namespace, &server, "fleet", "one").await?;
    let spec = json!({
        "inputs": [artifact_input("fleet")],
        "discover": {"pattern": "@in/apps/{app}"},
        "outputs": [{"name": "{app}", "copy": [{"from": "@in/apps/{app}/", "to": "@artifact/"}]}],
    });
    transformation(&namespace, "split", "fleet", spec).await?;
    namespace.wait_ready(TRANSFORMATION, "fleet").await?;
    let outputs = async || {
        let mut artifacts = namespace.list(ARTIFACT).await?;
        artifacts.retain(|artifact| artifact.metadata.name.as_deref() != Some("fleet"));
        Ok::<_, anyhow::Error>(artifacts)
    };
    let before = outputs().await?;
    assert_eq!(before.len(), APPS);
    let third = before
        .iter()
        .find(|artifact| artifact.metadata.name.as_deref() == Some("app3"));
    let labels = third
        .and_then(|artifact| artifact.metadata.labels.clone())
        .unwrap_or_default();
    assert_eq!(
        labels
            .get("openfluxcd.ocm.software/capture-app")
            .map(String::as_str),
        Some("app3")
    );

    let writes = async || {
        let mut writes = testbed.writes(&namespace).await?;
        writes.retain(|write| {
            write.resource == ARTIFACT.plural
                && write.subresource.is_empty()
                && write.manager == "openflux-transformation"
        });
        Ok::<_, anyhow::Error>(writes.len())
    };
    let written = writes().await?;
    input(&namespace, &server, "fleet", "two").await?;
    let generation = third.and_then(|artifact| artifact.metadata.generation);
    let changed = |object: &DynamicObject| object.metadata.generation != generation;
    namespace.wait(ARTIFACT, "app3", "has changed", changed).await?;
    let seen = |object: &DynamicObject| object.data["status"]["inputs"][0]["digest"] == server.digest("two");
    namespace
        .wait(TRANSFORMATION, "fleet", "has seen it", seen)
        .await?;
    let (old, new) = (generations(&before), generations(&outputs().await?));
    let differs: Vec<_> = new
        .iter()
        .filter(|(name, generation)| old.get(*name) != Some(*generation))
        .collect();
    assert_eq!(differs.len(), 1, "{differs:?}");
    assert_eq!(writes().await?, written + 1);

    // A moved directory takes nothing away.
    input(&namespace, &server, "fleet", "none").await?;
    namespace
        .wait_failed(TRANSFORMATION, "fleet", "NothingMatched")
        .await?;
    assert_eq!(generations(&outputs().await?), new);
    Ok(())
}

#[tokio::test]
async fn what_must_not_be_made_is_refused() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("transform").await?;
    let _controller = controller(testbed, &namespace, "refused")?;
    let of = |reference: Value, name: &str| {
        json!({
            "inputs": [{"name": "in", "sourceRef": reference}],
            "outputs": [{"name": name, "copy": [{"from": "@in/", "to": "@artifact/"}]}],
        })
    };
    let local = |name: &str| json!({"apiVersion": TRANSFORMATION.api_version, "kind": TRANSFORMATION.kind, "name": name});
    // A circle: the newer one gives way.
    transformation(&namespace, "refused", "a", of(local("b"), "out-a")).await?;
    namespace
        .wait_failed(TRANSFORMATION, "a", "InputNotFound")
        .await?;
    transformation(&namespace, "refused", "b", of(local("a"), "out-b")).await?;
    let circle = |object: &DynamicObject| {
        condition(object, "Ready").is_some_and(|ready| ready["reason"] == "CycleDetected")
    };
    let told = eventually("a circle to be told", async || {
        let all = namespace.list(TRANSFORMATION).await?;
        Ok(all.into_iter().find(circle))
    })
    .await?;
    let message = condition(&told, "Ready")
        .map(|ready| ready["message"].to_string())
        .unwrap_or_default();
    assert!(message.contains(" -> "), "{message}");

    let server =
        ArtifactServer::start([("one", Answer::Bytes(Archive::of(&[("a.yaml", "a: 1\n")]).pack()?))])?;
    input(&namespace, &server, "mine", "one").await?;
    let foreign = json!({"kind": "Artifact", "name": "mine", "namespace": "default"});
    transformation(&namespace, "refused", "foreign", of(foreign, "out-foreign")).await?;
    let message = namespace
        .wait_failed(TRANSFORMATION, "foreign", "AccessDenied")
        .await?;
    assert!(
        message.contains("cross-namespace references have been blocked"),
        "{message}"
    );

    // Somebody else has an Artifact of that name, which stays as it is.
    let own = json!({"kind": "Artifact", "name": "mine"});
    transformation(&namespace, "refused", "taken", of(own.clone(), "mine")).await?;
    namespace
        .wait_failed(TRANSFORMATION, "taken", "NameTaken")
        .await?;
    let mine = namespace.get(ARTIFACT, "mine").await?.context("the Artifact")?;
    assert_eq!(mine.data["spec"]["url"], server.url("one"));
    assert!(mine.metadata.owner_references.is_none());

    // What the API server refuses, and what the controller does.
    let secret = json!({"kind": "Secret", "name": "x"});
    transformation(&namespace, "refused", "secret", of(secret, "out-secret")).await?;
    namespace
        .wait_failed(TRANSFORMATION, "secret", "ValidationFailed")
        .await?;
    let mut both = of(own, "out-both");
    both["inputs"][0]["configMap"] = json!({"name": "x"});
    assert!(transformation(&namespace, "refused", "both", both).await.is_err());
    let two_steps = json!({
        "inputs": [artifact_input("mine")],
        "outputs": [{"name": "x", "steps": [{"remove": {"paths": ["a"]}, "file": {"path": "a", "content": ""}}]}],
    });
    assert!(
        transformation(&namespace, "refused", "steps", two_steps)
            .await
            .is_err()
    );
    Ok(())
}

#[tokio::test]
async fn an_end_at_any_time_loses_nothing() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("transform").await?;
    let mut controller = controller(testbed, &namespace, "killed")?;
    let names: Vec<_> = (0..6).map(|number| format!("v{number}")).collect();
    let archives: Result<Vec<_>> = names
        .iter()
        .map(|name| {
            Ok((
                name.as_str(),
                Answer::Bytes(
                    Archive::of(&[("a/x.yaml", &config_map("x", name)), ("b/y.yaml", "y: 1\n")]).pack()?,
                ),
            ))
        })
        .collect();
    let server = ArtifactServer::start(archives?)?;
    input(&namespace, &server, "fleet", "v0").await?;
    let spec = json!({
        "inputs": [artifact_input("fleet")],
        "discover": {"pattern": "@in/{dir}"},
        "outputs": [{"name": "out-{dir}", "copy": [{"from": "@in/{dir}/", "to": "@artifact/"}]}],
    });
    transformation(&namespace, "killed", "fleet", spec).await?;
    namespace.wait_ready(TRANSFORMATION, "fleet").await?;
    let other = namespace.get(ARTIFACT, "out-b").await?.context("the Artifact")?;
    for name in names.iter().skip(1) {
        input(&namespace, &server, "fleet", name).await?;
        controller.restart()?;
    }
    let last = names.last().context("a name")?;
    let seen = |object: &DynamicObject| {
        object.data["status"]["inputs"][0]["digest"] == server.digest(last) && is_ready(object)
    };
    namespace
        .wait(TRANSFORMATION, "fleet", "has seen the last", seen)
        .await?;
    let made = namespace.wait_ready(ARTIFACT, "out-a").await?;
    let digest = made.data["spec"]["digest"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let file = digest.strip_prefix("sha256:").context("a digest")?;
    let place = controller.volume.join("transformation").join(namespace.name());
    assert!(place.join("out-a").join(format!("{file}.tar.gz")).is_file());
    // What did not change was never written, and a restart writes nothing.
    let other_now = namespace.get(ARTIFACT, "out-b").await?.context("the Artifact")?;
    assert_eq!(other.metadata.generation, other_now.metadata.generation);
    assert_eq!(other.data["spec"]["url"], other_now.data["spec"]["url"]);
    controller.restart()?;

    // Files that are lost are made anew, with the same bytes.
    controller.kill()?;
    std::fs::remove_dir_all(&controller.volume)?;
    controller.restart()?;
    eventually("the file to be made anew", async || {
        Ok(place
            .join("out-a")
            .join(format!("{file}.tar.gz"))
            .is_file()
            .then_some(()))
    })
    .await?;
    let again = namespace.get(ARTIFACT, "out-a").await?.context("the Artifact")?;
    assert_eq!(again.data["spec"], made.data["spec"]);

    // Somebody edits and deletes Artifacts: they are put right.
    let forged =
        json!({"spec": {"url": "http://127.0.0.1:1/evil", "digest": format!("sha256:{}", "0".repeat(64))}});
    namespace.patch(ARTIFACT, "out-a", forged).await?;
    let right = |object: &DynamicObject| {
        object.data["spec"]["url"] == made.data["spec"]["url"]
            && object.data["spec"]["digest"] == made.data["spec"]["digest"]
    };
    namespace.wait(ARTIFACT, "out-a", "is put right", right).await?;
    namespace.delete(ARTIFACT, "out-b").await?;
    let back = |object: &DynamicObject| {
        object.metadata.uid != other.metadata.uid && object.data["spec"]["url"] == other.data["spec"]["url"]
    };
    namespace.wait(ARTIFACT, "out-b", "is back", back).await?;
    Ok(())
}
