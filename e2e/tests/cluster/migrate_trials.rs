//! Many moves there and back: with commits meanwhile, and with the tool or a controller killed at any moment.
//!
//! `OPENFLUX_TRIALS=200` moves so many objects, five times there and back, and kills as often.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::testbed::{
    CONFIG_MAP, DEPLOYMENT, GIT_REPOSITORY, GitRepo, HELM_RELEASE, KUSTOMIZATION, Kind, NOT_OURS, Namespace,
    Process, SECRET, Stock, condition, is_ready,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::config_map;
use crate::beside::{Beside, KEY};
use crate::crash::moments;
use crate::moves::trials;
use crate::ownership::{Moving, moves, two_writers, unseen, workload_writes};

/// Whether somebody wants to know better than every run of the tests does.
fn is_long() -> bool {
    std::env::var_os("OPENFLUX_TRIALS").is_some()
}

const CHART: &str = "{apiVersion: v2, name: chart, version: 1.0.0}\n";
const TEMPLATE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data: {colour: blue}
";

/// The label by which the tool is told what moves.
const SELECTOR: &str = "fleet=many";

/// Kustomizations and HelmReleases of one object each.
struct Many<'a> {
    beside: &'a Beside,
    namespace: Namespace,
    repo: GitRepo,
    objects: Vec<(Kind, String)>,
}

impl<'a> Many<'a> {
    async fn start(beside: &'a Beside, kustomizations: usize, releases: usize) -> Result<Self> {
        let testbed = &beside.testbed;
        let namespace = testbed.namespace("migrate-many").await?;
        let repo = testbed.git().await?.create(namespace.name()).await?;
        let names: Vec<_> = (0..kustomizations)
            .map(|number| format!("app-{number:03}"))
            .collect();
        let mut files = vec![
            ("chart/Chart.yaml".to_owned(), CHART.to_owned()),
            ("chart/templates/settings.yaml".to_owned(), TEMPLATE.to_owned()),
        ];
        let of_app = |name: &String| (format!("{name}/settings.yaml"), config_map(name, "blue"));
        files.extend(names.iter().map(of_app));
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        repo.commit("first", &files).await?;
        let source = json!({
            "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": "app"},
            "spec": {"interval": "1h", "url": repo.url(), "ref": {"branch": "main"}},
        });
        namespace.apply(&source.to_string()).await?;
        let labels = json!({"fleet": "many"});
        let source = json!({"kind": "GitRepository", "name": "app"});
        let mut objects = Vec::new();
        for name in names {
            let object = json!({
                "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
                "metadata": {"name": name, "labels": labels},
                "spec": {"interval": "1h", "retryInterval": "2s", "prune": true, "path": name,
                    "targetNamespace": namespace.name(), "sourceRef": source},
            });
            namespace.apply(&object.to_string()).await?;
            objects.push((KUSTOMIZATION, name));
        }
        for number in 0..releases {
            let name = format!("release-{number}");
            let object = json!({
                "apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind,
                "metadata": {"name": name, "labels": labels},
                "spec": {"interval": "1h", "chart": {"spec": {"chart": "chart", "sourceRef": source}}},
            });
            namespace.apply(&object.to_string()).await?;
            objects.push((HELM_RELEASE, name));
        }
        let many = Self {
            beside,
            namespace,
            repo,
            objects,
        };
        many.settled().await?;
        Ok(many)
    }

    async fn settled(&self) -> Result<()> {
        let settled = |object: &DynamicObject| is_ready(object) && condition(object, "Reconciling").is_none();
        for (kind, name) in &self.objects {
            self.namespace.wait(*kind, name, "is ready", settled).await?;
        }
        Ok(())
    }

    /// Commits what changes no object, and has it fetched.
    async fn commit(&self, note: &str) -> Result<()> {
        let commit = self.repo.commit(note, &[("notes.txt", note)]).await?;
        let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": commit}}});
        self.namespace.patch(GIT_REPOSITORY, "app", patch).await?;
        Ok(())
    }

    /// What a write to any of what was applied would change.
    async fn traces(&self) -> Result<BTreeMap<String, Option<String>>> {
        let mut traces = BTreeMap::new();
        for kind in [CONFIG_MAP, SECRET] {
            for object in self.namespace.list(kind).await? {
                let meta = object.metadata;
                let key = format!("{}/{}", kind.kind, meta.name.unwrap_or_default());
                traces.insert(key, meta.resource_version);
            }
        }
        Ok(traces)
    }

    /// Makes sure that each has the label, or that none has.
    async fn are_moved(&self, moved: bool) -> Result<()> {
        for kind in [KUSTOMIZATION, HELM_RELEASE] {
            for object in self.namespace.list(kind).await? {
                let labels = object.metadata.labels.unwrap_or_default();
                let label = labels.get(KEY).map(String::as_str);
                ensure!(
                    label == moved.then_some("openflux"),
                    "{:?} has the label {label:?}",
                    object.metadata.name
                );
            }
        }
        Ok(())
    }

    fn moving(&self) -> Vec<Moving> {
        let moving = self.objects.iter().map(|(kind, name)| Moving {
            resource: kind.plural,
            name: name.clone(),
            workloads: vec![("configmaps", name.clone())],
        });
        moving.collect()
    }

    /// Runs the tool, which prints one document.
    async fn report(&self, words: &[&str]) -> Result<Value> {
        let output = self.beside.openflux(&[words, &["-o", "json"]].concat()).await?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            let (text, errors) = (&output.stdout, &output.stderr);
            format!(
                "{}\n{}{}",
                words.join(" "),
                String::from_utf8_lossy(text),
                String::from_utf8_lossy(errors)
            )
        })
    }
}

#[tokio::test]
async fn many_move_there_and_back_while_others_commit() -> Result<()> {
    let (beside, _turn) = Beside::shared().await?;
    let testbed = &beside.testbed;
    testbed.stock_kustomize_controller().await?;
    testbed.stock_helm_controller().await?;
    testbed.openflux_controller().await?;
    let (count, times) = if is_long() { (trials(), 5) } else { (12, 1) };
    let many = Many::start(beside, count, 0).await?;
    let before = many.traces().await?;
    let written = testbed.writes(&many.namespace).await?.len();
    let begun = Instant::now();
    let all = json!(count);
    for time in 0..times {
        let there = ["migrate", "apply", "-l", SELECTOR, "--yes", "--soak", "0"];
        let commits = async {
            // In the middle of it, as far as that can be said.
            tokio::time::sleep(Duration::from_millis(800)).await;
            many.commit(&format!("there {time}")).await
        };
        let (report, committed) = tokio::join!(many.report(&there), commits);
        committed?;
        let report = report?;
        ensure!(report["shares"]["openflux"] == all, "{report:#}");
        many.are_moved(true).await?;
        let migration = report["migration"].as_str().context("it has a name")?.to_owned();
        let back = ["migrate", "rollback", &migration, "--yes"];
        let commits = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            many.commit(&format!("back {time}")).await
        };
        let (report, committed) = tokio::join!(many.report(&back), commits);
        committed?;
        let report = report?;
        ensure!(report["shares"]["stock"] == all, "{report:#}");
        many.are_moved(false).await?;
    }
    let each = begun.elapsed() / u32::try_from(2 * count * times)?;
    many.settled().await?;
    ensure!(many.traces().await? == before, "an object was written");
    let writes = testbed.writes(&many.namespace).await?;
    let (writes, moving) = (&writes[written..], many.moving());
    // A short trip may be over before a commit gives ours something to write.
    let unseen = if is_long() {
        unseen(writes, &moving)
    } else {
        Vec::new()
    };
    let faults = [
        two_writers(writes, &moving),
        unseen,
        workload_writes(writes, &moving),
    ]
    .concat();
    ensure!(faults.is_empty(), "{faults:#?}");
    ensure!(moves(writes, &moving) >= count * times);
    println!("{count} objects {times} times there and back: {each:?} each");
    // A busy machine is no fault; whoever wants to know has a quiet one.
    ensure!(!is_long() || each < Duration::from_millis(1500), "{each:?} each");
    Ok(())
}

/// How the tool is called whoever is killed.
const PATIENCE: [&str; 5] = ["--yes", "--idle-timeout", "60s", "--timeout", "60s"];

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Tool,
    Kustomize,
    Helm,
    Ours,
}

/// A cluster whose controllers can be killed.
struct Mortal<'a> {
    many: &'a Many<'a>,
    kustomize: Process,
    helm: Process,
    ours: Process,
}

fn stock(beside: &Beside, stock: Stock) -> Result<Process> {
    beside
        .testbed
        .start_stock(stock, &[NOT_OURS, "--requeue-dependency=2s"])
}

fn ours(beside: &Beside) -> Result<Process> {
    let shadow = beside.testbed.shadow_url();
    let shadow = format!("--shadow-addr={}", shadow.trim_start_matches("http://"));
    beside.testbed.start_openflux("openflux-controller", &[&shadow])
}

impl Mortal<'_> {
    /// Kills a controller, and starts it anew.
    fn kill(&mut self, victim: Victim) -> Result<()> {
        let beside = self.many.beside;
        match victim {
            Victim::Tool => {}
            Victim::Kustomize => {
                self.kustomize.kill()?;
                self.kustomize = stock(beside, Stock::Kustomize)?;
            }
            Victim::Helm => {
                self.helm.kill()?;
                self.helm = stock(beside, Stock::Helm)?;
            }
            Victim::Ours => {
                self.ours.kill()?;
                self.ours = ours(beside)?;
            }
        }
        Ok(())
    }

    /// Begins to move everything, and kills somebody in the middle of that; says whether the tool was at work then.
    async fn attempt(&mut self, words: &[&str], victim: Victim, moment: Duration) -> Result<bool> {
        let mut tool = self
            .many
            .beside
            .command(&[words, &PATIENCE[..]].concat())?
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        tokio::time::sleep(moment).await;
        let was_at_work = tool.try_wait()?.is_none();
        if victim == Victim::Tool {
            // It may have ended by itself.
            let _ = tool.start_kill();
            tool.wait().await?;
            return Ok(was_at_work);
        }
        self.kill(victim)?;
        let ended = tool.wait().await?;
        // It has ended by itself: all is done, something was left, or it stopped.
        ensure!(
            matches!(ended.code(), Some(0 | 1 | 3)),
            "{ended} after {victim:?}"
        );
        Ok(was_at_work)
    }

    /// Goes on until everything is where it should be.
    async fn end(&self, there: bool) -> Result<()> {
        let beside = self.many.beside;
        let anew = ["migrate", "apply", "-l", SELECTOR, "--soak", "0"];
        let resume = ["migrate", "apply", "--resume", "--soak", "0"];
        let back = ["migrate", "rollback", "--all"];
        let mut told = String::new();
        for number in 0..6 {
            let words = match (there, number % 2) {
                (true, 0) => &resume[..],
                (true, _) => &anew[..],
                (false, _) => &back[..],
            };
            let output = beside.openflux(&[words, &PATIENCE[..]].concat()).await?;
            told = format!(
                "{}: {}\n{}{}",
                words.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            if output.status.success() && self.many.are_moved(there).await.is_ok() {
                return Ok(());
            }
            // An object that has lost its owner could not be put right.
            ensure!(output.status.code() != Some(4), "{told}");
        }
        bail!("{told}");
    }
}

#[tokio::test]
async fn whoever_is_killed_while_objects_move_each_has_one_owner() -> Result<()> {
    let beside = Beside::start(true).await?;
    let (kustomize, helm) = (stock(&beside, Stock::Kustomize)?, stock(&beside, Stock::Helm)?);
    let ours = ours(&beside)?;
    let many = Many::start(&beside, 4, 2).await?;
    let before = many.traces().await?;
    let written = beside.testbed.writes(&many.namespace).await?.len();
    let mut mortal = Mortal {
        many: &many,
        kustomize,
        helm,
        ours,
    };
    let count = if is_long() { trials() } else { 6 };
    // A stock controller that starts anew may end a run of an object that it has read before its label: it writes the status
    // for another moment, and nothing else. That is looked for where somebody wants to know better.
    let victims: &[Victim] = if is_long() {
        &[
            Victim::Tool,
            Victim::Ours,
            Victim::Kustomize,
            Victim::Tool,
            Victim::Helm,
            Victim::Ours,
        ]
    } else {
        &[Victim::Tool, Victim::Ours]
    };
    let (mut chances, mut moved, mut hits) = (moments(23), false, 0);
    for (number, moment) in (0..count).zip(moments(19)) {
        let victim = victims[number % victims.len()];
        let there = ["migrate", "apply", "-l", SELECTOR, "--soak", "0"];
        let back = ["migrate", "rollback", "--all"];
        let words = if moved { &back[..] } else { &there[..] };
        // A whole trip takes a few seconds.
        let tried = mortal.attempt(words, victim, moment.mul_f64(1.5)).await;
        let was_at_work = tried.with_context(|| format!("trial {number}"))?;
        hits += usize::from(was_at_work && victim == Victim::Tool);
        let chance = chances.next().unwrap_or_default().as_millis();
        // Whoever goes on may want to have it back.
        moved = if chance % 4 == 0 { moved } else { !moved };
        let ended = mortal.end(moved).await;
        ended.with_context(|| format!("trial {number}, where {victim:?} was killed after {moment:?}"))?;
        many.settled().await?;
        ensure!(
            many.traces().await? == before,
            "trial {number}: an object was written"
        );
        let verified = many.report(&["migrate", "verify", "--exit-zero"]).await?;
        ensure!(verified["shares"]["none"] == 0, "{verified:#}");
    }
    let writes = beside.testbed.writes(&many.namespace).await?;
    let (writes, moving) = (&writes[written..], many.moving());
    let faults = [
        two_writers(writes, &moving),
        unseen(writes, &moving),
        workload_writes(writes, &moving),
    ]
    .concat();
    ensure!(faults.is_empty(), "{faults:#?}");
    let number = moves(writes, &moving);
    ensure!(number > 0, "nothing has moved");
    ensure!(hits > 0, "the tool was never killed while it was at work");
    println!("{count} kills, {hits} of the tool at work, {number} moves");

    // What is deleted while ours is dead hangs on the finalizer until stock has it again, and is pruned by it then.
    mortal.end(true).await?;
    mortal.ours.kill()?;
    let flux = beside.testbed.home().await?;
    let scale = json!({"spec": {"replicas": 0}});
    flux.patch(DEPLOYMENT, "openflux-controller", scale).await?;
    many.namespace.delete(KUSTOMIZATION, "app-000").await?;
    let report = many.report(&["migrate", "rollback", "--all", "--yes"]).await?;
    ensure!(
        report["ending"] == "done" && report["shares"]["none"] == 0,
        "{report:#}"
    );
    many.namespace.wait_gone(KUSTOMIZATION, "app-000").await?;
    many.namespace.wait_gone(CONFIG_MAP, "app-000").await?;
    Ok(())
}
