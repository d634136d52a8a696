//! What goes on beside the looks: files are removed, looked at, and those without a source swept.

use std::collections::HashMap;
use std::time::Duration;

use artifact_store::{Place, Store};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Storage;
use crate::metrics::ProducerMetrics;

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

/// Whoever knows what the files of one kind are needed for.
pub trait Keeper: Send + Sync {
    /// Gives the kind, in lower case, as places have it.
    fn kind(&self) -> String;

    /// Waits until it is known which objects and Artifacts there are.
    fn listed(&self) -> impl Future<Output = ()> + Send;

    /// Tells whether nobody needs the files of a place: there is no source, and no Artifact that offers them.
    fn is_orphan(&self, place: &Place) -> bool;

    /// Has files made anew that are corrupt.
    fn rebuild(&self, place: &Place);
}

/// Keeps the files of one kind tidy until `shutdown`.
pub async fn tidy(
    keeper: &impl Keeper,
    store: &Store,
    storage: &Storage,
    counts: &ProducerMetrics,
    shutdown: &CancellationToken,
) {
    let all = async {
        tokio::join!(
            collect(store, storage, counts),
            scrub(store, storage),
            sweep(keeper, store),
            mend(keeper, storage, counts)
        );
    };
    shutdown.run_until_cancelled(all).await;
}

async fn collect(store: &Store, storage: &Storage, counts: &ProducerMetrics) {
    loop {
        let (store, refreshed) = (store.clone(), counts.clone());
        let state = storage.state().clone();
        let collected = spawn_blocking(move || {
            let collected = store.collect();
            refreshed.refresh(&store, &state);
            collected
        });
        for gone in collected.await.unwrap_or_default() {
            counts.collected(gone.rule);
            tracing::debug!(place = %gone.place, file = gone.file, rule = gone.rule, "artifact removed");
        }
        tokio::time::sleep(COLLECT).await;
    }
}

async fn scrub(store: &Store, storage: &Storage) {
    let mut again = Instant::now() + storage.scrub_interval();
    loop {
        let looked = look_at_one(store.clone()).await;
        let pause = looked.map_or(SCRUBBED, |size| Duration::from_secs_f64(size as f64 / SCRUB));
        tokio::time::sleep(pause).await;
        if looked.is_none() && Instant::now() > again {
            again = Instant::now() + storage.scrub_interval();
            store.forget_verdicts();
        }
    }
}

/// Has files made anew that are corrupt.
async fn mend(keeper: &impl Keeper, storage: &Storage, counts: &ProducerMetrics) {
    let mut corrupt = storage.corrupt();
    loop {
        match corrupt.recv().await {
            Ok(place) if place.kind() == keeper.kind() => {
                counts.found_corrupt();
                keeper.rebuild(&place);
            }
            // Those of others, and those that were missed, which are found at their next look.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Removes files whose source is gone: what was deleted while nobody was there, or has left the selector.
async fn sweep(keeper: &impl Keeper, store: &Store) {
    keeper.listed().await;
    let mut orphans = HashMap::<Place, Instant>::new();
    loop {
        let kind = keeper.kind();
        let places = store.places();
        let places: Vec<_> = places.into_iter().filter(|place| place.kind() == kind).collect();
        orphans.retain(|place, _| places.contains(place));
        for place in places {
            if !keeper.is_orphan(&place) {
                orphans.remove(&place);
            } else if orphans
                .get(&place)
                .is_some_and(|since| since.elapsed() >= ORPHANED)
            {
                tracing::info!(%place, "these artifacts have no source any more");
                store.remove(&place);
            } else {
                orphans.entry(place).or_insert_with(Instant::now);
            }
        }
        // Twice in a row soon after the start, for what happened before it.
        tokio::time::sleep(if orphans.is_empty() { SWEEP } else { ORPHANED }).await;
    }
}

async fn look_at_one(store: Store) -> Option<u64> {
    spawn_blocking(move || store.scrub_one()).await.ok().flatten()
}
