//! Why there is no result, and where.

use std::fmt;

use crate::tree::PathError;

/// Why an output, or a whole transformation, has no result: where it went wrong, and what is wrong.
#[derive(Debug)]
pub struct Failure {
    place: Place,
    problem: Box<Problem>,
}

/// What stands before a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The output; none for what all have in common.
    pub(crate) output: Option<String>,
    /// Its copy, step or field.
    pub(crate) part: Part,
}

/// A part of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    #[default]
    Whole,
    /// A copy, counted from 1.
    Copy(usize),
    /// A step, counted from 1, and its kind.
    Step(usize, &'static str),
}

/// What sort of failure it is; the names are those of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The specification is wrong, and has to be edited.
    ValidationFailed,
    /// There is nothing to copy, to extract or to discover.
    NothingMatched,
    /// There is more than is allowed.
    LimitExceeded,
    /// The files do not allow what is asked for.
    BuildFailed,
    /// Nobody wants the result any more.
    Cancelled,
}

impl Reason {
    /// Gives the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationFailed => "ValidationFailed",
            Self::NothingMatched => "NothingMatched",
            Self::LimitExceeded => "LimitExceeded",
            Self::BuildFailed => "BuildFailed",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A field has a value that it cannot have.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// Nothing is there that could be taken.
    #[error("{field}: {problem}")]
    Nothing {
        /// The field that asks for it.
        field: String,
        /// What is not there, and what to do.
        problem: String,
    },
    /// A bound was reached.
    #[error("{what} is more than the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: String,
        /// How much there may be.
        limit: u64,
    },
    /// A path would be a file and a directory.
    #[error("{error}, which {by} wrote; give one of them another path")]
    Taken {
        /// The path.
        error: PathError,
        /// What wrote the other one.
        by: String,
    },
    /// A file does not allow what is asked for.
    #[error("{file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A kustomization cannot be built.
    #[error("kustomize build of {path:?}: {error}")]
    Kustomize {
        /// Its directory.
        path: String,
        /// Why.
        error: kustomize::Error,
    },
    /// A chart cannot be loaded.
    #[error("chart {path:?}: {error}")]
    Chart {
        /// Its directory or archive.
        path: String,
        /// Why.
        error: Box<helm::LoadError>,
    },
    /// A chart cannot be rendered.
    #[error("chart {path:?}: {error}")]
    Render {
        /// Its directory or archive.
        path: String,
        /// Why.
        error: Box<helm::RenderError>,
    },
    /// What is asked for cannot be made of what is there.
    #[error("{0}")]
    Build(String),
    /// Nobody wants the result any more.
    #[error("it was given up")]
    Cancelled,
}

impl Problem {
    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn nothing(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Nothing {
            field: field.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn file(file: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::File {
            file: file.into(),
            problem: problem.to_string(),
        }
    }

    pub(crate) fn limit(what: impl Into<String>, limit: u64) -> Self {
        Self::Limit {
            what: what.into(),
            limit,
        }
    }

    /// Gives what sort of failure it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Invalid { .. } => Reason::ValidationFailed,
            Self::Nothing { .. } => Reason::NothingMatched,
            Self::Limit { .. } => Reason::LimitExceeded,
            Self::Kustomize { error, .. } => match error.kind() {
                kustomize::ErrorKind::Limit => Reason::LimitExceeded,
                kustomize::ErrorKind::Cancelled => Reason::Cancelled,
                _ => Reason::BuildFailed,
            },
            Self::Taken { .. }
            | Self::File { .. }
            | Self::Chart { .. }
            | Self::Render { .. }
            | Self::Build(_) => Reason::BuildFailed,
            Self::Cancelled => Reason::Cancelled,
        }
    }

    pub(crate) fn at(self, output: Option<&str>, part: Part) -> Failure {
        let place = Place {
            output: output.map(str::to_owned),
            part,
        };
        Failure {
            place,
            problem: Box::new(self),
        }
    }
}

impl Failure {
    /// Gives what sort of failure it is.
    pub fn reason(&self) -> Reason {
        self.problem.reason()
    }

    /// Gives what is wrong, without where.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            place: Place::default(),
            problem: Box::new(problem),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Copy(number) => write!(f, "copy {number}"),
            Self::Step(number, kind) => write!(f, "step {number} ({kind})"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { output, part } = &self.place;
        match (output, part) {
            (None, _) => {}
            (Some(output), Part::Whole) => write!(f, "output {output}: ")?,
            (Some(output), part) => write!(f, "output {output}, {part}: ")?,
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.problem)
    }
}
