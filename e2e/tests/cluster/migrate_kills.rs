//! The tool or a controller is killed at any moment while objects move: each has one owner, and nothing that was applied is written.
//!
//! `OPENFLUX_TRIALS=200` kills so often.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, NOT_OURS, Process, Stock};
use e2e::tools::Tool;
use kube::api::DynamicObject;
use serde_json::json;

use crate::beside::{Beside, KEY};
use crate::crash::moments;
use crate::migrate_trials::{Many, SELECTOR, is_long};
use crate::moves::trials;
use crate::ownership::{ALL, Witness};
use crate::tool_at_work::kill;

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
            kill(&mut tool).await?;
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
    let witness = Witness::start(&beside.testbed, &many.namespace, many.moving()).await?;
    let mut mortal = Mortal {
        many: &many,
        kustomize,
        helm,
        ours,
    };
    let count = if is_long() { trials() } else { 6 };
    // What a restart of stock does is found seldom, and looked for where somebody wants to know better.
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
    let number = witness.finds_no_fault(&ALL).await?;
    ensure!(number > 0, "nothing has moved");
    ensure!(hits > 0, "the tool was never killed while it was at work");
    println!("{count} kills, {hits} of the tool at work, {number} moves");

    without_us(mortal).await
}

/// Our controller is dead, uninstalled and its kinds are gone, and everything goes back all the same.
async fn without_us(mut mortal: Mortal<'_>) -> Result<()> {
    mortal.end(true).await?;
    mortal.ours.kill()?;
    let many = mortal.many;
    let (namespace, testbed) = (&many.namespace, &many.beside.testbed);
    testbed
        .home()
        .await?
        .delete(DEPLOYMENT, "openflux-controller")
        .await?;
    let kinds = testbed.run(Tool::Kubectl, &["get", "crd", "-o", "name"]).await?;
    let ours: Vec<_> = kinds
        .lines()
        .filter(|kind| kind.ends_with(".openfluxcd.ocm.software"))
        .collect();
    ensure!(!ours.is_empty(), "{kinds}");
    testbed
        .run(Tool::Kubectl, &[&["delete"][..], &ours].concat())
        .await?;
    // What is deleted hangs on the finalizer until stock has it again, and is pruned by it then.
    namespace.delete(KUSTOMIZATION, "app-000").await?;
    // By the line that is printed with each move, and by the tool.
    let line = format!("label ks app-001 -n {} {KEY}-", namespace.name());
    let words: Vec<_> = line.split(' ').collect();
    testbed.run(Tool::Kubectl, &words).await?;
    let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "by-hand"}}});
    namespace.patch(KUSTOMIZATION, "app-001", request).await?;
    let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == "by-hand";
    namespace
        .wait(KUSTOMIZATION, "app-001", "was reconciled by stock", handled)
        .await?;
    let report = many.report(&["migrate", "rollback", "--all", "--yes"]).await?;
    ensure!(
        report["ending"] == "done" && report["shares"]["none"] == 0,
        "{report:#}"
    );
    namespace.wait_gone(KUSTOMIZATION, "app-000").await?;
    namespace.wait_gone(CONFIG_MAP, "app-000").await?;
    many.are_moved(false).await?;
    let told = many.beside.ends(0, &["migrate", "verify"]).await?;
    ensure!(told.contains("0 objects looked at"), "{told}");
    // And stock's Deployments are told to select everything again.
    let fleet = ["migrate", "rollback", "--fleet", "--yes"];
    let told = many.beside.ends(0, &fleet).await?;
    ensure!(told.contains("selects everything again"), "{told}");
    Ok(())
}
