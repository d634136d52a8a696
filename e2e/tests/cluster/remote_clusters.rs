//! `spec.kubeConfig` of Kustomizations: what is applied, pruned and looked at is in another cluster.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, Kind, SECRET, Testbed, condition, free_port};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, config_map, deployment};
use crate::far::{Far, keep, keep_as, through};
use crate::side_by_side::{failures, neutral, neutral_value, told};
use crate::together::{Side, together};

fn colour(object: &DynamicObject) -> &str {
    object.data["data"]["colour"].as_str().unwrap_or_default()
}

/// The spec of a Kustomization whose objects go to a namespace of another cluster.
fn spec(far: &Far, more: &Value) -> Value {
    let mut spec =
        json!({"kubeConfig": through("far"), "targetNamespace": far.namespace.name(), "retryInterval": "1h"});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

/// An object without what differs between two runs of anything.
fn plain(object: &DynamicObject, names: &[&str]) -> Value {
    let mut value = json!(object);
    if let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
            metadata.remove(field);
        }
        for entry in metadata
            .get_mut("managedFields")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            entry["time"] = Value::Null;
        }
    }
    let mut text = value.to_string();
    for name in names {
        text = text.replace(name, "NAMESPACE");
    }
    serde_json::from_str(&text).unwrap_or_default()
}

/// One life of a Kustomization, of which statuses, objects of the other cluster, and events are compared.
async fn life(side: Side) -> Result<()> {
    let files = [
        ("deploy/settings.yaml", config_map("settings", "blue")),
        ("deploy/web.yaml", deployment("web", 0)),
        ("deploy/old.yaml", config_map("old", "blue")),
    ];
    let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
    let app = App::owned_by(side.owner, "remote", &files).await?;
    let far = Far::start("life").await?;
    keep(&app, "far", &far.hire("deployer").await?).await?;
    let names = [far.namespace.name(), app.name()];
    let status = async || {
        let object = app.existing(KUSTOMIZATION, "app").await?;
        let far_neutral = neutral_value(&object.data["status"], far.namespace.name());
        anyhow::Ok(Some(neutral_value(&far_neutral, app.name())))
    };
    let there = async |kind: Kind, name: &str| {
        let object = far.namespace.get(kind, name).await?.context("applied there")?;
        anyhow::Ok(plain(&object, &names))
    };
    app.deploy_ready("app", spec(&far, &json!({}))).await?;
    side.same("installed", &status).await?;
    side.same("objects", async || {
        let mut objects = Vec::new();
        for (kind, name) in [(CONFIG_MAP, "settings"), (CONFIG_MAP, "old"), (DEPLOYMENT, "web")] {
            objects.push(there(kind, name).await?);
        }
        Ok(Some(json!(objects)))
    })
    .await?;
    for (kind, name) in [(CONFIG_MAP, "settings"), (CONFIG_MAP, "old"), (DEPLOYMENT, "web")] {
        assert!(app.get(kind, name).await?.is_none(), "{name} is here too");
    }
    let upgrade = [
        ("deploy/settings.yaml", config_map("settings", "red")),
        ("deploy/old.yaml", String::new()),
    ];
    let upgrade = upgrade
        .each_ref()
        .map(|(path, content)| (*path, content.as_str()));
    let commit = app.push(&upgrade).await?;
    app.wait_applied("app", &commit).await?;
    side.same("upgraded", &status).await?;
    let settings = far
        .namespace
        .get(CONFIG_MAP, "settings")
        .await?
        .context("still there")?;
    assert_eq!(colour(&settings), "red");
    side.same("changed", async || there(CONFIG_MAP, "settings").await.map(Some))
        .await?;
    assert!(
        far.namespace.get(CONFIG_MAP, "old").await?.is_none(),
        "pruned there"
    );

    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    for (kind, name) in [(CONFIG_MAP, "settings"), (DEPLOYMENT, "web")] {
        let left = far.namespace.get(kind, name).await?;
        assert!(
            left.is_none_or(|left| left.metadata.deletion_timestamp.is_some()),
            "{name}"
        );
    }
    app.events_with("web deleted").await?;
    side.same("events", async || {
        let told = |event| neutral(&told(event, app.name()), far.namespace.name());
        let mut events: Vec<String> = app.events().await?.iter().map(told).collect();
        events.sort();
        // The Secret that was there before the Kustomization may bring stock another run, which has nothing to do.
        events.dedup();
        Ok(Some(json!(events)))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn objects_statuses_and_events_are_those_of_stock() -> Result<()> {
    together(life).await?;
    Ok(())
}

/// Kubeconfigs that cannot be used, by name; the fields of the cluster and the user of the one that could.
fn spoilt(good: &str) -> Vec<(&'static str, String)> {
    let with_cluster = |fields: &str| good.replace("  cluster:\n", &format!("  cluster:\n    {fields}\n"));
    let with_user = |fields: &str| good.replace("  user:\n", &format!("  user:\n    {fields}\n"));
    vec![
        ("empty", String::new()),
        ("no-server", good.replace("    server:", "    proxy-url:")),
        (
            "no-context",
            good.replace("current-context: testbed", "current-context: gone"),
        ),
        (
            "no-cluster",
            good.replace("- name: testbed\n  cluster:", "- name: other\n  cluster:"),
        ),
        ("two-methods", with_user("username: somebody")),
        (
            "ca-file",
            with_cluster("certificate-authority: /etc/ssl/certs/ca.crt"),
        ),
        ("token-file", with_user("tokenFile: /var/run/secrets/token")),
        ("certificate-file", with_user("client-certificate: /etc/hostname")),
        ("key-file", with_user("client-key: /etc/hostname")),
        ("no-key", with_user("client-certificate-data: Yw==")),
        ("proxy", with_cluster("proxy-url: ftp://proxy")),
        ("groups", with_user("as-groups: [system:masters]")),
        ("no-yaml", "a: b: c\n".to_owned()),
        ("text", "just a text\n".to_owned()),
        ("kind", good.replace("kind: Config", "kind: Pod")),
    ]
}

/// Those of which ours says less or something else, and why.
const OTHERWISE: [&str; 1] = [
    // Stock names the line of its own code where kinds are registered.
    "kind",
];

async fn messages(side: Side) -> Result<()> {
    let app = App::owned_by(
        side.owner,
        "spoilt",
        &[("deploy/a.yaml", &config_map("a", "blue"))],
    )
    .await?;
    let far = Far::start("spoilt").await?;
    let good = far.testbed.portable_kubeconfig()?;
    let mut names = vec!["absent".to_owned(), "no-value".to_owned(), "other-key".to_owned()];
    keep_as(&app, "no-value", "other", &good).await?;
    for (name, text) in spoilt(&good) {
        keep(&app, name, &text).await?;
        names.push(name.to_owned());
    }
    for name in &names {
        let mut remote = through(name);
        if name == "other-key" {
            remote = json!({"secretRef": {"name": "no-value", "key": "missing"}});
        }
        app.deploy(name, spec(&far, &json!({"kubeConfig": remote})))
            .await?;
    }
    let compared = names.iter().filter(|name| !OTHERWISE.contains(&name.as_str()));
    side.same("messages", async || {
        let names = compared.clone().map(String::as_str);
        failures(&app, names, "ReconciliationFailed").await.map(Some)
    })
    .await?;
    failures(&app, OTHERWISE.into_iter(), "ReconciliationFailed").await?;
    // It is no matter of the object whether its Secret is there in time.
    keep(&app, "absent", &good).await?;
    app.wait_ready(KUSTOMIZATION, "absent").await?;
    Ok(())
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_used_is_refused_in_the_words_of_stock() -> Result<()> {
    together(messages).await?;
    Ok(())
}

#[tokio::test]
async fn commands_are_not_run_and_certificates_are_looked_at() -> Result<()> {
    let app = App::start("unsafe", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let far = Far::start("unsafe").await?;
    let good = far.testbed.portable_kubeconfig()?;
    let line = |start: &str| {
        let found = good.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_default().to_owned()
    };
    let plugin =
        "    exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/true, interactiveMode: Never}";
    keep(&app, "exec", &good.replace(&line("token:"), plugin)).await?;
    let insecure = "    insecure-skip-tls-verify: true";
    keep(
        &app,
        "insecure",
        &good.replace(&line("certificate-authority-data:"), insecure),
    )
    .await?;
    for (name, part) in [
        ("exec", "--insecure-kubeconfig-exec"),
        ("insecure", "certificate"),
    ] {
        app.deploy(name, spec(&far, &json!({"kubeConfig": through(name)})))
            .await?;
        let message = app
            .wait_failed(KUSTOMIZATION, name, "ReconciliationFailed")
            .await?;
        assert!(message.contains(part), "{message}");
    }
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn rotated_credentials_are_used_at_once() -> Result<()> {
    let app = App::start("rotated", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let far = Far::start("rotated").await?;
    keep_as(&app, "far", "value.yaml", &far.hire("first").await?).await?;
    app.deploy_ready("app", spec(&far, &json!({"retryInterval": "2s"})))
        .await?;

    // The old ones are worth nothing any more.
    let worn = far.testbed.portable_kubeconfig()?;
    let token = worn
        .lines()
        .find(|line| line.contains("token:"))
        .unwrap_or_default();
    let worn = worn.replace(token, "    token: worn-out");
    keep_as(&app, "far", "value.yaml", &worn).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(message.contains("Unauthorized"), "{message}");
    let commit = app.push(&[("deploy/a.yaml", &config_map("a", "red"))]).await?;
    keep_as(&app, "far", "value.yaml", &far.hire("second").await?).await?;
    app.wait_applied("app", &commit).await?;
    let applied = far.namespace.get(CONFIG_MAP, "a").await?.context("there")?;
    assert_eq!(colour(&applied), "red");
    Ok(())
}

#[tokio::test]
async fn what_the_account_may_not_do_there_is_refused_by_name() -> Result<()> {
    let app = App::start("far-tenant", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let far = Far::start("tenant").await?;
    keep(&app, "far", &far.testbed.portable_kubeconfig()?).await?;
    app.deploy("app", spec(&far, &json!({"serviceAccountName": "nobody"})))
        .await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    let user = format!("system:serviceaccount:{}:nobody", app.name());
    assert!(
        message.contains(&user) && message.contains("configmaps"),
        "{message}"
    );
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn readiness_is_that_of_the_other_cluster() -> Result<()> {
    let app = App::start("far-health", &[("deploy/web.yaml", &deployment("web", 1))]).await?;
    let far = Far::start("health").await?;
    keep(&app, "far", &far.hire("deployer").await?).await?;
    app.deploy("app", spec(&far, &json!({"wait": true, "timeout": "80s"})))
        .await?;
    let applied = |_: &DynamicObject| true;
    far.namespace.wait(DEPLOYMENT, "web", "is there", applied).await?;
    let waits = |object: &DynamicObject| {
        condition(object, "Reconciling")
            .and_then(|going_on| going_on["message"].as_str())
            .is_some_and(|message| message.starts_with("Running health checks"))
    };
    app.wait(KUSTOMIZATION, "app", "waits for it", waits).await?;
    // Nobody else acts on objects there.
    let generation = far
        .namespace
        .get(DEPLOYMENT, "web")
        .await?
        .context("there")?
        .metadata
        .generation;
    let condition = |kind: &str, reason: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": "",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let conditions = [
        condition("Available", "MinimumReplicasAvailable"),
        condition("Progressing", "NewReplicaSetAvailable"),
    ];
    let status = json!({"status": {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1, "conditions": conditions}});
    far.namespace.patch_status(DEPLOYMENT, "web", status).await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

/// A kubeconfig for an address where nobody listens, or where somebody listens and says nothing.
fn nowhere(good: &str, port: u16) -> String {
    let server = good
        .lines()
        .find(|line| line.contains("server:"))
        .unwrap_or_default();
    good.replace(server, &format!("    server: https://127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_delays_nobody_and_nothing_there_is_forgotten() -> Result<()> {
    let app = App::start("silent", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let far = Far::start("silent").await?;
    let good = far.hire("deployer").await?;
    keep(&app, "far", &good).await?;
    app.deploy_ready("app", spec(&far, &json!({"retryInterval": "2s"})))
        .await?;

    // It takes connections, and that is all.
    let silence = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let silent = nowhere(&good, silence.local_addr()?.port());
    keep(&app, "silent", &silent).await?;
    for number in 0..12 {
        let more = json!({"kubeConfig": through("silent"), "retryInterval": "1s", "namePrefix": format!("n{number}-")});
        app.deploy(&format!("silent-{number}"), spec(&far, &more)).await?;
    }
    keep(&app, "far", &nowhere(&good, free_port()?)).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(message.contains("cannot be reached"), "{message}");
    let begun = Instant::now();
    for number in 0..4 {
        app.deploy_ready(
            &format!("here-{number}"),
            json!({"namePrefix": format!("h{number}-")}),
        )
        .await?;
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    // What is there is deleted once that can be done, and the object stays until then.
    app.delete(KUSTOMIZATION, "app").await?;
    let refuses = |object: &DynamicObject| {
        let message = condition(object, "Ready").and_then(|ready| ready["message"].as_str());
        object.metadata.deletion_timestamp.is_some()
            && message.is_some_and(|message| message.contains("pruning for deleted resource failed"))
    };
    app.wait(
        KUSTOMIZATION,
        "app",
        "says that nothing could be deleted",
        refuses,
    )
    .await?;
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_some());
    keep(&app, "far", &good).await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn without_its_secret_a_deletion_waits() -> Result<()> {
    let app = App::start("secretless", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let far = Far::start("secretless").await?;
    let good = far.testbed.portable_kubeconfig()?;
    keep(&app, "far", &good).await?;
    // An object of the same name here, with the same labels, is of no concern.
    app.deploy_ready("app", json!({})).await?;
    app.patch(KUSTOMIZATION, "app", json!({"spec": spec(&far, &json!({}))}))
        .await?;
    app.reconcile("app").await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_some());

    app.delete(SECRET, "far").await?;
    app.delete(KUSTOMIZATION, "app").await?;
    let refuses = |object: &DynamicObject| {
        let message = condition(object, "Ready").and_then(|ready| ready["message"].as_str());
        message.is_some_and(|message| message.contains("unable to read KubeConfig secret"))
    };
    app.wait(KUSTOMIZATION, "app", "says what it lacks", refuses)
        .await?;
    keep(&app, "far", &good).await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_none());
    // As in stock, what was applied before the cluster was changed is nobody's.
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    Ok(())
}

#[tokio::test]
async fn an_object_moves_between_owners_of_one_cluster_and_is_deleted_in_another() -> Result<()> {
    let files = [
        ("one/a.yaml", config_map("a", "blue")),
        ("one/moved.yaml", config_map("moved", "blue")),
        ("two/b.yaml", config_map("b", "blue")),
    ];
    let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
    let app = App::start("far-moves", &files).await?;
    // The same names here and there.
    let here = app.testbed.namespace("both").await?;
    let far = Testbed::remote().await?;
    let there = far.namespace_called(here.name()).await?;
    keep(&app, "far", &far.portable_kubeconfig()?).await?;
    let to = |path: &str, is_far: bool| {
        let mut spec = json!({"path": path, "targetNamespace": here.name()});
        if is_far {
            spec["kubeConfig"] = through("far");
        }
        spec
    };
    app.deploy_ready("far-one", to("one", true)).await?;
    app.deploy_ready("far-two", to("two", true)).await?;
    app.deploy_ready("here-one", to("one", false)).await?;
    let uid = |object: Option<DynamicObject>| object.and_then(|object| object.metadata.uid);
    let before = uid(there.get(CONFIG_MAP, "moved").await?).context("applied there")?;
    assert!(here.get(CONFIG_MAP, "moved").await?.is_some());

    // It moves to an owner that is only there.
    let commit = app
        .push(&[
            ("one/moved.yaml", ""),
            ("two/moved.yaml", &config_map("moved", "blue")),
        ])
        .await?;
    for name in ["far-one", "far-two", "here-one"] {
        app.wait_applied(name, &commit).await?;
    }
    assert_eq!(
        uid(there.get(CONFIG_MAP, "moved").await?),
        Some(before),
        "it was not made anew"
    );
    assert!(
        here.get(CONFIG_MAP, "moved").await?.is_none(),
        "nobody has it here"
    );
    Ok(())
}
