//! The CEL expressions of an object's spec: what tells the health of custom kinds, and when a dependency is ready.

use std::fmt::Display;

use flux_api::{CustomHealthCheck, Deployed, reason};
use flux_cel::health::HealthChecks;
use flux_cel::{Expression, Limits, Variables};
use serde_json::Value;

use crate::step::{Dependency, Observed, Refusal};

/// How the message about an object begins that nothing but an edit can mend.
pub const TERMINAL: &str = "Reconciliation failed terminally due to configuration error: ";

/// What all expressions about the dependencies of one object may cost together, in steps of [`Limits`]: an eighth of a
/// second, for they are evaluated while the next step is decided. Each gets its share, and never less than the second figure.
const STEPS: (u64, u64) = (500_000, 5_000);

/// Reads the expressions of `healthCheckExprs`; nothing where there are none.
///
/// # Errors
/// One of them is no expression, or there are two for the same kind.
pub fn health_checks(checks: &[CustomHealthCheck]) -> Result<Option<HealthChecks>, Refusal> {
    if checks.is_empty() {
        return Ok(None);
    }
    HealthChecks::new(checks).map(Some).map_err(invalid)
}

/// Says that an expression has to be edited.
fn invalid(error: impl Display) -> Refusal {
    Refusal {
        reason: reason::INVALID_CEL_EXPRESSION,
        message: format!("{TERMINAL}{error}"),
    }
}

/// Why an object does not go on because of what it depends on.
#[derive(Debug, PartialEq, Eq)]
pub enum Unready {
    /// A dependency is not ready, for this reason.
    Waits(String),
    /// An expression has to be edited.
    Refused(Refusal),
}

/// Gives the first reason why a dependency is not ready, in stock's words: by its expression where it has one, by
/// `built_in` where it has none, and by both where the operator wants that.
pub fn first_unready<O: Deployed>(
    observed: &Observed<'_, O>,
    built_in: impl Fn(&Dependency<O>) -> Option<String>,
) -> Option<Unready> {
    let mut dependencies = observed.dependencies.iter();
    dependencies.find_map(|dependency| unready(observed, dependency, &built_in))
}

/// Tells why one dependency is not ready.
pub(crate) fn unready<O: Deployed>(
    observed: &Observed<'_, O>,
    dependency: &Dependency<O>,
    built_in: impl Fn(&Dependency<O>) -> Option<String>,
) -> Option<Unready> {
    if !dependency.expression.is_empty()
        && let Some(object) = &dependency.object
    {
        let this = serde_json::to_value(observed.object).unwrap_or_default();
        let limits = limits(observed.dependencies.len());
        let unready = by_expression(dependency, &this, &without_kind(object.as_ref()), limits);
        if unready.is_some() || !observed.checks_both {
            return unready;
        }
    }
    built_in(dependency).map(Unready::Waits)
}

fn limits(expressions: usize) -> Limits {
    let (all, least) = STEPS;
    let share = all / u64::try_from(expressions).unwrap_or(u64::MAX).max(1);
    Limits {
        steps: share.max(least),
        ..Limits::default()
    }
}

/// A dependency as expressions see it. Stock reads it past its cache, by a client that drops what kind it is; `self` comes
/// from the cache, which does not.
fn without_kind(object: &impl Deployed) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    value
}

fn by_expression<O>(
    dependency: &Dependency<O>,
    this: &Value,
    object: &Value,
    limits: Limits,
) -> Option<Unready> {
    let key = &dependency.key;
    let compiled = Expression::with_limits(&dependency.expression, Some(&["self", "dep"]), limits);
    let expression = match compiled {
        Ok(expression) => expression,
        Err(error) => {
            let name = &key.name;
            let error = format!("terminal error: failed to evaluate dependency {name}: {error}");
            return Some(Unready::Refused(invalid(error)));
        }
    };
    match expression.evaluate(Variables::Named(&[("self", this), ("dep", object)])) {
        Ok(true) => None,
        Ok(false) => Some(Unready::Waits(format!(
            "dependency '{key}' is not ready according to readyExpr eval"
        ))),
        Err(error) => Some(Unready::Waits(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use artifact_crd::Artifact;
    use controller_kit::ObjectKey;
    use flux_api::Kustomization;
    use serde_json::json;

    use super::*;
    use crate::step::not_ready;

    fn kustomization(name: &str, status: &Value) -> Kustomization {
        serde_json::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": name, "namespace": "apps", "generation": 1, "labels": {"version": "v1"}},
            "spec": {"interval": "90m", "sourceRef": {"kind": "GitRepository", "name": "app"}, "prune": false},
            "status": status,
        }))
        .unwrap()
    }

    fn of(expression: &str, status: &Value, checks_both: bool) -> Option<Unready> {
        let this = kustomization("app", &json!({}));
        let dependency = Dependency {
            key: ObjectKey::new("apps", "base"),
            object: Some(Arc::new(kustomization("base", status))),
            unreadable: None,
            same_source: false,
            expression: expression.to_owned(),
        };
        let observed = Observed {
            object: &this,
            artifact: Ok(Arc::new(Artifact::default())),
            dependencies: vec![dependency],
            checks_both,
        };
        first_unready(&observed, |dependency| not_ready(dependency, ""))
    }

    #[test]
    fn an_expression_says_when_a_dependency_is_ready() {
        let ready = json!({"observedGeneration": 1, "conditions": [{
            "type": "Ready", "status": "True", "reason": "a", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        let waits = |text: &str| Some(Unready::Waits(text.to_owned()));
        let none = json!({});
        let both = "dep.metadata.labels.version == self.metadata.labels.version";
        assert_eq!(of(both, &none, false), None);
        assert_eq!(
            of(both, &none, true),
            waits("dependency 'apps/base' is not ready")
        );
        assert_eq!(of(both, &ready, true), None);
        assert_eq!(
            of(
                "dep.spec.interval == '1h30m0s' && dep.spec.prune == false",
                &none,
                false
            ),
            None
        );
        assert_eq!(of("has(dep.status) && !has(dep.kind)", &none, false), None);
        assert_eq!(
            of(
                "self.kind == 'Kustomization' && !has(dep.apiVersion)",
                &none,
                false
            ),
            None
        );
        assert_eq!(
            of("dep.status.lastAppliedRevision == 'a'", &none, false),
            waits(
                "failed to evaluate the CEL expression 'dep.status.lastAppliedRevision == 'a'': no such key: lastAppliedRevision"
            )
        );
        assert_eq!(
            of("has(dep.status.lastAppliedRevision)", &none, false),
            waits("dependency 'apps/base' is not ready according to readyExpr eval")
        );
    }

    #[test]
    fn expressions_have_bounds_that_all_of_an_object_share() {
        let all = "[1,2,3,4,5,6,7,8,9,10]";
        let endless = (0..8).fold("true".to_owned(), |inner, at| {
            format!("{all}.all(v{at}, {inner})")
        });
        let begun = std::time::Instant::now();
        let Some(Unready::Waits(why)) = of(&endless, &json!({}), false) else {
            panic!("it would take a hundred million steps");
        };
        assert!(
            why.contains("operation interrupted: more than 500000 steps"),
            "{why}"
        );
        assert!(begun.elapsed().as_secs() < 10);
        assert_eq!(limits(2).steps, 250_000);
        assert_eq!(limits(1_000_000).steps, 5_000);
    }

    #[test]
    fn an_expression_that_is_none_needs_an_edit() {
        let Some(Unready::Refused(refusal)) = of("dep.metadata", &json!({}), false) else {
            panic!("it is no boolean");
        };
        assert_eq!(refusal.reason, "InvalidCELExpression");
        assert_eq!(
            refusal.message,
            "Reconciliation failed terminally due to configuration error: terminal error: failed to evaluate \
             dependency base: CEL expression output type mismatch: expected bool, got dyn"
        );
        let checks = json!([{"apiVersion": "v1", "kind": "A", "current": "data."}]);
        let refusal = health_checks(&serde_json::from_value::<Vec<_>>(checks).unwrap()).unwrap_err();
        assert!(
            refusal.message.starts_with(
                "Reconciliation failed terminally due to configuration error: failed to create custom status evaluator \
                 for healthchecks[0]: failed to parse the expression Current: failed to parse the CEL expression 'data.':"
            ),
            "{}",
            refusal.message
        );
        assert!(health_checks(&[]).is_ok_and(|checks| checks.is_none()));
    }
}
