//! One look at one object.

use std::time::Duration;

use artifact_crd::ConsumerStatus;
use controller_kit::author::{self, Due, Failure, ScheduleExt as _, Secrets, guarded, timed_out};
use controller_kit::{ObjectKey, Requeue, Triggers};
use flux_api::REQUESTED_AT;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use crate::consumer::{Consumer, Deploy};
use crate::controller::report::{self, Done};
use crate::controller::{Controller, kind};
use crate::inputs::Inputs;
use crate::run::Run;

/// The first looks after a start are spread over this much time, where nothing has changed meanwhile.
const SPREAD: Duration = Duration::from_mins(5);

impl<D: Deploy> Controller<D> {
    pub(crate) async fn handle(&self, run: controller_kit::Run<ObjectKey>) -> Requeue {
        let key = run.key.clone();
        let next = self.handle_one(run).await;
        if self.objects.get(&key).is_none() {
            // It went meanwhile; what was counted after that was counted anew.
            self.metrics
                .object_deleted(&kind::<D>(), &key.namespace, &key.name);
        }
        next
    }

    async fn handle_one(&self, run: controller_kit::Run<ObjectKey>) -> Requeue {
        let Some(object) = self.objects.get(&run.key) else {
            return Requeue::Never;
        };
        if object.meta().deletion_timestamp.is_some() {
            return self.remove(&run.key, &object).await;
        }
        if object.schedule().suspend {
            self.pace.rest(&run.key);
            return Requeue::Never;
        }
        self.look(&run.key, &object, run.triggers).await
    }

    async fn look(&self, key: &ObjectKey, object: &D::Object, triggers: Triggers) -> Requeue {
        let started = Instant::now();
        let before = self.status_of(object);
        let references = object.references();
        let inputs = self.sources.inputs(key, object.annotations(), references);
        let requested = object.annotations().get(REQUESTED_AT);
        let is_requested = requested.is_some() && requested != before.last_handled_reconcile_at.as_ref();
        let is_asked = is_requested || before.observed_generation != object.meta().generation;
        let is_there = inputs
            .as_ref()
            .is_ok_and(|inputs| report::is_deployed(&before, inputs));
        if let Some(wait) = self.wait(key, object, is_there, is_asked, triggers) {
            return wait;
        }
        let mut run = match self.run(key, object) {
            Ok(run) => run,
            Err(failure) => return self.conclude(key, object, &before, Err(failure), None).await,
        };
        let attempted = inputs.as_ref().ok().map(Inputs::revisions);
        let result = match &inputs {
            Ok(inputs) => self.deploy(object, inputs, &mut run).await,
            Err(failure) => Err(failure.clone()),
        };
        let result = result.map_err(|failure| failure.rephrased(|message| run.secrets.mask(message)));
        self.secrets.note(key, &run.secrets);
        author::count(
            &self.metrics,
            &kind::<D>(),
            key,
            result.is_ok(),
            started.elapsed(),
        );
        let is_away = inputs.as_ref().is_ok_and(Inputs::is_unreachable);
        if let Err(failure) = &result
            && is_there
            && is_away
            && !is_asked
        {
            // What is deployed is what there is to deploy.
            tracing::info!(object = %key, error = failure.message(), "an artifact cannot be reached, and there is nothing new to deploy");
            return self
                .pace
                .next(key, object.schedule().pause(), Err(failure.fate()));
        }
        for (severity, reason, message) in &run.events {
            let message = run.secrets.mask(message);
            author::record(&self.recorder, object, *severity, reason, &message, &[]);
        }
        self.conclude(key, object, &before, result, attempted).await
    }

    /// Says how long nothing is to be done, if nothing is.
    fn wait(
        &self,
        key: &ObjectKey,
        object: &D::Object,
        is_there: bool,
        is_asked: bool,
        triggers: Triggers,
    ) -> Option<Requeue> {
        let news = Triggers::REQUESTED | Triggers::OBJECT | Triggers::CONFIG | Triggers::ARTIFACT;
        if is_asked || triggers.intersects(news) {
            return None;
        }
        match self.pace.due(key) {
            Some(Due::At(at)) if at > Instant::now() => Some(self.pace.schedule(key, Due::At(at))),
            Some(Due::Never) => Some(Requeue::Never),
            None if is_there => {
                let pause = object.schedule().pause().min(SPREAD);
                Some(self.pace.schedule_after(key, pause.mul_f64(fastrand::f64())))
            }
            Some(Due::At(_)) | None => None,
        }
    }

    fn run(&self, key: &ObjectKey, object: &D::Object) -> Result<Run, Failure> {
        let rest = match object.service_account() {
            Some(account) if !account.is_empty() => {
                let rest = self.rest.impersonating(&key.namespace, account);
                rest.map_err(|error| Failure::edit("ValidationFailed", error.to_string()))?
            }
            _ => self.rest.clone(),
        };
        Ok(Run {
            rest,
            mapper: self.mapper.clone(),
            manager: self.settings.name,
            namespace: key.namespace.clone(),
            secrets: Secrets::default(),
            step: "looking",
            events: Vec::new(),
        })
    }

    async fn deploy(&self, object: &D::Object, inputs: &Inputs, run: &mut Run) -> Result<Done, Failure> {
        if let Some(problem) = object.schedule().problem() {
            return Err(Failure::edit("ValidationFailed", problem));
        }
        if let Some(finalizer) = D::FINALIZER {
            self.hold(object, finalizer).await?;
        }
        let (key, deadline) = (ObjectKey::of(object), object.schedule().deadline());
        let deployed = guarded(
            "deployer",
            &key,
            deadline,
            self.deploy.deploy(object, inputs, run),
        )
        .await;
        let deployed = deployed.unwrap_or_else(|| Err(timed_out(deadline, run.step)))?;
        let revision = inputs.revisions();
        Ok(Done {
            message: deployed
                .message
                .unwrap_or_else(|| format!("deployed revision {revision}")),
            revision,
        })
    }

    /// Sees to it that an object does not go before what it deployed.
    async fn hold(&self, object: &D::Object, finalizer: &str) -> Result<(), Failure> {
        if object.finalizers().iter().any(|held| held == finalizer) {
            return Ok(());
        }
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(finalizer.to_owned());
        self.set_finalizers(object, &finalizers).await
    }

    async fn set_finalizers(&self, object: &D::Object, finalizers: &[String]) -> Result<(), Failure> {
        let patch = json!({"metadata": {
            "finalizers": finalizers, "uid": object.meta().uid, "resourceVersion": object.resource_version(),
        }});
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<D::Object> = Api::namespaced(self.rest.client().clone(), &namespace);
        let params = PatchParams {
            field_manager: Some(self.settings.name.to_owned()),
            ..PatchParams::default()
        };
        match api
            .patch(&object.name_any(), &params, &Patch::Merge(&patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::retry(
                "FinalizerFailed",
                format!("cannot write the finalizer: {error}"),
            )),
        }
    }

    /// Cleans up after an object that is being deleted.
    async fn remove(&self, key: &ObjectKey, object: &D::Object) -> Requeue {
        let held = |name: &&str| object.finalizers().iter().any(|held| held == *name);
        let Some(finalizer) = D::FINALIZER.filter(|name| held(name)) else {
            return Requeue::Never;
        };
        let before = self.status_of(object);
        let mut run = match self.run(key, object) {
            Ok(run) => run,
            Err(failure) => return self.conclude(key, object, &before, Err(failure), None).await,
        };
        let deadline = object.schedule().deadline();
        let removed = guarded("deployer", key, deadline, self.deploy.remove(object, &mut run)).await;
        let mut removed = removed.unwrap_or_else(|| Err(timed_out(deadline, run.step)));
        if removed.is_ok() {
            let others = object.finalizers().iter().filter(|held| *held != finalizer);
            let others: Vec<_> = others.cloned().collect();
            removed = self.set_finalizers(object, &others).await;
        }
        match removed {
            Ok(()) => Requeue::Never,
            Err(failure) => {
                let failure = failure.rephrased(|message| run.secrets.mask(message));
                self.conclude(key, object, &before, Err(failure), None).await
            }
        }
    }

    /// Writes the status of an object, if it says something else by now, tells what is new, and says when to look again.
    async fn conclude(
        &self,
        key: &ObjectKey,
        object: &D::Object,
        before: &ConsumerStatus,
        result: Result<Done, Failure>,
        attempted: Option<String>,
    ) -> Requeue {
        if let Err(failure) = &result {
            tracing::warn!(object = %key, reason = failure.reason(), error = failure.message(), "the object failed");
        }
        let requested = object.annotations().get(REQUESTED_AT).cloned();
        let generation = object.meta().generation;
        let status = report::status(
            before,
            generation,
            requested,
            attempted,
            &result,
            Timestamp::now(),
        );
        if let Some((severity, reason, message)) = report::event(before, &result) {
            let revision = result.as_ref().ok();
            let revision = revision.map(|done| ("revision", done.revision.as_str()));
            author::record(
                &self.recorder,
                object,
                severity,
                &reason,
                &message,
                revision.as_slice(),
            );
        }
        let (client, manager) = (self.rest.client(), self.settings.name);
        let is_told =
            status == *before || author::write_status(client, manager, object, status, &self.statuses).await;
        let result = result.map(|_| ()).map_err(|failure| failure.fate());
        self.pace
            .next(key, object.schedule().pause(), author::once_told(result, is_told))
    }
}
