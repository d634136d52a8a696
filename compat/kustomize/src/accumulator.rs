//! What a target collects: objects, transformer configuration and vars.

use crate::Error;
use crate::config::Config;
use crate::error::Context;
use crate::resmap::ResMap;
use crate::vars::Vars;

/// Objects and the rules that came with them.
#[derive(Debug, Default)]
pub(crate) struct Accumulator {
    pub(crate) objects: ResMap,
    pub(crate) config: Config,
    pub(crate) vars: Vars,
}

impl Accumulator {
    /// Takes in what a base collected, its rules included: they hold for everything from here on.
    pub(crate) fn merge(&mut self, base: Accumulator) -> Result<(), Error> {
        self.objects.append_all(base.objects.resources)?;
        self.merge_config(&base.config)?;
        self.vars.merge(base.vars)
    }

    /// Adds rules.
    pub(crate) fn merge_config(&mut self, config: &Config) -> Result<(), Error> {
        self.config.merge(config).context("merging config")
    }
}
