//! `force`: an immutable field is a refusal without it, and a new object with it.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, Kind, SERVICE};
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map};
use crate::together::{Side, together};

const JOB: Kind = Kind {
    api_version: "batch/v1",
    kind: "Job",
    plural: "jobs",
};
const ROLE_BINDING: Kind = Kind {
    api_version: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    plural: "rolebindings",
};

fn immutable(colour: &str) -> String {
    config_map("a", colour).replace(", data:", ", immutable: true, data:")
}

#[tokio::test]
async fn an_immutable_object_is_recreated_only_on_request() -> Result<()> {
    let app = App::start("force", &[("deploy/a.yaml", &immutable("blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    let before = app.existing(CONFIG_MAP, "a").await?;

    let commit = app.push(&[("deploy/a.yaml", &immutable("red"))]).await?;
    let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
    let start = format!("ConfigMap/{}/a dry-run failed (Invalid): ", app.name());
    assert!(message.starts_with(&start), "{message}");
    assert!(
        message.contains("field is immutable when `immutable` is set"),
        "{message}"
    );
    assert!(message.contains("force"), "it says what to do next: {message}");
    let kept = app.existing(CONFIG_MAP, "a").await?;
    assert_eq!(kept.metadata.resource_version, before.metadata.resource_version);

    app.patch(KUSTOMIZATION, "app", json!({"spec": {"force": true}}))
        .await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("red"));
    let after = app.existing(CONFIG_MAP, "a").await?;
    assert_ne!(after.metadata.uid, before.metadata.uid);
    Ok(())
}

#[tokio::test]
async fn force_deletes_nothing_that_is_merely_invalid() -> Result<()> {
    let service = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {colour: blue}}";
    let app = App::start("force-invalid", &[("deploy/a.yaml", service)]).await?;
    app.deploy_ready("app", json!({"force": true})).await?;
    let before = app.existing(CONFIG_MAP, "a").await?;
    let invalid = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {'not/a/key': blue}}";
    let commit = app.push(&[("deploy/a.yaml", invalid)]).await?;
    let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
    assert!(message.contains("not/a/key"), "{message}");
    let after = app.existing(CONFIG_MAP, "a").await?;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    Ok(())
}

#[tokio::test]
async fn a_live_marker_protects_from_force_and_makes_a_refusal_no_error() -> Result<()> {
    let protections = [
        ("disabled-seen", "reconcile", "disabled", true),
        ("disabled-unseen", "reconcile", "disabled", false),
        ("ignored-seen", "ssa", "Ignore", true),
        ("ignored-unseen", "ssa", "Ignore", false),
    ];
    let files = |colour: &str| {
        protections.map(|(name, ..)| {
            let object = config_map(name, colour).replace(", data:", ", immutable: true, data:");
            (format!("deploy/{name}.yaml"), object)
        })
    };
    let blue = files("blue");
    let app = App::start(
        "protected",
        &blue.each_ref().map(|(path, text)| (&**path, &**text)),
    )
    .await?;
    app.deploy_ready("app", json!({})).await?;
    let mut before = Vec::new();
    for (name, marker, value, seen) in protections {
        let mut metadata = json!({"annotations": {format!("kustomize.toolkit.fluxcd.io/{marker}"): value}});
        if !seen {
            // The watch of applied objects sees nothing without these, as it does until it is in sync.
            metadata["labels"] = json!({
                "kustomize.toolkit.fluxcd.io/name": null, "kustomize.toolkit.fluxcd.io/namespace": null});
        }
        let object = app.patch(CONFIG_MAP, name, json!({"metadata": metadata})).await?;
        before.push(object.metadata.resource_version);
    }

    let red = files("red");
    let commit = app
        .push(&red.each_ref().map(|(path, text)| (&**path, &**text)))
        .await?;
    app.wait_applied("app", &commit).await?;
    app.patch(KUSTOMIZATION, "app", json!({"spec": {"force": true}}))
        .await?;
    app.wait_applied("app", &commit).await?;
    app.reconcile("app").await?;
    app.wait_applied("app", &commit).await?;
    for ((name, ..), version) in protections.iter().zip(before) {
        assert_eq!(
            app.existing(CONFIG_MAP, name).await?.metadata.resource_version,
            version,
            "{name}"
        );
    }
    Ok(())
}

/// A Service whose address changes.
fn service(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}).to_string()
}

fn job(pod: &Value, parallelism: i32) -> String {
    let spec = json!({"suspend": true, "parallelism": parallelism, "template": {"spec": pod}});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": spec}).to_string()
}

fn pod(image: &str, restart: &str) -> Value {
    json!({"restartPolicy": restart, "containers": [{"name": "app", "image": image}]})
}

fn binding(role: &str) -> String {
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role});
    json!({"apiVersion": ROLE_BINDING.api_version, "kind": "RoleBinding", "metadata": {"name": "binding"},
        "roleRef": reference})
    .to_string()
}

/// Changes what cannot be changed in place, with `force`; tells which objects are others afterwards.
async fn recreations(side: Side) -> Result<Value> {
    // Addresses and ports of Services are those of the cluster.
    let subnet: u8 = if side.owner == Owner::Stock { 70 } else { 71 };
    // Names of services may have 63 characters.
    let long = format!("long-{}", "x".repeat(56));
    let headless = |address: &str| service(&long, &json!({"clusterIP": address, "ports": [{"port": 80}]}));
    let port = 30_000 + u32::from(subnet);
    let exposed = |host: u8| {
        let spec = json!({"type": "NodePort", "clusterIP": format!("10.96.{subnet}.{host}"),
            "ports": [{"port": 80, "nodePort": port}]});
        service("exposed", &spec)
    };
    let files = |service: &str, exposed: &str, job: &str, binding: &str| {
        [
            ("deploy/service.yaml".to_owned(), service.to_owned()),
            ("deploy/exposed.yaml".to_owned(), exposed.to_owned()),
            ("deploy/job.yaml".to_owned(), job.to_owned()),
            ("deploy/binding.yaml".to_owned(), binding.to_owned()),
        ]
    };
    let before = files(
        &headless("None"),
        &exposed(1),
        &job(&pod("one", "Never"), 1),
        &binding("one"),
    );
    let fixed = headless(&format!("10.96.{subnet}.9"));
    let after = files(
        &fixed,
        &exposed(2),
        &job(&pod("two", "Never"), 1),
        &binding("two"),
    );
    let objects = [
        (SERVICE, &*long),
        (SERVICE, "exposed"),
        (JOB, "job"),
        (ROLE_BINDING, "binding"),
    ];

    let app = App::owned_by(
        side.owner,
        "recreate",
        &before.each_ref().map(|(path, text)| (&**path, &**text)),
    )
    .await?;
    app.deploy_ready("app", json!({"force": true})).await?;
    let mut known = Vec::new();
    for (kind, name) in objects {
        known.push(app.existing(kind, name).await?.metadata.uid);
    }
    let commit = app
        .push(&after.each_ref().map(|(path, text)| (&**path, &**text)))
        .await?;
    app.wait_applied("app", &commit).await?;
    let seen = side.same("recreated", async || {
        let mut recreated = Vec::new();
        for ((kind, name), uid) in objects.iter().zip(&known) {
            let now = app.existing(*kind, name).await?.metadata.uid;
            recreated.push(json!([name, now != *uid]));
        }
        Ok(Some(json!(recreated)))
    });
    seen.await
}

#[tokio::test]
async fn what_stock_recreates_is_recreated() -> Result<()> {
    let (_, ours) = together(recreations).await?;
    let mut all = ours.as_array().into_iter().flatten();
    assert!(all.all(|object| object[1] == true), "{ours}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_created_again_is_not_deleted() -> Result<()> {
    let app = App::start(
        "irreplaceable",
        &[("deploy/job.yaml", &job(&pod("one", "Never"), 1))],
    )
    .await?;
    app.deploy_ready("app", json!({"force": true})).await?;
    let before = app.existing(JOB, "job").await?;
    for (invalid, reason) in [
        (job(&pod("one", "Always"), 1), "restartPolicy"),
        (job(&pod("two", "Never"), -1), "parallelism"),
    ] {
        let commit = app.push(&[("deploy/job.yaml", &invalid)]).await?;
        let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
        assert!(message.contains("field is immutable"), "{message}");
        let (_, why) = message.split_once("it was not recreated").unwrap_or_default();
        assert!(why.contains(reason), "{message}");
        assert_eq!(app.existing(JOB, "job").await?.metadata.uid, before.metadata.uid);
    }
    Ok(())
}
