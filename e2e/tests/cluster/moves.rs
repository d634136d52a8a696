//! Objects that move from one Kustomization to another in one commit are neither lost nor made anew.
//!
//! `OPENFLUX_TRIALS` says how many revisions are published, each of which moves objects in five ways at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, Kind, Namespace, Process,
    Testbed, is_ready,
};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{Owner, config_map, deployment, start_shard};
use crate::artifacts::{consume_as, offer};
use crate::crash::moments;

/// How many trials there are unless somebody wants to know better.
const TRIALS: usize = 16;

/// How many revisions a trial publishes, or how often the controller is killed.
pub(crate) fn trials() -> usize {
    let wanted = std::env::var("OPENFLUX_TRIALS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(TRIALS)
}

/// Kustomizations between which things move: siblings, a parent and the Kustomization that it contains, and two parents,
/// one of the same source and one of another, that give the Kustomization that they contain another name.
struct Moves {
    testbed: &'static Testbed,
    namespace: Namespace,
    server: ArtifactServer,
    shard: &'static str,
}

/// The two revisions, between which everything moves.
const REVISIONS: [&str; 2] = ["here", "there"];

impl Moves {
    async fn start(shard: &'static str) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        let namespace = testbed.namespace(shard).await?;
        let mut answers = Vec::new();
        for revision in REVISIONS {
            let [app, fleet] = archives(shard, namespace.name(), revision)?;
            answers.push((revision.to_owned(), Answer::Bytes(app)));
            answers.push((format!("fleet-{revision}"), Answer::Bytes(fleet)));
        }
        let server = ArtifactServer::start(
            answers
                .iter()
                .map(|(name, answer)| (name.as_str(), answer.clone())),
        )?;
        let moves = Self {
            testbed,
            namespace,
            server,
            shard,
        };
        moves.publish(REVISIONS[0]).await?;
        for path in ["left", "right", "outer", "root"] {
            let spec = json!({"path": path});
            consume_as(Owner::Shard(shard), &moves.namespace, path, "app", spec).await?;
        }
        consume_as(
            Owner::Shard(shard),
            &moves.namespace,
            "far-root",
            "fleet",
            json!({}),
        )
        .await?;
        Ok(moves)
    }

    fn controller(&self) -> Result<Process> {
        start_shard(self.testbed, self.shard)
    }

    async fn publish(&self, revision: &str) -> Result<()> {
        offer(
            &self.namespace,
            "fleet",
            &self.server,
            &format!("fleet-{revision}"),
        )
        .await?;
        offer(&self.namespace, "app", &self.server, revision).await
    }

    /// Waits until all Kustomizations of a revision have applied it, and those of the other are gone.
    async fn wait_applied(&self, revision: &str) -> Result<()> {
        let (present, absent) = renamed(revision);
        let (far_present, far_absent) = (format!("far-{present}"), format!("far-{absent}"));
        let fleet = format!("fleet-{revision}");
        let all = ["left", "right", "outer", "inner", "root", present, &far_present];
        let all = all.into_iter().map(|name| (name, revision));
        for (name, archive) in all.chain([("far-root", fleet.as_str())]) {
            let digest = self.server.digest(archive);
            let applied = |object: &DynamicObject| {
                let applied = object.data["status"]["lastAppliedRevision"].as_str();
                is_ready(object) && applied.is_some_and(|applied| applied.ends_with(&digest))
            };
            let what = format!("has applied the revision {revision}");
            self.namespace.wait(KUSTOMIZATION, name, &what, applied).await?;
        }
        self.namespace.wait_gone(KUSTOMIZATION, absent).await?;
        self.namespace.wait_gone(KUSTOMIZATION, &far_absent).await
    }

    /// The UIDs of everything that moves, by kind and name.
    async fn walkers(&self) -> Result<BTreeMap<String, String>> {
        let mut uids = BTreeMap::new();
        for (kind, name) in names() {
            let object = self.namespace.get(kind, &name).await?;
            let uid = object
                .with_context(|| format!("{} {name} is lost", kind.kind))?
                .uid();
            uids.insert(format!("{}/{name}", kind.kind), uid.unwrap_or_default());
        }
        Ok(uids)
    }
}

/// The name of the renamed Kustomization in a revision, and that which it has in the other.
fn renamed(revision: &str) -> (&'static str, &'static str) {
    if revision == REVISIONS[0] {
        ("old", "new")
    } else {
        ("new", "old")
    }
}

/// What moves; the Deployments are written to by others all the time.
fn names() -> impl Iterator<Item = (Kind, String)> {
    ["between", "across", "inwards", "renamed", "far"]
        .into_iter()
        .flat_map(|name| {
            let numbered = |number: u32| (CONFIG_MAP, format!("{name}-{number}"));
            let config_maps: Vec<_> = (0..3).map(numbered).collect();
            config_maps.into_iter().chain([(DEPLOYMENT, name.to_owned())])
        })
}

/// The archives of a revision: what is deployed, and a fleet that consists of one Kustomization.
fn archives(shard: &str, namespace: &str, revision: &str) -> Result<[Vec<u8>; 2]> {
    let here = revision == REVISIONS[0];
    let kustomization = |name: &str, path: &str| {
        let spec = json!({
            "interval": "1h", "retryInterval": "2s", "prune": true, "targetNamespace": namespace, "path": path,
            "sourceRef": {"apiVersion": "openfluxcd.ocm.software/v1alpha1", "kind": "ExternalArtifact", "name": "app"},
        });
        let labels = json!({"sharding.fluxcd.io/key": shard});
        let object: Value = json!({
            "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
            "metadata": {"name": name, "labels": labels}, "spec": spec,
        });
        object.to_string()
    };
    let mut files = BTreeMap::new();
    for path in ["left", "right", "outer", "inner"] {
        files.insert(format!("{path}/stays.yaml"), config_map(path, revision));
    }
    let (present, _) = renamed(revision);
    files.insert("outer/inner.yaml".to_owned(), kustomization("inner", "inner"));
    files.insert(format!("root/{present}.yaml"), kustomization(present, "renamed"));
    let homes = [
        ("between", "left", "right"),
        ("across", "right", "left"),
        ("inwards", "outer", "inner"),
        ("renamed", "renamed", "renamed"),
        ("far", "far", "far"),
    ];
    for (name, first, second) in homes {
        let home = if here { first } else { second };
        for number in 0..3 {
            let name = format!("{name}-{number}");
            files.insert(format!("{home}/{name}.yaml"), config_map(&name, revision));
        }
        files.insert(format!("{home}/{name}.yaml"), deployment(name, 0));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let far = format!("far-{present}");
    let fleet = [("far.yaml", &*kustomization(&far, "far"))];
    Ok([Archive::of(&files).pack()?, Archive::of(&fleet).pack()?])
}

#[tokio::test]
async fn what_moves_stays_what_it_is() -> Result<()> {
    let moves = Moves::start("moves").await?;
    let _controller = moves.controller()?;
    moves.wait_applied(REVISIONS[0]).await?;
    let before = moves.walkers().await?;
    for number in 1..=trials() {
        let revision = REVISIONS[number % 2];
        moves.publish(revision).await?;
        moves.wait_applied(revision).await?;
        assert_eq!(moves.walkers().await?, before, "after revision {number}");
    }
    Ok(())
}

#[tokio::test]
async fn what_moves_while_the_controller_is_killed_stays_what_it_is() -> Result<()> {
    let moves = Moves::start("moves-killed").await?;
    let mut controller = moves.controller()?;
    moves.wait_applied(REVISIONS[0]).await?;
    let before = moves.walkers().await?;
    for (number, moment) in (1..=trials()).zip(moments(4)) {
        let revision = REVISIONS[number % 2];
        moves.publish(revision).await?;
        // The interesting part is the first half second.
        tokio::time::sleep(moment.mul_f64(0.3)).await;
        controller.kill()?;
        controller = moves.controller()?;
        moves.wait_applied(revision).await?;
        assert_eq!(moves.walkers().await?, before, "after revision {number}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_waits_for_those_who_cannot_come() -> Result<()> {
    let shard = "moves-stuck";
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace(shard).await?;
    let broken = "{apiVersion: v1, kind: ConfigMap, metadata: {name: broken}, data: {a: {}}}";
    let files = |walker: &'static str| {
        let walker = (walker, config_map("walker", "blue"));
        let all = [
            ("first/stays.yaml", config_map("stays", "blue")),
            ("broken/broken.yaml", broken.to_owned()),
            ("other/other.yaml", config_map("other", "blue")),
        ];
        let all: Vec<_> = all.into_iter().chain([walker]).collect();
        let files: Vec<_> = all.iter().map(|(path, text)| (*path, text.as_str())).collect();
        Archive::of(&files).pack()
    };
    let server = ArtifactServer::start([
        ("one", Answer::Bytes(files("first/walker.yaml")?)),
        ("two", Answer::Bytes(files("unused/walker.yaml")?)),
    ])?;
    offer(&namespace, "app", &server, "one").await?;
    let owner = Owner::Shard(shard);
    for (name, spec) in [
        ("first", json!({"path": "first"})),
        (
            "dependent",
            json!({"path": "other", "namePrefix": "a-", "dependsOn": [{"name": "first"}]}),
        ),
        (
            "indirect",
            json!({"path": "other", "namePrefix": "b-", "dependsOn": [{"name": "dependent"}]}),
        ),
        ("suspended", json!({"path": "other", "suspend": true})),
        (
            "refused",
            json!({"path": "other", "ignore": [{"paths": ["/data"]}]}),
        ),
        ("broken", json!({"path": "broken", "retryInterval": "1h"})),
        (
            "after-broken",
            json!({"path": "other", "namePrefix": "c-", "dependsOn": [{"name": "broken"}]}),
        ),
    ] {
        consume_as(owner, &namespace, name, "app", spec).await?;
    }
    let _controller = start_shard(testbed, shard)?;
    namespace.wait_ready(KUSTOMIZATION, "indirect").await?;
    let start = std::time::Instant::now();
    offer(&namespace, "app", &server, "two").await?;
    namespace.wait_gone(CONFIG_MAP, "walker").await?;
    // A wait for one of them would have taken two minutes.
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    namespace.delete(KUSTOMIZATION, "first").await?;
    namespace.wait_gone(KUSTOMIZATION, "first").await?;
    assert!(
        start.elapsed() < Duration::from_secs(100),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}
