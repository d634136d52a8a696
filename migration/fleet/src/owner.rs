//! Who reconciles an object: computed from what the live Deployments select, and from nothing else.
//!
//! Status managers, field managers and the names of events are equal on purpose, so that they cannot tell who wrote.

use std::collections::BTreeMap;
use std::fmt;

use flux_api::{Arguments, Claims, ObjectKey, controller_container, selector};
use k8s_openapi::api::apps::v1::Deployment;
use kube_core::{ResourceExt, Selector, SelectorExt};
use serde::Serialize;

use crate::{DeployerKind, Handle, Subject, World};

/// Name of our controller: of its Deployment, its image and its labels.
pub const OPENFLUX: &str = "openflux-controller";

/// What our controller selects when its arguments say nothing.
const OUR_SELECTOR: &str = "sharding.fluxcd.io/key=openflux";

/// The controllers that ours runs when its arguments say nothing.
const OUR_CONTROLLERS: &str = "sources,kustomize,helm";

/// The one who reconciles an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "owner", rename_all = "camelCase")]
pub enum Owner {
    /// A stock controller.
    Stock {
        /// Its Deployment.
        deployment: String,
        /// Whether that is scaled to zero.
        stopped: bool,
    },
    /// Our controller.
    Openflux {
        /// Its Deployment.
        deployment: String,
    },
    /// Both select it: ours stands back.
    Contested {
        /// The stock Deployment.
        stock: String,
        /// Our Deployment.
        openflux: String,
    },
    /// Nobody does, which is an error.
    Nobody {
        /// Why.
        why: String,
    },
}

impl Owner {
    /// Returns the word that is shown.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stock { stopped: false, .. } => "stock",
            Self::Stock { stopped: true, .. } => "stock (stopped)",
            Self::Openflux { .. } => "openflux",
            Self::Contested { .. } => "contested",
            Self::Nobody { .. } => "nobody",
        }
    }

    /// Returns whether it is one who is at work.
    pub const fn is_sound(&self) -> bool {
        matches!(self, Self::Stock { stopped: false, .. } | Self::Openflux { .. })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What all controllers of a cluster select.
#[derive(Clone, Debug)]
pub struct Owners {
    sides: BTreeMap<DeployerKind, Side>,
}

#[derive(Clone, Debug)]
struct Side {
    live: Claims,
    stopped: Claims,
    ours: Vec<Ours>,
}

/// What a Deployment of ours reconciles of one kind.
#[derive(Clone, Debug)]
struct Ours {
    deployment: ObjectKey,
    is_running: bool,
    namespace: Option<String>,
    selector: Selector,
}

impl Owners {
    /// Reads the Deployments of a cluster.
    pub fn of(world: &World) -> Self {
        let side = |kind: DeployerKind| {
            let stopped: Vec<Deployment> = world
                .stock
                .iter()
                .filter(|deployment| is_stopped(deployment))
                .map(with_a_replica)
                .collect();
            Side {
                live: Claims::of(kind.controller(), &world.stock),
                stopped: Claims::of(kind.controller(), &stopped),
                ours: world
                    .ours
                    .iter()
                    .filter_map(|deployment| ours(kind, deployment))
                    .collect(),
            }
        };
        Self {
            sides: DeployerKind::ALL
                .into_iter()
                .map(|kind| (kind, side(kind)))
                .collect(),
        }
    }

    /// Tells who reconciles a Kustomization or HelmRelease.
    pub fn owner(&self, subject: &Subject) -> Owner {
        self.owner_with(&subject.handle, &subject.labels)
    }

    /// Tells who would reconcile it with these labels.
    pub fn owner_with(&self, handle: &Handle, labels: &BTreeMap<String, String>) -> Owner {
        let Some(side) = self.sides.get(&handle.kind) else {
            return Owner::Nobody {
                why: "no controller is known for it".to_owned(),
            };
        };
        let namespace = handle.key.namespace.as_str();
        let selects = |ours: &&Ours| {
            ours.namespace.as_ref().is_none_or(|only| only == namespace) && ours.selector.matches(labels)
        };
        let ours = side.ours.iter().filter(selects);
        let running = ours.clone().find(|ours| ours.is_running);
        let stock = side.live.rival(namespace, labels);
        match (stock, running) {
            (Some(stock), None) => Owner::Stock {
                deployment: stock.deployment.to_string(),
                stopped: false,
            },
            (None, Some(ours)) => Owner::Openflux {
                deployment: ours.deployment.to_string(),
            },
            (Some(stock), Some(ours)) => Owner::Contested {
                stock: stock.deployment.to_string(),
                openflux: ours.deployment.to_string(),
            },
            (None, None) => {
                if let Some(stopped) = side.stopped.rival(namespace, labels) {
                    return Owner::Stock {
                        deployment: stopped.deployment.to_string(),
                        stopped: true,
                    };
                }
                let dead = ours.clone().next();
                let why = match dead {
                    Some(ours) => format!("Deployment {} selects it and has no ready pod", ours.deployment),
                    None => format!("no Deployment of a {} selects it", handle.kind.controller()),
                };
                Owner::Nobody { why }
            }
        }
    }
}

fn is_stopped(deployment: &Deployment) -> bool {
    let spec = deployment.spec.as_ref();
    spec.is_some_and(|spec| spec.replicas == Some(0))
}

fn with_a_replica(deployment: &Deployment) -> Deployment {
    let mut deployment = deployment.clone();
    if let Some(spec) = &mut deployment.spec {
        spec.replicas = Some(1);
    }
    deployment
}

/// The arguments of a Deployment of ours; nothing if it is none.
pub fn our_arguments(deployment: &Deployment) -> Option<Arguments> {
    let labelled = || {
        // Whoever builds the image gives it the name that they like.
        let name = deployment.labels().get("app.kubernetes.io/name");
        let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
        let mut containers = pod.containers.iter();
        let manager = containers.find(|container| container.name == "manager");
        manager.filter(|_| name.is_some_and(|name| name == OPENFLUX))
    };
    controller_container(OPENFLUX, deployment)
        .or_else(labelled)
        .map(Arguments::of)
}

/// The value of one of our flags for one kind: what is said for it alone wins.
pub fn our_flag<'a>(arguments: &'a Arguments, kind: DeployerKind, name: &str) -> Option<&'a str> {
    let own = format!("{}.{name}", kind.flag_prefix());
    arguments.value(&own).or_else(|| arguments.value(name))
}

fn ours(kind: DeployerKind, deployment: &Deployment) -> Option<Ours> {
    let arguments = our_arguments(deployment)?;
    let controllers = arguments.value("controllers").unwrap_or(OUR_CONTROLLERS);
    if !controllers.split(',').any(|name| name == kind.flag_prefix()) {
        return None;
    }
    let selector = our_flag(&arguments, kind, "watch-label-selector").unwrap_or(OUR_SELECTOR);
    let namespace = deployment.namespace().unwrap_or_default();
    let restricted = arguments.is_on("watch-all-namespaces") == Some(false);
    let ready = deployment
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas);
    Some(Ours {
        deployment: ObjectKey::of(deployment),
        is_running: !is_stopped(deployment) && ready.unwrap_or_default() > 0,
        namespace: restricted.then_some(namespace),
        // It does not start with one that cannot be read, and so selects nothing.
        selector: selector::parse(selector).ok()?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A Deployment of a controller with one pod, ready unless `ready` is zero.
    pub(crate) fn deployment(controller: &str, args: &[&str], replicas: i32, ready: i32) -> Deployment {
        let part_of = if controller == OPENFLUX {
            "openflux"
        } else {
            "flux"
        };
        serde_json::from_value(json!({
            "metadata": {"name": controller, "namespace": "flux-system", "generation": 1,
                "labels": {"app.kubernetes.io/part-of": part_of, "app.kubernetes.io/version": "v2.9.5"}},
            "spec": {"replicas": replicas, "selector": {}, "template": {"spec": {"containers": [
                {"name": "manager", "image": format!("ghcr.io/fluxcd/{controller}:v1"), "args": args}]}}},
            "status": {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready},
        }))
        .unwrap()
    }

    const EXCLUDED: &str = "--watch-label-selector=!sharding.fluxcd.io/key";

    fn owner(stock: (&[&str], i32), ours: Option<(&[&str], i32)>, label: Option<&str>) -> Owner {
        let world = World {
            stock: vec![deployment("kustomize-controller", stock.0, stock.1, stock.1)],
            ours: ours
                .map(|(args, ready)| deployment(OPENFLUX, args, 1, ready))
                .into_iter()
                .collect(),
            ..World::default()
        };
        let labels = label.map(|value| (flux_api::SHARD_KEY.to_owned(), value.to_owned()));
        let handle = Handle::new(DeployerKind::Kustomization, "apps", "app");
        Owners::of(&world).owner_with(&handle, &labels.into_iter().collect())
    }

    #[track_caller]
    fn check(stock: (&[&str], i32), ours: Option<(&[&str], i32)>, label: Option<&str>, expected: &str) {
        assert_eq!(owner(stock, ours, label).as_str(), expected);
    }

    #[test]
    fn an_owner_is_whoever_selects_and_is_live() {
        let run: &[&str] = &["run"];
        let excluded: &[&str] = &[EXCLUDED];
        check((&[], 1), None, None, "stock");
        check((excluded, 1), Some((run, 1)), None, "stock");
        check((excluded, 1), Some((run, 1)), Some("openflux"), "openflux");
        check((&[], 1), Some((run, 1)), Some("openflux"), "contested");
        check((excluded, 1), None, Some("openflux"), "nobody");
        check((excluded, 1), Some((run, 0)), Some("openflux"), "nobody");
        check((excluded, 1), Some((run, 1)), Some("shard1"), "nobody");
        check((&[], 0), None, None, "stock (stopped)");
        check(
            (excluded, 1),
            Some((&["run", "--controllers=sources,helm"], 1)),
            Some("openflux"),
            "nobody",
        );
        let own = [
            "run",
            "--watch-label-selector=a=b",
            "--kustomize.watch-label-selector=sharding.fluxcd.io/key=us",
        ];
        check((excluded, 1), Some((&own, 1)), Some("us"), "openflux");
        check(
            (excluded, 1),
            Some((&["run", "--watch-all-namespaces=false"], 1)),
            Some("openflux"),
            "nobody",
        );
    }

    #[test]
    fn ours_is_known_whatever_its_image_is_called() {
        let image = |image: &str, name: &str| {
            let mut ours = deployment(OPENFLUX, &["run"], 1, 1);
            let pod = ours.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
            pod.containers[0].image = Some(image.to_owned());
            let labels = [("app.kubernetes.io/name".to_owned(), name.to_owned())];
            ours.metadata.labels = Some(labels.into());
            our_arguments(&ours).is_some()
        };
        assert!(image("registry.example.com/team/openflux:1", OPENFLUX));
        assert!(image("registry.example.com/team/openflux-controller:1", "other"));
        assert!(!image("registry.example.com/team/source:1", "other"));
    }

    #[test]
    fn nobody_is_explained() {
        let Owner::Nobody { why } = owner((&[EXCLUDED], 1), Some((&["run"], 0)), Some("openflux")) else {
            panic!("somebody is");
        };
        assert_eq!(
            why,
            "Deployment flux-system/openflux-controller selects it and has no ready pod"
        );
        let json: Value = serde_json::to_value(Owner::Nobody { why }).unwrap();
        assert_eq!(json["owner"], "nobody");
    }
}
