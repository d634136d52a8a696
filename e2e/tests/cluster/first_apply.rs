//! The first object of a stage is applied without a dry-run, once the others have been accepted.

use anyhow::{Context as _, Result};
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION};
use serde_json::{Value, json};

use crate::app::{App, config_map};
use crate::side_by_side::neutral;
use crate::together::{Side, together};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Four ConfigMaps, and a Kustomization of them, so that the controller watches the kind.
async fn start(prefix: &str) -> Result<App> {
    let files = NAMES.map(|name| (format!("deploy/{name}.yaml"), config_map(name, "blue")));
    let files = files
        .each_ref()
        .map(|(path, content)| (path.as_str(), content.as_str()));
    let app = App::start(prefix, &files).await?;
    app.deploy_ready("app", json!({})).await?;
    Ok(app)
}

#[tokio::test]
async fn a_stage_costs_one_dry_run_less_than_it_has_objects() -> Result<()> {
    let app = start("first").await?;
    let known = app.writes().await?.len();
    app.deploy_ready("later", json!({"namePrefix": "later-"})).await?;
    let mut done = app.applied_since(known).await?;
    let applied = done.split_off(3);
    done.sort();
    let of = |what: &str, names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{what} later-{name}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(done, of("dry-run", &NAMES[1..]));
    assert_eq!(applied, of("apply", &NAMES));

    // Of an upgrade too; what did not change is not asked about.
    let known = app.writes().await?.len();
    let (b, d) = (config_map("b", "red"), config_map("d", "red"));
    let commit = app.push(&[("deploy/b.yaml", &b), ("deploy/d.yaml", &d)]).await?;
    app.wait_applied("app", &commit).await?;
    app.wait_applied("later", &commit).await?;
    let done = app.applied_since(known).await?;
    for prefix in ["", "later-"] {
        let about: Vec<_> = ["dry-run d", "apply b", "apply d"]
            .iter()
            .map(|done| done.replace(' ', &format!(" {prefix}")))
            .collect();
        let done: Vec<_> = done.iter().filter(|done| about.contains(done)).cloned().collect();
        assert_eq!(done, about);
    }
    assert_eq!(done.len(), 6, "{done:?}");
    Ok(())
}

#[tokio::test]
async fn what_exists_already_is_looked_at_first() -> Result<()> {
    let app = start("first-exists").await?;
    let marked = "{apiVersion: v1, kind: ConfigMap, metadata: {name: later-a, annotations: {kustomize.toolkit.fluxcd.io/ssa: Ignore}}, data: {colour: red}}";
    app.apply(marked).await?;
    app.deploy_ready("later", json!({"namePrefix": "later-"})).await?;
    let colours = async || {
        let mut colours = Vec::new();
        for name in ["later-a", "later-b"] {
            colours.push(app.colour(name).await?.context("it has a colour")?);
        }
        anyhow::Ok(colours)
    };
    assert_eq!(colours().await?, ["red", "blue"], "it is to be left alone");

    // What only exists is taken over.
    app.apply(&config_map("other-a", "red")).await?;
    let object = app.deploy_ready("other", json!({"namePrefix": "other-"})).await?;
    assert_eq!(app.colour("other-a").await?.as_deref(), Some("blue"));
    let listed = object.data["status"]["inventory"]["entries"]
        .as_array()
        .map(Vec::len);
    assert_eq!(listed, Some(4));
    Ok(())
}

/// What is said of a first object that cannot be, and which of the others are there.
async fn refused(side: Side) -> Result<Value> {
    let files = [
        ("deploy/a.yaml", &*config_map("a", "blue")),
        (
            "bad/a.yaml",
            &*config_map("bad-a", "blue").replace("colour", "'no key!'"),
        ),
        ("bad/b.yaml", &*config_map("bad-b", "blue")),
    ];
    let app = App::owned_by(side.owner, "first-refused", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    app.deploy("bad", json!({"path": "bad", "retryInterval": "1h"}))
        .await?;
    let seen = side.same("refused", async || {
        let message = app.wait_failed_at_first("bad", "ReconciliationFailed").await?;
        let mut there = Vec::new();
        for name in ["bad-a", "bad-b"] {
            there.push(app.get(CONFIG_MAP, name).await?.is_some());
        }
        let object = app.existing(KUSTOMIZATION, "bad").await?;
        let listed = object.data["status"]["inventory"]["entries"].as_array();
        let listed = listed.map_or(0, Vec::len);
        let message = neutral(&message, app.name());
        Ok(Some(
            json!({"message": message, "there": there, "listed": listed}),
        ))
    });
    seen.await
}

#[tokio::test]
async fn the_refusal_of_the_first_keeps_its_stage_from_being_applied() -> Result<()> {
    let (_, ours) = together(refused).await?;
    assert_eq!(ours["there"], json!([false, false]));
    assert_eq!(ours["listed"], 0, "nothing was applied");
    Ok(())
}
