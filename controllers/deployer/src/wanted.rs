//! Whether what a run is making is still wanted.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::{ObjectKey, Superseded, Triggers};
use kube::Resource as _;
use tokio::time::Instant;

use crate::context::{Context, Ownership};
use crate::kind::Kind;
use crate::run::Run;
use crate::step::Step;

/// Between two looks, once there was news.
const PAUSE: Duration = Duration::from_secs(1);

/// How often to look whether what is being planned is still wanted.
const LOOK: Duration = Duration::from_millis(250);

/// What has happened to what a run is making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that changes it.
    None,
    /// There is a newer artifact.
    Newer,
    /// The object was edited, suspended, deleted or handed over, or the controller ends.
    Unwanted,
}

/// What a run makes something of.
pub struct Making<'a, K: Kind> {
    context: &'a Context<K>,
    key: ObjectKey,
    object: Arc<K::Object>,
    artifact: &'a Artifact,
    superseded: &'a Superseded,
}

impl<'a, K: Kind> Making<'a, K> {
    /// Says that a run makes something of an artifact.
    pub fn of(run: &Run<'a, K>, artifact: &'a Artifact) -> Self {
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
        let edited = now.meta().generation != self.object.meta().generation;
        if edited
            || context.shutdown.is_cancelled()
            || context.ownership(&self.key, &self.object) != Ownership::Ours
        {
            return News::Unwanted;
        }
        let observed = context.observe(&now);
        match &observed.artifact {
            Ok(artifact) if artifact.spec.differs_for_consumers(&self.artifact.spec) => News::Newer,
            _ => match K::decide(&observed) {
                Step::Finalize | Step::LetGo | Step::Rest | Step::Refuse(_) | Step::RefuseDependency(_) => {
                    News::Unwanted
                }
                // What it waits for now does not change what is being made.
                Step::AwaitArtifact(_) | Step::AwaitDependency(_) | Step::Deploy(_) => News::None,
            },
        }
    }

    /// Completes when it is not wanted any more; a newer artifact counts once `patience` is over.
    ///
    /// Other news can wait: giving up would only begin it again.
    pub async fn outdated(&self, patience: Duration) -> News {
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

/// Tells whether the source of an object has another artifact by now than the one that a run deploys.
pub(crate) fn is_outdated<K: Kind>(
    context: &Context<K>,
    object: &K::Object,
    artifact: Option<&Artifact>,
) -> bool {
    let now = context.artifact_of(object);
    let differs = |artifact: &Artifact| match &now {
        Ok(now) => now.spec.differs_for_consumers(&artifact.spec),
        Err(_) => true,
    };
    artifact.is_some_and(differs)
}

/// Gives a look at whether there is something newer to deploy than what a run deploys: an edit, a request, what the
/// object reads, or another artifact.
///
/// Not every event is such news: a source that says again that it is ready is none.
pub fn newer<'a, K: Kind>(run: &Run<'a, K>) -> impl Fn() -> bool + Send + Sync + use<'a, K> {
    let (context, superseded) = (run.context, run.superseded.clone());
    let (object, artifact) = (Arc::clone(&run.object), run.artifact.clone());
    move || {
        let came = superseded.because_of();
        came.intersects(Triggers::OBJECT | Triggers::REQUESTED | Triggers::CONFIG)
            || (came.intersects(Triggers::ARTIFACT) && is_outdated(context, &object, artifact.as_deref()))
    }
}

/// Completes when nobody wants an object to be deployed as it was any more, or the controller ends.
///
/// A newer artifact can wait until this one is planned; were it not so, one that comes often enough would keep all of
/// them from being applied.
pub async fn obsolete<K: Kind>(context: &Context<K>, key: ObjectKey, object: Arc<K::Object>) {
    let is_wanted = || {
        context.objects.get(&key).is_some_and(|now| {
            let (now_meta, meta) = (now.meta(), object.meta());
            now_meta.uid == meta.uid
                && now_meta.generation == meta.generation
                && now_meta.deletion_timestamp == meta.deletion_timestamp
                && context.is_ours(&now)
        })
    };
    while !context.shutdown.is_cancelled() && is_wanted() {
        tokio::time::sleep(LOOK).await;
    }
}
