//! What is done to releases: install, upgrade, rollback, test, uninstall, unlock, as Helm 4 does it when helm-controller
//! drives it.
//!
//! [`Actions`] is made for one action. What the action wrote to storage is there afterwards whether it went well or not,
//! because a failure before the first record is no failure of the release.

mod config;
mod crds;
mod error;
mod hooks;
mod install;
mod logs;
mod render;
mod rollback;
mod test;
mod uninstall;
mod unlock;
mod upgrade;

use helm::release::Release;
use helm::{Capabilities, File, KubeVersion};
use jiff::Timestamp;

use crate::cluster::{Cluster, DiscoveryError, Log, Patience, Resource};
use crate::storage::Storage;

pub use config::{
    CrdPolicy, Defaults, Install, Origin, Rendering, Rollback, ServerSide, Test, Uninstall, Upgrade, Waiting,
};
pub use error::ActionError;
pub use render::Wanted;
pub use unlock::Unlocked;

/// One action on a release.
pub struct Actions<'a> {
    cluster: &'a Cluster,
    storage: Storage,
    patience: Patience<'a>,
    log: Log,
    crds: Vec<File>,
}

impl<'a> Actions<'a> {
    /// An action in a cluster, with records in `storage`.
    pub fn new(cluster: &'a Cluster, storage: Storage, patience: Patience<'a>) -> Self {
        Self {
            cluster,
            storage,
            patience,
            log: Log::default(),
            crds: Vec::new(),
        }
    }

    /// The records that were written: the last state of each revision, in the order of the writes.
    pub fn written(&self) -> &[Release] {
        self.storage.written()
    }

    /// The files of `crds/` that took part.
    pub fn crds(&self) -> &[File] {
        &self.crds
    }

    /// The last lines of the log.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Whether the action was given up because its object is another controller's, which goes on with the release.
    pub(crate) fn was_stopped(&self) -> bool {
        self.storage.is_stopped()
    }

    /// Makes sure that the release is still ours to go on with, ahead of a step that changes the cluster.
    fn go_on(&mut self) -> Result<(), ActionError> {
        Ok(self.storage.go_on()?)
    }

    /// Writes a record when nothing more can be done about a failure to do so.
    async fn record(&mut self, release: &Release) {
        if let Err(error) = self.storage.update(release).await {
            tracing::warn!(release = release.name, revision = release.version, %error, "failed to update release");
            self.log.warn(
                "failed to update release",
                &[("name", &release.name), ("revision", &release.version)],
            );
        }
    }

    /// Looks whether the cluster answers, as each of Helm's actions does at first; tells which version it is of.
    async fn reach(&mut self) -> Result<KubeVersion, DiscoveryError> {
        let cluster = self.cluster;
        self.patience.answer(cluster.discovery.reachable()).await
    }

    /// Reads what the cluster, which is of this version, can do.
    async fn capabilities(&mut self, version: KubeVersion) -> Result<Capabilities, DiscoveryError> {
        let cluster = self.cluster;
        self.patience.answer(cluster.capabilities(version)).await
    }

    /// Looks which kinds the cluster serves no more, for an action that nothing else tells of it.
    async fn forget_gone_kinds(&mut self) {
        let cluster = self.cluster;
        self.patience.answer(cluster.forget_gone_kinds()).await;
    }

    async fn build(&self, manifest: &str, namespace: &str) -> Result<Vec<Resource>, ActionError> {
        Ok(Resource::build(&self.cluster.mapper, manifest, namespace).await?)
    }

    /// Waits until objects are ready, as far as the strategy says so; takes them, since a wait may be long.
    async fn wait_ready(&mut self, resources: Vec<Resource>, waiting: Waiting) -> Result<(), ActionError> {
        let (cluster, patience) = (self.cluster, &mut self.patience);
        let Waiting {
            strategy,
            timeout,
            for_jobs,
        } = waiting;
        let waited = cluster.wait_ready(resources, for_jobs, strategy, timeout, patience);
        Ok(waited.await?)
    }

    /// Waits until objects are gone, as far as the strategy says so.
    async fn wait_gone(&mut self, resources: &[Resource], waiting: Waiting) -> Result<(), ActionError> {
        let (cluster, patience) = (self.cluster, &mut self.patience);
        let waited = cluster.wait_gone(resources, waiting.strategy, waiting.timeout, patience);
        Ok(waited.await?)
    }
}

/// The time, as records have it.
fn now() -> helm::Time {
    Timestamp::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_go_on_in_tasks() {
        fn is_task<T: Future + Send>(_: T) {}
        fn compiles<T>(_: T) {}
        compiles(
            |mut actions: Actions<'static>, how: &'static Install, what: Wanted<'static>| {
                is_task(async move { actions.install(how, &what).await });
            },
        );
        compiles(
            |mut actions: Actions<'static>, how: &'static Upgrade, what: Wanted<'static>| {
                is_task(async move { actions.upgrade(how, &what).await });
            },
        );
        compiles(
            |mut actions: Actions<'static>, how: &'static Rollback, test: &'static Test| {
                is_task(async move {
                    let tested = actions.test(test).await;
                    (tested, actions.rollback(how).await)
                });
            },
        );
        compiles(|mut actions: Actions<'static>, how: &'static Uninstall| {
            is_task(async move {
                let unlocked = actions.unlock(&how.name).await;
                (unlocked, actions.uninstall(how).await)
            });
        });
    }
}
