//! What happens to an object that a stock controller reconciles too: it is left alone, and says so.

use controller_kit::events::Severity;
use controller_kit::interlock::{OWNERSHIP_CONFLICT, Rival, STOCK_CONTROLLER_SELECTS};
use controller_kit::{ObjectKey, Requeue};
use flux_api::{ConditionStatus, ConditionsExt, Deployed, DeployedStatus};
use jiff::Timestamp;
use kube::Resource as _;

use crate::context::Context;
use crate::events::event_about;
use crate::kind::{Kind, kind_name};
use crate::status;

/// Tells whether the object says that it is left alone.
pub(crate) fn stands_back(object: &impl Deployed) -> bool {
    object
        .status()
        .conditions()
        .get_condition(OWNERSHIP_CONFLICT)
        .is_some()
}

/// Says on the object that it is left alone to `rival`, or, without one, ceases to say so.
///
/// Nothing but this condition is written, and only if nobody wrote since: the rest of the status is the rival's.
pub(crate) async fn stand_back<K: Kind>(
    context: &Context<K>,
    object: &K::Object,
    rival: Option<&Rival>,
) -> Requeue {
    let before = object.status().conditions();
    let said = before.get_condition(OWNERSHIP_CONFLICT);
    let mut conditions = before.clone();
    match rival {
        Some(rival) => {
            let (is, generation) = (ConditionStatus::True, object.meta().generation);
            let (reason, message) = (STOCK_CONTROLLER_SELECTS, rival.to_string());
            conditions.set_condition(
                OWNERSHIP_CONFLICT,
                is,
                reason,
                message,
                generation,
                Timestamp::now(),
            );
        }
        None => {
            conditions.remove_condition(OWNERSHIP_CONFLICT);
        }
    }
    if conditions == *before {
        return Requeue::Never;
    }
    match status::write_conditions::<K>(&context.rest, object, &conditions).await {
        Ok(()) => {}
        Err(error) if error.is_not_found() => return Requeue::Never,
        // Somebody wrote first, most likely the rival; the next run starts from that.
        Err(_) => return Requeue::Backoff,
    }
    let message = rival.map(ToString::to_string).unwrap_or_default();
    if rival.is_some() && said.is_none_or(|said| said.message != message) {
        let ObjectKey { namespace, name } = ObjectKey::of(object);
        tracing::warn!(
            controller = K::NAMES.label, controllerKind = kind_name::<K::Object>(), %namespace, %name, "{message}"
        );
        let severity = Severity::Error;
        let event = event_about(object, severity, STOCK_CONTROLLER_SELECTS, message, None, false);
        context.recorder.record(event);
    }
    Requeue::Never
}
