//! Bad input: manifests that cannot be built or applied fail with object, field and next step, and delay nobody.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, condition};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, config_map, deployment};

/// What no message may repeat.
const SECRET: &str = "73577357";

/// Folder, content of its only file, reason, and what the message must contain.
fn cases() -> Vec<(&'static str, String, &'static str, &'static [&'static str])> {
    let build = "BuildFailed";
    let apply = "ReconciliationFailed";
    let deep = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {}\n",
        "[".repeat(200_000)
    );
    let alias = |level: u32| {
        format!(
            "a{level}: &a{level} [{}]\n",
            format!("*a{},", level - 1).repeat(9)
        )
    };
    let aliases = (1..12).map(alias).collect::<Vec<_>>().concat();
    let laughs = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\na0: &a0 [lol]\n{aliases}");
    vec![
        (
            "yaml",
            "kind: ConfigMap\n  name: [".to_owned(),
            build,
            &["a.yaml"],
        ),
        ("no-kind", "metadata: {name: a}\n".to_owned(), build, &["a.yaml"]),
        (
            "no-name",
            "apiVersion: v1\nkind: ConfigMap\n".to_owned(),
            build,
            &["a.yaml", "name"],
        ),
        ("deep", deep, build, &["a.yaml"]),
        ("laughs", laughs, build, &["a.yaml"]),
        (
            "unknown-kind",
            "{apiVersion: nobody.test/v1, kind: Thing, metadata: {name: t}}".to_owned(),
            apply,
            &["Thing/", "nobody.test/v1", "install its CustomResourceDefinition"],
        ),
        (
            "unknown-version",
            "{apiVersion: apps/v9, kind: Deployment, metadata: {name: d}}".to_owned(),
            apply,
            &["Deployment/", "apps/v9"],
        ),
        (
            "field-type",
            deployment("web", 1).replace("replicas: 1", "replicas: many"),
            apply,
            &["Deployment/", "/web", "replicas"],
        ),
        (
            "no-image",
            deployment("web", 1).replace("image: app", "image: ''"),
            apply,
            &[
                "Deployment/",
                "/web",
                "spec.template.spec.containers[0].image",
                "Required value",
            ],
        ),
        (
            "secret-value",
            format!("{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, data: {{key: {SECRET}}}}}"),
            apply,
            &["Secret/", ".data.key", "another value"],
        ),
        (
            "generated-name",
            "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}".to_owned(),
            build,
            &["ConfigMap", "metadata.name"],
        ),
    ]
}

#[tokio::test]
async fn bad_manifests_are_named_and_delay_nobody() -> Result<()> {
    let cases = cases();
    let healthy = config_map("healthy", "blue");
    let mut files: Vec<(String, &str)> = cases
        .iter()
        .map(|(name, content, ..)| (format!("{name}/a.yaml"), content.as_str()))
        .collect();
    files.push(("healthy/a.yaml".to_owned(), &healthy));
    let files: Vec<_> = files
        .iter()
        .map(|(path, content)| (path.as_str(), *content))
        .collect();
    let app = App::start("bad", &files).await?;
    for (name, ..) in &cases {
        app.deploy(name, json!({"path": name})).await?;
    }
    let start = Instant::now();
    app.deploy_ready("healthy", json!({"path": "healthy"})).await?;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    for (name, _, reason, parts) in &cases {
        let message = app.wait_failed_at_first(name, reason).await?;
        assert!(!message.contains(SECRET), "{name}: {message}");
        for part in *parts {
            assert!(
                message.contains(part) && message.len() < 2000,
                "{name}: {part} is not in: {message}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_path_that_is_not_there_is_named() -> Result<()> {
    let app = App::start("no-path", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    for (name, path) in [("absent", "nowhere"), ("outside", "../../etc")] {
        app.deploy(name, json!({"path": path})).await?;
        let says = |object: &DynamicObject| {
            condition(object, "Ready").is_some_and(|ready| {
                let message = ready["message"].as_str();
                let is_named = message.is_some_and(|text| text.starts_with("kustomization path not found: "));
                is_named && ready["reason"] == "ArtifactFailed"
            })
        };
        let object = app.wait(KUSTOMIZATION, name, "names the path", says).await?;
        // As in stock, such a revision has not been attempted.
        assert!(
            object.data["status"]["lastAttemptedRevision"].is_null(),
            "{object:?}"
        );
    }
    Ok(())
}
