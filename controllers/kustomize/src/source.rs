//! What a source lacks, in stock's words: runs read no sources, only Artifacts, until there is none.

use artifact_consumer::{LookupError, SourceKey};
use controller_kit::Mapping;
use flux_api::{GoDuration, SOURCE_GROUP};
use flux_deployer::{ArtifactProblem, Run, missing as missing_at_all};

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
