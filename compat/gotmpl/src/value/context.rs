//! The state of one execution, as functions see it.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

use crate::error::FuncError;
use crate::limits::Limits;

/// What an execution is given besides template and data.
///
/// ```
/// use gotmpl::{Env, Limits};
///
/// let host = "anything that functions need";
/// let started = std::time::Instant::now();
/// let too_late = || started.elapsed().as_secs() > 30;
/// let env = Env {
///     limits: Limits { depth: 100, ..Limits::default() },
///     host: Some(&host),
///     cancelled: Some(&too_late),
///     ..Env::default()
/// };
/// ```
#[derive(Clone, Copy, Default)]
pub struct Env<'r> {
    /// Bounds on the execution.
    pub limits: Limits,
    /// State of the host, for its functions; see [`Context::host`].
    pub host: Option<&'r dyn Any>,
    /// What was used of the limits already; executions that are given the same one share the limits.
    pub spent: Option<&'r Spent>,
    /// Asked now and then; the execution stops with an error as soon as it says true.
    pub cancelled: Option<&'r dyn Fn() -> bool>,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What executions used of their [`Limits`]: steps, output and values.
///
/// ```
/// use gotmpl::{Env, Limits, Spent};
///
/// let spent = Spent::default();
/// // For each of the templates that together must not cost more than this.
/// let env = Env { limits: Limits::default(), spent: Some(&spent), ..Env::default() };
/// ```
#[derive(Debug, Default)]
pub struct Spent(Cell<Counters>);

#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    steps: u64,
    output: u64,
    values: u64,
}

/// The state of one execution: templates, host state, and what is left of the limits.
///
/// Template functions get it as their first parameter if they ask for it.
pub struct Context<'r> {
    /// The templates that are executed, which are known further up: they hold functions, which are given a context.
    pub(crate) templates: Arc<dyn Any + Send + Sync>,
    pub(crate) env: Env<'r>,
    pub(crate) depth: usize,
    used: Counters,
}

impl<'r> Context<'r> {
    /// Starts an execution.
    pub(crate) fn new(templates: Arc<dyn Any + Send + Sync>, env: Env<'r>) -> Self {
        Self {
            templates,
            env,
            depth: 0,
            used: env.spent.map(|spent| spent.0.get()).unwrap_or_default(),
        }
    }

    /// Tells the next executions with the same [`Spent`] what this one used.
    pub(crate) fn settle(&self) {
        if let Some(spent) = self.env.spent {
            spent.0.set(self.used);
        }
    }

    /// Returns the host's state, if it is a T.
    pub fn host<T: Any>(&self) -> Option<&'r T> {
        self.env.host?.downcast_ref()
    }

    /// Returns the limits of the execution.
    pub fn limits(&self) -> &Limits {
        &self.env.limits
    }

    /// Counts `steps` units of work that a function is about to do towards the limits.
    ///
    /// Call it before work or memory that arguments decide, such as `until 1000000000`.
    pub fn charge(&mut self, steps: u64) -> Result<(), FuncError> {
        let before = self.used.steps;
        self.used.steps = self.used.steps.saturating_add(steps);
        if self.used.steps > self.env.limits.steps {
            return Err(FuncError::limit(format!(
                "exceeded maximum template steps ({})",
                self.env.limits.steps
            )));
        }
        // Ask for the time only every 4096 steps: it is a system call for some hosts.
        if before >> 12 != self.used.steps >> 12 && self.env.cancelled.is_some_and(|cancelled| cancelled()) {
            return Err(FuncError::limit("template execution was cancelled"));
        }
        Ok(())
    }

    /// Refuses a string that is larger than strings may be.
    pub fn check_length(&self, bytes: usize) -> Result<(), FuncError> {
        let limit = self.env.limits.string_bytes;
        if bytes > limit {
            return Err(FuncError::limit(format!(
                "exceeded maximum string size ({limit} bytes)"
            )));
        }
        Ok(())
    }

    /// Checks the size of a string that a function is about to make against the limits.
    pub fn check_string(&mut self, bytes: usize) -> Result<(), FuncError> {
        self.check_length(bytes)?;
        self.charge(bytes as u64 / Limits::BYTES_PER_STEP)
    }

    /// Counts lists or maps with as many items that a function is about to make towards the limits.
    pub fn charge_items(&mut self, items: usize) -> Result<(), FuncError> {
        self.charge(items as u64)?;
        self.charge_values((items as u64).saturating_mul(Limits::BYTES_PER_ITEM))
    }

    /// Counts a list that a function is about to make towards the limits.
    pub fn charge_list(&mut self, len: usize) -> Result<(), FuncError> {
        self.charge(len as u64)?;
        self.charge_values(Limits::list_bytes(len))
    }

    /// Counts a map that a function is about to make towards the limits.
    pub fn charge_map(&mut self, len: usize) -> Result<(), FuncError> {
        self.charge(len as u64)?;
        self.charge_values(Limits::map_bytes(len))
    }

    /// Returns how many steps are left.
    pub fn steps_left(&self) -> u64 {
        self.env.limits.steps.saturating_sub(self.used.steps)
    }

    /// Returns how many items of lists and maps functions may still make.
    pub fn items_left(&self) -> usize {
        let left = self.env.limits.value_bytes.saturating_sub(self.used.values);
        usize::try_from(left / Limits::BYTES_PER_ITEM).unwrap_or(usize::MAX)
    }

    /// Counts bytes of values that a function makes towards the limits.
    pub fn charge_values(&mut self, bytes: u64) -> Result<(), FuncError> {
        self.used.values = self.used.values.saturating_add(bytes);
        let limit = self.env.limits.value_bytes;
        if self.used.values > limit {
            return Err(FuncError::limit(format!(
                "exceeded maximum size of all values ({limit} bytes)"
            )));
        }
        Ok(())
    }

    pub(crate) fn charge_output(&mut self, bytes: usize) -> Result<(), FuncError> {
        self.used.output = self.used.output.saturating_add(bytes as u64);
        let limit = self.env.limits.output_bytes;
        if self.used.output > limit {
            return Err(FuncError::limit(format!(
                "exceeded maximum template output ({limit} bytes)"
            )));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("depth", &self.depth)
            .field("steps", &self.used.steps)
            .finish_non_exhaustive()
    }
}
