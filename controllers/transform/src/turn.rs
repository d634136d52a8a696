//! Whose turn it is: circles are refused, and who is made of others waits for them.

use std::time::Duration;

use controller_kit::{ObjectKey, Slot};
use tokio::time::Instant;

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::references::graph;

/// How long those are waited for that a transformation is made of.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether they are done.
const GLANCE: Duration = Duration::from_millis(50);
/// After how long a circle is looked at again.
const CIRCLE: Duration = Duration::from_mins(1);

impl Controller {
    /// Refuses circles, and waits for those that a transformation is made of.
    pub(crate) async fn take_turn(&self, key: &ObjectKey, slot: &mut Slot) -> Result<(), Failure> {
        let graph = {
            let all = self.transformations.all();
            graph(&all, &self.index.lock(), &self.reach)
        };
        if let Some(circle) = graph.circle(key) {
            let newest = self.newest(&circle);
            if newest.as_ref().is_none_or(|newest| newest == key) {
                let way: Vec<_> = circle.iter().map(|key| key.name.as_str()).collect();
                let message = format!(
                    "it is made of what is made of it: {}; take one of these inputs out",
                    way.join(" -> ")
                );
                return Err(Failure::new(Fate::After(CIRCLE), "CycleDetected", message));
            }
            // The newest gives way, and may not know of the circle yet.
            if let Some(newest) = newest.filter(|newest| !self.queue.is_active(newest)) {
                self.queue.add_after(newest, GLANCE);
            }
            return Ok(());
        }
        let before = graph.before(key);
        let is_busy = || {
            before
                .iter()
                .any(|before| before != key && self.queue.is_active(before))
        };
        if is_busy() {
            let waiting = async {
                let until = Instant::now() + PATIENCE;
                while is_busy() && Instant::now() < until {
                    tokio::time::sleep(GLANCE).await;
                }
            };
            slot.on("those that it is made of").park(waiting).await;
        }
        Ok(())
    }

    /// The newest of a circle, which is the one that gives way.
    fn newest(&self, circle: &[ObjectKey]) -> Option<ObjectKey> {
        let all = circle.iter().filter_map(|key| self.transformations.get(key));
        let newest = all.max_by_key(|object| {
            let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created, object.metadata.uid.clone())
        });
        newest.map(|newest| ObjectKey::of(newest.as_ref()))
    }
}
