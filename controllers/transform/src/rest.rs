//! What a suspended transformation offers: nothing is made, and what was made stays as it is.

use artifact_crd::{Artifact, ArtifactSpec, BRIDGED_TO_ANNOTATION, reason};
use artifact_producer::Owner;
use artifact_producer::publish::Said;
use artifact_store::Stored;
use controller_kit::ObjectKey;
use flux_api::{ConditionsExt, READY};
use kube::ResourceExt;

use crate::controller::Controller;
use crate::decide::{Step, Wished, decide, ours};
use crate::kind::{OutputStatus, Status, Transformation, is_first};

impl Controller {
    /// Puts Artifacts of a suspended transformation right that were edited or deleted, and has those say so whose file is gone.
    /// Tells whether all of that could be written.
    pub(crate) async fn rest(&self, owner: &Owner, found: &Transformation, before: &Status) -> bool {
        let mut is_right = true;
        for (at, output) in before.outputs.iter().enumerate() {
            let is_first = is_first(&found.spec, at);
            is_right &= self.keep(owner, before, output, is_first).await;
        }
        is_right
    }

    async fn keep(&self, owner: &Owner, before: &Status, output: &OutputStatus, is_first: bool) -> bool {
        let name = output.artifact_name.as_str();
        let there = self.artifact(&owner.namespace, name);
        let is_deleted = there.is_none();
        let lost = || {
            self.lost
                .lock()
                .get(&ObjectKey::new(&owner.namespace, name))
                .cloned()
        };
        let Some(artifact) = there.or_else(lost) else {
            return true;
        };
        let Some(ours) = ours(owner, &artifact).filter(|ours| ours.is_same) else {
            return true;
        };
        let generation = before.observed_generation;
        let Some(stored) = self.stored(owner, &artifact, output).await else {
            return is_deleted
                || self
                    .tell_artifact(owner, &artifact, &rebuilding(), &source(before), generation)
                    .await;
        };
        // One that lost its owner does not say any more what it was.
        let was_first = if ours.is_stray { is_first } else { ours.is_first };
        let wished = as_it_was(&artifact, output, &stored, was_first);
        let step = match decide(owner, &wished, Some(&artifact), false) {
            _ if is_deleted => Step::Create,
            step => step,
        };
        match self.write(owner, &wished, &step).await {
            Ok(()) => {
                let said = Said::new(true, reason::STORED, "the artifact is stored and served");
                match self.artifact(&owner.namespace, name) {
                    Some(artifact) => {
                        self.tell_artifact(owner, &artifact, &said, &source(before), generation)
                            .await
                    }
                    None => true,
                }
            }
            Err(failure) => {
                tracing::warn!(
                    artifact = name,
                    error = failure.message,
                    "cannot put an Artifact right, retrying"
                );
                false
            }
        }
    }

    /// The file of what an output was when it was last made, if it is there.
    async fn stored(&self, owner: &Owner, artifact: &Artifact, output: &OutputStatus) -> Option<Stored> {
        let stored = self.adopt(owner, artifact).await?;
        let ending = format!("@sha256:{}", stored.content);
        output.revision.ends_with(&ending).then_some(*stored)
    }
}

/// The Artifact of an output, with what was made, and otherwise as it is.
fn as_it_was(artifact: &Artifact, output: &OutputStatus, stored: &Stored, is_first: bool) -> Wished {
    let mut annotations = artifact.annotations().clone();
    // That is the bridge's to say.
    annotations.remove(BRIDGED_TO_ANNOTATION);
    Wished {
        name: output.artifact_name.clone(),
        spec: ArtifactSpec {
            url: stored.url.clone(),
            revision: output.revision.clone(),
            digest: Some(stored.digest.clone()),
            size: i64::try_from(stored.size).ok(),
            ..artifact.spec.clone()
        },
        labels: artifact.labels().clone(),
        annotations,
        is_first,
    }
}

fn rebuilding() -> Said {
    let message = "the stored artifact is gone, and the transformation is suspended: resume it to have it made anew; a persistent \
                   volume keeps it";
    Said::new(false, reason::REBUILDING, message)
}

/// What the Artifact says about the transformation, which keeps what it said last.
fn source(before: &Status) -> Said {
    match before.conditions.get_condition(READY) {
        Some(ready) if ready.status != "True" => Said::new(false, &ready.reason, ready.message.clone()),
        _ => Said::new(true, "Ready", "the source is up to date"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::reference;
    use crate::fixture::owner;

    #[test]
    fn what_was_edited_is_put_right_and_the_rest_stays() {
        let owner = owner("1");
        let output = OutputStatus {
            artifact_name: "out".into(),
            revision: "latest@sha256:c".into(),
            ..OutputStatus::default()
        };
        let stored = Stored {
            file: "d.tar.gz".into(),
            url: "http://s/d.tar.gz".into(),
            digest: "sha256:d".into(),
            content: "c".into(),
            size: 9,
            published: k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
            is_new: false,
        };
        let mut artifact = Artifact::default();
        artifact.metadata.uid = Some("u".into());
        artifact.metadata.owner_references = Some(vec![reference(&owner, true)]);
        artifact.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
        artifact.metadata.annotations = Some([(BRIDGED_TO_ANNOTATION.to_owned(), "x".to_owned())].into());
        artifact.spec = as_it_was(&artifact, &output, &stored, true).spec;
        let metadata = BTreeMap::from([("origin".to_owned(), "main".to_owned())]);
        artifact.spec.metadata = Some(metadata.clone());
        let wished = as_it_was(&artifact, &output, &stored, true);
        assert_eq!(decide(&owner, &wished, Some(&artifact), false), Step::Keep);
        assert_eq!(
            (wished.labels.len(), wished.annotations.len(), wished.is_first),
            (1, 0, true)
        );
        artifact.spec.url = "http://evil".into();
        artifact.spec.revision = "other".into();
        let wished = as_it_was(&artifact, &output, &stored, true);
        assert_eq!(
            decide(&owner, &wished, Some(&artifact), false),
            Step::Apply("u".into())
        );
        assert_eq!(
            (wished.spec.url, wished.spec.metadata),
            (stored.url, Some(metadata))
        );
    }
}
