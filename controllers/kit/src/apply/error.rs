//! Why objects could not be applied, in upstream's words.

use crate::mapper::MapError;
use crate::object::{ObjectId, Subject};
use crate::rest::RestError;

use super::SopsEncrypted;

/// A failure to apply objects; the text names the object first, as Flux prints it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The API server would not take the object.
    #[error("{} dry-run failed{}: {source}{}", Subject(.id), parenthesised(.source), next_step(.source))]
    DryRun {
        /// The object.
        id: ObjectId,
        /// What the API server answered.
        source: RestError,
    },
    /// The API server took the object in a dry-run, but not for real.
    #[error("{} apply failed: {source}{}", Subject(.id), next_step(.source))]
    Apply {
        /// The object.
        id: ObjectId,
        /// What the API server answered.
        source: RestError,
    },
    /// The kind is not served by the cluster, or discovery failed.
    #[error("{} dry-run failed: {source}{}", Subject(.id), missing_kind(.source))]
    Kind {
        /// The object.
        id: ObjectId,
        /// What is missing.
        source: MapError,
    },
    /// An object of a namespaced kind has no namespace.
    #[error(
        "{}/{} namespace not specified: the server could not find the requested resource; set metadata.namespace, or spec.targetNamespace of the Kustomization",
        .id.kind, .id.name
    )]
    NoNamespace {
        /// The object.
        id: ObjectId,
    },
    /// The namespace of an object, or the object itself, does not exist.
    #[error("{} not found: {source}", Subject(.id))]
    NotFound {
        /// The object.
        id: ObjectId,
        /// What the API server answered.
        source: RestError,
    },
    /// A Secret holds ciphertext.
    #[error(transparent)]
    Encrypted(#[from] SopsEncrypted),
    /// An object that had to be recreated did not go away.
    #[error("{} recreation failed: the object still exists {seconds}s after its deletion, check its finalizers", Subject(.id))]
    NotGone {
        /// The object.
        id: ObjectId,
        /// How long was waited.
        seconds: u64,
    },
    /// An object cannot be changed in place, and could not be created anew either; it was left as it is.
    #[error("{} dry-run failed{}: {source}; it was not recreated, because it would be refused as a new object: {trial}", Subject(.id), parenthesised(.source))]
    NotRecreatable {
        /// The object.
        id: ObjectId,
        /// Why it cannot be changed.
        source: RestError,
        /// Why it could not be created.
        trial: RestError,
    },
    /// An object cannot be changed in place, and must not be deleted.
    #[error("{} dry-run failed{}: {source}; it was not recreated, because the controller runs in it", Subject(.id), parenthesised(.source))]
    Home {
        /// The namespace.
        id: ObjectId,
        /// Why it cannot be changed.
        source: RestError,
    },
    /// The entries of `managedFields` could not be moved to the applied API version.
    #[error("{} failed to migrate API version: {source}", Subject(.id))]
    Migrate {
        /// The object.
        id: ObjectId,
        /// What the API server answered.
        source: RestError,
    },
    /// What other tools left behind in an object could not be removed.
    #[error("{} metadata.managedFields cleanup failed: {source}", Subject(.id))]
    CleanUp {
        /// The object.
        id: ObjectId,
        /// What the API server answered.
        source: RestError,
    },
    /// The API server, or a webhook that it asks, was too slow.
    #[error(
        "dry-run timed out: after {waited} {verified} of {all} objects had been verified; check the API server and its admission webhooks, or raise spec.timeout"
    )]
    TimedOut {
        /// How long was waited.
        waited: String,
        /// How many objects had an answer.
        verified: usize,
        /// How many there are.
        all: usize,
    },
    /// Somebody else writes the object all the time.
    #[error("{} was changed by others whenever it was looked at", Subject(.id))]
    Restless {
        /// The object.
        id: ObjectId,
    },
    /// What was being planned is of no use any more.
    #[error("a newer event ended the planning")]
    Interrupted,
    /// Several objects of one stage would be rejected; none of the stage was applied.
    #[error("{}", join(.0))]
    Several(Vec<ApplyError>),
    /// The objects of a stage did not become ready, so that the next stage was not applied.
    #[error("{0}")]
    NotReady(String),
}

impl ApplyError {
    /// Gives the error of a request that planned the application of `id`.
    pub(super) fn dry_run(id: ObjectId, source: RestError) -> Self {
        if source.is_not_found() {
            Self::NotFound { id, source }
        } else {
            Self::DryRun { id, source }
        }
    }

    /// Tells whether this says nothing about the object, so that it would be the same for every other.
    pub(super) fn is_of_system(&self) -> bool {
        match self {
            Self::DryRun { source, .. } | Self::Migrate { source, .. } => source.is_of_system(),
            Self::Kind { source, .. } => matches!(source, MapError::Discovery(_)),
            Self::TimedOut { .. } | Self::Interrupted => true,
            _ => false,
        }
    }

    /// Tells whether whoever applies lacks a right.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::DryRun { source, .. } if source.is_forbidden())
    }

    /// Tells whether somebody else has written, or deleted, what was to be written.
    pub(super) fn is_overtaken(&self) -> bool {
        match self {
            Self::DryRun { source, .. } | Self::Apply { source, .. } => source.is_conflict(),
            // A patch of what does not exist is invalid.
            Self::CleanUp { source, .. } => matches!(source.code(), Some(404 | 409 | 422)),
            _ => false,
        }
    }

    /// Tells whether the API server, or whoever stands for it, has answered, or cannot be reached.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::DryRun { .. } | Self::NotFound { .. })
    }

    /// Tells whether the API server has refused what was to be done, so that it was not done.
    pub(super) fn is_refusal(&self) -> bool {
        let (Self::DryRun { source, .. } | Self::NotFound { source, .. }) = self else {
            return false;
        };
        source.code().is_some_and(|code| (400..500).contains(&code))
    }

    /// Unites the errors of a stage.
    pub(super) fn several(mut errors: Vec<Self>) -> Self {
        if errors.len() == 1 {
            errors.remove(0)
        } else {
            Self::Several(errors)
        }
    }
}

/// Says that the API server would not take an object, without advice.
pub fn dry_run_refused(id: &ObjectId, source: &RestError) -> String {
    if source.is_not_found() {
        let missing = if id.namespace.is_empty() {
            "namespace not specified"
        } else {
            "not found"
        };
        return format!("{} {missing}: {source}", Subject(id));
    }
    format!(
        "{} dry-run failed{}: {source}",
        Subject(id),
        parenthesised(source)
    )
}

fn parenthesised(error: &RestError) -> String {
    let reason = error.reason();
    if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    }
}

/// What to do about refusals whose text leaves that open; upstream's text comes first, so that it can be searched for.
fn next_step(error: &RestError) -> &'static str {
    if error.is_immutable() {
        "; to have the object deleted and created anew, set spec.force: true of the Kustomization, or annotate the object with kustomize.toolkit.fluxcd.io/force: enabled"
    } else if error.is_forbidden() {
        "; grant this permission, or change spec.serviceAccountName of the Kustomization"
    } else {
        ""
    }
}

fn missing_kind(error: &MapError) -> &'static str {
    match error {
        MapError::NoMatch { .. } => {
            "; install its CustomResourceDefinition first, or correct apiVersion and kind"
        }
        _ => "",
    }
}

fn join(errors: &[ApplyError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_whether_the_namespace_is_what_is_missing() {
        for (code, reason, namespace, text) in [
            (
                404,
                "NotFound",
                "",
                "ConfigMap/a namespace not specified: no: NotFound",
            ),
            (
                404,
                "NotFound",
                "apps",
                "ConfigMap/apps/a not found: no: NotFound",
            ),
            (
                422,
                "Invalid",
                "apps",
                "ConfigMap/apps/a dry-run failed (Invalid): no: Invalid",
            ),
        ] {
            let id = ObjectId {
                namespace: namespace.to_owned(),
                name: "a".to_owned(),
                group: String::new(),
                kind: "ConfigMap".to_owned(),
            };
            let status = json!({"status": "Failure", "code": code, "reason": reason, "message": format!("no: {reason}")});
            let error = RestError::Api(serde_json::from_value(status).unwrap());
            assert_eq!(dry_run_refused(&id, &error), text);
        }
    }
}
