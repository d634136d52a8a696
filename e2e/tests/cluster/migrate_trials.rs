//! Many objects there and back, with commits meanwhile.
//!
//! `OPENFLUX_TRIALS=200` moves so many, five times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    CONFIG_MAP, GIT_REPOSITORY, GitRepo, HELM_RELEASE, KUSTOMIZATION, Kind, Namespace, SECRET, condition,
    is_ready,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::config_map;
use crate::beside::{Beside, KEY};
use crate::moves::trials;
use crate::ownership::{ALL, Moving, Witness};
use crate::tool_at_work::AT_ONCE;

/// Whether somebody wants to know better than every run of the tests does.
pub(crate) fn is_long() -> bool {
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
pub(crate) const SELECTOR: &str = "fleet=many";

/// Kustomizations and HelmReleases of one object each.
pub(crate) struct Many<'a> {
    pub(crate) beside: &'a Beside,
    pub(crate) namespace: Namespace,
    repo: GitRepo,
    objects: Vec<(Kind, String)>,
}

impl<'a> Many<'a> {
    pub(crate) async fn start(beside: &'a Beside, kustomizations: usize, releases: usize) -> Result<Self> {
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

    pub(crate) async fn settled(&self) -> Result<()> {
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
    pub(crate) async fn traces(&self) -> Result<BTreeMap<String, Option<String>>> {
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
    pub(crate) async fn are_moved(&self, moved: bool) -> Result<()> {
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

    pub(crate) fn moving(&self) -> Vec<Moving> {
        let moving = self.objects.iter().map(|(kind, name)| Moving {
            resource: kind.plural,
            name: name.clone(),
            workloads: vec![("configmaps", name.clone())],
        });
        moving.collect()
    }

    /// Runs the tool, which prints one document.
    pub(crate) async fn report(&self, words: &[&str]) -> Result<Value> {
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
    let (count, times) = if is_long() { (trials(), 5) } else { (12, 1) };
    let many = Many::start(beside, count, 0).await?;
    let before = many.traces().await?;
    let witness = Witness::start(testbed, &many.namespace, many.moving()).await?;
    let begun = Instant::now();
    let all = json!(count);
    for time in 0..times {
        let of_these = ["-n", many.namespace.name(), "-l", SELECTOR];
        let there = [&["migrate", "apply"][..], &of_these, &AT_ONCE].concat();
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
    let number = witness.finds_no_fault(&ALL).await?;
    ensure!(number >= count * times, "{number} moves");
    println!("{count} objects {times} times there and back: {each:?} each");
    // A busy machine is no fault; whoever wants to know has a quiet one.
    ensure!(!is_long() || each < Duration::from_millis(1500), "{each:?} each");
    Ok(())
}

/// What somebody does who has read the README.
#[tokio::test]
async fn a_fleet_of_twenty_is_planned_moved_and_verified() -> Result<()> {
    let (beside, _turn) = Beside::shared().await?;
    let testbed = &beside.testbed;
    let many = Many::start(beside, 14, 6).await?;
    let before = many.traces().await?;
    let plan = testbed.dir().join(format!("{}-plan.json", many.namespace.name()));
    let plan = plan.display().to_string();
    let begun = Instant::now();
    // Others have objects of their own in this cluster, so that these may find something.
    for words in [&["doctor"][..], &["migrate", "scan"]] {
        let code = beside.openflux(words).await?.status.code();
        ensure!(matches!(code, Some(0 | 1)), "{words:?}: {code:?}");
    }
    let told = beside
        .ends(0, &["migrate", "plan", "-n", many.namespace.name(), "-o", &plan])
        .await?;
    ensure!(told.is_empty() || told.contains("20"), "{told}");
    let apply = ["migrate", "apply", &plan, "--yes", "--soak", "1s"];
    let told = beside.ends(0, &apply).await?;
    ensure!(told.contains("With openflux: 20. With stock: 0."), "{told}");
    let told = beside.ends(0, &["migrate", "verify", &plan]).await?;
    ensure!(told.contains("All is well."), "{told}");
    let took = begun.elapsed();
    println!("20 objects planned, moved and verified in {took:?}");
    ensure!(took < Duration::from_mins(10), "{took:?}");
    beside.ends(0, &["migrate", "rollback", &plan, "--yes"]).await?;
    many.are_moved(false).await?;
    ensure!(many.traces().await? == before, "an object was written");
    Ok(())
}
