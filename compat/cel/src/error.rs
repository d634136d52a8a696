//! Why an expression is refused, and why it has no result; the texts are those that Flux's users see.

/// Why an expression cannot be used. It takes an edit to mend that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The text is not an expression, or its types do not fit.
    #[error("failed to parse the CEL expression '{expression}': {issues}")]
    Parse {
        /// The expression.
        expression: String,
        /// What is wrong with it, with a line and a mark for each issue.
        issues: String,
    },
    /// The result is not of the type that is needed.
    #[error("CEL expression output type mismatch: expected {expected}, got {actual}")]
    Output {
        /// The type that is needed.
        expected: &'static str,
        /// The type that the expression has.
        actual: String,
    },
    /// A part that could be evaluated in advance has no result.
    #[error("failed to create CEL program: {0}")]
    Program(String),
}

/// Why an expression has no result for some object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The evaluation failed.
    #[error("failed to evaluate the CEL expression '{expression}': {reason}")]
    Failed {
        /// The expression.
        expression: String,
        /// What went wrong.
        reason: String,
    },
    /// The result is neither true nor false.
    #[error("failed to evaluate CEL expression as boolean: '{0}'")]
    NotBoolean(String),
}

/// What an evaluation ends with when it has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// That a name stands for nothing: another reading of the name may still stand for something.
    pub(crate) missing_name: bool,
    /// That the budget is spent, which no operator absorbs.
    pub(crate) stop: bool,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            missing_name: false,
            stop: false,
        }
    }

    pub(crate) fn missing_name(name: &str) -> Self {
        Self {
            missing_name: true,
            ..Self::new(format!("no such attribute(s): {name}"))
        }
    }

    pub(crate) fn stop(message: String) -> Self {
        Self {
            stop: true,
            ..Self::new(message)
        }
    }

    pub(crate) fn no_overload() -> Self {
        Self::new("no such overload")
    }
}
