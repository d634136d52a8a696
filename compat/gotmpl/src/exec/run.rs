//! Executions from their start: of a set, and of templates that functions ask for.

use crate::error::ExecError;
use crate::set::TemplateSet;
use crate::value::Value;
use crate::value::context::{Context, Env};
use crate::value::cycles::CycleGuard;
use crate::value::str::Str;

use super::slot::Slot;
use super::walk::run;

impl TemplateSet {
    /// Executes the template `name` on `dot`, appending to `out`.
    ///
    /// On an error `out` keeps what was written before it, as in Go.
    pub fn execute(
        &self,
        name: impl AsRef<[u8]>,
        dot: Value,
        env: &Env<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        let _guard = CycleGuard::new();
        let template = self
            .lookup(name.as_ref())
            .ok_or_else(|| self.no_template(name.as_ref()))?;
        let mut context = Context::new(self.erased(), *env);
        let result = run(&mut context, self, &template, &Slot::concrete(dot), out);
        context.settle();
        result
    }
}

impl Context<'_> {
    /// Returns the templates that are being executed.
    pub fn templates(&self) -> Option<TemplateSet> {
        TemplateSet::from_erased(&self.templates)
    }

    /// Executes the template `name` on `dot` and returns its output, as Helm's `include` does.
    ///
    /// Steps, output and depth count towards the limits of this execution.
    pub fn execute(&mut self, name: &[u8], dot: Value) -> Result<Str, ExecError> {
        let set = self.templates();
        let set = set.ok_or_else(|| ExecError::new("no templates are being executed"))?;
        self.execute_in(&set, name, dot)
    }

    /// Executes a template of another set, such as a clone that got more templates, as Helm's
    /// `tpl` does. Functions called from inside see that set.
    pub fn execute_in(&mut self, set: &TemplateSet, name: &[u8], dot: Value) -> Result<Str, ExecError> {
        self.charge(set.lookup_steps())
            .map_err(|error| ExecError::limit(error.to_string()))?;
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
        let outer = std::mem::replace(&mut self.templates, set.erased());
        self.depth += 1;
        let result = run(self, set, &template, &Slot::concrete(dot), &mut out);
        self.depth -= 1;
        self.templates = outer;
        result.map(|()| out.into())
    }
}
