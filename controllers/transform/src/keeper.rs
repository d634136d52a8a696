//! What the files of transformations are needed for.

use artifact_crd::TRANSFORMATION_KIND;
use artifact_producer::tidy::Keeper;
use artifact_store::Place;
use controller_kit::{Triggers, WatchState};

use crate::controller::Controller;
use crate::references::owner_of;

impl Keeper for Controller {
    fn kind(&self) -> String {
        TRANSFORMATION_KIND.to_lowercase()
    }

    async fn listed(&self) {
        self.artifacts.synced().await;
        self.transformations.synced().await;
    }

    fn is_orphan(&self, place: &Place) -> bool {
        if self.transformations.state() != WatchState::Synced {
            return false;
        }
        let artifact = self.artifact(place.namespace(), place.name());
        let path = format!("/{place}/");
        artifact.is_none_or(|artifact| !artifact.spec.url.contains(&path))
    }

    fn rebuild(&self, place: &Place) {
        let artifact = self.artifact(place.namespace(), place.name());
        if let Some(owner) = artifact.and_then(|artifact| owner_of(&artifact)) {
            self.queue.add(owner, Triggers::ARTIFACT);
        }
    }
}
