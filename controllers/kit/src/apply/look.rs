//! Looking at what applying an object would do, with everything that tells, and without writing anything.

use serde_json::Value;

use super::ApplyError;
use super::engine::{Applier, Mode};
use super::plan::{Planned, is_ignored};
use super::verify::ATTEMPTS;
use crate::object::{ObjectId, has_marker, id_of, resource_version};
use crate::ownership::markers;

/// What applying an object would do.
#[derive(Debug)]
pub struct Looked {
    /// Which object, with the namespace that the API server gave it.
    pub id: ObjectId,
    /// API version that would be applied, without its group.
    pub version: String,
    /// What would become of it.
    pub sight: Sight,
}

/// What would become of an object.
#[derive(Debug)]
pub enum Sight {
    /// A marker says to leave it alone.
    Skipped,
    /// It is not there, and would become this.
    Missing {
        /// What the API server would make of it.
        wanted: Box<Value>,
    },
    /// It is there.
    Present {
        /// What it is.
        live: Box<Value>,
        /// What it would become. What other tools left behind has not been removed by then.
        wanted: Box<Value>,
        /// Whether an apply would first remove that.
        needs_cleanup: bool,
    },
}

impl Applier<'_> {
    /// Looks at what applying an object would do: the live one, and what the API server would make of it by a dry-run. Nothing is
    /// written, nothing remembered, and no watch is opened.
    ///
    /// # Errors
    /// The kind is not served, or the API server would not take the object.
    pub async fn look(&self, object: Value) -> Result<Looked, ApplyError> {
        let mut item = self.locate(object).await?;
        if is_ignored(&item.object) {
            return Ok(item.looked(Sight::Skipped));
        }
        let if_not_present = has_marker(&item.object, markers::SSA, "IfNotPresent");
        for _ in 0..ATTEMPTS {
            let live = self.read(&item).await?;
            if let Some(live) = &live
                && (if_not_present || is_ignored(live))
            {
                item.id = id_of(live);
                return Ok(item.looked(Sight::Skipped));
            }
            let wanted = match self.send(&item, Mode::DryRun).await {
                Ok(wanted) => wanted,
                Err(source) => return Err(ApplyError::dry_run(item.id.clone(), source)),
            };
            item.id = id_of(&wanted);
            let Some(live) = live else {
                let wanted = Box::new(wanted);
                return Ok(item.looked(Sight::Missing { wanted }));
            };
            // Somebody wrote in between: what is compared has to be of one moment.
            if resource_version(&live) != resource_version(&wanted) {
                continue;
            }
            let merged =
                has_marker(&item.object, markers::SSA, "Merge") || has_marker(&live, markers::SSA, "Merge");
            let managers = self.live.managers();
            let needs_cleanup = !merged && managers.cleanup_patch(&live).is_some();
            let ignored = self.ignored(&wanted);
            let wanted = if ignored.is_empty() {
                wanted
            } else if !needs_cleanup && ignored.are_same(&live, &wanted) {
                // Nothing is applied then.
                live.clone()
            } else {
                item.object = ignored.payload(&item.object, &live, &wanted, managers);
                let wanted = self.send(&item, Mode::DryRun).await;
                wanted.map_err(|source| ApplyError::dry_run(item.id.clone(), source))?
            };
            return Ok(item.looked(Sight::Present {
                live: Box::new(live),
                wanted: Box::new(wanted),
                needs_cleanup,
            }));
        }
        Err(ApplyError::Restless { id: item.id })
    }
}

impl Planned {
    fn looked(self, sight: Sight) -> Looked {
        Looked {
            id: self.id,
            version: self.mapping.version,
            sight,
        }
    }
}
