//! The way back without this tool: what every plan prints.

use super::MigrationPlan;
use crate::moving::back_lines;

impl MigrationPlan {
    /// Returns the commands that give everything back to stock, in the order in which they are typed; see [`back_lines`].
    pub fn way_back(&self) -> Vec<String> {
        let former = self
            .moving()
            .filter_map(|(_, object)| Some((&object.object, object.former_label.as_deref()?)));
        back_lines((&self.label.key, &self.label.value), former)
    }
}
