//! Which objects the stock controllers reconcile, read from the arguments of their Deployments.
//!
//! What counts is what a Deployment asks for, not how well it works: one whose image cannot be pulled is about to work
//! at any moment.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::{Container, EnvVar};
use kube_core::{ResourceExt, Selector, SelectorExt};

use crate::arguments::Arguments;
use crate::{ObjectKey, SHARD_KEY, selector};

/// Label selector of the Deployments that are looked at: Flux's own.
pub const FLUX_DEPLOYMENTS: &str = "app.kubernetes.io/part-of=flux";
/// Label that names the controller of a Deployment.
const COMPONENT: &str = "app.kubernetes.io/component";
/// The argument that says which objects a stock controller reconciles.
const SELECTOR_FLAG: &str = "watch-label-selector";
/// The argument that restricts a stock controller to its own namespace.
const ALL_NAMESPACES_FLAG: &str = "watch-all-namespaces";
/// The most earlier arguments that count while a roll-out goes on.
const MAX_EARLIER: usize = 8;

/// What stock's Deployments reconcile, by Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<ObjectKey, Claim>);

impl Claims {
    /// Reads the Deployments that run `controller`, such as `kustomize-controller`.
    pub fn of<'a>(controller: &str, deployments: impl IntoIterator<Item = &'a Deployment>) -> Self {
        let mut claims = Self::default();
        for deployment in deployments {
            claims.observe(controller, deployment);
        }
        claims
    }

    /// Takes note of what a Deployment asks for now; while it rolls out, what it asked for before counts too.
    pub fn observe(&mut self, controller: &str, deployment: &Deployment) {
        let key = ObjectKey::of(deployment);
        let claim = Claim::observe(controller, deployment, self.0.get(&key));
        match claim {
            Some(claim) => self.0.insert(key, claim),
            None => self.0.remove(&key),
        };
    }

    /// Takes note that a Deployment is gone.
    pub fn forget(&mut self, deployment: &ObjectKey) {
        self.0.remove(deployment);
    }

    /// Gives the stock Deployment that reconciles an object with these labels too.
    pub fn rival(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<Rival> {
        self.rivals(namespace, labels).next()
    }

    /// Gives all stock Deployments that reconcile an object with these labels.
    pub fn rivals(&self, namespace: &str, labels: &BTreeMap<String, String>) -> impl Iterator<Item = Rival> {
        self.0.iter().filter_map(move |(deployment, claim)| {
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

/// Gives the container of a Deployment that runs `controller`, if one does.
pub fn controller_container<'a>(controller: &str, deployment: &'a Deployment) -> Option<&'a Container> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    container_of(controller, deployment.labels(), &pod.containers)
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
        let arguments = Arguments::of(container);
        let own = |env: &&EnvVar| env.name == "RUNTIME_NAMESPACE";
        let runtime = container.env.iter().flatten().find(own);
        let namespace = runtime.and_then(|env| env.value.as_deref()).unwrap_or(namespace);
        let everywhere = arguments.switch(ALL_NAMESPACES_FLAG);
        let restricted =
            everywhere.is_some_and(|value| ["false", "f", "0"].contains(&value.to_lowercase().as_str()));
        let selector = arguments.value(SELECTOR_FLAG).unwrap_or_default();
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
            "it has {argument}; to hand the object over, exclude it there, as with --{SELECTOR_FLAG}='!{SHARD_KEY}', or scale \
             that Deployment to zero; to leave it with stock Flux, remove the label that selects it here"
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
        let mut claims = before.cloned().unwrap_or_default();
        claims.observe(CONTROLLER, deployment);
        claims
    }

    /// Whether an object of `apps` with our shard label has a rival.
    fn claimed(claims: &Claims) -> bool {
        let labels = [(SHARD_KEY.to_owned(), "openflux".to_owned())].into();
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
        let ours = [(SHARD_KEY.to_owned(), "openflux".to_owned())].into();
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
