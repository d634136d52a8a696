//! Tells what became of a look: in the status of the source, in the conditions of its Artifact, and in events.

use artifact_crd::SourceStatus;
use artifact_store::Place;
use controller_kit::ObjectKey;
use controller_kit::events::{EventRecord, Regarding, Severity};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::controller::report::{self, Done};
use crate::controller::{Controller, kind};
use crate::publish::Said;
use crate::{Failure, Owner, Produce, Run};

impl<P: Produce> Controller<P> {
    #[expect(clippy::too_many_arguments, reason = "everything that is known about a look")]
    pub(crate) async fn report(
        &self,
        source: &P::Source,
        owner: &Owner,
        place: &Place,
        before: &SourceStatus,
        handled: Option<String>,
        result: &Result<Done, Failure>,
        run: &Run,
    ) {
        let outcome = match result {
            Ok(done) if done.is_new => "new",
            Ok(_) => "unchanged",
            Err(_) => "error",
        };
        self.counts.wrote(&kind::<P>(), outcome);
        if let Err(failure) = result {
            tracing::warn!(source = %place, reason = failure.reason(), error = failure.message(), "the source failed");
        }
        let generation = source.meta().generation;
        let inventory = self.inventory(owner, place).await;
        if let Some(artifact) = inventory.artifact() {
            let said = match result {
                Ok(_) => report::up_to_date(),
                Err(failure) => Said::new(false, failure.reason(), failure.message()),
            };
            self.tell(artifact, inventory.stored().is_some(), &said, generation)
                .await;
        }
        let in_storage = inventory.stored().is_some();
        // What an author says about a content is news only when the content is.
        let is_news = !matches!(result, Ok(done) if !done.is_new);
        let events: Vec<_> = run
            .events
            .iter()
            .filter(|_| is_news)
            .map(|(severity, reason, message)| (*severity, *reason, run.secrets.mask(message)))
            .collect();
        self.write(source, before, handled, in_storage, result, &events)
            .await;
    }

    /// Writes the status of a source, if it says something else by now, and tells what is new.
    pub(crate) async fn write(
        &self,
        source: &P::Source,
        before: &SourceStatus,
        handled: Option<String>,
        in_storage: bool,
        result: &Result<Done, Failure>,
        events: &[(Severity, &'static str, String)],
    ) {
        let generation = source.meta().generation;
        let status = report::status(before, generation, handled, in_storage, result, Timestamp::now());
        for (severity, reason, message) in events {
            self.record(source, *severity, reason, message, None);
        }
        if let Some((severity, reason, message)) = report::event(before, result) {
            let revision = result.as_ref().ok().map(|done| done.revision.as_str());
            self.record(source, severity, &reason, &message, revision);
        }
        if status == *before {
            return;
        }
        let key = ObjectKey::of(source);
        let body = json!({
            "apiVersion": P::Source::api_version(&()), "kind": kind::<P>(),
            "metadata": {"name": key.name, "uid": source.meta().uid}, "status": status,
        });
        let api: Api<P::Source> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PatchParams::apply(self.settings.name).force();
        match api.patch_status(&key.name, &params, &Patch::Apply(&body)).await {
            Ok(written) => {
                let version = written.resource_version().unwrap_or_default();
                self.statuses.remember(&key, version, status);
            }
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => {
                tracing::debug!(source = %key, "the source is gone, or another one by now");
            }
            Err(error) => tracing::warn!(source = %key, %error, "cannot write the status of a source"),
        }
    }

    fn record(
        &self,
        source: &P::Source,
        severity: Severity,
        reason: &str,
        message: &str,
        revision: Option<&str>,
    ) {
        let owner = Owner::of(source);
        let group = owner.group().to_owned();
        let metadata = revision.map(|revision| (format!("{group}/revision"), revision.to_owned()));
        self.recorder.record(EventRecord {
            regarding: Regarding {
                api_version: owner.api_version,
                kind: owner.kind,
                namespace: owner.namespace,
                name: owner.name,
                uid: owner.uid,
                resource_version: source.resource_version().unwrap_or_default(),
            },
            severity,
            reason: reason.to_owned(),
            message: message.to_owned(),
            metadata: metadata.into_iter().collect(),
        });
    }
}
