//! What a run waits for, in stock's words. Of a source: runs read none, only Artifacts, until there is none.

use artifact_consumer::{LookupError, SourceKey};
use controller_kit::Mapping;
use flux_api::{GoDuration, SOURCE_GROUP, reason};
use flux_deployer::{ArtifactProblem, Outcome, Run, Wait, health_checks, missing as missing_at_all};

use crate::decryption;
use crate::kind::Kustomize;

/// Says why there is no artifact: whether one of Flux's own sources is not there, or has none yet.
pub(crate) async fn missing(run: &mut Run<'_, Kustomize>, problem: ArtifactProblem) -> String {
    let ArtifactProblem::Lookup(LookupError::NotFound(key)) = &problem else {
        return missing_at_all(problem);
    };
    let Some(mapping) = mapping_of(key) else {
        return missing_at_all(problem);
    };
    let reading = run.context.rest.get(&mapping, &key.namespace, &key.name);
    let found = run.slot.on("the source").park(reading).await;
    match found {
        Ok(None) => format!("{}.{SOURCE_GROUP} \"{}\" not found", key.kind, key.name),
        Ok(Some(source)) if source.pointer("/status/artifact").is_none() => {
            let again = GoDuration::from(run.context.settings.requeue_dependency);
            format!("Source artifact not found, retrying in {again}")
        }
        // It is about to be mirrored, or nobody does it, or it may not be read.
        Ok(Some(_)) | Err(_) => missing_at_all(problem),
    }
}

/// What becomes of a run that waits for its source or its dependencies, or may not read them: as in stock, an object that
/// must be edited hears of that first.
pub(crate) fn refused(run: &Run<'_, Kustomize>, outcome: Outcome) -> Outcome {
    let object = &run.object;
    let is_later = match &outcome {
        Outcome::Waiting(_) => true,
        Outcome::Refused(refusal) => match refusal.reason {
            reason::ACCESS_DENIED => true,
            reason::INVALID_CEL_EXPRESSION => health_checks(&object.spec.health_check_exprs).is_ok(),
            _ => false,
        },
        _ => false,
    };
    let refusal = is_later.then(|| decryption::refusal(object, &run.context.own.settings.decryption));
    refusal.flatten().map_or(outcome, Outcome::Refused)
}

/// Has the event about a wait for a dependency say when it is looked at again, not which one it is.
pub(crate) fn told(run: &Run<'_, Kustomize>, outcome: Outcome) -> Outcome {
    let Outcome::Waiting(Wait::Dependency { message, .. }) = outcome else {
        return outcome;
    };
    let again = GoDuration::from(run.context.settings.requeue_dependency);
    let told = format!("Dependencies do not meet ready condition, retrying in {again}");
    Outcome::Waiting(Wait::Dependency {
        message,
        told: Some(told),
    })
}

fn mapping_of(key: &SourceKey) -> Option<Mapping> {
    let plural = match key.kind.as_str() {
        "GitRepository" => "gitrepositories",
        "OCIRepository" => "ocirepositories",
        "Bucket" => "buckets",
        "ExternalArtifact" => "externalartifacts",
        _ => return None,
    };
    (key.group == SOURCE_GROUP).then(|| Mapping {
        group: SOURCE_GROUP.to_owned(),
        version: "v1".to_owned(),
        kind: key.kind.clone(),
        plural: plural.to_owned(),
        namespaced: true,
    })
}
