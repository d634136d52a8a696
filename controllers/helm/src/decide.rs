//! From what was observed to the one next step; nothing here reads a clock, a cluster or a cache.

use std::sync::Arc;

use artifact_consumer::ReferenceError;
use flux_api::{
    ActionStrategy, ConditionStatus, ConditionsExt, Duration, DurationError, HelmRelease, READY, reason,
};
use flux_deployer::{
    ArtifactProblem, Dependency, Observed, Refusal, Step, Unready, first_unready, health_checks, is_held,
};

/// What about an object keeps it from being reconciled until it is edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unfit {
    /// The object uses something that this version does not do.
    #[error(
        "spec.{field} is not supported by this version of the Open Flux Helm controller; remove it, or remove the shard label of the HelmRelease to hand it back to the stock controller"
    )]
    Unsupported {
        /// Path of the field.
        field: String,
    },
    /// The object is being deleted, and where its release is is not understood.
    #[error(
        "nothing was uninstalled, because spec.{field} is not supported by this version of the Open Flux Helm controller: remove the shard label of the HelmRelease to have the stock controller uninstall it, or set spec.suspend to leave the release"
    )]
    Whereabouts {
        /// Path of the field.
        field: String,
    },
    /// It names no chart, or two.
    #[error("invalid Chart reference: set either spec.chart or spec.chartRef")]
    Chart,
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
            Unfit::Duration { .. } | Unfit::Chart => reason::RECONCILE_ERROR,
        };
        Self {
            reason,
            message: unfit.to_string(),
        }
    }
}

/// Decides the next step.
pub(crate) fn decide(observed: &Observed<'_, HelmRelease>) -> Step {
    let object = observed.object;
    if object.metadata.deletion_timestamp.is_some() {
        if !is_held(object) {
            return Step::LetGo;
        }
        let is_released = !object.spec.suspend && !object.status.storage_namespace.is_empty();
        return match whereabouts(object).filter(|_| is_released) {
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
    match first_unready(observed, not_ready) {
        Some(Unready::Waits(reason)) => return Step::AwaitDependency(reason),
        Some(Unready::Refused(refusal)) => return Step::RefuseDependency(refusal),
        None => {}
    }
    match &observed.artifact {
        Ok(artifact) => Step::Deploy(Arc::clone(artifact)),
        Err(ArtifactProblem::Reference(error)) => Step::Refuse(denied(error)),
        Err(problem) => Step::AwaitArtifact(problem.clone()),
    }
}

/// Tells why a dependency is not ready, in stock's words; its revision is of no concern.
fn not_ready(dependency: &Dependency<HelmRelease>) -> Option<String> {
    let key = &dependency.key;
    let Some(object) = &dependency.object else {
        let missing = || format!("helmreleases.helm.toolkit.fluxcd.io {:?} not found", key.name);
        let why = dependency.unreadable.clone().unwrap_or_else(missing);
        return Some(format!("unable to get '{key}' dependency: {why}"));
    };
    let status = &object.status;
    let settled = object.metadata.generation == Some(status.observed_generation);
    let ready = status.conditions.has_status(READY, ConditionStatus::True);
    (!settled || !ready).then(|| format!("dependency '{key}' is not ready"))
}

/// Says that a reference may not be followed, in stock's words.
fn denied(error: &ReferenceError) -> Refusal {
    match error {
        ReferenceError::CrossNamespace {
            kind,
            namespace,
            name,
        } => Refusal {
            reason: reason::ACCESS_DENIED,
            message: format!(
                "cross-namespace references are not allowed: cannot access {kind} {namespace}/{name}"
            ),
        },
        other => other.into(),
    }
}

/// A field that decides where a release lives, or as whom it is handled, and that is not understood: nothing may be
/// uninstalled then, because it would be uninstalled somewhere else.
fn whereabouts(object: &HelmRelease) -> Option<String> {
    object.spec.unknown_field()
}

/// Tells why an object would be refused for what its spec says, in the words of its condition.
pub(crate) fn refusal(object: &HelmRelease) -> Option<String> {
    unfit(object).map(|unfit| Refusal::from(unfit).message)
}

/// Fields whose meaning would be lost if they were ignored stop the object instead.
fn unfit(object: &HelmRelease) -> Option<Unfit> {
    let spec = &object.spec;
    if spec.chart.is_some() == spec.chart_ref.is_some() {
        return Some(Unfit::Chart);
    }
    if let Some(field) = whereabouts(object) {
        return Some(Unfit::Unsupported { field });
    }
    let (field, error) = durations(object)
        .into_iter()
        .find_map(|(field, error)| Some((field, error?)))?;
    Some(Unfit::Duration {
        field,
        reason: error.to_string(),
    })
}

/// The durations of an object, with what is wrong with each.
fn durations(object: &HelmRelease) -> [(&'static str, Option<&DurationError>); 10] {
    let spec = &object.spec;
    let (install, upgrade) = (spec.install.as_ref(), spec.upgrade.as_ref());
    let chart = spec.chart.as_ref();
    [
        ("interval", spec.interval.get().err()),
        ("timeout", object.timeout().err()),
        (
            "chart.spec.interval",
            wrong(chart.and_then(|chart| chart.spec.interval.as_ref())),
        ),
        (
            "install.timeout",
            wrong(install.and_then(|install| install.timeout.as_ref())),
        ),
        (
            "upgrade.timeout",
            wrong(upgrade.and_then(|upgrade| upgrade.timeout.as_ref())),
        ),
        (
            "test.timeout",
            wrong(spec.test.as_ref().and_then(|test| test.timeout.as_ref())),
        ),
        (
            "rollback.timeout",
            wrong(
                spec.rollback
                    .as_ref()
                    .and_then(|rollback| rollback.timeout.as_ref()),
            ),
        ),
        (
            "uninstall.timeout",
            wrong(
                spec.uninstall
                    .as_ref()
                    .and_then(|uninstall| uninstall.timeout.as_ref()),
            ),
        ),
        (
            "install.strategy.retryInterval",
            retry(install.and_then(|install| install.strategy.as_ref())),
        ),
        (
            "upgrade.strategy.retryInterval",
            retry(upgrade.and_then(|upgrade| upgrade.strategy.as_ref())),
        ),
    ]
}

fn wrong(duration: Option<&Duration>) -> Option<&DurationError> {
    duration?.get().err()
}

fn retry(strategy: Option<&ActionStrategy>) -> Option<&DurationError> {
    strategy?.retry_interval().err()
}

#[cfg(test)]
mod tests {
    use artifact_consumer::{LookupError, SourceKey};
    use artifact_crd::Artifact;
    use controller_kit::ObjectKey;
    use flux_api::FINALIZER;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;

    fn release(spec: &Value, status: &Value) -> HelmRelease {
        let mut base = json!({"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "app"}});
        for (key, value) in spec.as_object().unwrap() {
            base[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "app", "namespace": "apps", "generation": 3, "finalizers": [FINALIZER]},
            "spec": base, "status": status,
        }))
        .unwrap()
    }

    fn artifact() -> Arc<Artifact> {
        Arc::new(Artifact::default())
    }

    fn step_of(object: &HelmRelease, dependencies: Vec<Dependency<HelmRelease>>) -> Step {
        decide(&Observed {
            object,
            artifact: Ok(artifact()),
            dependencies,
            checks_both: false,
        })
    }

    #[test]
    fn deploys_when_nothing_stands_in_the_way() {
        let step = |spec: &Value| step_of(&release(spec, &json!({})), vec![]);
        assert_eq!(step(&json!({})), Step::Deploy(artifact()));
        assert_eq!(step(&json!({"suspend": true})), Step::Rest);
        for mode in ["disabled", "", "warn", "enabled"] {
            assert_eq!(
                step(&json!({"driftDetection": {"mode": mode}})),
                Step::Deploy(artifact())
            );
        }
    }

    #[test]
    fn unknown_meaning_is_refused_not_ignored() {
        for (spec, field) in [
            (json!({"invention": 1}), "invention"),
            (
                json!({"upgrade": {"remediation": {"invention": 1}}}),
                "upgrade.remediation.invention",
            ),
        ] {
            let field = field.to_owned();
            assert_eq!(
                step_of(&release(&spec, &json!({})), vec![]),
                Step::Refuse(Unfit::Unsupported { field }.into()),
                "{spec}"
            );
        }
        for (spec, field) in [
            (json!({"timeout": "soon"}), "spec.timeout: "),
            (json!({"install": {"timeout": "1"}}), "spec.install.timeout: "),
            (
                json!({"upgrade": {"strategy": {"name": "RetryOnFailure", "retryInterval": "x"}}}),
                "spec.upgrade.strategy.retryInterval: ",
            ),
        ] {
            let Step::Refuse(refusal) = step_of(&release(&spec, &json!({})), vec![]) else {
                panic!("a duration that cannot be read is no duration: {spec}");
            };
            assert!(refusal.message.starts_with(field), "{refusal:?}");
        }
        let chart = json!({"spec": {"chart": "a", "sourceRef": {"kind": "HelmRepository", "name": "a"}}});
        for spec in [json!({"chartRef": null}), json!({"chart": chart})] {
            let step = step_of(&release(&spec, &json!({})), vec![]);
            assert_eq!(step, Step::Refuse(Unfit::Chart.into()), "{spec}");
        }
    }

    #[test]
    fn dependencies_come_before_the_source_whatever_their_revision() {
        let ready = |generation: i64, is: &str| {
            json!({"observedGeneration": generation, "lastAttemptedRevision": "other",
                "conditions": [{"type": "Ready", "status": is, "reason": "R", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
        };
        let not_ready = Some("dependency 'apps/base' is not ready");
        let rows = [
            (
                None,
                Some(
                    "unable to get 'apps/base' dependency: helmreleases.helm.toolkit.fluxcd.io \"base\" not found",
                ),
            ),
            (Some(json!({})), not_ready),
            (Some(ready(2, "True")), not_ready),
            (Some(ready(3, "False")), not_ready),
            (Some(ready(3, "True")), None),
        ];
        let object = release(&json!({}), &json!({}));
        for (status, expected) in rows {
            let dependency = Dependency {
                key: ObjectKey::new("apps", "base"),
                object: status.map(|status| Arc::new(release(&json!({}), &status))),
                unreadable: None,
                same_source: true,
                expression: String::new(),
            };
            let missing = ArtifactProblem::Lookup(LookupError::NotFound(SourceKey::default()));
            let step = decide(&Observed {
                object: &object,
                artifact: Err(missing.clone()),
                dependencies: vec![dependency],
                checks_both: false,
            });
            let expected = expected.map_or(Step::AwaitArtifact(missing), |reason| {
                Step::AwaitDependency(reason.to_owned())
            });
            assert_eq!(step, expected);
        }
    }

    #[test]
    fn denied_access_is_told_in_stocks_words() {
        let error = ReferenceError::CrossNamespace {
            kind: "OCIRepository".into(),
            namespace: "charts".into(),
            name: "web".into(),
        };
        let object = release(&json!({}), &json!({}));
        let step = decide(&Observed {
            object: &object,
            artifact: Err(ArtifactProblem::Reference(error)),
            dependencies: vec![],
            checks_both: false,
        });
        let message =
            "cross-namespace references are not allowed: cannot access OCIRepository charts/web".to_owned();
        let reason = reason::ACCESS_DENIED;
        assert_eq!(step, Step::Refuse(Refusal { reason, message }));
    }

    #[test]
    fn what_is_somewhere_else_is_not_uninstalled_here() {
        let remote = json!({"kubeConfig": {"configMapRef": {"name": "x"}, "invention": 1}});
        let with = |spec: &Value, suspend: bool| {
            let mut spec = spec.clone();
            spec["suspend"] = suspend.into();
            spec
        };
        let released = json!({"storageNamespace": "apps"});
        for (spec, status, field) in [
            (with(&remote, false), &released, Some("kubeConfig.invention")),
            (
                with(&json!({"kubeConfig": {"configMapRef": {"name": "x"}}}), false),
                &released,
                None,
            ),
            (
                with(&json!({"invention": 1}), false),
                &released,
                Some("invention"),
            ),
            (with(&remote, true), &released, None),
            (with(&remote, false), &json!({}), None),
            (
                with(&json!({"driftDetection": {"mode": "enabled"}}), false),
                &released,
                None,
            ),
        ] {
            let mut object = release(&spec, status);
            object.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
            let expected = field.map_or(Step::Finalize, |field| {
                let field = field.to_owned();
                Step::Refuse(Unfit::Whereabouts { field }.into())
            });
            assert_eq!(step_of(&object, vec![]), expected, "{spec}");
            object.metadata.finalizers = None;
            assert_eq!(step_of(&object, vec![]), Step::LetGo, "{spec}");
        }
    }
}
