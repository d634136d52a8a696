//! Whether an object may be taken from its controller, and whether the other one has it.

use flux_api::{ConditionsExt, Deployed, DeployedStatus, HelmRelease, Kustomization, READY, Tolerant};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{Owner, State, Subject};

/// The condition by which our controller says that it stands back.
const CONFLICT: &str = "OwnershipConflict";

/// What is seen of an object at one moment.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The object.
    pub subject: Subject,
    /// Who reconciles it.
    pub owner: Owner,
    /// Its resource version.
    pub version: String,
    /// The request that was handled last.
    pub handled: String,
    /// Whether our controller says that it stands back.
    pub is_conflict: bool,
    /// Whether somebody says that it is in the middle of a run.
    pub is_running: bool,
}

impl Sight {
    /// Looks at a Kustomization.
    pub fn of_kustomization(object: &Tolerant<Kustomization>, owner: Owner) -> Self {
        let subject = Subject::from(object);
        match &object.0 {
            Ok(object) => Self::of(subject, owner, object, &object.status.last_handled_reconcile_at),
            Err(odd) => Self::bare(subject, owner, odd.metadata.resource_version.clone()),
        }
    }

    /// Looks at a HelmRelease.
    pub fn of_helm_release(object: &Tolerant<HelmRelease>, owner: Owner) -> Self {
        let subject = Subject::from(object);
        match &object.0 {
            Ok(object) => Self::of(subject, owner, object, &object.status.last_handled_reconcile_at),
            Err(odd) => Self::bare(subject, owner, odd.metadata.resource_version.clone()),
        }
    }

    fn of<D: Deployed>(subject: Subject, owner: Owner, object: &D, handled: &str) -> Self {
        let conditions = object.status().conditions();
        Self {
            handled: handled.to_owned(),
            is_conflict: is(conditions.get_condition(CONFLICT), "True"),
            is_running: is(conditions.get_condition(READY), "Unknown"),
            ..Self::bare(subject, owner, object.meta().resource_version.clone())
        }
    }

    fn bare(subject: Subject, owner: Owner, version: Option<String>) -> Self {
        Self {
            subject,
            owner,
            version: version.unwrap_or_default(),
            handled: String::new(),
            is_conflict: false,
            is_running: false,
        }
    }

    /// Says whether its controller has ended the run that was asked for with `token`, and is idle since.
    pub fn is_idle_after(&self, token: &str) -> bool {
        self.handled == token && self.subject.state == State::Ready && !self.is_pending()
    }

    /// Says whether its release is in the middle of an action.
    pub fn is_pending(&self) -> bool {
        self.subject.release.starts_with("pending") || self.subject.release == "uninstalling"
    }
}

fn is(condition: Option<&Condition>, value: &str) -> bool {
    condition.is_some_and(|condition| condition.status == value)
}

/// Whether an object may be taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It may.
    Now,
    /// It may have to be asked again in a moment.
    Wait(String),
    /// It may not, and waiting does not help.
    Never(String),
}

/// Says whether an object may be taken from stock, once stock has ended the run that was asked for with `token`.
pub fn guard(sight: &Sight, token: &str, include_suspended: bool) -> Readiness {
    let subject = &sight.subject;
    let never = |why: &str| Readiness::Never(why.to_owned());
    match &sight.owner {
        Owner::Stock { stopped: false, .. } => {}
        Owner::Stock { deployment, .. } => {
            return Readiness::Never(format!(
                "{deployment}, which has it, is scaled to zero: nothing says that it is idle"
            ));
        }
        Owner::Openflux { .. } => return never("openflux has it already"),
        Owner::Contested { stock, .. } => {
            return Readiness::Never(format!("M101 {stock} selects it in spite of the label"));
        }
        Owner::Nobody { why } => return Readiness::Never(format!("nobody has it: {why}")),
    }
    if subject.deleting {
        return never("M118 it is being deleted");
    }
    if subject.state == State::Suspended {
        return if include_suspended {
            Readiness::Now
        } else {
            never("M103 it is suspended (--include-suspended moves it all the same)")
        };
    }
    if sight.is_pending() {
        return Readiness::Wait(format!("M112 its release is {}", subject.release));
    }
    if sight.handled != token {
        return Readiness::Wait("M104 stock has not ended the run that it was asked for".to_owned());
    }
    match subject.state {
        State::Ready => Readiness::Now,
        State::Failing => Readiness::Wait(format!("M104 it fails: {}", subject.message)),
        _ => Readiness::Wait(format!("M104 stock is at work on it: {}", subject.message)),
    }
}

/// Says whether somebody has written an object since it was at `version`, while ours lets it be.
pub fn heard(sight: &Sight, version: &str) -> Readiness {
    match &sight.owner {
        Owner::Contested { stock, .. } => Readiness::Never(format!("{stock} began to select it")),
        Owner::Stock { .. } => Readiness::Never("its label was taken away by somebody".to_owned()),
        Owner::Openflux { .. } | Owner::Nobody { .. } if sight.version == version => {
            Readiness::Wait("nobody has written it".to_owned())
        }
        Owner::Openflux { .. } | Owner::Nobody { .. } => Readiness::Now,
    }
}

/// Says what stock is in the middle of, if it is, while ours lets the object be. A new spec alone is nobody's work yet.
pub fn at_work(sight: &Sight) -> Option<String> {
    if sight.is_pending() {
        return Some(format!("its release is {}", sight.subject.release));
    }
    sight.is_running.then(|| sight.subject.message.clone())
}

/// Says whether our controller has ended the run that was asked for with `token`, as well as stock did before.
pub fn taken(sight: &Sight, token: &str, include_suspended: bool) -> Readiness {
    let subject = &sight.subject;
    match &sight.owner {
        Owner::Openflux { .. } => {}
        Owner::Contested { stock, .. } => {
            return Readiness::Never(format!("{stock} began to select it"));
        }
        Owner::Stock { .. } => return Readiness::Never("its label was taken away by somebody".to_owned()),
        Owner::Nobody { why } => return Readiness::Wait(format!("nobody has it: {why}")),
    }
    if sight.is_conflict {
        return Readiness::Never("openflux says that it stands back (OwnershipConflict)".to_owned());
    }
    if subject.state == State::Suspended && include_suspended {
        return Readiness::Now;
    }
    if sight.handled != token {
        return Readiness::Wait("openflux has not ended the run that it was asked for".to_owned());
    }
    match subject.state {
        State::Ready if !sight.is_pending() => Readiness::Now,
        State::Failing => Readiness::Never(format!(
            "it fails with openflux: {}: {}",
            subject.reason, subject.message
        )),
        _ => Readiness::Wait(format!("openflux is at work on it: {}", subject.message)),
    }
}

/// Says whether stock has an object back, and has ended the run that was asked for with `token`.
///
/// What fails now is stock's: it is back all the same.
pub fn returned(sight: &Sight, token: &str) -> Readiness {
    let subject = &sight.subject;
    match &sight.owner {
        Owner::Stock { stopped: true, .. } => return Readiness::Now,
        Owner::Stock { .. } | Owner::Contested { .. } => {}
        Owner::Openflux { .. } => return Readiness::Wait("it carries the label still".to_owned()),
        Owner::Nobody { why } => return Readiness::Never(format!("nobody has it: {why}")),
    }
    if subject.state == State::Suspended || sight.handled == token && subject.state != State::Progressing {
        return Readiness::Now;
    }
    Readiness::Wait("stock has not ended the run that it was asked for".to_owned())
}

/// Says whether our controller is idle on an object that is about to be taken from it.
///
/// A run of ours that ends in the middle of an action of Helm leaves a release that stock unlocks and tries again.
pub fn idle(sight: &Sight, is_ours_alive: bool) -> Readiness {
    if !is_ours_alive {
        return Readiness::Now;
    }
    if sight.is_pending() {
        return Readiness::Wait(format!("its release is {}", sight.subject.release));
    }
    if sight.subject.state == State::Progressing {
        return Readiness::Wait("openflux is at work on it".to_owned());
    }
    Readiness::Now
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stock() -> Owner {
        Owner::Stock {
            deployment: "flux-system/kustomize-controller".to_owned(),
            stopped: false,
        }
    }

    fn ours() -> Owner {
        Owner::Openflux {
            deployment: "flux-system/openflux-controller".to_owned(),
        }
    }

    fn nobody() -> Owner {
        Owner::Nobody {
            why: "none".to_owned(),
        }
    }

    fn sight(owner: Owner, change: &Value) -> Sight {
        let mut object = json!({
            "metadata": {"name": "app", "namespace": "apps", "generation": 1, "resourceVersion": "7"},
            "spec": {"sourceRef": {"kind": "GitRepository", "name": "app"}},
            "status": {"observedGeneration": 1, "lastHandledReconcileAt": "token", "conditions": [
                {"type": "Ready", "status": "True", "reason": "R", "message": "m",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        for (pointer, value) in change.as_object().into_iter().flatten() {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        Sight::of_kustomization(&serde_json::from_value(object).unwrap(), owner)
    }

    fn condition(kind: &str, status: &str) -> Value {
        json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    fn short(readiness: &Readiness) -> (&'static str, &str) {
        match readiness {
            Readiness::Now => ("now", ""),
            Readiness::Wait(why) => ("wait", why),
            Readiness::Never(why) => ("never", why),
        }
    }

    #[track_caller]
    fn check(readiness: &Readiness, word: &str, part: &str) {
        let (found, why) = short(readiness);
        assert!(found == word && why.contains(part), "{readiness:?}");
    }

    #[test]
    fn an_object_is_taken_right_after_a_run_of_stock() {
        let ask = |owner, change: &Value| guard(&sight(owner, change), "token", false);
        check(&ask(stock(), &json!({})), "now", "");
        check(
            &ask(stock(), &json!({"/status/lastHandledReconcileAt": "older"})),
            "wait",
            "M104",
        );
        check(&ask(stock(), &json!({"/metadata/generation": 2})), "wait", "M104");
        check(
            &ask(
                stock(),
                &json!({"/status/conditions": [condition("Ready", "False")]}),
            ),
            "wait",
            "fails",
        );
        check(&ask(stock(), &json!({"/spec/suspend": true})), "never", "M103");
        check(
            &ask(
                stock(),
                &json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}),
            ),
            "never",
            "M118",
        );
        check(&ask(ours(), &json!({})), "never", "already");
        check(&ask(nobody(), &json!({})), "never", "nobody");
        let suspended = sight(stock(), &json!({"/spec/suspend": true}));
        check(&guard(&suspended, "token", true), "now", "");
    }

    #[test]
    fn an_object_is_taken_when_ours_has_ended_a_run_as_well() {
        let ask = |owner, change: &Value| taken(&sight(owner, change), "token", false);
        check(&ask(ours(), &json!({})), "now", "");
        check(
            &ask(ours(), &json!({"/status/lastHandledReconcileAt": "older"})),
            "wait",
            "run",
        );
        check(&ask(stock(), &json!({})), "never", "taken away");
        // Our only pod may be starting.
        check(&ask(nobody(), &json!({})), "wait", "nobody");
        check(
            &ask(
                ours(),
                &json!({"/status/conditions": [condition("Ready", "False")]}),
            ),
            "never",
            "R: m",
        );
        let conflict = json!({"/status/conditions": [condition("OwnershipConflict", "True")]});
        check(&ask(ours(), &conflict), "never", "stands back");
    }

    #[test]
    fn what_stock_writes_after_the_label_is_heard() {
        check(&heard(&sight(ours(), &json!({})), "7"), "wait", "");
        check(&heard(&sight(ours(), &json!({})), "6"), "now", "");
        check(&heard(&sight(nobody(), &json!({})), "7"), "wait", "");
        check(&heard(&sight(stock(), &json!({})), "7"), "never", "taken away");
        assert_eq!(at_work(&sight(ours(), &json!({}))), None);
        assert_eq!(at_work(&sight(ours(), &json!({"/metadata/generation": 2}))), None);
        let busy =
            json!({"/status/conditions": [condition("Reconciling", "True"), condition("Ready", "Unknown")]});
        assert_eq!(at_work(&sight(ours(), &busy)).as_deref(), Some("m"));
    }

    #[test]
    fn an_object_is_back_when_stock_has_ended_a_run_however() {
        let ask = |owner, change: &Value| returned(&sight(owner, change), "token");
        check(&ask(stock(), &json!({})), "now", "");
        check(
            &ask(
                stock(),
                &json!({"/status/conditions": [condition("Ready", "False")]}),
            ),
            "now",
            "",
        );
        check(
            &ask(stock(), &json!({"/status/lastHandledReconcileAt": "older"})),
            "wait",
            "",
        );
        check(&ask(ours(), &json!({})), "wait", "label");
        check(&ask(nobody(), &json!({})), "never", "nobody");
    }

    #[test]
    fn nothing_is_taken_from_ours_in_the_middle() {
        let busy =
            json!({"/status/conditions": [condition("Reconciling", "True"), condition("Ready", "Unknown")]});
        check(&idle(&sight(ours(), &busy), true), "wait", "at work");
        check(&idle(&sight(ours(), &busy), false), "now", "");
        check(&idle(&sight(ours(), &json!({})), true), "now", "");
    }
}
