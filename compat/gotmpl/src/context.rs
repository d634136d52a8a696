//! The state of one execution, as functions see it.

use std::any::Any;

use crate::error::{ExecError, FuncError};
use crate::exec::Slot;
use crate::limits::Limits;
use crate::set::TemplateSet;
use crate::str::Str;
use crate::value::Value;

/// What an execution is given besides template and data.
///
/// ```
/// use gotmpl::{Env, Limits};
///
/// let host = "anything that functions need";
/// let started = std::time::Instant::now();
/// let too_late = || started.elapsed().as_secs() > 30;
/// let env = Env { limits: Limits { depth: 100, ..Limits::default() }, host: Some(&host), cancelled: Some(&too_late) };
/// ```
#[derive(Clone, Copy, Default)]
pub struct Env<'r> {
    /// Bounds on the execution.
    pub limits: Limits,
    /// State of the host, for its functions; see [`Context::host`].
    pub host: Option<&'r dyn Any>,
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

/// The state of one execution: templates, host state, and what is left of the limits.
///
/// Template functions get it as their first parameter if they ask for it.
pub struct Context<'r> {
    pub(crate) set: TemplateSet,
    pub(crate) env: Env<'r>,
    pub(crate) depth: usize,
    steps: u64,
    output: u64,
}

impl<'r> Context<'r> {
    /// Starts an execution; usually [`TemplateSet::execute`] does.
    pub fn new(set: TemplateSet, env: Env<'r>) -> Self {
        Self {
            set,
            env,
            depth: 0,
            steps: 0,
            output: 0,
        }
    }

    /// Returns the host's state, if it is a T.
    pub fn host<T: Any>(&self) -> Option<&'r T> {
        self.env.host?.downcast_ref()
    }

    /// Returns the templates that are being executed.
    pub fn templates(&self) -> &TemplateSet {
        &self.set
    }

    /// Returns the limits of the execution.
    pub fn limits(&self) -> &Limits {
        &self.env.limits
    }

    /// Executes the template `name` on `dot` and returns its output, as Helm's `include` does.
    ///
    /// Steps, output and depth count towards the limits of this execution.
    pub fn execute(&mut self, name: &[u8], dot: Value) -> Result<Str, ExecError> {
        let set = self.set.clone();
        self.execute_in(&set, name, dot)
    }

    /// Executes a template of another set, such as a clone that got more templates, as Helm's
    /// `tpl` does. Functions called from inside see that set.
    pub fn execute_in(&mut self, set: &TemplateSet, name: &[u8], dot: Value) -> Result<Str, ExecError> {
        let Some(template) = set.lookup(name) else {
            return Err(set.no_template(name));
        };
        let limit = self.env.limits.depth;
        if self.depth >= limit {
            return Err(ExecError::limit(format!(
                "exceeded maximum template depth ({limit})"
            )));
        }
        let mut out = Vec::new();
        let outer = std::mem::replace(&mut self.set, set.clone());
        self.depth += 1;
        let result = crate::exec::run(self, &template, &Slot::concrete(dot), &mut out);
        self.depth -= 1;
        self.set = outer;
        result.map(|()| out.into())
    }

    /// Counts `steps` units of work that a function is about to do towards the limits.
    ///
    /// Call it before work or memory that arguments decide, such as `until 1000000000`.
    pub fn charge(&mut self, steps: u64) -> Result<(), FuncError> {
        let before = self.steps;
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.env.limits.steps {
            return Err(FuncError::limit(format!(
                "exceeded maximum template steps ({})",
                self.env.limits.steps
            )));
        }
        // Ask for the time only every 4096 steps: it is a system call for some hosts.
        if before >> 12 != self.steps >> 12 && self.env.cancelled.is_some_and(|cancelled| cancelled()) {
            return Err(FuncError::limit("template execution was cancelled"));
        }
        Ok(())
    }

    /// Checks the size of a string that a function is about to make against the limits.
    pub fn check_string(&mut self, bytes: usize) -> Result<(), FuncError> {
        let limit = self.env.limits.string_bytes;
        if bytes > limit {
            return Err(FuncError::limit(format!(
                "exceeded maximum string size ({limit} bytes)"
            )));
        }
        self.charge(bytes as u64 / Limits::BYTES_PER_STEP)
    }

    pub(crate) fn charge_output(&mut self, bytes: usize) -> Result<(), FuncError> {
        self.output = self.output.saturating_add(bytes as u64);
        let limit = self.env.limits.output_bytes;
        if self.output > limit {
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
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
