//! CEL as kustomize-controller and helm-controller evaluate it: health checks of custom kinds, and when a dependency is ready.
//!
//! The grammar and the parser are those of the crate `cel`, whose mistakes of syntax read as cel-go's. What follows is
//! cel-go's way and not the crate's: a checker of types (`dependsOn[].readyExpr` must be a boolean before it is evaluated), how
//! names are resolved, which errors `&&`, `||` and loops absorb, what numbers of different types have in common, and the
//! words of the errors, which users read in conditions. Neither of the two bounds what an evaluation costs; see [`Limits`].
//!
//! | module | |
//! |---|---|
//! | `parse`, `ast` | from text to a tree |
//! | `check`, `types` | the types of the parts |
//! | `plan`, `program` | what is evaluated, with constants evaluated once |
//! | `eval` | the evaluation |
//! | `functions`, `time`, `compare`, `value` | what there is to evaluate |
//! | [`health`] | the expressions of a health check |
//!
//! ```
//! use flux_cel::{Expression, Variables};
//!
//! let dependency = serde_json::json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
//! let expression = Expression::compile(
//!     "dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
//!     &["self", "dep"],
//! )?;
//! assert!(expression.evaluate(Variables::Named(&[("dep", &dependency)]))?);
//!
//! let mistake = Expression::compile("dep.status.ready", &["self", "dep"]).unwrap_err();
//! assert_eq!(mistake.to_string(), "CEL expression output type mismatch: expected bool, got dyn");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ast;
#[cfg(test)]
mod cases;
mod check;
mod compare;
mod error;
mod eval;
mod functions;
pub mod health;
mod limits;
mod parse;
mod plan;
mod program;
mod scan;
mod source;
mod time;
mod types;
mod value;

pub use error::{CompileError, EvaluateError};
pub use eval::Variables;
pub use limits::Limits;

use limits::Budget;
use program::Plan;
use source::Issues;
use types::Type;
use value::Value;

/// The stack that each step of a recursion needs to be left, and what it gets when there is less.
const RED_ZONE: usize = 256 << 10;
const MORE_STACK: usize = 2 << 20;

/// An expression that is ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    text: String,
    plan: Plan,
    limits: Limits,
}

impl Expression {
    /// Reads an expression over the fields of an object whose form is not known.
    pub fn parse(text: &str) -> Result<Self, CompileError> {
        Self::with_limits(text, None, Limits::default())
    }

    /// Reads an expression over named objects and checks its types; it must be a boolean.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::with_limits(text, Some(variables), Limits::default())
    }

    /// Like [`Self::compile`], or [`Self::parse`] without variables, within limits.
    pub fn with_limits(text: &str, variables: Option<&[&str]>, limits: Limits) -> Result<Self, CompileError> {
        let mut issues = Issues::default();
        let (source, root) = parse::parse(text, &limits, &mut issues);
        let checked = match (&root, variables) {
            (Some(root), Some(variables)) => Some(check::check(root, variables, &source, &mut issues)),
            _ => None,
        };
        let Some(root) = root.filter(|_| issues.is_empty()) else {
            return Err(CompileError::Parse {
                expression: text.to_owned(),
                issues: issues.show(&source),
            });
        };
        if let Some(checked) = &checked {
            let actual = checked.type_of(&root);
            if *actual != Type::Bool {
                return Err(CompileError::Output {
                    expected: "bool",
                    actual: actual.result_text(),
                });
            }
        }
        let plan =
            plan::plan(&root, checked.as_ref(), &Budget::new(limits)).map_err(CompileError::Program)?;
        Ok(Self {
            text: text.to_owned(),
            plan,
            limits,
        })
    }

    /// Whether the expression is true of some variables.
    pub fn evaluate(&self, variables: Variables<'_>) -> Result<bool, EvaluateError> {
        let budget = Budget::new(self.limits);
        match eval::evaluate(&self.plan, variables, &budget) {
            Ok(Value::Bool(truth)) => Ok(truth),
            Ok(_) => Err(EvaluateError::NotBoolean(self.text.clone())),
            Err(failure) => Err(EvaluateError::Failed {
                expression: self.text.clone(),
                reason: failure.message,
            }),
        }
    }
}
