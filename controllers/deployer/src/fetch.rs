//! The content of an artifact, from the cache or from its server.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use bytes::Bytes;
use controller_kit::artifact::{
    ArtifactTree, ContentCache, ContentError, Digest, DigestError, FetchError, Refusal,
};
use controller_kit::{Backoff, Triggers};
use flux_api::reason;

use crate::kind::Kind;
use crate::outcome::{Failure, Fate, Halt, Outcome, Wait};
use crate::run::Run;
use crate::wanted::Making;

/// Why there is no content.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The Artifact does not say what to expect.
    #[error("Artifact {0:?} has no spec.digest, so that what it points to cannot be verified")]
    NoDigest(String),
    /// What it says cannot be read.
    #[error(transparent)]
    Digest(DigestError),
    /// The server has no such file: the source makes another, and says so.
    #[error("Source is not ready, {0}")]
    NotFound(ContentError),
    /// It could not be downloaded, verified or unpacked.
    #[error(transparent)]
    Content(ContentError),
}

impl From<ArtifactError> for Outcome {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::NotFound(_) => Self::Waiting(Wait::Artifact(error.to_string())),
            ArtifactError::NoDigest(_) | ArtifactError::Digest(_) | ArtifactError::Content(_) => {
                Self::Failed(Failure::new(reason::ARTIFACT_FAILED, Fate::Retry, error))
            }
        }
    }
}

/// Pauses before a download is tried again.
const PAUSES: Backoff = Backoff {
    min: Duration::from_millis(500),
    max: Duration::from_secs(30),
};

/// Where an artifact is, and what it is.
#[derive(Clone)]
struct Located {
    url: String,
    digest: Digest,
    namespace: String,
}

/// Gets the files of an artifact; waits outside the worker slot.
///
/// # Errors
/// The run is halted; or there is no content.
pub async fn tree<K: Kind>(
    run: &mut Run<'_, K>,
    artifact: &Artifact,
) -> Result<Result<Arc<ArtifactTree>, ArtifactError>, Halt> {
    let get = |content: Arc<ContentCache>, at: Located, refusal| async move {
        content.tree(&at.url, &at.digest, &at.namespace, refusal).await
    };
    fetch(run, artifact, get).await
}

/// Gets an artifact as it was served; waits outside the worker slot.
///
/// # Errors
/// The run is halted; or there is no content.
pub async fn bytes<K: Kind>(
    run: &mut Run<'_, K>,
    artifact: &Artifact,
) -> Result<Result<Bytes, ArtifactError>, Halt> {
    let get = |content: Arc<ContentCache>, at: Located, refusal| async move {
        content.bytes(&at.url, &at.digest, &at.namespace, refusal).await
    };
    fetch(run, artifact, get).await
}

async fn fetch<K: Kind, T, F>(
    run: &mut Run<'_, K>,
    artifact: &Artifact,
    get: impl Fn(Arc<ContentCache>, Located, Refusal) -> F,
) -> Result<Result<T, ArtifactError>, Halt>
where
    F: Future<Output = Result<T, ContentError>>,
{
    let located = match locate(artifact) {
        Ok(located) => located,
        Err(error) => return Ok(Err(error)),
    };
    let making = Making::of(run, artifact);
    let mut attempts = PAUSES.attempts();
    let mut retries = run.context.settings.http_retry;
    // Whoever asks for a run has perhaps mended what was refused.
    let refusal = if run.was_asked_by(Triggers::REQUESTED) {
        Refusal::Forgotten
    } else {
        Refusal::Stands
    };
    loop {
        let content = Arc::clone(&run.context.content);
        let fetching = async {
            tokio::select! {
                biased;
                content = get(content, located.clone(), refusal) => Some(content),
                _ = making.outdated(Duration::ZERO) => None,
            }
        };
        let error = match run.slot.on("the artifact").park(fetching).await {
            Some(Ok(content)) => return Ok(Ok(content)),
            Some(Err(error)) => error,
            None => return Err(Halt::Superseded),
        };
        match &error {
            ContentError::Fetch(fetch) if matches!(**fetch, FetchError::NotFound { .. }) => {
                return Ok(Err(ArtifactError::NotFound(error)));
            }
            ContentError::Fetch(fetch) if fetch.is_transient() && retries > 0 => retries -= 1,
            _ => return Ok(Err(ArtifactError::Content(error))),
        }
        tracing::info!(namespace = %run.key.namespace, name = %run.key.name, %error, "artifact download failed, retrying");
        run.write_retry(&error.to_string()).await?;
        let (superseded, pause) = (run.superseded, attempts.failed());
        let pausing = async {
            tokio::select! {
                () = superseded.wait() => {}
                () = tokio::time::sleep(pause) => {}
            }
        };
        run.slot
            .on("the next attempt to get the artifact")
            .park(pausing)
            .await;
        if superseded.is_set() {
            return Err(Halt::Superseded);
        }
    }
}

fn locate(artifact: &Artifact) -> Result<Located, ArtifactError> {
    let digest = artifact
        .spec
        .digest
        .as_deref()
        .filter(|digest| !digest.is_empty());
    let digest = digest.ok_or_else(|| {
        let name = artifact.metadata.name.clone().unwrap_or_default();
        ArtifactError::NoDigest(name)
    })?;
    Ok(Located {
        url: artifact.spec.url.clone(),
        digest: digest.parse().map_err(ArtifactError::Digest)?,
        namespace: artifact.metadata.namespace.clone().unwrap_or_default(),
    })
}
