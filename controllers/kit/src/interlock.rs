//! Which objects a live stock controller reconciles too, read from the arguments of its Deployments.
//!
//! Two controllers that apply the same object undo each other's work, so whoever finds its object here leaves it
//! alone. What counts is what a Deployment asks for, not how well it works: one whose image cannot be pulled is about
//! to work at any moment.
//!
//! Stock controllers that run elsewhere, or in Deployments without the label `app.kubernetes.io/part-of=flux`, are not
//! seen.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Container;
use kube::core::{Selector, SelectorExt};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::selector;
use crate::watch::{Change, ObjectKey, WatchCache};

/// Condition of an object that a stock controller reconciles too: nothing was done about it here.
///
/// `Ready` stays what the stock controller says, because others wait for it.
pub const OWNERSHIP_CONFLICT: &str = "OwnershipConflict";
/// Reason of [`OWNERSHIP_CONFLICT`].
pub const STOCK_CONTROLLER_SELECTS: &str = "StockControllerSelects";

/// Label selector of the Deployments that are looked at: Flux's own.
const FLUX: &str = "app.kubernetes.io/part-of=flux";
/// Label that names the controller of a Deployment.
const COMPONENT: &str = "app.kubernetes.io/component";
/// The argument that says which objects a stock controller reconciles.
const SELECTOR_FLAG: &str = "watch-label-selector";
/// The argument that restricts a stock controller to its own namespace.
const ALL_NAMESPACES_FLAG: &str = "watch-all-namespaces";
/// The most earlier arguments that count while a roll-out goes on.
const MAX_EARLIER: usize = 8;

/// What the live stock controllers of one name reconcile.
#[derive(Debug)]
pub struct Interlock {
    controller: &'static str,
    claims: RwLock<Claims>,
}

impl Interlock {
    /// Starts with no claims, for stock's `controller`, such as `kustomize-controller`.
    pub fn new(controller: &'static str) -> Self {
        Self {
            controller,
            claims: RwLock::default(),
        }
    }

    /// Gives the stock Deployment that reconciles an object with these labels too.
    pub fn rival(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<Rival> {
        self.claims.read().rival(namespace, labels)
    }

    /// Follows the Deployments of all namespaces until `shutdown`, filling `cache`.
    ///
    /// `on_change` gets the claims before and after each change. Before Deployments have been listed, `cache` is not
    /// synced, and that there are no claims means nothing.
    pub async fn follow(
        &self,
        cache: &WatchCache<Deployment>,
        client: Client,
        shutdown: CancellationToken,
        on_change: &mut (dyn FnMut(&Claims, &Claims) + Send),
    ) {
        let update = |change: Change<'_, Deployment>| {
            let (key, claim) = match change {
                Change::Applied { new, .. } => {
                    let key = ObjectKey::of(new.as_ref());
                    let before = self.claims.read().0.get(&key).cloned();
                    let claim = Claim::observe(self.controller, new, before.as_ref());
                    (key, claim)
                }
                Change::Deleted { old } => (ObjectKey::of(old.as_ref()), None),
                // What was known before still stands.
                Change::Undecodable { .. } => return,
            };
            let before = self.claims.read().clone();
            let mut after = before.clone();
            match claim {
                Some(claim) => after.0.insert(key, claim),
                None => after.0.remove(&key),
            };
            if before != after {
                self.claims.write().clone_from(&after);
                on_change(&before, &after);
            }
        };
        let config = watcher::Config::default().labels(FLUX);
        cache.run(Api::all(client), config, shutdown, update).await;
    }
}

/// What stock's Deployments reconcile, by Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<ObjectKey, Claim>);

impl Claims {
    /// Gives the stock Deployment that reconciles an object with these labels too.
    pub fn rival(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<Rival> {
        self.0.iter().find_map(|(deployment, claim)| {
            let claims = |scope: &&Scope| scope.claims(namespace, labels);
            let (scope, earlier) = match &claim.current {
                scope if claims(&scope) => (scope, false),
                _ => (claim.earlier.iter().find(claims)?, true),
            };
            Some(Rival {
                deployment: deployment.clone(),
                selector: scope.selector.clone(),
                earlier,
            })
        })
    }
}

/// What one Deployment reconciles.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    current: Scope,
    /// The arguments of pods from before a roll-out that has not ended.
    earlier: Vec<Scope>,
}

impl Claim {
    /// Reads a Deployment; `None` unless it runs `controller`.
    fn observe(controller: &str, deployment: &Deployment, before: Option<&Self>) -> Option<Self> {
        let spec = deployment.spec.as_ref()?;
        let status = deployment.status.clone().unwrap_or_default();
        let none = |replicas: Option<i32>| replicas.unwrap_or(0) == 0;
        if spec.replicas == Some(0) && none(status.replicas) && none(status.terminating_replicas) {
            return None;
        }
        let containers = &spec.template.spec.as_ref()?.containers;
        let container = container_of(controller, deployment.labels(), containers)?;
        let current = Scope::read(container, &deployment.namespace().unwrap_or_default());
        let mut earlier = Vec::new();
        if rolling(deployment.metadata.generation, &status)
            && let Some(before) = before
        {
            let candidates = std::iter::once(&before.current).chain(&before.earlier);
            earlier.extend(candidates.filter(|scope| **scope != current).cloned());
            earlier.truncate(MAX_EARLIER);
        }
        Some(Self { current, earlier })
    }
}

/// Whether pods with an earlier template may still run.
fn rolling(generation: Option<i64>, status: &DeploymentStatus) -> bool {
    status.observed_generation < generation
        || status.updated_replicas.unwrap_or(0) < status.replicas.unwrap_or(0)
        || status.terminating_replicas.unwrap_or(0) > 0
}

/// Finds the container that runs `controller`: by the component label, or by the name of its image.
fn container_of<'a>(
    controller: &str,
    labels: &BTreeMap<String, String>,
    containers: &'a [Container],
) -> Option<&'a Container> {
    let runs = |container: &&Container| {
        let image = container.image.as_deref().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next() == Some(controller)
    };
    containers.iter().find(runs).or_else(|| {
        // A mirror may have given the image another name.
        let is_component = labels
            .get(COMPONENT)
            .is_some_and(|component| component == controller);
        let manager = containers.iter().find(|container| container.name == "manager");
        manager.or(containers.first()).filter(|_| is_component)
    })
}

/// Which objects one set of arguments selects.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    /// The only namespace, when the controller is restricted to its own.
    namespace: Option<String>,
    /// Value of `--watch-label-selector`; empty for everything.
    selector: String,
    /// The selector as it is understood; everything where it is not.
    matches: Selector,
}

impl Scope {
    fn read(container: &Container, namespace: &str) -> Self {
        let arguments = arguments(container);
        let own = |env: &&k8s_openapi::api::core::v1::EnvVar| env.name == "RUNTIME_NAMESPACE";
        let runtime = container.env.iter().flatten().find(own);
        let namespace = runtime.and_then(|env| env.value.as_deref()).unwrap_or(namespace);
        let everywhere = flag(&arguments, ALL_NAMESPACES_FLAG, Some("true"));
        let restricted =
            everywhere.is_some_and(|value| ["false", "f", "0"].contains(&value.to_lowercase().as_str()));
        let selector = flag(&arguments, SELECTOR_FLAG, None).unwrap_or_default();
        Self {
            namespace: restricted.then(|| namespace.to_owned()),
            selector: selector.to_owned(),
            matches: selector::parse(selector).unwrap_or_default(),
        }
    }

    fn claims(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespace.as_ref().is_none_or(|only| only == namespace) && self.matches.matches(labels)
    }
}

/// The command line of a container, with `$(NAME)` replaced where the value is written next to it.
fn arguments(container: &Container) -> Vec<String> {
    let parts = container.command.iter().chain(&container.args).flatten();
    let expand = |argument: &String| {
        let variables = container.env.iter().flatten();
        variables.fold(argument.clone(), |text, env| match &env.value {
            Some(value) => text.replace(&format!("$({})", env.name), value),
            None => text,
        })
    };
    parts.map(expand).collect()
}

/// The value of the last `--name=value` or `--name value`; a flag with `alone` stands for that without a value.
fn flag<'a>(arguments: &'a [String], name: &str, alone: Option<&'a str>) -> Option<&'a str> {
    let mut found = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(after) = argument
            .strip_prefix("--")
            .and_then(|text| text.strip_prefix(name))
        else {
            continue;
        };
        match after.strip_prefix('=') {
            Some(value) => found = Some(value),
            None if after.is_empty() => found = alone.or_else(|| rest.next().map(String::as_str)),
            None => {}
        }
    }
    found
}

/// A stock Deployment that reconciles an object too; its text says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The Deployment.
    pub deployment: ObjectKey,
    /// Value of its `--watch-label-selector`; empty when it selects everything.
    pub selector: String,
    /// Whether pods of an earlier template select the object, and the present one does not.
    pub earlier: bool,
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            deployment, selector, ..
        } = self;
        write!(
            f,
            "left alone, because Deployment '{deployment}' of stock Flux reconciles it too: "
        )?;
        let argument = if selector.is_empty() {
            format!("no --{SELECTOR_FLAG}")
        } else {
            format!("--{SELECTOR_FLAG}={selector}")
        };
        if self.earlier {
            return write!(
                f,
                "pods from before its roll-out may still run, with {argument}; wait for the roll-out to end"
            );
        }
        write!(
            f,
            "it has {argument}; to hand the object over, exclude it there, as with --{SELECTOR_FLAG}='!{shard}', or scale \
             that Deployment to zero; to leave it with stock Flux, remove the label that selects it here",
            shard = flux_api::SHARD_KEY
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const CONTROLLER: &str = "kustomize-controller";
    const EXCLUDED: &str = "--watch-label-selector=!sharding.fluxcd.io/key";

    fn deployment(args: &[&str], change: Value) -> Deployment {
        let mut object = json!({
            "metadata": {"name": CONTROLLER, "namespace": "flux-system", "generation": 2},
            "spec": {"selector": {}, "template": {"spec": {"containers": [
                {"name": "manager", "image": "registry:5000/fluxcd/kustomize-controller:v1.9.5@sha256:00", "args": args}
            ]}}},
            "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1},
        });
        merge(&mut object, change);
        serde_json::from_value(object).unwrap()
    }

    /// Merges as a JSON merge patch does.
    fn merge(into: &mut Value, change: Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (key, value) in change {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (into, change) => *into = change,
        }
    }

    fn claims(deployment: &Deployment, before: Option<&Claims>) -> Claims {
        let key = ObjectKey::of(deployment);
        let claim = Claim::observe(
            CONTROLLER,
            deployment,
            before.and_then(|before| before.0.get(&key)),
        );
        Claims(claim.map(|claim| (key, claim)).into_iter().collect())
    }

    /// Whether an object of `apps` with our shard label has a rival.
    fn claimed(claims: &Claims) -> bool {
        let labels = [(flux_api::SHARD_KEY.to_owned(), "openflux".to_owned())].into();
        claims.rival("apps", &labels).is_some()
    }

    #[track_caller]
    fn check(args: &[&str], change: Value, expected: bool) {
        assert_eq!(
            claimed(&claims(&deployment(args, change), None)),
            expected,
            "{args:?}"
        );
    }

    #[test]
    fn arguments_say_what_is_claimed() {
        let none = || json!({});
        check(&[], none(), true);
        check(&[EXCLUDED], none(), false);
        check(
            &["--watch-label-selector", "!sharding.fluxcd.io/key"],
            none(),
            false,
        );
        check(&[EXCLUDED, "--watch-label-selector="], none(), true);
        check(
            &["--watch-label-selector=sharding.fluxcd.io/key in (a, b)"],
            none(),
            false,
        );
        check(
            &["--watch-label-selector=sharding.fluxcd.io/key in (a, openflux)"],
            none(),
            true,
        );
        check(
            &["--watch-label-selector-x=!sharding.fluxcd.io/key"],
            none(),
            true,
        );
        // What cannot be understood claims everything.
        check(&["--watch-label-selector=$(SELECTOR)"], none(), true);
        check(&["--watch-all-namespaces=false"], none(), false);
        check(&["--watch-all-namespaces"], none(), true);
    }

    #[test]
    fn variables_beside_the_arguments_are_known() {
        let env = |env: Value| {
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "manager", "image": CONTROLLER, "env": [env],
                 "args": ["--watch-all-namespaces=false", "--watch-label-selector=$(SELECTOR)"]}
            ]}}}})
        };
        check(
            &[],
            env(json!({"name": "RUNTIME_NAMESPACE", "value": "apps"})),
            true,
        );
        check(
            &[],
            env(json!({"name": "RUNTIME_NAMESPACE", "valueFrom": {}})),
            false,
        );
    }

    #[test]
    fn only_live_deployments_of_this_controller_count() {
        let gone = json!({"replicas": null, "updatedReplicas": null});
        check(&[], json!({"spec": {"replicas": 0}, "status": gone}), false);
        // Its last pod has not stopped.
        check(&[], json!({"spec": {"replicas": 0}}), true);
        check(&[], json!({"spec": {"replicas": 1}, "status": null}), true);
        let other = |image: &str, component: &str| {
            json!({"metadata": {"labels": {COMPONENT: component}},
                "spec": {"template": {"spec": {"containers": [{"name": "manager", "image": image}]}}}})
        };
        check(
            &[],
            other("ghcr.io/fluxcd/helm-controller:v1", "helm-controller"),
            false,
        );
        check(&[], other("mirror/flux-kc:v1", CONTROLLER), true);
    }

    #[test]
    fn a_roll_out_counts_with_the_arguments_that_are_still_running() {
        let before = claims(&deployment(&[], json!({})), None);
        let rolling = deployment(&[EXCLUDED], json!({"metadata": {"generation": 3}}));
        let during = claims(&rolling, Some(&before));
        let ours = [(flux_api::SHARD_KEY.to_owned(), "openflux".to_owned())].into();
        let rival = during.rival("apps", &ours).expect("old pods run");
        assert!(rival.to_string().contains("wait for the roll-out"), "{rival}");
        let still =
            json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 3, "replicas": 2}});
        let during = claims(&deployment(&[EXCLUDED], still), Some(&during));
        assert!(claimed(&during));
        let after = claims(&deployment(&[EXCLUDED], json!({})), Some(&during));
        assert!(!claimed(&after));
    }
}
