//! What goes on beside the looks: files are removed, looked at, and those without a source swept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use artifact_store::{Place, Store};
use controller_kit::{ObjectKey, WatchState};
use kube::Resource as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Produce;
use crate::controller::{Controller, kind};
use crate::publish::names;

/// How often files are removed that were superseded for long enough.
const COLLECT: Duration = Duration::from_secs(5);
/// How often files without a source are looked for.
const SWEEP: Duration = Duration::from_hours(1);
/// How long a file has no source before it is one without.
const ORPHANED: Duration = Duration::from_mins(10);
/// Bytes a second that are read to look whether files are what their names say.
const SCRUB: f64 = 20e6;
/// Pause after all files were looked at.
const SCRUBBED: Duration = Duration::from_mins(1);

impl<P: Produce> Controller<P> {
    /// Keeps the volume tidy until `shutdown`.
    pub(crate) async fn tidy(self: &Arc<Self>, shutdown: &CancellationToken) {
        let all = async {
            tokio::join!(self.collect(), self.scrub(), self.sweep(), self.mend());
        };
        shutdown.run_until_cancelled(all).await;
    }

    async fn collect(&self) {
        loop {
            let (store, counts) = (self.store.clone(), self.counts.clone());
            let state = self.storage.state().clone();
            let collected = spawn_blocking(move || {
                let collected = store.collect();
                counts.refresh(&store, &state);
                collected
            });
            for gone in collected.await.unwrap_or_default() {
                self.counts.collected(gone.rule);
                tracing::debug!(place = %gone.place, file = gone.file, rule = gone.rule, "artifact removed");
            }
            tokio::time::sleep(COLLECT).await;
        }
    }

    async fn scrub(&self) {
        let mut again = Instant::now() + self.storage.scrub_interval();
        loop {
            let looked = look_at_one(self.store.clone()).await;
            let pause = looked.map_or(SCRUBBED, |size| Duration::from_secs_f64(size as f64 / SCRUB));
            tokio::time::sleep(pause).await;
            if looked.is_none() && Instant::now() > again {
                again = Instant::now() + self.storage.scrub_interval();
                self.store.forget_verdicts();
            }
        }
    }

    /// Has files made anew that are corrupt.
    async fn mend(&self) {
        let mut corrupt = self.storage.corrupt();
        loop {
            match corrupt.recv().await {
                Ok(place) => {
                    self.counts.found_corrupt();
                    self.rebuild(&place);
                }
                // Those that were missed are found at their next look.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Removes files whose source is gone: what was deleted while nobody was there, or has left the selector.
    async fn sweep(&self) {
        self.artifacts.synced().await;
        self.sources.synced().await;
        let mut orphans = HashMap::<Place, Instant>::new();
        loop {
            let kind = kind::<P>().to_lowercase();
            let places = self.store.places();
            let places: Vec<_> = places.into_iter().filter(|place| place.kind() == kind).collect();
            orphans.retain(|place, _| places.contains(place));
            for place in places {
                if !self.is_orphan(&place) {
                    orphans.remove(&place);
                } else if orphans
                    .get(&place)
                    .is_some_and(|since| since.elapsed() >= ORPHANED)
                {
                    tracing::info!(%place, "these artifacts have no source any more");
                    self.store.remove(&place);
                } else {
                    orphans.entry(place).or_insert_with(Instant::now);
                }
            }
            // Twice in a row soon after the start, for what happened before it.
            tokio::time::sleep(if orphans.is_empty() { SWEEP } else { ORPHANED }).await;
        }
    }

    /// Whether nobody needs the files of a place: there is no source, and no Artifact that offers them.
    fn is_orphan(&self, place: &Place) -> bool {
        let key = ObjectKey::new(place.namespace(), place.name());
        let known = self.sources.get(&key).is_some() || self.sources.is_undecodable(&key);
        if known || self.sources.state() != WatchState::Synced {
            return false;
        }
        let group = P::Source::group(&());
        let mut names = names(&group, &kind::<P>(), place.namespace(), place.name()).into_iter();
        let offered = names.any(|name| {
            let artifact = self.artifacts.get(&ObjectKey::new(place.namespace(), name));
            let path = format!("/{place}/");
            artifact.is_some_and(|artifact| artifact.spec.url.contains(&path))
        });
        !offered
    }
}

async fn look_at_one(store: Store) -> Option<u64> {
    spawn_blocking(move || store.scrub_one()).await.ok().flatten()
}
