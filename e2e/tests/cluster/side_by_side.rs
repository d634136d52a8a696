//! The same work for stock and for ours: what both leave in the cluster must read the same.

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, without_unpacked};
use futures::future::try_join_all;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use crate::app::{App, config_map, deployment};
use crate::together::{Side, together};

/// A text without what differs between two runs of anything: the namespace, durations and commits.
pub(crate) fn neutral(text: &str, namespace: &str) -> String {
    without_unpacked(text.trim_end())
        .replace(namespace, "NAMESPACE")
        .split(' ')
        .map(|word| {
            let bare = word.trim_end_matches([':', ',', '.']);
            let is_time = bare.starts_with(|c: char| c.is_ascii_digit()) && bare.ends_with('s');
            if is_time {
                word.replace(bare, "TIME")
            } else if let Some((branch, _)) = word.split_once("@sha1:") {
                format!("{branch}@COMMIT")
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// All texts of a value made [`neutral`], and timestamps, generations and counts of runs left out.
pub(crate) fn neutral_value(value: &Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => neutral(text, namespace).into(),
        Value::Array(items) => items.iter().map(|item| neutral_value(item, namespace)).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !CHANGING.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), neutral_value(value, namespace)))
            .collect(),
        other => other.clone(),
    }
}

const CHANGING: &[&str] = &[
    "lastTransitionTime",
    "firstReconciled",
    "lastReconciled",
    "lastReconciledDuration",
    "totalReconciliations",
    // The target namespace is part of what was built.
    "digest",
    "lastHandledReconcileAt",
];

/// One life of a Kustomization, of which the status after each step and all events are compared.
async fn life(side: Side) -> Result<()> {
    let files = [
        ("deploy/settings.yaml", config_map("settings", "blue")),
        ("deploy/web.yaml", deployment("web", 0)),
        ("deploy/old.yaml", config_map("old", "blue")),
    ];
    let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
    let app = App::owned_by(side.owner, "life", &files).await?;
    let status = async || {
        let object = app.existing(KUSTOMIZATION, "app").await?;
        anyhow::Ok(Some(neutral_value(&object.data["status"], app.name())))
    };
    // Neither controller retries while the other is being looked at.
    let spec = json!({"wait": true, "retryInterval": "1h"});
    app.deploy_ready("app", spec).await?;
    side.same("install", &status).await?;

    let upgrade = app
        .push(&[
            ("deploy/settings.yaml", &config_map("settings", "red")),
            ("deploy/old.yaml", ""),
        ])
        .await?;
    app.wait_applied("app", &upgrade).await?;
    side.same("upgrade", &status).await?;

    let rejected = app
        .push(&[("deploy/settings.yaml", &config_map("Not_A_Name", "red"))])
        .await?;
    app.wait_failed_at("app", &rejected, "ReconciliationFailed")
        .await?;
    side.same("rejected", &status).await?;

    let unbuildable = app
        .push(&[("deploy/kustomization.yaml", "resources: [absent.yaml]\n")])
        .await?;
    app.wait_failed_at("app", &unbuildable, "BuildFailed").await?;
    side.same("unbuildable", &status).await?;

    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    app.events_with("web deleted").await?;
    side.same("events", async || {
        let events = app.events().await?;
        let mut events: Vec<_> = events.iter().map(|event| told(event, app.name())).collect();
        events.sort();
        Ok(Some(json!(events)))
    })
    .await?;
    Ok(())
}

pub(crate) fn told(event: &DynamicObject, namespace: &str) -> String {
    let field = |name: &str| event.data[name].as_str().unwrap_or_default();
    let annotations = event.metadata.annotations.iter().flatten();
    let keys: Vec<_> = annotations.map(|(key, _)| key.as_str()).collect();
    let message = neutral(field("message"), namespace);
    format!("{} {} {message} {keys:?}", field("type"), field("reason"))
}

/// Waits until Kustomizations have failed with a reason; gives what they say, by name.
pub(crate) async fn failures<'a>(
    app: &App,
    names: impl Iterator<Item = &'a str>,
    reason: &str,
) -> Result<Value> {
    let reads = names.map(|name| async move {
        let message = app.wait_failed(KUSTOMIZATION, name, reason).await?;
        anyhow::Ok((name.to_owned(), Value::from(neutral(&message, app.name()))))
    });
    let messages: Map<String, Value> = try_join_all(reads).await?.into_iter().collect();
    Ok(messages.into())
}

#[tokio::test]
async fn status_and_events_read_the_same() -> Result<()> {
    together(life).await?;
    Ok(())
}
