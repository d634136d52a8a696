//! Taking our controller away: what stands in the way, what would miss it, and whether everything else stayed as it was.

use std::collections::{BTreeMap, BTreeSet};

use artifact_crd::Artifact;
use flux_api::{HELM_NAME, HELM_NAMESPACE, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, ObjectKey, SOURCE_GROUP};
use k8s_openapi::api::apps::v1::Deployment;
use kube_core::ResourceExt;

use crate::{DeployerKind, Handle, Owner, Owners, SourceState, Subject, World};

/// Label selector of everything that `openflux-controller install` writes.
pub const INSTALLED: &str = "app.kubernetes.io/part-of=openflux,app.kubernetes.io/name=openflux-controller";

/// The label of it that is this program's alone.
const NAME: (&str, &str) = ("app.kubernetes.io/name", "openflux-controller");

const HELM_RELEASE_NAME: &str = "meta.helm.sh/release-name";
const HELM_RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Why our controller cannot be taken away yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Something could not be read, so that nobody knows what would be left without a controller.
    Unread(String),
    /// An object would have no controller.
    Orphan(Handle),
    /// Somebody else brings our Deployment, and would bring it back.
    Brought {
        /// The Deployment.
        deployment: ObjectKey,
        /// What to do in the place of this.
        instead: String,
    },
}

/// Lists what has to be done before.
pub fn obstacles(world: &World) -> Vec<Obstacle> {
    let unread = world.unread.iter().cloned().map(Obstacle::Unread);
    let without = Owners::of(&World {
        ours: Vec::new(),
        ..world.clone()
    });
    let (now, subjects) = (Owners::of(world), Subject::all(world));
    let is_orphaned = |subject: &&Subject| match without.owner(subject) {
        Owner::Nobody { .. } => true,
        // One whose controller does not run anyway is no worse off.
        owner => {
            !owner.is_sound()
                && matches!(
                    now.owner(subject),
                    Owner::Openflux { .. } | Owner::Contested { .. }
                )
        }
    };
    let orphans = subjects.iter().filter(is_orphaned);
    let orphans = orphans.map(|subject| Obstacle::Orphan(subject.handle.clone()));
    let installed = world
        .ours
        .iter()
        .filter(|deployment| deployment.labels().get(NAME.0).is_some_and(|name| name == NAME.1));
    let brought = installed.filter_map(|deployment| {
        Some(Obstacle::Brought {
            deployment: ObjectKey::of(deployment),
            instead: brought_by(deployment, &subjects)?,
        })
    });
    unread.chain(orphans).chain(brought).collect()
}

/// Says how to take a Deployment away that something else applies; labels of what is gone stay behind, and mean nothing.
fn brought_by(deployment: &Deployment, subjects: &[Subject]) -> Option<String> {
    let labels = deployment.labels();
    let named = |kind: DeployerKind, name: &str, namespace: &str| {
        let (name, namespace) = (labels.get(name)?, labels.get(namespace)?);
        let handle = Handle::new(kind, namespace, name);
        let is_there = subjects.iter().any(|subject| subject.handle == handle);
        is_there.then_some((name, namespace))
    };
    if let Some((name, namespace)) = named(DeployerKind::Kustomization, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE) {
        return Some(format!(
            "take it out of what Kustomization {namespace}/{name} applies"
        ));
    }
    if let Some((name, namespace)) = named(DeployerKind::HelmRelease, HELM_NAME, HELM_NAMESPACE) {
        return Some(format!(
            "delete HelmRelease {namespace}/{name}, where it is defined"
        ));
    }
    let annotations = deployment.annotations();
    let (name, namespace) = (
        annotations.get(HELM_RELEASE_NAME)?,
        annotations.get(HELM_RELEASE_NAMESPACE)?,
    );
    Some(format!("helm uninstall {name} --namespace {namespace}"))
}

/// Lists what deploys an ExternalArtifact that the bridge keeps up to date, and would stall.
pub fn deployed_from_bridge(world: &World) -> Vec<(Handle, ObjectKey)> {
    let bridged: BTreeSet<&ObjectKey> = bridged(world).map(|source| &source.key).collect();
    let subjects = Subject::all(world).into_iter();
    subjects
        .filter_map(|subject| {
            let (kind, key) = subject.source?;
            (kind == "ExternalArtifact" && bridged.contains(&key)).then_some((subject.handle, key))
        })
        .collect()
}

/// Lists the ExternalArtifacts that the bridge made.
pub fn bridged(world: &World) -> impl Iterator<Item = &SourceState> {
    world.sources.iter().filter(|source| source.is_bridged())
}

/// Lists the Artifacts that are no mirrors of Flux's own sources: nobody makes them again when their kind is gone.
pub fn made_by_others(world: &World) -> Vec<ObjectKey> {
    let is_mirror = |artifact: &Artifact| {
        let owners = artifact.owner_references();
        owners
            .iter()
            .any(|owner| owner.api_version.split('/').next() == Some(SOURCE_GROUP))
    };
    let artifacts = world.artifacts.iter();
    artifacts
        .filter_map(|artifact| match &artifact.0 {
            Ok(artifact) => (!is_mirror(artifact)).then(|| ObjectKey::of(artifact)),
            Err(odd) => Some(ObjectKey::new(
                odd.metadata.namespace.clone().unwrap_or_default(),
                odd.metadata.name.clone().unwrap_or_default(),
            )),
        })
        .collect()
}

/// What is to stay as it is: the specs, labels and lives of all Flux objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness(BTreeMap<String, Seen>);

/// What is remembered of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    uid: String,
    generation: i64,
    labels: BTreeMap<String, String>,
    deleting: bool,
}

impl Witness {
    /// Remembers the objects of a cluster; what the bridge made goes with our controller.
    pub fn of(world: &World) -> Self {
        let subjects = Subject::all(world).into_iter().map(|subject| {
            let seen = Seen {
                uid: subject.uid,
                generation: subject.generation,
                labels: subject.labels,
                deleting: subject.deleting,
            };
            (subject.handle.to_string(), seen)
        });
        let sources = world.sources.iter().filter(|source| !source.is_bridged());
        let sources = sources.map(|source| {
            let seen = Seen {
                uid: source.uid.clone(),
                generation: source.generations.0,
                labels: source.labels.clone(),
                deleting: source.deleting,
            };
            (format!("{}/{}", source.kind, source.key), seen)
        });
        Self(subjects.chain(sources).collect())
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lists what is not as it was, each with how.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let change = |(name, before): (&String, &Seen)| match after.0.get(name) {
            None => Some(format!("{name} is gone")),
            Some(now) if now.uid != before.uid => Some(format!("{name} is another object of that name")),
            Some(now) if now.deleting && !before.deleting => Some(format!("{name} is being deleted")),
            Some(now) if now.generation != before.generation => {
                Some(format!("the spec of {name} has changed"))
            }
            Some(now) if now.labels != before.labels => Some(format!("the labels of {name} have changed")),
            Some(_) => None,
        };
        self.0.iter().filter_map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use flux_api::Tolerant;
    use serde_json::{Value, json};

    use super::*;

    fn deployment(name: &str, selector: &str, metadata: &Value) -> Deployment {
        let mut object = json!({
            "metadata": {"name": name, "namespace": "flux-system"},
            "spec": {"replicas": 1, "selector": {}, "template": {"spec": {"containers": [
                {"name": "manager", "image": format!("{name}:v1"),
                 "args": ["run", "--watch-all-namespaces=true", format!("--watch-label-selector={selector}")]}]}}},
            "status": {"readyReplicas": 1},
        });
        for (field, value) in metadata.as_object().into_iter().flatten() {
            object["metadata"][field] = value.clone();
        }
        serde_json::from_value(object).expect("a Deployment")
    }

    fn world(moved: bool) -> World {
        let labels = if moved {
            json!({"sharding.fluxcd.io/key": "openflux"})
        } else {
            json!({})
        };
        let kustomization = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "web", "namespace": "apps", "uid": "1", "generation": 1, "labels": labels},
            "spec": {"interval": "1m", "prune": true, "path": "./",
                "sourceRef": {"kind": "ExternalArtifact", "name": "feed"}},
        });
        let stock = json!({"labels": {"app.kubernetes.io/component": "kustomize-controller"}});
        World {
            stock: vec![deployment(
                "kustomize-controller",
                "!sharding.fluxcd.io/key",
                &stock,
            )],
            ours: vec![deployment(
                "openflux-controller",
                "sharding.fluxcd.io/key=openflux",
                &json!({}),
            )],
            kustomizations: vec![Tolerant(Ok(
                serde_json::from_value(kustomization).expect("a Kustomization")
            ))],
            sources: vec![SourceState {
                kind: "ExternalArtifact".to_owned(),
                key: ObjectKey::new("apps", "feed"),
                labels: BTreeMap::from([(
                    "openfluxcd.ocm.software/bridged-from".to_owned(),
                    "Nightly".to_owned(),
                )]),
                ..SourceState::default()
            }],
            ..World::default()
        }
    }

    #[test]
    fn what_would_have_no_controller_stands_in_the_way() {
        assert_eq!(obstacles(&world(false)), []);
        let web = Handle::new(crate::DeployerKind::Kustomization, "apps", "web");
        assert_eq!(obstacles(&world(true)), [Obstacle::Orphan(web.clone())]);
        // It stands in the way as well when ours does not run any more, or was taken away by hand.
        let mut gone = world(true);
        gone.ours.clear();
        assert_eq!(obstacles(&gone), [Obstacle::Orphan(web)]);
        // Stock selects everything, but does not run.
        let mut stopped = world(true);
        let stock = json!({"labels": {"app.kubernetes.io/component": "kustomize-controller"}});
        stopped.stock = vec![deployment("kustomize-controller", "", &stock)];
        assert_eq!(obstacles(&stopped), []);
        stopped.stock[0].spec.as_mut().expect("a spec").replicas = Some(0);
        assert_eq!(obstacles(&stopped).len(), 1);
        let mut of_stock = world(false);
        of_stock.stock[0].spec.as_mut().expect("a spec").replicas = Some(0);
        assert_eq!(obstacles(&of_stock), []);
        let mut unread = world(false);
        unread.unread.push("helmreleases: forbidden".to_owned());
        assert_eq!(
            obstacles(&unread),
            [Obstacle::Unread("helmreleases: forbidden".to_owned())]
        );
    }

    #[test]
    fn what_others_bring_is_taken_away_where_it_comes_from() {
        let cases = [
            (
                json!({"labels": {KUSTOMIZE_NAME: "infra", KUSTOMIZE_NAMESPACE: "flux-system"}}),
                "Kustomization flux-system/infra",
            ),
            (
                json!({"labels": {HELM_NAME: "open", HELM_NAMESPACE: "flux-system"}}),
                "HelmRelease flux-system/open",
            ),
            (
                json!({"annotations": {HELM_RELEASE_NAME: "open", HELM_RELEASE_NAMESPACE: "flux-system"}}),
                "helm uninstall open --namespace flux-system",
            ),
        ];
        for (metadata, says) in cases {
            let mut world = world(false);
            let mut metadata = metadata.clone();
            metadata["labels"][NAME.0] = NAME.1.into();
            world.ours = vec![deployment("openflux-controller", "a=b", &metadata)];
            if metadata["annotations"].is_null() {
                // The label alone is left of something that is gone.
                assert_eq!(obstacles(&world), []);
            }
            let infra = json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                "metadata": {"name": "infra", "namespace": "flux-system"},
                "spec": {"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "a"}},
            });
            let infra = serde_json::from_value(infra).expect("a Kustomization");
            world.kustomizations.push(Tolerant(Ok(infra)));
            let open = json!({
                "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
                "metadata": {"name": "open", "namespace": "flux-system"},
                "spec": {"interval": "1m", "chartRef": {"kind": "OCIRepository", "name": "a"}},
            });
            let open = serde_json::from_value(open).expect("a HelmRelease");
            world.helm_releases.push(Tolerant(Ok(open)));
            let helm = json!({"labels": {"app.kubernetes.io/component": "helm-controller"}});
            world
                .stock
                .push(deployment("helm-controller", "!sharding.fluxcd.io/key", &helm));
            let found = obstacles(&world);
            let [Obstacle::Brought { deployment, instead }] = &found[..] else {
                panic!("{found:?}");
            };
            assert_eq!(deployment.to_string(), "flux-system/openflux-controller");
            assert!(instead.contains(says), "{instead}");
        }
    }

    #[test]
    fn what_deploys_from_the_bridge_would_stall() {
        let world = world(false);
        let feed = ObjectKey::new("apps", "feed");
        assert_eq!(
            bridged(&world).map(|source| &source.key).collect::<Vec<_>>(),
            [&feed]
        );
        let web = Handle::new(crate::DeployerKind::Kustomization, "apps", "web");
        assert_eq!(deployed_from_bridge(&world), [(web, feed)]);
    }

    #[test]
    fn a_witness_sees_what_has_changed_and_nothing_of_the_bridge() {
        let (before, mut after) = (world(false), world(false));
        let witness = Witness::of(&before);
        assert_eq!(witness.len(), 1);
        after.sources.clear();
        assert_eq!(witness.changes(&Witness::of(&after)), Vec::<String>::new());
        assert_eq!(
            witness.changes(&Witness::of(&world(true))),
            ["the labels of ks/apps/web have changed"]
        );
        let mut elsewhere = world(false);
        elsewhere.sources[0].labels.clear();
        let with_source = Witness::of(&elsewhere);
        elsewhere.sources[0].uid = "2".to_owned();
        assert_eq!(
            with_source.changes(&Witness::of(&elsewhere)),
            ["ExternalArtifact/apps/feed is another object of that name"]
        );
        after.kustomizations.clear();
        assert_eq!(witness.changes(&Witness::of(&after)), ["ks/apps/web is gone"]);
    }
}
