//! From what was observed to the one next step; nothing here reads a clock, a cluster or a cache.

use std::sync::Arc;

use flux_api::{DeletionPolicy, Kustomization, reason};
use flux_deployer::{
    ArtifactProblem, Observed, Refusal, Step, Unready, first_unready, health_checks, is_held, not_ready,
};

/// What about an object keeps it from being reconciled until it is edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unfit {
    /// The object uses something that this version does not do.
    #[error(
        "spec.{field} is not supported by this version of the Open Flux kustomize controller; remove it, or remove the shard label of the Kustomization to hand it back to the stock controller"
    )]
    Unsupported {
        /// Path of the field.
        field: String,
    },
    /// The object is being deleted, and where its objects are is not understood.
    #[error(
        "nothing was deleted, because spec.{field} is not supported by this version of the Open Flux kustomize controller: remove the shard label of the Kustomization to have the stock controller delete what it applied, or set spec.deletionPolicy: Orphan to leave it"
    )]
    Whereabouts {
        /// Path of the field.
        field: String,
    },
    /// A duration cannot be read.
    #[error("spec.{field}: {reason}; write a duration such as 10m or 1h30m")]
    Duration {
        /// Path of the field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        let reason = match unfit {
            Unfit::Unsupported { .. } | Unfit::Whereabouts { .. } => reason::FEATURE_GATE_DISABLED,
            Unfit::Duration { .. } => reason::RECONCILIATION_FAILED,
        };
        Self {
            reason,
            message: unfit.to_string(),
        }
    }
}

/// Decides the next step.
pub(crate) fn decide(observed: &Observed<'_, Kustomization>) -> Step {
    let object = observed.object;
    if object.metadata.deletion_timestamp.is_some() {
        if !is_held(object) {
            return Step::LetGo;
        }
        // What has no inventory has nothing anywhere, and nobody would let it go.
        return match whereabouts(object).filter(|_| deletes(object) && is_listed(object)) {
            Some(field) => Step::Refuse(Unfit::Whereabouts { field }.into()),
            None => Step::Finalize,
        };
    }
    if object.spec.suspend {
        return Step::Rest;
    }
    if let Some(unfit) = unfit(object) {
        return Step::Refuse(unfit.into());
    }
    if let Err(refusal) = health_checks(&object.spec.health_check_exprs) {
        return Step::Refuse(refusal);
    }
    let artifact = match &observed.artifact {
        Ok(artifact) => artifact,
        Err(ArtifactProblem::Reference(error)) => return Step::Refuse(error.into()),
        Err(problem) => return Step::AwaitArtifact(problem.clone()),
    };
    let revision = &artifact.spec.revision;
    match first_unready(observed, |dependency| not_ready(dependency, revision)) {
        Some(Unready::Waits(reason)) => Step::AwaitDependency(reason),
        Some(Unready::Refused(refusal)) => Step::Refuse(refusal),
        None => Step::Deploy(Arc::clone(artifact)),
    }
}

/// Tells whether the end of an object is the end of what it applied.
pub(crate) fn deletes(object: &Kustomization) -> bool {
    let by_policy = match object.deletion_policy() {
        DeletionPolicy::MirrorPrune => object.spec.prune,
        DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
        DeletionPolicy::Orphan => false,
    };
    by_policy && !object.spec.suspend
}

/// Tells whether anything has been applied, or was about to be: what is, is written to the inventory before.
fn is_listed(object: &Kustomization) -> bool {
    let inventory = object.status.inventory.as_ref();
    inventory.is_some_and(|inventory| !inventory.entries.is_empty())
}

/// A field that decides where objects live, or as whom they are handled, and that is not understood: nothing may be
/// deleted then, because it would be deleted somewhere else.
fn whereabouts(object: &Kustomization) -> Option<String> {
    object.spec.unknown_field()
}

/// Tells why an object would be refused for what its spec says, in the words of its condition.
pub(crate) fn refusal(object: &Kustomization) -> Option<String> {
    unfit(object).map(|unfit| Refusal::from(unfit).message)
}

/// Fields whose meaning would be lost if they were ignored stop the object instead.
fn unfit(object: &Kustomization) -> Option<Unfit> {
    let spec = &object.spec;
    let unsupported = [(
        "decryption.provider",
        spec.decryption
            .as_ref()
            .is_some_and(|decryption| decryption.provider != "sops"),
    )];
    let unsupported = unsupported.into_iter().find(|(_, used)| *used);
    if let Some(field) = unsupported
        .map(|(field, _)| field.to_owned())
        .or_else(|| whereabouts(object))
    {
        return Some(Unfit::Unsupported { field });
    }
    let durations = [
        ("interval", spec.interval.get().err()),
        ("retryInterval", object.retry_interval().err()),
        ("timeout", object.timeout().err()),
    ];
    let (field, error) = durations
        .into_iter()
        .find_map(|(field, error)| Some((field, error?)))?;
    Some(Unfit::Duration {
        field,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use artifact_crd::Artifact;
    use controller_kit::ObjectKey;
    use flux_api::FINALIZER;
    use flux_deployer::Dependency;
    use serde_json::{Value, json};

    use super::*;

    fn kustomization(spec: &Value, status: &Value) -> Kustomization {
        let mut base =
            json!({"interval": "10m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"}});
        for (key, value) in spec.as_object().unwrap() {
            base[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "app", "namespace": "apps", "generation": 3, "finalizers": [FINALIZER]},
            "spec": base, "status": status,
        }))
        .unwrap()
    }

    fn artifact(revision: &str) -> Arc<Artifact> {
        let mut artifact = Artifact::default();
        artifact.spec.revision = revision.into();
        Arc::new(artifact)
    }

    fn dependency(status: Option<Value>, same_source: bool) -> Dependency<Kustomization> {
        Dependency {
            key: ObjectKey::new("apps", "base"),
            object: status.map(|status| Arc::new(kustomization(&json!({}), &status))),
            unreadable: None,
            same_source,
            expression: String::new(),
        }
    }

    fn step(spec: &Value, dependencies: Vec<Dependency<Kustomization>>) -> Step {
        let object = kustomization(spec, &json!({}));
        decide(&Observed {
            object: &object,
            artifact: Ok(artifact("main@sha1:a")),
            dependencies,
            checks_both: false,
        })
    }

    #[test]
    fn deploys_when_nothing_stands_in_the_way() {
        assert_eq!(step(&json!({}), vec![]), Step::Deploy(artifact("main@sha1:a")));
        let encrypted = json!({"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}});
        assert_eq!(step(&encrypted, vec![]), Step::Deploy(artifact("main@sha1:a")));
        assert_eq!(step(&json!({"suspend": true}), vec![]), Step::Rest);
    }

    #[test]
    fn unknown_meaning_is_refused_not_ignored() {
        for (spec, field) in [
            (
                json!({"decryption": {"provider": "other"}}),
                "decryption.provider",
            ),
            (
                json!({"decryption": {"provider": "sops", "invention": 1}}),
                "decryption.invention",
            ),
            (
                json!({"kubeConfig": {"secretRef": {"name": "x"}, "invention": 1}}),
                "kubeConfig.invention",
            ),
            (json!({"invention": 1}), "invention"),
            (
                json!({"healthCheckExprs": [{"apiVersion": "v1", "current": "true", "invention": 1}]}),
                "healthCheckExprs[0].invention",
            ),
            (
                json!({"ignore": [{"paths": ["/spec"], "target": {"invention": 1}}]}),
                "ignore[0].target.invention",
            ),
            (json!({"postBuild": {"invention": 1}}), "postBuild.invention"),
            (
                json!({"images": [{"name": "a", "other": null}, {"name": "b", "invention": 1}]}),
                "images[1].invention",
            ),
            (
                json!({"patches": [{"patch": "", "target": {"invention": ""}}]}),
                "patches[0].target.invention",
            ),
        ] {
            assert_eq!(
                step(&spec, vec![]),
                Step::Refuse(
                    Unfit::Unsupported {
                        field: field.to_owned()
                    }
                    .into()
                ),
                "{spec}"
            );
        }
        let Step::Refuse(refusal) = step(&json!({"timeout": "soon"}), vec![]) else {
            panic!("a duration that cannot be read is no duration");
        };
        assert!(refusal.message.starts_with("spec.timeout: "), "{refusal:?}");
        let checks = json!({"healthCheckExprs": [{"apiVersion": "v1", "kind": "X", "current": "data."}]});
        let Step::Refuse(refusal) = step(&checks, vec![]) else {
            panic!("it is no expression");
        };
        assert_eq!(refusal.reason, reason::INVALID_CEL_EXPRESSION);
    }

    #[test]
    fn an_expression_says_when_a_dependency_is_ready() {
        let of = |expression: &str| {
            let waiting = dependency(Some(json!({"lastAppliedRevision": "main@sha1:b"})), true);
            let expression = expression.to_owned();
            step(
                &json!({}),
                vec![Dependency {
                    expression,
                    ..waiting
                }],
            )
        };
        assert_eq!(
            of("dep.status.lastAppliedRevision == 'main@sha1:b'"),
            Step::Deploy(artifact("main@sha1:a"))
        );
        let waits = "dependency 'apps/base' is not ready according to readyExpr eval";
        assert_eq!(
            of("dep.metadata.name == self.metadata.namespace"),
            Step::AwaitDependency(waits.to_owned())
        );
        assert!(matches!(of("dep.metadata.name"), Step::Refuse(_)));
    }

    #[test]
    fn dependencies_must_be_ready_for_this_revision() {
        let ready = |generation: i64, revision: &str| {
            json!({"observedGeneration": generation, "lastAppliedRevision": revision,
                "conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
        };
        let rows = [
            (
                dependency(None, false),
                Some(
                    "dependency 'apps/base' not found: kustomizations.kustomize.toolkit.fluxcd.io \"base\" not found",
                ),
            ),
            (
                dependency(Some(json!({})), false),
                Some("dependency 'apps/base' is not ready"),
            ),
            (
                dependency(Some(ready(2, "main@sha1:a")), false),
                Some("dependency 'apps/base' is not ready"),
            ),
            (
                dependency(Some(ready(3, "main@sha1:b")), true),
                Some("dependency 'apps/base' revision is not up to date"),
            ),
            (dependency(Some(ready(3, "main@sha1:b")), false), None),
            (dependency(Some(ready(3, "main@sha1:a")), true), None),
        ];
        for (dependency, expected) in rows {
            match (step(&json!({}), vec![dependency]), expected) {
                (Step::AwaitDependency(reason), Some(expected)) => assert_eq!(reason, expected),
                (Step::Deploy(_), None) => {}
                (step, expected) => panic!("{step:?} instead of {expected:?}"),
            }
        }
    }

    /// The step of an object that is being deleted and has applied something.
    fn last_step(spec: &Value, finalizers: &[&str]) -> Step {
        let entry = json!({"id": "apps_a__ConfigMap", "v": "v1"});
        last_step_with(spec, finalizers, &json!({"inventory": {"entries": [entry]}}))
    }

    fn last_step_with(spec: &Value, finalizers: &[&str], status: &Value) -> Step {
        let mut object = kustomization(spec, status);
        object.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            jiff::Timestamp::UNIX_EPOCH,
        ));
        object.metadata.finalizers = Some(finalizers.iter().map(ToString::to_string).collect());
        decide(&Observed {
            object: &object,
            artifact: Ok(artifact("r")),
            dependencies: vec![],
            checks_both: false,
        })
    }

    #[test]
    fn deletion_comes_before_everything_else() {
        assert_eq!(last_step(&json!({"suspend": true}), &[FINALIZER]), Step::Finalize);
        assert_eq!(
            last_step(&json!({"decryption": {"provider": "sops"}}), &[FINALIZER]),
            Step::Finalize
        );
        assert_eq!(last_step(&json!({}), &["other"]), Step::LetGo);
    }

    #[test]
    fn objects_that_are_somewhere_else_are_not_deleted_here() {
        let remote = json!({"configMapRef": {"name": "x"}, "invention": 1});
        for (spec, field) in [
            (json!({"kubeConfig": remote}), Some("kubeConfig.invention")),
            (json!({"kubeConfig": {"secretRef": {"name": "x"}}}), None),
            (json!({"kubeConfig": {"configMapRef": {"name": "x"}}}), None),
            (json!({"invention": 1}), Some("invention")),
            (json!({"kubeConfig": remote, "deletionPolicy": "Orphan"}), None),
            (json!({"kubeConfig": remote, "prune": false}), None),
            (json!({"kubeConfig": remote, "suspend": true}), None),
        ] {
            let expected = field.map_or(Step::Finalize, |field| {
                let field = field.to_owned();
                Step::Refuse(Unfit::Whereabouts { field }.into())
            });
            assert_eq!(last_step(&spec, &[FINALIZER]), expected, "{spec}");
        }
    }

    #[test]
    fn what_has_applied_nothing_can_be_deleted_whatever_it_says() {
        for status in [
            json!({}),
            json!({"inventory": {"entries": []}}),
            json!({"lastAttemptedRevision": "r"}),
        ] {
            let step = last_step_with(&json!({"invention": 1}), &[FINALIZER], &status);
            assert_eq!(step, Step::Finalize, "{status}");
        }
    }

    #[test]
    fn what_is_refused_is_not_held_while_it_is_suspended() {
        use flux_deployer::Kind as _;

        use crate::kind::Kustomize;

        for (spec, is_held) in [
            (json!({"suspend": true}), true),
            (json!({"suspend": true, "invention": 1}), false),
            (
                json!({"suspend": true, "decryption": {"provider": "other"}}),
                false,
            ),
        ] {
            let object = kustomization(&spec, &json!({}));
            assert_eq!(Kustomize::holds_at_rest(&object), is_held, "{spec}");
        }
    }
}
