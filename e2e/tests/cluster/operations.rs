//! What operators rely on around a controller: leader election, probes, metrics, and events for the
//! notification-controller, beside the stock ones that their dashboards and alerts were made for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use controller_kit::leader::lease_name;
use e2e::testbed::{HttpServer, KUSTOMIZATION, PATIENCE, Process, Stock, Testbed, eventually, free_port};
use e2e::tools::{self, Tool};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::ToSpan as _;
use kube::Api;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::app::{self, App, Owner, config_map, deployment};
use crate::producing;

/// The Lease that our controller of the shard `leader` competes for.
async fn lease(testbed: &Testbed) -> Result<Lease> {
    let leases: Api<Lease> = Api::namespaced(testbed.client().await?, "flux-system");
    eventually("the Lease", async || {
        let name = lease_name("kustomize-controller", "sharding.fluxcd.io/key=leader");
        Ok(leases.get_opt(&name).await?)
    })
    .await
}

fn holder(lease: &Lease) -> String {
    let spec = lease.spec.clone().unwrap_or_default();
    spec.holder_identity.unwrap_or_default()
}

/// Waits until the holder has renewed the Lease, and tells who it is: several terms of others that retry have passed.
async fn renewed(testbed: &Testbed) -> Result<String> {
    let before = lease(testbed).await?;
    let after = eventually("the Lease to be renewed", async || {
        let renewed = |lease: &Lease| lease.spec.clone().unwrap_or_default().renew_time;
        let now = lease(testbed).await?;
        Ok((renewed(&now) > renewed(&before).map(|time| MicroTime(time.0 + 3.seconds()))).then_some(now))
    })
    .await?;
    Ok(holder(&after))
}

/// A program in Go that competes for a Lease with client-go: another kube-controller-manager, which controls nothing.
fn start_go_candidate(testbed: &Testbed, lease: &str) -> Result<Process> {
    let [program] = tools::ensure([Tool::KubeControllerManager])?;
    let arguments = [
        format!("--kubeconfig={}", testbed.kubeconfig().display()),
        "--secure-port=0".to_owned(),
        "--controllers=bootstrap-signer-controller".to_owned(),
        format!("--leader-elect-resource-name={lease}"),
        "--leader-elect-resource-namespace=flux-system".to_owned(),
        "--leader-elect-lease-duration=4s".to_owned(),
        "--leader-elect-renew-deadline=3s".to_owned(),
        "--leader-elect-retry-period=500ms".to_owned(),
    ];
    Process::spawn("go-candidate", testbed.logs(), &program, arguments, &[])
}

#[tokio::test]
async fn candidates_in_go_and_ours_keep_each_other_out() -> Result<()> {
    let file = config_map("a", "1");
    let app = App::owned_by(Owner::Shard("leader"), "leader", &[("deploy/a.yaml", &file)]).await?;
    // Artifacts come from the shared controller.
    app.testbed.openflux_controller().await?;
    let flags = [
        "--controllers=kustomize",
        "--watch-label-selector=sharding.fluxcd.io/key=leader",
        "--enable-leader-election",
        "--leader-election-lease-duration=15s",
        "--leader-election-renew-deadline=12s",
        "--leader-election-retry-period=500ms",
    ];
    let start = |name: &str| app.testbed.start_openflux(name, &flags);
    let mut ours = start("openflux-controller-leader")?;
    app.deploy_ready("app", json!({})).await?;
    let held = lease(app.testbed).await?;
    let first = holder(&held);

    let name = held.metadata.name.context("the Lease's name")?;
    let mut candidate = start_go_candidate(app.testbed, &name)?;
    assert_eq!(renewed(app.testbed).await?, first, "taken from a live holder");

    let status = ours.stop(PATIENCE)?;
    ensure!(status.success(), "after SIGTERM: {status}");
    let second = eventually("the candidate to lead", async || {
        let now = holder(&lease(app.testbed).await?);
        Ok((!now.is_empty() && now != first).then_some(now))
    })
    .await?;

    let _standby = start("openflux-controller-standby")?;
    let commit = app.push(&[("deploy/a.yaml", &config_map("a", "2"))]).await?;
    assert_eq!(renewed(app.testbed).await?, second, "taken from a live holder");
    assert_eq!(app.colour("a").await?.as_deref(), Some("1"));
    // It cannot give the Lease back.
    candidate.kill()?;
    app.wait_applied("app", &commit).await?;
    Ok(())
}

/// The text that an address serves at a path.
pub(crate) async fn get(address: &str, path: &str) -> Result<String> {
    let body = producing::get(&format!("http://{address}{path}")).await?;
    Ok(String::from_utf8(body)?)
}

/// Families of stock that have no counterpart: reconciliations have no time-out of their own, and there are no webhooks.
const MISSING: [&str; 3] = [
    "controller_runtime_conversion_webhook_panics_total",
    "controller_runtime_reconcile_timeouts_total",
    "controller_runtime_webhook_panics_total",
];

/// What a dashboard knows of a metric: its type, and the labels of its series.
#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

/// The families of the Prometheus text format, by name; those that have series only.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap_or((declared, ""));
            name.clone_into(&mut current);
            kind.clone_into(&mut families.entry(current.clone()).or_default().kind);
        } else if !line.starts_with('#') {
            let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
            let names = labels.into_iter().flat_map(|(labels, _)| labels.split("\","));
            let names = names.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
            let family = families.entry(current.clone()).or_default();
            family.labels.extend(names.filter(|name| name != "le"));
        }
    }
    families
}

#[tokio::test]
async fn probes_answer_and_metrics_are_those_of_stock() -> Result<()> {
    let file = config_map("a", "1");
    let files = [("deploy/a.yaml", file.as_str())];
    let app = App::owned_by(Owner::Shard("metrics-ours"), "metrics", &files).await?;
    app.testbed.openflux_controller().await?;
    let address = || free_port().map(|port| format!("127.0.0.1:{port}"));
    let (metrics, health, stock_metrics) = (address()?, address()?, address()?);
    let ours = [
        "--controllers=kustomize".to_owned(),
        "--watch-label-selector=sharding.fluxcd.io/key=metrics-ours".to_owned(),
        format!("--metrics-addr={metrics}"),
        format!("--health-addr={health}"),
    ];
    let ours = ours.each_ref().map(String::as_str);
    let _ours = app.testbed.start_openflux("openflux-controller-metrics", &ours)?;
    let stock = [
        "--watch-label-selector=sharding.fluxcd.io/key=metrics-stock".to_owned(),
        format!("--metrics-addr={stock_metrics}"),
    ];
    let stock = stock.each_ref().map(String::as_str);
    let _stock = app.testbed.start_stock(Stock::Kustomize, &stock)?;

    eventually("ready", async || Ok(get(&health, "/readyz").await.ok())).await?;
    get(&health, "/healthz").await?;
    app.deploy_ready("ours", json!({"prune": false})).await?;
    let source = json!({"path": "deploy", "sourceRef": {"kind": "GitRepository", "name": "app"}});
    app::deploy(&app, Owner::Shard("metrics-stock"), "stock", &[source]).await?;
    app.wait_ready(KUSTOMIZATION, "stock").await?;

    let (ours, stock) = (
        families(&get(&metrics, "/metrics").await?),
        families(&get(&stock_metrics, "/metrics").await?),
    );
    let mut compared = 0;
    for (name, family) in ours.iter().filter(|(name, _)| !name.starts_with("openflux_")) {
        let Some(theirs) = stock.get(name) else {
            bail!("stock has no {name}, but {:?}", stock.keys());
        };
        ensure!(
            family.kind == theirs.kind && family.labels.is_subset(&theirs.labels),
            "{name}: {family:?}, in stock {theirs:?}"
        );
        compared += 1;
    }
    let prefixes = [
        "controller_runtime_",
        "gotk_reconcile",
        "gotk_token_",
        "workqueue_",
        "rest_client_",
    ];
    let expected = |name: &&String| prefixes.iter().any(|prefix| name.starts_with(prefix));
    for name in stock.keys().filter(expected) {
        ensure!(
            ours.contains_key(name) || MISSING.contains(&name.as_str()),
            "{name} is missing"
        );
    }
    ensure!(
        compared >= 20 && ours.contains_key("gotk_reconcile_duration_seconds"),
        "{ours:#?}"
    );
    // What is gone leaves no series behind.
    app.delete(KUSTOMIZATION, "ours").await?;
    app.wait_gone(KUSTOMIZATION, "ours").await?;
    eventually("the series of a deleted object to go", async || {
        let text = get(&metrics, "/metrics").await?;
        Ok((!text.contains("name=\"ours\"")).then_some(()))
    })
    .await
}

type Received = Arc<Mutex<Vec<Value>>>;

async fn receive(State(received): State<Received>, body: axum::Json<Value>) {
    received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(body.0);
}

#[tokio::test]
async fn alerts_of_the_notification_controller_tell_of_ours() -> Result<()> {
    let file = config_map("a", "1");
    let app = App::owned_by(Owner::Shard("alerts"), "alerts", &[("deploy/a.yaml", &file)]).await?;
    app.testbed.openflux_controller().await?;
    let received = Received::default();
    let chat = Router::new()
        .route("/hook", post(receive))
        .with_state(Arc::clone(&received));
    let chat = HttpServer::start(chat)?;
    let (events, receiver) = (free_port()?, free_port()?);
    let flags = [
        format!("--events-addr=127.0.0.1:{events}"),
        format!("--receiverAddr=127.0.0.1:{receiver}"),
    ];
    let _notification = app
        .testbed
        .start_stock(Stock::Notification, &flags.each_ref().map(String::as_str))?;
    app.apply(&format!(
        "
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {{name: chat}}
spec: {{type: generic, address: '{}'}}
",
        chat.url("/hook")
    ))
    .await?;
    app.apply(
        "
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: all}
spec:
  providerRef: {name: chat}
  eventSeverity: info
  eventSources: [{kind: Kustomization, name: '*'}]
",
    )
    .await?;
    eventually("the event receiver", async || {
        Ok(TcpStream::connect(("127.0.0.1", events)).await.ok())
    })
    .await?;
    let flags = [
        "--controllers=kustomize".to_owned(),
        "--watch-label-selector=sharding.fluxcd.io/key=alerts".to_owned(),
        format!("--events-addr=http://127.0.0.1:{events}/"),
    ];
    let _ours = app.testbed.start_openflux(
        "openflux-controller-alerts",
        &flags.each_ref().map(String::as_str),
    )?;
    app.deploy_ready("app", json!({})).await?;
    let event = eventually("an alert", async || {
        let events = received.lock().unwrap_or_else(PoisonError::into_inner);
        let success = events
            .iter()
            .find(|event| event["reason"] == "ReconciliationSucceeded");
        Ok(success.cloned())
    })
    .await?;
    assert_eq!(event["involvedObject"]["kind"], "Kustomization");
    assert_eq!(event["involvedObject"]["name"], "app");
    assert_eq!(event["severity"], "info");
    let revision = event["metadata"]["revision"].as_str().unwrap_or_default();
    ensure!(revision.starts_with("main@sha1:"), "{event:#}");
    Ok(())
}

#[tokio::test]
async fn an_operator_sees_what_runs_wait_for_and_what_is_watched() -> Result<()> {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: hidden}, stringData: {password: hunter2}}";
    let files = [
        ("deploy/web.yaml", &*deployment("web", 1)),
        ("deploy/secret.yaml", secret),
        ("next/a.yaml", &*config_map("a", "blue")),
    ];
    let app = App::owned_by(Owner::Shard("inspected"), "inspected", &files).await?;
    app.testbed.openflux_controller().await?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let flags = [
        "--controllers=kustomize".to_owned(),
        "--watch-label-selector=sharding.fluxcd.io/key=inspected".to_owned(),
        format!("--metrics-addr={address}"),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let _controller = app
        .testbed
        .start_openflux("openflux-controller-inspected", &flags)?;
    // Nothing runs pods, so that it never becomes ready.
    app.deploy("app", json!({"wait": true})).await?;
    app.deploy("next", json!({"path": "next", "dependsOn": [{"name": "app"}]}))
        .await?;
    let key = |name: &str| format!("{}/{name}", app.name());
    let find = |list: &Value, name: &str| {
        let all = list.as_array().into_iter().flatten();
        all.clone().find(|run| run["object"] == key(name)).cloned()
    };
    let awaited = format!("Deployment/{}/web", app.name());
    eventually(
        "a run that is parked on the Deployment and a scheduled one",
        async || {
            let Ok(runs) = get(&address, "/debug/runs").await else {
                return Ok(None);
            };
            ensure!(!runs.contains("hunter2"), "{runs}");
            let runs: Value = serde_json::from_str(&runs)?;
            let queues = runs["queues"].as_array().into_iter().flatten();
            let mut queue = queues.filter(|queue| queue["queue"] == "kustomization");
            let Some(queue) = queue.next() else {
                // It has only begun to start.
                return Ok(None);
            };
            let parked = find(&queue["running"], "app").map(|run| run["parked"]["on"].clone());
            let is_parked = parked.is_some_and(|on| on.as_str().is_some_and(|on| on.contains(&awaited)));
            let is_scheduled = find(&queue["scheduled"], "next").is_some();
            Ok((is_parked && is_scheduled).then_some(()))
        },
    )
    .await?;

    let watches = get(&address, "/debug/watches").await?;
    ensure!(!watches.contains("hunter2"), "{watches}");
    let watches: Value = serde_json::from_str(&watches)?;
    let watches = watches["watches"].as_array().context("a list")?;
    for name in ["Kustomization", "Artifact", "Deployment apps/v1, as applied"] {
        let mut found = watches.iter().filter(|watch| watch["watch"] == name);
        let watch = found.next().with_context(|| format!("{name}: {watches:#?}"))?;
        ensure!(watch["objects"].as_u64() > Some(0), "{watch}");
    }
    Ok(())
}
