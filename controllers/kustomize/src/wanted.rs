//! Whether what a run is making is still wanted.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::{ObjectKey, Superseded};
use flux_api::Kustomization;
use tokio::time::Instant;

use crate::context::{Context, Ownership};
use crate::decide::{Step, decide};
use crate::reconcile::{Reconciliation, observe};

/// Between two looks, once there was news.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a build is left alone by newer artifacts when the one before gave way to one; it doubles each time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Enough for whatever a build is given the time for.
const MOST_DOUBLINGS: u32 = 10;

/// What has happened to what a run is making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing that changes it.
    None,
    /// There is a newer artifact.
    Newer,
    /// The object was edited, suspended, deleted or handed over, or the controller ends.
    Unwanted,
}

/// What a run makes something of.
pub(crate) struct Making<'a> {
    context: &'a Context,
    key: ObjectKey,
    object: Arc<Kustomization>,
    artifact: &'a Artifact,
    superseded: &'a Superseded,
}

impl<'a> Making<'a> {
    pub(crate) fn of(run: &Reconciliation<'a>, artifact: &'a Artifact) -> Self {
        Self {
            context: run.context,
            key: run.key.clone(),
            object: Arc::clone(&run.object),
            artifact,
            superseded: run.superseded,
        }
    }

    fn news(&self) -> News {
        let context = self.context;
        let Some(now) = context.objects.get(&self.key) else {
            return News::Unwanted;
        };
        let edited = now.metadata.generation != self.object.metadata.generation;
        if edited
            || context.shutdown.is_cancelled()
            || context.ownership(&self.key, &self.object) != Ownership::Ours
        {
            return News::Unwanted;
        }
        let observed = observe(context, &now);
        match &observed.artifact {
            Ok(artifact) if artifact.spec.differs_for_consumers(&self.artifact.spec) => News::Newer,
            _ => match decide(&observed) {
                Step::Finalize | Step::LetGo | Step::Rest | Step::Refuse(_) => News::Unwanted,
                // What it waits for now does not change what is being made.
                Step::AwaitArtifact(_) | Step::AwaitDependency(_) | Step::Deploy(_) => News::None,
            },
        }
    }

    /// Completes when it is not wanted any more; a newer artifact counts once `patience` is over.
    ///
    /// Other news can wait: giving up would only begin it again.
    pub(crate) async fn outdated(&self, patience: Duration) -> News {
        let start = Instant::now();
        self.superseded.wait().await;
        loop {
            match self.news() {
                News::Unwanted => return News::Unwanted,
                News::Newer if start.elapsed() >= patience => return News::Newer,
                News::Newer | News::None => {}
            }
            tokio::select! {
                () = self.context.shutdown.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// How long a build is left alone by newer artifacts after `gave_way` builds in a row that gave way to one.
///
/// The first gives way at once, as it may hang; but artifacts that come more often than a clone takes must not keep it
/// from ever ending.
pub(crate) fn patience(gave_way: u32) -> Duration {
    match gave_way.min(MOST_DOUBLINGS) {
        0 => Duration::ZERO,
        times => PATIENCE * 2_u32.pow(times - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_that_come_often_leave_a_build_more_and_more_time() {
        let seconds = [0, 1, 2, 3, 8, u32::MAX].map(|gave_way| patience(gave_way).as_secs());
        assert_eq!(seconds, [0, 5, 10, 20, 640, 2560]);
    }
}
