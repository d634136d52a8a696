//! Objects that move from one controller to another while somebody is at work on them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use controller_kit::ObjectKey;
use controller_kit::events::Severity;
use flux_api::{
    ConditionStatus, ConditionsExt as _, Deployed as _, DeployedStatus as _, RECONCILING, reason,
};
use jiff::Timestamp;
use kube::core::SelectorExt as _;
use kube::{Resource as _, ResourceExt as _};

use crate::context::Context;
use crate::events::event_about;
use crate::kind::{Kind, kind_name};
use crate::run::Run;

/// How often to look whether whoever had an object before is done with it.
const LOOK: Duration = Duration::from_secs(1);

/// Tells what has become of the object of a run.
#[derive(Clone)]
pub struct HandOver(Arc<dyn Fn() -> Whose + Send + Sync>);

/// What has become of an object since a run of it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Nothing, as far as the run is concerned.
    Ours,
    /// It was edited, or is being deleted.
    Edited,
    /// It is another controller's.
    SomebodyElses,
}

impl fmt::Debug for HandOver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("HandOver").field(&(self.0)()).finish()
    }
}

impl HandOver {
    /// Watches over an object as it was when its run began; one that is gone by now is nobody's.
    pub fn of<K: Kind>(context: &Context<K>, key: &ObjectKey, object: &K::Object) -> Self {
        let (objects, key, meta) = (context.objects.clone(), key.clone(), object.meta());
        let (uid, generation) = (meta.uid.clone(), meta.generation);
        let was_deleted = meta.deletion_timestamp.is_some();
        let (selector, interlock) = (context.settings.selector.clone(), Arc::clone(&context.interlock));
        Self(Arc::new(move || {
            let Some(now) = objects.get(&key).filter(|now| now.meta().uid == uid) else {
                return Whose::Ours;
            };
            let (labels, meta) = (now.labels(), now.meta());
            if !selector.matches(labels) || interlock.rival(&key.namespace, labels).is_some() {
                Whose::SomebodyElses
            } else if meta.generation != generation || meta.deletion_timestamp.is_some() != was_deleted {
                Whose::Edited
            } else {
                Whose::Ours
            }
        }))
    }

    /// Tells whether it is another controller's by now.
    pub fn is_over(&self) -> bool {
        (self.0)() == Whose::SomebodyElses
    }

    /// Tells whether what a run makes of it is of no use any more.
    pub fn is_unwanted(&self) -> bool {
        (self.0)() != Whose::Ours
    }
}

/// Gives the time after which to look again at an object that was handed over while somebody was at work on it, or may be.
///
/// Whoever that is goes on to the end of what it does, and writes what came of it.
pub(crate) fn await_former<K: Kind>(
    context: &Context<K>,
    key: &ObjectKey,
    object: &K::Object,
) -> Option<Duration> {
    if let Some(left) = context.holds.left(key, object.meta(), Timestamp::now()) {
        return Some(left.min(LOOK));
    }
    let mut arrived = context.arrived.lock();
    let arrival = arrived.get_mut(key)?;
    let Some(left) = K::is_busy(object.status(), arrival.before(), Timestamp::now()) else {
        arrived.remove(key);
        return None;
    };
    if arrival.is_to_be_told() {
        let kind = kind_name::<K::Object>();
        let message = format!(
            "waiting until the controller that had the {kind} before is done with what it is doing, at most {} s",
            left.as_secs()
        );
        tracing::info!("{message}");
        let event = event_about(object, Severity::Info, reason::PROGRESSING, message, None, false);
        context.recorder.record(event);
    }
    Some(left.min(LOOK))
}

/// Takes back what a run has announced and does not bring to its end, because the object is another controller's.
///
/// That one may be one of ours, which would wait for the end. The status stays what it was otherwise.
pub(crate) fn take_back<K: Kind>(run: &mut Run<'_, K>) {
    run.status = run.written.clone();
    let is_announced = run
        .status
        .conditions()
        .has_status(RECONCILING, ConditionStatus::True);
    if is_announced {
        run.conditions().retrying("handed over to another controller");
    }
}
