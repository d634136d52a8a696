//! The expressions of `spec.healthCheckExprs`: whether an object of a custom kind is current, in progress or failed.

use std::collections::HashMap;

use flux_api::CustomHealthCheck;
use serde_json::Value as Json;

use crate::{CompileError, EvaluateError, Expression, Variables};

/// What the expressions say of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as it should be.
    Current,
    /// It is on its way there.
    InProgress,
    /// It does not get there.
    Failed,
}

/// Why the expressions cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// Two entries are for the same kind, or for the same whole group.
    #[error("duplicate custom health check for GroupKind {group_kind} at healthchecks[{index}]")]
    Duplicate {
        /// The kind with its group.
        group_kind: String,
        /// Which entry is the second.
        index: usize,
    },
    /// An entry has no expression for what is current.
    #[error(
        "failed to create custom status evaluator for healthchecks[{index}]: expression Current not specified"
    )]
    NoCurrent {
        /// Which entry.
        index: usize,
    },
    /// An expression is none.
    #[error(
        "failed to create custom status evaluator for healthchecks[{index}]: failed to parse the expression {field}: {source}"
    )]
    Expression {
        /// Which entry.
        index: usize,
        /// The expression's field.
        field: &'static str,
        /// What is wrong with it.
        source: CompileError,
    },
}

/// The health checks of an object's spec, by what they are for.
#[derive(Debug, Default)]
pub struct HealthChecks {
    /// By group and kind; without a kind for the whole group.
    by_kind: HashMap<(String, String), HealthCheck>,
    /// A kind that keeps the rule it has.
    without: Option<(&'static str, &'static str)>,
}

/// The expressions for a kind.
#[derive(Debug)]
pub struct HealthCheck {
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
}

impl HealthChecks {
    /// Reads all expressions.
    pub fn new(checks: &[CustomHealthCheck]) -> Result<Self, HealthError> {
        let mut by_kind = HashMap::with_capacity(checks.len());
        for (index, check) in checks.iter().enumerate() {
            let (group, kind) = (group(&check.api_version), &check.kind);
            let key = (group.to_owned(), kind.clone());
            if by_kind.contains_key(&key) {
                return Err(HealthError::Duplicate {
                    group_kind: group_kind(group, kind),
                    index,
                });
            }
            by_kind.insert(key, HealthCheck::new(check, index)?);
        }
        Ok(Self {
            by_kind,
            without: None,
        })
    }

    /// The same, but for a kind that keeps the rule it has.
    #[must_use]
    pub fn without(self, group: &'static str, kind: &'static str) -> Self {
        Self {
            without: Some((group, kind)),
            ..self
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_kind.is_empty()
    }

    /// The expressions for a kind: its own before those of its group.
    pub fn of(&self, group: &str, kind: &str) -> Option<&HealthCheck> {
        if self.without == Some((group, kind)) {
            return None;
        }
        let find = |kind: &str| self.by_kind.get(&(group.to_owned(), kind.to_owned()));
        find(kind).or_else(|| find(""))
    }
}

impl HealthCheck {
    fn new(check: &CustomHealthCheck, index: usize) -> Result<Self, HealthError> {
        if check.current.is_empty() {
            return Err(HealthError::NoCurrent { index });
        }
        let parse = |field, text: &str| {
            Expression::parse(text).map_err(|source| HealthError::Expression { index, field, source })
        };
        let optional = |field, text: &str| {
            if text.is_empty() {
                Ok(None)
            } else {
                parse(field, text).map(Some)
            }
        };
        let current = parse("Current", &check.current)?;
        let failed = optional("Failed", &check.failed)?;
        let in_progress = optional("InProgress", &check.in_progress)?;
        Ok(Self {
            in_progress,
            failed,
            current,
        })
    }

    /// What the expressions say of an object; one that its controller has not looked at yet is in progress.
    pub fn evaluate(&self, object: &Json) -> Result<Health, EvaluateError> {
        let generation = |part, field| object.get(part)?.get(field)?.as_i64();
        let observed = generation("status", "observedGeneration");
        let wanted = generation("metadata", "generation");
        if observed
            .zip(wanted)
            .is_some_and(|(observed, wanted)| observed != wanted)
        {
            return Ok(Health::InProgress);
        }
        let nothing = serde_json::Map::new();
        let fields = Variables::Fields(object.as_object().unwrap_or(&nothing));
        let expressions = [
            (self.in_progress.as_ref(), Health::InProgress),
            (self.failed.as_ref(), Health::Failed),
            (Some(&self.current), Health::Current),
        ];
        for (expression, health) in expressions {
            if let Some(expression) = expression
                && expression.evaluate(fields)?
            {
                return Ok(health);
            }
        }
        Ok(Health::InProgress)
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn group_kind(group: &str, kind: &str) -> String {
    if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(of: Json) -> CustomHealthCheck {
        serde_json::from_value(of).expect("a health check")
    }

    fn health(check: &Json, object: &Json) -> Result<Health, String> {
        let mut of = json!({"apiVersion": "example.com/v1", "kind": "Thing"});
        for (field, expression) in check.as_object().expect("expressions") {
            of[field] = expression.clone();
        }
        let checks = HealthChecks::new(&[self::check(of)]).map_err(|error| error.to_string())?;
        let check = checks
            .of("example.com", "Thing")
            .expect("expressions for the kind");
        check.evaluate(object).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_true_expression_counts() {
        let all = json!({"inProgress": "a == 1", "failed": "a >= 1 && a <= 2", "current": "a <= 3"});
        let of = |a: i64| health(&all, &json!({ "a": a }));
        assert_eq!(of(1), Ok(Health::InProgress));
        assert_eq!(of(2), Ok(Health::Failed));
        assert_eq!(of(3), Ok(Health::Current));
        assert_eq!(of(4), Ok(Health::InProgress));
    }

    #[test]
    fn an_object_that_was_not_looked_at_is_in_progress() {
        let current = json!({"current": "true"});
        let of = |observed: Json| {
            health(
                &current,
                &json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed}}),
            )
        };
        assert_eq!(of(json!(1)), Ok(Health::InProgress));
        assert_eq!(of(json!(2)), Ok(Health::Current));
        assert_eq!(of(json!("1")), Ok(Health::Current));
        assert_eq!(health(&current, &json!({})), Ok(Health::Current));
    }

    #[test]
    fn errors_read_as_flux_s() {
        assert_eq!(
            health(&json!({"current": "data.ready"}), &json!({})),
            Err(
                "failed to evaluate the CEL expression 'data.ready': no such attribute(s): data.ready"
                    .to_owned()
            )
        );
        assert_eq!(
            health(&json!({"current": "data"}), &json!({"data": "x"})),
            Err("failed to evaluate CEL expression as boolean: 'data'".to_owned())
        );
        assert_eq!(
            health(&json!({"current": "foo."}), &json!({})),
            Err("failed to create custom status evaluator for healthchecks[0]: failed to parse the expression Current: \
                 failed to parse the CEL expression 'foo.': ERROR: <input>:1:5: Syntax error: no viable alternative at input '.'\
                 \n | foo.\n | ....^"
                .to_owned())
        );
        assert_eq!(
            health(&json!({"current": ""}), &json!({})),
            Err("failed to create custom status evaluator for healthchecks[0]: expression Current not specified".to_owned())
        );
    }

    #[test]
    fn a_kind_s_own_expressions_come_before_those_of_its_group() {
        let group = check(json!({"apiVersion": "example.com/v1", "failed": "true", "current": "false"}));
        let kind = check(json!({"apiVersion": "example.com/v2", "kind": "Thing", "current": "true"}));
        let checks = HealthChecks::new(&[group.clone(), kind.clone()]).expect("expressions");
        let of = |group: &str, kind: &str| checks.of(group, kind).map(|check| check.evaluate(&json!({})));
        assert_eq!(of("example.com", "Thing"), Some(Ok(Health::Current)));
        assert_eq!(of("example.com", "Other"), Some(Ok(Health::Failed)));
        assert_eq!(of("other.com", "Thing"), None);
        assert!(
            HealthChecks::new(std::slice::from_ref(&group))
                .expect("expressions")
                .without("example.com", "Thing")
                .of("example.com", "Thing")
                .is_none()
        );
        let twice = |check: &CustomHealthCheck| {
            HealthChecks::new(&[check.clone(), check.clone()]).map_err(|e| e.to_string())
        };
        assert_eq!(
            twice(&kind).err(),
            Some(
                "duplicate custom health check for GroupKind Thing.example.com at healthchecks[1]".to_owned()
            )
        );
        assert_eq!(
            twice(&group).err(),
            Some("duplicate custom health check for GroupKind .example.com at healthchecks[1]".to_owned())
        );
    }
}
