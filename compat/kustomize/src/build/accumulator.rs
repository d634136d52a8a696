//! What a target collects: objects, transformer configuration and vars.

use std::collections::HashSet;

use crate::budget::Budget;
use crate::config::transformers::Config;
use crate::error::Context;
use crate::names::vars::Vars;
use crate::object::resmap::ResMap;
use crate::{Error, ResId};

/// Objects and the rules that came with them.
#[derive(Debug, Default)]
pub(crate) struct Accumulator {
    pub(crate) objects: ResMap,
    pub(crate) config: Config,
    pub(crate) vars: Vars,
}

impl Accumulator {
    /// Takes in what a base collected, its rules included: they hold for everything from here on. `taken` are the ids of
    /// the objects, before and after.
    pub(crate) fn merge(
        &mut self,
        taken: &mut HashSet<ResId>,
        base: Accumulator,
        budget: &Budget,
    ) -> Result<(), Error> {
        self.objects.append_beside(taken, base.objects.resources)?;
        self.merge_config(&base.config, budget)?;
        self.vars.merge(base.vars)
    }

    /// Adds rules.
    pub(crate) fn merge_config(&mut self, config: &Config, budget: &Budget) -> Result<(), Error> {
        self.config.merge(config, budget).context("merging config")
    }
}
