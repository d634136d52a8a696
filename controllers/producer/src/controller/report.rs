//! What became of a look, as statuses and events say it: pure functions.

use artifact_crd::SourceStatus;
use controller_kit::events::Severity;
use flux_api::{ConditionStatus, ConditionsExt, READY, RECONCILING, STALLED, reason};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::publish::Said;
use crate::{Failure, Fate};

/// The bytes that are advertised are stored.
pub(crate) const IN_STORAGE: &str = "ArtifactInStorage";
/// The content is what somebody vouches for.
pub(crate) const VERIFIED: &str = "SourceVerified";
/// They cannot be stored.
pub(crate) const STORAGE_FAILED: &str = "StorageOperationFailed";

/// A look that gave a content, or found the one that is stored.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) artifact: String,
    pub(crate) revision: String,
    /// What is kept beside a content; nothing when what is stored is what there is.
    pub(crate) content: Option<Kept>,
    /// Whether the content is another than before.
    pub(crate) is_new: bool,
}

/// What is kept in the status beside a content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) token: Option<String>,
    pub(crate) more: std::collections::BTreeMap<String, Value>,
    pub(crate) verified: Option<String>,
}

/// Whether the last look at a source succeeded.
pub(crate) fn is_ready(status: &SourceStatus) -> bool {
    let ready = status.conditions.get_condition(READY);
    ready.is_some_and(|ready| ready.status == "True")
}

/// What the Artifact of a source says about the source, by the source's own status.
pub(crate) fn source(status: &SourceStatus) -> Said {
    match status.conditions.get_condition(READY) {
        Some(ready) if ready.status != "True" => Said::new(false, &ready.reason, ready.message.clone()),
        _ => up_to_date(),
    }
}

/// What the Artifact of a source says that did not fail.
pub(crate) fn up_to_date() -> Said {
    Said::new(true, "Ready", "the source is up to date")
}

/// Gives the status after a look at a generation.
pub(crate) fn status(
    before: &SourceStatus,
    generation: Option<i64>,
    handled: Option<String>,
    in_storage: bool,
    result: &Result<Done, Failure>,
    now: Timestamp,
) -> SourceStatus {
    let mut status = before.clone();
    status.observed_generation = generation;
    if handled.is_some() {
        status.last_handled_reconcile_at = handled;
    }
    let conditions = &mut status.conditions;
    conditions.remove_condition(RECONCILING);
    let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
    let set = |conditions: &mut Vec<_>, type_: &str, is, reason: &str, message: &str| {
        conditions.set_condition(type_, is, reason, message, generation, now);
    };
    match result {
        Ok(done) => {
            let message = format!("stored artifact for revision '{}'", done.revision);
            set(conditions, READY, yes, reason::SUCCEEDED, &message);
            set(conditions, IN_STORAGE, yes, reason::SUCCEEDED, &message);
            for passing in [STALLED, STORAGE_FAILED, "FetchFailed", "ArtifactOutdated"] {
                conditions.remove_condition(passing);
            }
            if let Some(kept) = &done.content {
                match &kept.verified {
                    Some(how) => set(conditions, VERIFIED, yes, reason::SUCCEEDED, how),
                    None => {
                        conditions.remove_condition(VERIFIED);
                    }
                }
                status.token.clone_from(&kept.token);
                status.more.clone_from(&kept.more);
            }
            status.artifact_name = Some(done.artifact.clone());
            status.revision = Some(done.revision.clone());
        }
        Err(failure) => {
            let (why, message) = (failure.reason(), failure.message());
            set(conditions, READY, no, why, message);
            if !in_storage {
                conditions.remove_condition(IN_STORAGE);
            }
            if failure.fate() == Fate::Edit {
                set(conditions, STALLED, yes, why, message);
            } else {
                conditions.remove_condition(STALLED);
            }
            for type_ in [STORAGE_FAILED, "FetchFailed"] {
                if failure.condition() == Some(type_) {
                    set(conditions, type_, yes, why, message);
                } else {
                    conditions.remove_condition(type_);
                }
            }
            if let Some(type_) = failure.denied() {
                set(conditions, type_, no, why, message);
            }
        }
    }
    status
}

/// Gives the event of a look: its severity, reason and text; nothing where nothing is new.
pub(crate) fn event(
    before: &SourceStatus,
    result: &Result<Done, Failure>,
) -> Option<(Severity, String, String)> {
    let ready = before.conditions.get_condition(READY);
    match result {
        Ok(done) if done.is_new => {
            let message = format!("stored artifact for revision '{}'", done.revision);
            Some((Severity::Info, "NewArtifact".to_owned(), message))
        }
        Ok(done) => {
            let failed = ready.is_some_and(|ready| ready.status == "False");
            let message = format!("the artifact of revision '{}' is up to date again", done.revision);
            failed.then(|| (Severity::Info, reason::SUCCEEDED.to_owned(), message))
        }
        Err(failure) => {
            let told = ready.is_some_and(|ready| {
                ready.status == "False"
                    && ready.reason == failure.reason()
                    && ready.message == failure.message()
            });
            let event = (
                Severity::Error,
                failure.reason().to_owned(),
                failure.message().to_owned(),
            );
            (!told).then_some(event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as a look gives it")]
    fn done(revision: &str, is_new: bool) -> Result<Done, Failure> {
        Ok(Done {
            artifact: "http-apps-web".into(),
            revision: revision.into(),
            content: is_new.then(|| Kept {
                token: Some(revision.into()),
                verified: Some("by its digest".into()),
                ..Kept::default()
            }),
            is_new,
        })
    }

    fn after(before: &SourceStatus, result: &Result<Done, Failure>) -> SourceStatus {
        status(before, Some(1), None, true, result, Timestamp::UNIX_EPOCH)
    }

    fn conditions(status: &SourceStatus) -> String {
        let mut all: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| format!("{}={}/{}", condition.type_, condition.status, condition.reason))
            .collect();
        all.sort();
        all.join(" ")
    }

    #[test]
    fn a_failure_keeps_what_is_stored_and_passes() {
        let new = SourceStatus::default();
        let stored = after(&new, &done("1", true));
        let good = "ArtifactInStorage=True/Succeeded Ready=True/Succeeded SourceVerified=True/Succeeded";
        assert_eq!(conditions(&stored), good);
        let failure = Err(Failure::retry("FetchFailed", "no answer").as_condition("FetchFailed"));
        let failed = after(&stored, &failure);
        assert_eq!(
            conditions(&failed),
            "ArtifactInStorage=True/Succeeded FetchFailed=True/FetchFailed Ready=False/FetchFailed SourceVerified=True/Succeeded"
        );
        assert_eq!(
            (&failed.revision, &failed.token),
            (&stored.revision, &stored.token)
        );
        let again = after(&failed, &done("1", false));
        assert_eq!(again, stored);
        let denied = Err(Failure::later("VerificationError", "it is another").denying(VERIFIED));
        assert!(conditions(&after(&stored, &denied)).contains("SourceVerified=False/VerificationError"));
        let stalled = after(&stored, &Err(Failure::edit("URLInvalid", "no host")));
        assert!(conditions(&stalled).contains("Stalled=True/URLInvalid"));
        assert_eq!(after(&stalled, &done("1", false)), stored);
    }

    #[test]
    fn events_tell_what_is_new() {
        let told = |before: &SourceStatus, result: &Result<Done, Failure>| {
            event(before, result).map(|(_, reason, _)| reason)
        };
        let stored = after(&SourceStatus::default(), &done("1", true));
        assert_eq!(
            told(&SourceStatus::default(), &done("1", true)).as_deref(),
            Some("NewArtifact")
        );
        assert_eq!(told(&stored, &done("1", false)), None);
        let failure = Err(Failure::retry("FetchFailed", "no answer"));
        assert_eq!(told(&stored, &failure).as_deref(), Some("FetchFailed"));
        let failed = after(&stored, &failure);
        assert_eq!(told(&failed, &failure), None);
        assert_eq!(
            told(&failed, &Err(Failure::retry("FetchFailed", "reset"))).as_deref(),
            Some("FetchFailed")
        );
        assert_eq!(told(&failed, &done("1", false)).as_deref(), Some("Succeeded"));
    }
}
