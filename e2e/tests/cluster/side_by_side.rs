//! The same work for stock and for ours: what both leave in the cluster must read the same.

use anyhow::Result;
use e2e::testbed::KUSTOMIZATION;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map, deployment};

/// A text without what differs between two runs of anything: the namespace, durations and commits.
pub(crate) fn neutral(text: &str, namespace: &str) -> String {
    text.trim_end()
        .replace(namespace, "NAMESPACE")
        .split(' ')
        .map(|word| {
            let bare = word.trim_end_matches([':', ',', '.']);
            let is_time = bare.starts_with(|c: char| c.is_ascii_digit()) && bare.ends_with('s');
            if is_time {
                word.replace(bare, "TIME")
            } else if let Some((before, after)) = word.split_once("/tmp/kustomization-") {
                // Where stock unpacks the artifact.
                let path = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}{path}")
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

/// What one life of a Kustomization leaves: the status after each step, and all events.
async fn life(owner: Owner) -> Result<(Vec<Value>, Vec<String>)> {
    let files = [
        ("deploy/settings.yaml", config_map("settings", "blue")),
        ("deploy/web.yaml", deployment("web", 0)),
        ("deploy/old.yaml", config_map("old", "blue")),
    ];
    let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
    let app = App::owned_by(owner, "life", &files).await?;
    let mut states = Vec::new();
    let mut remember = |object: DynamicObject| {
        states.push(neutral_value(&object.data["status"], app.name()));
    };
    // Neither controller retries while the other is being looked at.
    let spec = json!({"wait": true, "retryInterval": "1h"});
    remember(app.deploy_ready("app", spec).await?);

    let upgrade = app
        .push(&[
            ("deploy/settings.yaml", &config_map("settings", "red")),
            ("deploy/old.yaml", ""),
        ])
        .await?;
    remember(app.wait_applied("app", &upgrade).await?);

    let rejected = app
        .push(&[("deploy/settings.yaml", &config_map("Not_A_Name", "red"))])
        .await?;
    app.wait_failed_at("app", &rejected, "ReconciliationFailed")
        .await?;
    // Stock writes conditions first and the rest of the status in a second request.
    let recorded = |object: &DynamicObject| {
        object.data["status"]["history"][0]["lastReconciledStatus"] == "ReconciliationFailed"
    };
    remember(
        app.wait(KUSTOMIZATION, "app", "has recorded it", recorded)
            .await?,
    );

    let unbuildable = app
        .push(&[("deploy/kustomization.yaml", "resources: [absent.yaml]\n")])
        .await?;
    app.wait_failed_at("app", &unbuildable, "BuildFailed").await?;
    remember(app.existing(KUSTOMIZATION, "app").await?);

    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    let events = app.events_with("web deleted").await?;
    let mut events: Vec<_> = events.iter().map(|event| told(event, app.name())).collect();
    events.sort();
    Ok((states, events))
}

pub(crate) fn told(event: &DynamicObject, namespace: &str) -> String {
    let field = |name: &str| event.data[name].as_str().unwrap_or_default();
    let annotations = event.metadata.annotations.iter().flatten();
    let keys: Vec<_> = annotations.map(|(key, _)| key.as_str()).collect();
    let message = neutral(field("message"), namespace);
    format!("{} {} {message} {keys:?}", field("type"), field("reason"))
}

#[tokio::test]
async fn status_and_events_read_the_same() -> Result<()> {
    let (stock, ours) = tokio::try_join!(life(Owner::Stock), life(Owner::Ours))?;
    let steps = ["install", "upgrade", "rejected", "unbuildable"];
    for ((step, ours), stock) in steps.iter().zip(&ours.0).zip(&stock.0) {
        assert!(ours == stock, "{step}: ours {ours:#}\nstock {stock:#}");
    }
    assert!(ours.1 == stock.1, "ours {:#?}\nstock {:#?}", ours.1, stock.1);
    Ok(())
}
