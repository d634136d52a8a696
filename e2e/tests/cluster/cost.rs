//! What a run costs the API server, from its audit log, and what it costs the artifact server.

use std::collections::BTreeMap;

use anyhow::Result;
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, EVENT, KUSTOMIZATION, Testbed, Write, eventually,
};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, config_map, deployment};
use crate::artifacts::{consume, offer};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl App {
    /// What the controller wrote to ConfigMaps since there were `known` writes, as `apply a` or `dry-run a`.
    pub(crate) async fn applied_since(&self, known: usize) -> Result<Vec<String>> {
        let writes = self.writes().await?.split_off(known);
        let ours = |write: &&Write| write.resource == "configmaps" && write.manager == "kustomize-controller";
        let told = |write: &Write| {
            format!(
                "{} {}",
                if write.dry_run { "dry-run" } else { "apply" },
                write.name
            )
        };
        Ok(writes.iter().filter(ours).map(told).collect())
    }
}

#[tokio::test]
async fn an_upgrade_asks_about_what_changed_and_an_idle_run_writes_nothing() -> Result<()> {
    let files = NAMES.map(|name| (format!("deploy/{name}.yaml"), config_map(name, "blue")));
    let files = files
        .each_ref()
        .map(|(path, content)| (path.as_str(), content.as_str()));
    let app = App::start("cost", &files).await?;
    app.deploy_ready("app", json!({"wait": true})).await?;
    assert_eq!(
        app.applied_since(0)
            .await?
            .iter()
            .filter(|write| write.starts_with("apply"))
            .count(),
        4
    );

    let known = app.writes().await?.len();
    let commit = app.push(&[("deploy/c.yaml", &config_map("c", "red"))]).await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.applied_since(known).await?, ["apply c"]);
    // Nothing else is written but what says that it is there: no status of the Artifact, for one.
    let writes = app.writes().await?.split_off(known);
    let others = ["events", "gitrepositories"];
    let ours = writes.iter().filter(|write| !others.contains(&&*write.resource));
    let mut ours: Vec<_> = ours
        .map(|write| format!("{} {}", write.resource, write.subresource))
        .collect();
    ours.sort();
    assert_eq!(ours, ["artifacts ", "configmaps ", "kustomizations status"]);

    // On request, and at the interval, everything is verified, and nothing is written.
    let known = app.writes().await?.len();
    app.reconcile("app").await?;
    let mut verified = app.applied_since(known).await?;
    verified.sort();
    assert_eq!(verified, NAMES.map(|name| format!("dry-run {name}")));
    let about_itself: Vec<_> = app.writes().await?.split_off(known);
    let statuses = about_itself
        .iter()
        .filter(|write| write.resource == "kustomizations" && write.subresource == "status");
    assert!(statuses.count() <= 1, "{about_itself:?}");
    Ok(())
}

#[tokio::test]
async fn an_installation_of_four_objects_costs_twelve_requests() -> Result<()> {
    let files = NAMES.map(|name| (format!("deploy/{name}.yaml"), config_map(name, "blue")));
    let files = files
        .each_ref()
        .map(|(path, content)| (path.as_str(), content.as_str()));
    let app = App::start("cost-install", &files).await?;
    // From here on the kind is watched.
    app.deploy_ready("app", json!({})).await?;
    let known = app.writes().await?.len();
    app.deploy_ready("later", json!({"namePrefix": "later-"})).await?;
    let is_told = |event: &DynamicObject| event.data["involvedObject"]["name"] == "later";
    eventually("both events", async || {
        let told = app
            .list(EVENT)
            .await?
            .iter()
            .filter(|event| is_told(event))
            .count();
        Ok((told == 2).then_some(()))
    })
    .await?;
    let mut costs: BTreeMap<String, usize> = BTreeMap::new();
    for write in app.writes().await?.split_off(known) {
        // What the test does itself.
        if write.resource == "kustomizations" && !write.manager.starts_with("gotk-") {
            continue;
        }
        let dry_run = if write.dry_run { " (dry-run)" } else { "" };
        let what = format!("{} {}{dry_run}", write.resource, write.subresource);
        *costs.entry(what.replace("  ", " ")).or_default() += 1;
    }
    let expected = [
        ("configmaps ", 4),
        ("configmaps (dry-run)", 3),
        ("events ", 2),
        // The finalizer.
        ("kustomizations ", 1),
        // What is about to be there, and what came of it.
        ("kustomizations status", 2),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(what, count)| (what.to_owned(), count)).into();
    assert_eq!(costs, expected);
    assert_eq!(costs.values().sum::<usize>(), 12);
    Ok(())
}

#[tokio::test]
async fn thirty_kustomizations_of_one_source_download_it_once() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("download").await?;
    testbed.openflux_controller().await?;
    // No other test may have brought the same content into the cache.
    let archive = Archive::of(&[("a.yaml", &config_map("a", "fetched-once"))]).pack()?;
    let server = ArtifactServer::start([("app.tar.gz", Answer::Bytes(archive))])?;
    let names: Vec<_> = (0..30).map(|number| format!("app-{number}")).collect();
    for name in &names {
        let prefix = format!("{name}-");
        consume(&namespace, name, "app", json!({"namePrefix": prefix})).await?;
    }
    offer(&namespace, "app", &server, "app.tar.gz").await?;
    for name in &names {
        namespace.wait_ready(KUSTOMIZATION, name).await?;
    }
    assert_eq!(server.requests("app.tar.gz"), 1);
    Ok(())
}

#[tokio::test]
async fn a_retry_of_what_is_not_ready_verifies_nothing_again() -> Result<()> {
    let stalling =
        deployment("stuck", 1).replace("progressDeadlineSeconds: 600", "progressDeadlineSeconds: 1");
    let files = [
        ("deploy/stuck.yaml", &*stalling),
        ("deploy/a.yaml", &*config_map("a", "blue")),
    ];
    let app = App::start("stuck", &files).await?;
    app.deploy("app", json!({"wait": true, "retryInterval": "1s"}))
        .await?;
    app.wait_failed(KUSTOMIZATION, "app", "HealthCheckFailed").await?;
    let attempts =
        |object: &DynamicObject| object.data["status"]["history"][0]["totalReconciliations"].as_i64();
    let (before, known) = (
        app.existing(KUSTOMIZATION, "app").await?,
        app.writes().await?.len(),
    );
    let more = |object: &DynamicObject| attempts(object) >= attempts(&before).map(|count| count + 3);
    let after = app
        .wait(KUSTOMIZATION, "app", "was tried three times more", more)
        .await?;
    let retries = attempts(&after).unwrap_or(0) - attempts(&before).unwrap_or(0);

    assert_eq!(app.applied_since(known).await?, Vec::<String>::new());
    let writes = app.writes().await?.split_off(known);
    let of = |resource: &str| writes.iter().filter(|write| write.resource == resource).count() as i64;
    assert!(
        of("kustomizations") <= retries + 1,
        "{retries} retries: {writes:?}"
    );
    assert!(of("events") <= retries + 2, "{retries} retries: {writes:?}");
    // What somebody else did is noticed all the same.
    app.patch(CONFIG_MAP, "a", json!({"data": {"colour": "red"}}))
        .await?;
    let is_blue = |object: &DynamicObject| object.data["data"]["colour"] == "blue";
    app.wait(CONFIG_MAP, "a", "is blue again", is_blue).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_new_is_written_down_before_it_is_applied() -> Result<()> {
    let app = App::start("ahead", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    let statuses = |writes: &[Write]| {
        let of_status = |write: &&Write| write.resource == "kustomizations" && write.subresource == "status";
        writes.iter().filter(of_status).count()
    };
    let until = |writes: Vec<Write>, name: &str| {
        let first = writes
            .iter()
            .position(|write| write.resource == "configmaps" && write.name == name && !write.dry_run);
        writes[..first.unwrap_or_default()].to_vec()
    };
    let known = app.writes().await?.len();
    let commit = app.push(&[("deploy/b.yaml", &config_map("b", "blue"))]).await?;
    app.wait_applied("app", &commit).await?;
    let writes = app.writes().await?.split_off(known);
    assert_eq!(statuses(&until(writes.clone(), "b")), 1, "{writes:?}");
    assert_eq!(statuses(&writes), 2, "{writes:?}");

    // What is listed already is not written down again.
    let known = app.writes().await?.len();
    let commit = app.push(&[("deploy/b.yaml", &config_map("b", "red"))]).await?;
    app.wait_applied("app", &commit).await?;
    let writes = app.writes().await?.split_off(known);
    assert_eq!(statuses(&writes), 1, "{writes:?}");
    Ok(())
}
