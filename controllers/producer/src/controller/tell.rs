//! Tells what became of a look: in the status of the source, in the conditions of its Artifact, and in events.

use artifact_crd::SourceStatus;
use artifact_store::Place;
use controller_kit::author;
use controller_kit::events::Severity;
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;

use crate::controller::report::{self, Done};
use crate::controller::{Controller, kind};
use crate::publish::Said;
use crate::{Failure, Owner, Produce, Run};

impl<P: Produce> Controller<P> {
    /// Tells what became of a look; false if the status could not be written.
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
    ) -> bool {
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
            .await
    }

    /// Writes the status of a source, if it says something else by now, and tells what is new; false if it could not be written.
    pub(crate) async fn write(
        &self,
        source: &P::Source,
        before: &SourceStatus,
        handled: Option<String>,
        in_storage: bool,
        result: &Result<Done, Failure>,
        events: &[(Severity, &'static str, String)],
    ) -> bool {
        let generation = source.meta().generation;
        let status = report::status(before, generation, handled, in_storage, result, Timestamp::now());
        for (severity, reason, message) in events {
            author::record(&self.recorder, source, *severity, reason, message, &[]);
        }
        if let Some((severity, reason, message)) = report::event(before, result) {
            let revision = result.as_ref().ok();
            let revision = revision.map(|done| ("revision", done.revision.as_str()));
            author::record(
                &self.recorder,
                source,
                severity,
                &reason,
                &message,
                revision.as_slice(),
            );
        }
        let manager = self.settings.name;
        status == *before || author::write_status(&self.client, manager, source, status, &self.statuses).await
    }
}
