//! Crash: the controller is killed at any moment; a restart converges, and nothing is pruned that should not be.

use std::time::Duration;

use anyhow::Result;
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, KUSTOMIZATION, Kind, Namespace, Process, Testbed, is_ready,
};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{Owner, config_map, start_shard};
use crate::artifacts::{consume_as, offer};
use crate::moves::trials;

const COUNT: usize = 50;

/// Moments in milliseconds after a start: pseudo-random, and the same in every run.
pub(crate) fn moments(seed: u64) -> impl Iterator<Item = Duration> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        // Knuth's linear congruential generator; its high bits are good enough for this.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(100 + (state >> 33) % 1_400)
    })
}

/// Fifty Kustomizations of one Artifact, and a controller of their own that is killed again and again.
struct Fleet {
    testbed: &'static Testbed,
    namespace: Namespace,
    server: ArtifactServer,
    shard: &'static str,
}

impl Fleet {
    async fn start(shard: &'static str) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        let namespace = testbed.namespace(shard).await?;
        // The second revision changes `kept`, drops `dropped` and adds `added`.
        let first = [
            ("kept.yaml", &*config_map("kept", "blue")),
            ("dropped.yaml", &*config_map("dropped", "blue")),
        ];
        let second = [
            ("kept.yaml", &*config_map("kept", "red")),
            ("added.yaml", &*config_map("added", "blue")),
        ];
        let server = ArtifactServer::start([
            ("first", Answer::Bytes(Archive::of(&first).pack()?)),
            ("second", Answer::Bytes(Archive::of(&second).pack()?)),
        ])?;
        let fleet = Self {
            testbed,
            namespace,
            server,
            shard,
        };
        fleet.install().await?;
        Ok(fleet)
    }

    /// Makes all Kustomizations, of the first revision.
    async fn install(&self) -> Result<()> {
        offer(&self.namespace, "app", &self.server, "first").await?;
        for name in names() {
            let spec = json!({"namePrefix": format!("{name}-"), "wait": true});
            consume_as(Owner::Shard(self.shard), &self.namespace, &name, "app", spec).await?;
        }
        Ok(())
    }

    /// Lives of a controller that each end with `kill -9`; the last one stays.
    async fn survive(&self, lives: usize, seed: u64) -> Result<Process> {
        for moment in moments(seed).take(lives) {
            let mut controller = start_shard(self.testbed, self.shard)?;
            tokio::time::sleep(moment).await;
            controller.kill()?;
        }
        start_shard(self.testbed, self.shard)
    }

    /// Waits until all Kustomizations have applied what the Artifact points to now.
    async fn wait_applied(&self, revision: &str) -> Result<()> {
        let digest = self.server.digest(revision);
        let applied = |object: &DynamicObject| {
            let applied = object.data["status"]["lastAppliedRevision"].as_str();
            is_ready(object) && applied.is_some_and(|applied| applied.ends_with(&digest))
        };
        for name in names() {
            self.namespace
                .wait(
                    KUSTOMIZATION,
                    &name,
                    &format!("has applied the {revision} revision"),
                    applied,
                )
                .await?;
        }
        Ok(())
    }

    /// The names of all objects of one kind that belong to the fleet.
    async fn objects(&self, kind: Kind) -> Result<Vec<String>> {
        let mut names: Vec<_> = self
            .namespace
            .list(kind)
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        names.retain(|name| name.starts_with("app-"));
        names.sort();
        Ok(names)
    }
}

fn names() -> impl Iterator<Item = String> {
    (0..COUNT).map(|number| format!("app-{number:02}"))
}

/// What the fleet consists of when each Kustomization has these objects.
fn expected(objects: [&str; 2]) -> Vec<String> {
    let mut expected: Vec<_> = names()
        .flat_map(|name| objects.map(|object| format!("{name}-{object}")))
        .collect();
    expected.sort();
    expected
}

#[tokio::test]
async fn killed_during_install_and_upgrade_it_converges() -> Result<()> {
    let fleet = Fleet::start("crash-upgrade").await?;
    let controller = fleet.survive(4, 1).await?;
    fleet.wait_applied("first").await?;
    assert_eq!(fleet.objects(CONFIG_MAP).await?, expected(["kept", "dropped"]));
    let kept = fleet.namespace.list(CONFIG_MAP).await?;

    drop(controller);
    offer(&fleet.namespace, "app", &fleet.server, "second").await?;
    let _controller = fleet.survive(5, 2).await?;
    fleet.wait_applied("second").await?;
    assert_eq!(fleet.objects(CONFIG_MAP).await?, expected(["added", "kept"]));

    // What stayed in the source was never deleted and made anew.
    for before in kept.iter().filter(|object| object.name_any().ends_with("-kept")) {
        let after = fleet.namespace.get(CONFIG_MAP, &before.name_any()).await?;
        assert_eq!(
            after.and_then(|after| after.uid()),
            before.uid(),
            "{}",
            before.name_any()
        );
    }
    Ok(())
}

#[tokio::test]
async fn killed_during_deletion_it_deletes_the_rest_and_nothing_else() -> Result<()> {
    let fleet = Fleet::start("crash-delete").await?;
    let controller = fleet.survive(0, 0).await?;
    fleet.wait_applied("first").await?;
    drop(controller);
    let (orphaned, deleted): (Vec<_>, Vec<_>) = names().partition(|name| name.ends_with('0'));
    for name in &orphaned {
        let orphan = json!({"spec": {"deletionPolicy": "Orphan"}});
        fleet.namespace.patch(KUSTOMIZATION, name, orphan).await?;
    }
    for name in orphaned.iter().chain(&deleted) {
        fleet.namespace.delete(KUSTOMIZATION, name).await?;
    }
    let _controller = fleet.survive(5, 3).await?;
    for name in names() {
        fleet.namespace.wait_gone(KUSTOMIZATION, &name).await?;
    }
    let mut left: Vec<_> = orphaned
        .iter()
        .flat_map(|name| ["dropped", "kept"].map(|object| format!("{name}-{object}")))
        .collect();
    left.sort();
    assert_eq!(fleet.objects(CONFIG_MAP).await?, left);
    Ok(())
}

#[tokio::test]
async fn killed_at_any_moment_of_its_life_it_leaves_nothing_behind() -> Result<()> {
    let fleet = Fleet::start("crash-trial").await?;
    for round in 0..trials().div_ceil(8) {
        let seed = 4 * round as u64;
        if round > 0 {
            fleet.install().await?;
        }
        drop(fleet.survive(2, seed).await?);
        // What is new in the second revision has left the source again before anybody can know that it was applied.
        offer(&fleet.namespace, "app", &fleet.server, "second").await?;
        drop(fleet.survive(2, seed + 1).await?);
        offer(&fleet.namespace, "app", &fleet.server, "first").await?;
        drop(fleet.survive(2, seed + 2).await?);
        for name in names() {
            fleet.namespace.delete(KUSTOMIZATION, &name).await?;
        }
        let _controller = fleet.survive(2, seed + 3).await?;
        for name in names() {
            fleet.namespace.wait_gone(KUSTOMIZATION, &name).await?;
        }
        assert_eq!(
            fleet.objects(CONFIG_MAP).await?,
            Vec::<String>::new(),
            "in round {round}"
        );
    }
    Ok(())
}
