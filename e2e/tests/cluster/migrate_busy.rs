//! Moves of objects that a controller is in the middle of something with, and of objects that others write meanwhile.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{CONFIG_MAP, HELM_RELEASE, KUSTOMIZATION, Kind, SECRET, condition, is_ready};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::app::config_map;
use crate::beside::{Fleet, KEY, running};
use crate::ownership::{ALL, Moving, Witness, two_writers, unseen, workload_writes};
use crate::tool_at_work::{AT_ONCE, comes_to, ended, steps};

const POD: Kind = Kind {
    api_version: "v1",
    kind: "Pod",
    plural: "pods",
};

/// Has stock deploy a Kustomization whose runs last as long as the gate is not there; gives the gate.
async fn deploy_busy(fleet: &Fleet) -> Result<String> {
    let namespace = &fleet.namespace;
    fleet.add(&[("busy/a.yaml", &config_map("busy", "blue"))]).await?;
    let gate = config_map("gate", "open");
    namespace.apply(&gate).await?;
    let checks =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gate", "namespace": namespace.name()}]);
    let object = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": {"name": "busy"},
        "spec": {"interval": "1h", "retryInterval": "2s", "timeout": "2m", "prune": true, "path": "busy",
            "targetNamespace": namespace.name(), "healthChecks": checks,
            "sourceRef": {"kind": "GitRepository", "name": "app"}},
    });
    namespace.apply(&object.to_string()).await?;
    fleet.settled(KUSTOMIZATION, "busy").await?;
    Ok(gate)
}

fn busy_one() -> Moving {
    Moving {
        resource: "kustomizations",
        name: "busy".to_owned(),
        workloads: vec![("configmaps", "busy".to_owned())],
    }
}

/// Takes the gate away, asks for a run, and waits until that is under way.
async fn begin_run(fleet: &Fleet, request: &str) -> Result<()> {
    fleet.namespace.delete(CONFIG_MAP, "gate").await?;
    fleet.request(KUSTOMIZATION, "busy", request).await?;
    let waits =
        |object: &DynamicObject| condition(object, "Ready").is_some_and(|ready| ready["status"] == "Unknown");
    fleet
        .namespace
        .wait(KUSTOMIZATION, "busy", "is in the middle of a run", waits)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_under_way_is_waited_for_on_both_ways() -> Result<()> {
    let fleet = Fleet::start("migrate-busy").await?;
    let namespace = &fleet.namespace;
    let gate = deploy_busy(&fleet).await?;
    let before = namespace.get(CONFIG_MAP, "busy").await?.context("busy")?.metadata;
    let witness = Witness::start(&fleet.beside.testbed, namespace, vec![busy_one()]).await?;

    let (busy, journal) = (fleet.handle("ks", "busy"), fleet.journal("there"));
    begin_run(&fleet, "under-way").await?;
    let tool = fleet.begin_move(&busy, &journal, &AT_ONCE[1..])?;
    comes_to(&journal, "guard").await?;
    fleet.stays(KUSTOMIZATION, "busy", None).await?;
    namespace.apply(&gate).await?;
    let (told, _) = ended(tool, 0).await?;
    ensure!(told.contains("unmoved 1/1"), "{told}");

    // And back, while ours waits.
    begin_run(&fleet, "under-way-again").await?;
    let tool = fleet.begin(&["migrate", "rollback", &busy, "--yes"])?;
    fleet.stays(KUSTOMIZATION, "busy", Some("openflux")).await?;
    namespace.apply(&gate).await?;
    let (told, _) = ended(tool, 0).await?;
    ensure!(told.contains("With openflux: 0. With stock: 1."), "{told}");
    fleet.settled(KUSTOMIZATION, "busy").await?;

    let after = namespace.get(CONFIG_MAP, "busy").await?.context("busy")?.metadata;
    ensure!(before == after, "an object was written");
    let number = witness.finds_no_fault(&ALL).await?;
    ensure!(number == 1, "{number} moves");
    Ok(())
}

const CHART: &str = "{apiVersion: v2, name: slow, version: 1.0.0}\n";
const TEMPLATE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: slow}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: slow}}
  template:
    metadata: {labels: {app: slow}}
    spec: {containers: [{name: app, image: app}]}
";

/// Waits until this many pods have been made, and says in place of a kubelet that they run.
async fn run_as_many(fleet: &Fleet, number: usize) -> Result<()> {
    e2e::testbed::eventually("the pods to be made", async || {
        Ok((fleet.namespace.list(POD).await?.len() >= number).then_some(()))
    })
    .await?;
    for pod in fleet.namespace.list(POD).await? {
        let name = pod.metadata.name.unwrap_or_default();
        fleet.namespace.patch_status(POD, &name, running()).await?;
    }
    Ok(())
}

/// How many records of the release there are, and how the newest stands.
async fn records(fleet: &Fleet) -> Result<(usize, String)> {
    let secrets = fleet.namespace.list(SECRET).await?;
    let mut records: Vec<(u64, String)> = secrets
        .iter()
        .filter_map(|secret| {
            let labels = secret.metadata.labels.as_ref()?;
            let is_slow = labels.get("name")? == "slow" && labels.get("owner")? == "helm";
            is_slow.then_some((
                labels.get("version")?.parse().ok()?,
                labels.get("status")?.clone(),
            ))
        })
        .collect();
    records.sort();
    let newest = records.last().map(|(_, status)| status.clone());
    Ok((records.len(), newest.unwrap_or_default()))
}

#[tokio::test]
async fn an_upgrade_that_is_under_way_is_waited_for_on_both_ways() -> Result<()> {
    let fleet = Fleet::start("migrate-upgrade").await?;
    let namespace = &fleet.namespace;
    fleet
        .add(&[("slow/Chart.yaml", CHART), ("slow/templates/web.yaml", TEMPLATE)])
        .await?;
    let object = json!({
        "apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind, "metadata": {"name": "slow"},
        "spec": {"interval": "1h", "timeout": "2m", "chart": {"spec": {"chart": "slow",
            "sourceRef": {"kind": "GitRepository", "name": "app"}}}, "values": {"replicas": 0}},
    });
    namespace.apply(&object.to_string()).await?;
    fleet.settled(HELM_RELEASE, "slow").await?;
    let pending = async || {
        e2e::testbed::eventually("the upgrade to be under way", async || {
            Ok((records(&fleet).await?.1 == "pending-upgrade").then_some(()))
        })
        .await
    };
    let replicas = |number: usize| json!({"spec": {"values": {"replicas": number}}});
    let moving = Moving {
        resource: "helmreleases",
        name: "slow".to_owned(),
        workloads: vec![("deployments", "slow".to_owned())],
    };
    let witness = Witness::start(&fleet.beside.testbed, namespace, vec![moving]).await?;

    let (slow, journal) = (fleet.handle("hr", "slow"), fleet.journal("there"));
    namespace.patch(HELM_RELEASE, "slow", replicas(1)).await?;
    pending().await?;
    let tool = fleet.begin_move(&slow, &journal, &AT_ONCE[1..])?;
    comes_to(&journal, "guard").await?;
    fleet.stays(HELM_RELEASE, "slow", None).await?;
    run_as_many(&fleet, 1).await?;
    ended(tool, 0).await?;
    ensure!(records(&fleet).await? == (2, "deployed".to_owned()));

    namespace.patch(HELM_RELEASE, "slow", replicas(2)).await?;
    pending().await?;
    let tool = fleet.begin(&["migrate", "rollback", &slow, "--yes"])?;
    fleet.stays(HELM_RELEASE, "slow", Some("openflux")).await?;
    run_as_many(&fleet, 2).await?;
    let (told, _) = ended(tool, 0).await?;
    ensure!(told.contains("With openflux: 0. With stock: 1."), "{told}");
    fleet.settled(HELM_RELEASE, "slow").await?;
    // Nobody has taken up what another was about.
    ensure!(records(&fleet).await? == (3, "deployed".to_owned()));
    // The upgrades write the Deployment.
    witness.finds_no_fault(&[two_writers, unseen]).await?;
    Ok(())
}

/// Our controller, as somebody reaches it who waits before each question until that is let through.
async fn hold_questions(fleet: &Fleet, let_through: Arc<Semaphore>) -> Result<String> {
    let url = fleet.beside.testbed.shadow_url();
    let to = url.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let (to, let_through) = (to.clone(), Arc::clone(&let_through));
            tokio::spawn(async move {
                if let Ok(permit) = let_through.acquire().await {
                    permit.forget();
                }
                if let Ok(mut to) = TcpStream::connect(&to).await {
                    // Either end may go first.
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    Ok(address)
}

#[tokio::test]
async fn what_others_write_between_the_look_and_the_label_is_seen() -> Result<()> {
    let fleet = Fleet::start("migrate-conflict").await?;
    let (app, journal) = (fleet.handle("ks", "app"), fleet.journal("conflict"));
    let before = fleet.traces().await?;
    // The first question finds out whether it is there.
    let let_through = Arc::new(Semaphore::new(1));
    let held = hold_questions(&fleet, Arc::clone(&let_through)).await?;
    let tool = fleet.begin_move(&app, &journal, &["--soak", "0", "--shadow-url", &held])?;
    comes_to(&journal, "prove").await?;
    let note = json!({"metadata": {"annotations": {"example.com/note": "written meanwhile"}}});
    fleet.namespace.patch(KUSTOMIZATION, "app", note).await?;
    let_through.add_permits(100);
    let (told, _) = ended(tool, 0).await?;
    ensure!(told.contains("unmoved 3/3"), "{told}");
    let steps = steps(&journal);
    let guards = steps.iter().filter(|step| *step == "guard").count();
    ensure!(guards == 2, "{steps:?}");
    let moved = fleet.app().await?;
    let labels = moved.metadata.labels.clone().unwrap_or_default();
    ensure!(labels.contains_key(KEY) && is_ready(&moved), "{moved:?}");
    ensure!(fleet.traces().await? == before, "an object was written");
    fleet.rolls_back(&app).await?;
    Ok(())
}

#[tokio::test]
async fn what_stock_began_before_the_label_is_waited_for_while_ours_lets_it_be() -> Result<()> {
    let fleet = Fleet::start("migrate-late").await?;
    let namespace = &fleet.namespace;
    let gate = deploy_busy(&fleet).await?;
    let (busy, journal) = (fleet.handle("ks", "busy"), fleet.journal("late"));
    let witness = Witness::start(&fleet.beside.testbed, namespace, vec![busy_one()]).await?;

    // The tool is killed right before the label.
    let held = hold_questions(&fleet, Arc::new(Semaphore::new(1))).await?;
    let mut tool = fleet.begin_move(&busy, &journal, &["--shadow-url", &held])?;
    comes_to(&journal, "prove").await?;
    tool.kill().await?;
    let migration = fleet.migration().await?;
    // Or rather behind it, while stock is in the middle of a run: this is its last write.
    begin_run(&fleet, "under-way").await?;
    let now = jiff::Timestamp::now().to_string();
    let label = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {"name": "busy", "labels": {KEY: "openflux"}, "annotations": {
            "openfluxcd.ocm.software/moved-at": now, "openfluxcd.ocm.software/moved-by": "alice",
            "openfluxcd.ocm.software/moved-from": "", "openfluxcd.ocm.software/held-since": now}},
    });
    let params = PatchParams::apply("openflux-migrate");
    let api = namespace.api(KUSTOMIZATION);
    api.patch("busy", &params, &Patch::Apply(&label)).await?;

    let path = journal.display().to_string();
    let words = ["migrate", "apply", &migration, "--resume", "--journal", &path];
    let tool = fleet.begin(&[&words[..], &AT_ONCE].concat())?;
    comes_to(&journal, "taken").await?;
    fleet.stays(KUSTOMIZATION, "busy", Some("openflux")).await?;
    namespace.apply(&gate).await?;
    // What it looked like before the label nobody has written down.
    let (told, errors) = ended(tool, 1).await?;
    ensure!(
        told.contains("stock had begun a run of it before it saw the label"),
        "{told}{errors}"
    );
    ensure!(told.contains("With openflux: 1."), "{told}{errors}");
    let object = namespace.get(KUSTOMIZATION, "busy").await?.context("busy")?;
    let annotations = object.metadata.annotations.unwrap_or_default();
    ensure!(!annotations.keys().any(|key| key.contains("held-since")));
    fleet.rolls_back(&busy).await?;
    fleet.settled(KUSTOMIZATION, "busy").await?;
    witness.finds_no_fault(&[two_writers, workload_writes]).await?;
    Ok(())
}
