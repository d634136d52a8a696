//! Carries out a scenario with one of the two controllers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::deployer::Deployer;
use super::look::{Eye, State, events};
use super::scenario::{Change, Scenario, Step, Until};
use super::side::{Offered, SHARD, Side, label};
use super::stage::Stage;
use crate::tools::Tool;

/// What a scenario has left.
#[derive(Debug)]
pub struct Played {
    /// What there was after each step that waited for something.
    pub(super) steps: Vec<(String, Value)>,
    /// What was told, and with which annotations.
    pub(super) events: Vec<(String, String)>,
    /// What handing over to the other controller and back has changed.
    pub(super) moves: Vec<(String, State, State)>,
}

impl Played {
    /// Whether something was told that holds this text.
    pub(super) fn tells(&self, text: &str) -> bool {
        self.events.iter().any(|(line, _)| line.contains(text))
    }
}

impl Side {
    /// Carries out a scenario, and looks at what it leaves.
    ///
    /// # Errors
    /// A step cannot be carried out, or what it waits for does not happen.
    pub async fn play(&self, scenario: &Scenario, offered: &Offered) -> Result<Played> {
        let who = if self.is_ours { "ours" } else { "stock" };
        let stage = Stage::set(self, scenario, offered).await?;
        stage.play().await.with_context(|| who.to_owned())
    }
}

impl Stage<'_> {
    async fn play(&self) -> Result<Played> {
        let mut eye = self.eye();
        let (mut steps, mut moves) = (Vec::new(), Vec::new());
        let mut last = State::default();
        for (number, step) in self.scenario.steps.iter().enumerate() {
            let name = format!("step {}", number + 1);
            self.carry_out(step).await.with_context(|| name.clone())?;
            if step.until == [Until::Now] {
                continue;
            }
            let mut seen = None;
            let settled = [Until::Settled];
            let is_left_open = step.until.is_empty() && self.scenario.deployer == Deployer::Kustomize;
            let awaited = if is_left_open {
                &settled[..]
            } else {
                &step.until[..]
            };
            for until in awaited {
                seen = self
                    .wait(step.subject(), until)
                    .await
                    .with_context(|| name.clone())?;
            }
            last = eye.look(&self.all, seen).await?;
            steps.push((name, last.seen.clone()));
            if step.hand_over {
                self.hand_over_and_back(&mut eye, &last, &mut moves).await?;
            }
        }
        if self.scenario.hand_over {
            self.hand_over_and_back(&mut eye, &last, &mut moves).await?;
        }
        Ok(Played {
            steps,
            events: self.told().await?,
            moves,
        })
    }

    fn eye(&self) -> Eye {
        let scenario = self.scenario;
        let begin = match scenario.deployer {
            Deployer::Helm => &scenario.name,
            Deployer::Kustomize => self.namespace.name(),
        };
        let digests = scenario.deployer == Deployer::Helm || self.side.shares_plane();
        let further = self
            .all
            .iter()
            .skip(1)
            .map(|namespace| namespace.name().to_owned());
        let cluster = scenario.is_cluster_wide.then(|| begin.to_owned());
        Eye::new(scenario.deployer, digests, cluster, further.collect())
    }

    /// Hands everything that is this side's over to the other controller, and back, and looks at what that has changed.
    async fn hand_over_and_back(
        &self,
        eye: &mut Eye,
        before: &State,
        moves: &mut Vec<(String, State, State)>,
    ) -> Result<()> {
        let subjects = self.subjects().await?;
        for (is_ours, to) in [(!self.side.is_ours, "over"), (self.side.is_ours, "back")] {
            for subject in &subjects {
                let name = subject.metadata.name.as_deref().unwrap_or_default();
                self.hand_to(is_ours, name).await.with_context(|| to.to_owned())?;
            }
            let after = eye.look(&self.all, None).await?;
            moves.push((to.to_owned(), before.clone(), after));
        }
        Ok(())
    }

    /// Events are written when there is time.
    async fn told(&self) -> Result<Vec<(String, String)>> {
        let (deployer, notes) = (self.scenario.deployer, self.side.notes.as_ref());
        let mut before = events(deployer, &self.all, notes).await?;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = events(deployer, &self.all, notes).await?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(before)
    }

    async fn carry_out(&self, step: &Step) -> Result<()> {
        let app = step.subject();
        for object in &step.apply {
            self.namespace.apply(&self.filled(object)?.to_string()).await?;
        }
        if let Some(object) = &step.refused {
            self.wait_for_refusal(&self.filled(object)?).await?;
        }
        for object in &step.by_hand {
            self.apply_by_hand(&self.filled(object)?).await?;
        }
        let commands = [
            (Tool::Helm, step.helm.as_slice()),
            (Tool::Flux, step.flux.as_slice()),
        ];
        for (tool, commands) in commands
            .into_iter()
            .chain([(Tool::Kubectl, step.kubectl.as_slice())])
        {
            for command in commands {
                let command = self.filled_text(command);
                let mut arguments: Vec<&str> = command.split_whitespace().collect();
                let namespace = format!("--namespace={}", self.namespace.name());
                if !command.contains("--namespace") {
                    arguments.push(&namespace);
                }
                self.side.testbed().run(tool, &arguments).await?;
            }
        }
        if step.files.is_some() || step.artifact.is_some() {
            self.publish(step).await?;
        }
        if let Some(record) = &step.record {
            self.change_record(record).await?;
        }
        if let Some(spec) = &step.make {
            self.make(app, &self.filled(spec)?).await?;
        }
        if let Some(spec) = &step.spec {
            let patch = json!({"spec": self.filled(spec)?});
            self.namespace
                .patch(self.scenario.deployer.kind(), app, patch)
                .await?;
        }
        if step.spoil {
            self.spoil(app).await?;
        }
        if let Some(Change { of, merge, status }) = &step.patch {
            let (namespace, merge) = (self.namespace_of(of), self.filled(merge)?);
            let name = self.filled_text(&of.name);
            if *status {
                namespace.patch_status(of.kind()?, &name, merge).await?;
            } else {
                namespace.patch(of.kind()?, &name, merge).await?;
            }
        }
        if let Some(named) = &step.delete {
            let name = self.filled_text(&named.name);
            self.namespace_of(named).delete(named.kind()?, &name).await?;
        }
        if let Some(further) = &step.reconcile {
            self.reconcile(app, further).await?;
        }
        Ok(())
    }

    /// Asks for a run, and waits until it has ended.
    async fn reconcile(&self, name: &str, further: &[String]) -> Result<()> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let request = format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut annotations = json!({"reconcile.fluxcd.io/requestedAt": request});
        for further in further {
            annotations[format!("reconcile.fluxcd.io/{further}")] = request.as_str().into();
        }
        let kind = self.scenario.deployer.kind();
        let patch = json!({"metadata": {"annotations": annotations}});
        self.namespace.patch(kind, name, patch).await?;
        let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == request;
        self.namespace
            .wait(kind, name, "has handled the request", handled)
            .await?;
        Ok(())
    }

    async fn hand_to(&self, is_ours: bool, name: &str) -> Result<()> {
        let kind = self.scenario.deployer.kind();
        let patch = json!({"metadata": {"labels": {SHARD: label(is_ours)}}});
        self.namespace.patch(kind, name, patch).await?;
        let object = self.namespace.get(kind, name).await?;
        if object.is_none_or(|object| object.data["spec"]["suspend"] == true) {
            return Ok(());
        }
        self.reconcile(name, &[]).await?;
        self.wait_settled(name).await
    }
}
