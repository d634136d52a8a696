//! What the files of sources are needed for.

use artifact_store::Place;
use controller_kit::{ObjectKey, Triggers, WatchState};
use kube::Resource as _;

use crate::Produce;
use crate::controller::{Controller, kind};
use crate::publish::names;
use crate::tidy::Keeper;

impl<P: Produce> Keeper for Controller<P> {
    fn kind(&self) -> String {
        kind::<P>().to_lowercase()
    }

    async fn listed(&self) {
        self.artifacts.synced().await;
        self.sources.synced().await;
    }

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

    fn rebuild(&self, place: &Place) {
        let key = ObjectKey::new(place.namespace(), place.name());
        self.queue.add(key, Triggers::ARTIFACT);
    }
}
