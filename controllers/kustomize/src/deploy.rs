//! Brings an artifact into the cluster: fetch, render, apply, prune, wait for readiness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::artifact::{ArtifactTree, ContentError, Digest, FetchError, Refusal};
use controller_kit::{Rest, Triggers};
use envsubst::Variables;
use flux_api::{Attempt, GoDuration, Kustomization, ORIGIN_REVISION, reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kustomize::{Options, Remote};
use kustomize_remote::Fetcher;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::RemoteBases;
use crate::apply::apply;
use crate::health::await_health;
use crate::reconcile::Reconciliation;
use crate::remote::{Probe, Reach};
use crate::render::{self, EndOnDrop, RenderError, Rendered, render};
use crate::report::{Failure, Outcome, Wait};
use crate::takeover::Aim;
use crate::tree::ArtifactFiles;
use crate::variables;
use crate::wanted::{Making, News, patience};

/// Brings `artifact` into the cluster.
pub(crate) async fn deploy(run: &mut Reconciliation<'_>, artifact: &Artifact) -> Outcome {
    match try_deploy(run, artifact).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn try_deploy(run: &mut Reconciliation<'_>, artifact: &Artifact) -> Result<Outcome, Outcome> {
    let revision = artifact.spec.revision.clone();
    let origin = artifact
        .spec
        .metadata
        .as_ref()
        .and_then(|all| all.get(ORIGIN_REVISION))
        .cloned()
        .unwrap_or_default();
    run.revision = Some((revision.clone(), origin.clone()));
    run.aim = Some(Aim::new(&run.object, artifact));
    run.enter("Fetching manifests");
    let tree = fetch(run, artifact).await?;
    render::path(&ArtifactFiles::new(&tree), &run.object)
        .map_err(|error| Outcome::Failed(Failure::new(reason::ARTIFACT_FAILED, error)))?;
    run.status.last_attempted_revision.clone_from(&revision);
    run.enter("Building manifests");
    let rendered = build(run, artifact, tree).await?;
    let rest = identity(run).map_err(Outcome::Failed)?;
    run.enter("Detecting drift");
    let drifted = apply(run, &rest, rendered).await?;
    await_health(run, &rest, &drifted).await?;
    run.status.last_applied_revision = revision;
    run.status.last_applied_origin_revision = origin;
    remember(run, &drifted.checksum, reason::RECONCILIATION_SUCCEEDED);
    Ok(Outcome::Succeeded)
}

/// Gets the unpacked artifact, from the cache or from its server; waits outside the worker slot.
async fn fetch(run: &mut Reconciliation<'_>, artifact: &Artifact) -> Result<Arc<ArtifactTree>, Outcome> {
    let failed =
        |error: &dyn std::fmt::Display| Outcome::Failed(Failure::new(reason::ARTIFACT_FAILED, error));
    let digest = artifact
        .spec
        .digest
        .as_deref()
        .filter(|digest| !digest.is_empty())
        .ok_or_else(|| {
            let name = artifact.metadata.name.as_deref().unwrap_or_default();
            failed(&format!(
                "Artifact {name:?} has no spec.digest, so that what it points to cannot be verified"
            ))
        })?;
    let digest: Digest = digest.parse().map_err(|error| failed(&error))?;
    let (superseded, making) = (run.superseded, Making::of(run, artifact));
    let content = Arc::clone(&run.context.content);
    let namespace = artifact.metadata.namespace.as_deref().unwrap_or_default();
    let mut pause = Duration::from_millis(500);
    let mut retries = run.context.settings.http_retry;
    // Whoever asks for a run has perhaps mended what was refused.
    let refusal = if run.triggers.intersects(Triggers::REQUESTED) {
        Refusal::Forgotten
    } else {
        Refusal::Stands
    };
    loop {
        let fetching = async {
            tokio::select! {
                biased;
                content = content.tree(&artifact.spec.url, &digest, namespace, refusal) => Some(content),
                _ = making.outdated(Duration::ZERO) => None,
            }
        };
        let error = match run.slot.park(fetching).await {
            Some(Ok(tree)) => return Ok(tree),
            Some(Err(error)) => error,
            None => return Err(Outcome::Superseded),
        };
        let ContentError::Fetch(fetch) = &error else {
            return Err(failed(&error));
        };
        match fetch.as_ref() {
            FetchError::NotFound { .. } => {
                return Err(Outcome::Waiting(Wait::Artifact(format!(
                    "Source is not ready, {error}"
                ))));
            }
            fetch if !fetch.is_transient() || retries == 0 => return Err(failed(&error)),
            _ => retries -= 1,
        }
        tracing::info!(namespace = %run.key.namespace, name = %run.key.name, %error, "artifact download failed, retrying");
        let written = run.write_retry(&error.to_string()).await;
        written.map_err(|error| Outcome::Aborted(format!("cannot write the status: {error}")))?;
        let pausing = async {
            tokio::select! {
                () = superseded.wait() => {}
                () = tokio::time::sleep(pause) => {}
            }
        };
        run.slot.park(pausing).await;
        if superseded.is_set() {
            return Err(Outcome::Superseded);
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
}

/// Loads the variables and renders on a thread that may block.
async fn build(
    run: &mut Reconciliation<'_>,
    artifact: &Artifact,
    tree: Arc<ArtifactTree>,
) -> Result<Rendered, Outcome> {
    let failed = |error: &dyn std::fmt::Display| Outcome::Failed(Failure::new(reason::BUILD_FAILED, error));
    let variables = variables::load(&run.context.rest, &run.object)
        .await
        .map_err(|error| failed(&error))?;
    let build = Build {
        tree,
        object: Arc::clone(&run.object),
        variables: Arc::new(variables),
        strict: run.context.settings.strict_substitution,
    };
    let context = run.context;
    let shutting_down = |_| Outcome::Aborted("the controller is shutting down".to_owned());
    // Most builds need nothing from elsewhere. One that does starts again where it may wait without being in the way.
    let probe = Arc::new(Probe::default());
    let bases = context.settings.remote_bases.as_ref();
    let local = {
        let permit = context.builds.acquire().await.map_err(shutting_down)?;
        let remote = bases.map(|_| Arc::clone(&probe) as Arc<dyn Remote>);
        // A run that is given up takes its build with it.
        let end = EndOnDrop::default();
        let rendered = build.clone().start(remote, &end, ()).await;
        drop(permit);
        rendered
    };
    let rendered = match bases.filter(|_| probe.was_asked()) {
        None => local,
        Some(bases) => build_with_bases(run, artifact, build, bases).await?,
    };
    match rendered {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&format!(
            "the build stopped unexpectedly, please report this: {error}"
        ))),
    }
}

/// Builds what needs other machines, outside the worker slot; it ends at once, as does the wait for a place, when what
/// it makes is not wanted any more.
async fn build_with_bases(
    run: &mut Reconciliation<'_>,
    artifact: &Artifact,
    build: Build,
    bases: &RemoteBases,
) -> Result<Result<Result<Rendered, RenderError>, JoinError>, Outcome> {
    let (context, namespace) = (run.context, run.key.namespace.clone());
    let making = Making::of(run, artifact);
    let gave_way = context.gave_way.lock().get(&run.key).copied().unwrap_or(0);
    let given_up = CancellationToken::new();
    // Whatever ends this future ends what the build waits for.
    let (_given_up, end) = (given_up.clone().drop_guard(), EndOnDrop::default());
    let building = async {
        let place = context.remote_builds.take(&namespace, 1).await;
        let network = Reach {
            client: Arc::clone(&bases.client),
            runtime: Handle::current(),
            given_up,
        };
        let fetcher = Fetcher::new(bases.policy.clone(), Arc::new(network));
        // The place is free when the thread is.
        build.start(Some(Arc::new(fetcher)), &end, place).await
    };
    let built = async {
        tokio::select! {
            biased;
            built = building => Ok(built),
            news = making.outdated(patience(gave_way)) => Err(news),
        }
    };
    let built = run.slot.park(built).await;
    let mut all = context.gave_way.lock();
    match built {
        Err(News::Newer) => all.insert(run.key.clone(), gave_way.saturating_add(1)),
        Err(News::None | News::Unwanted) | Ok(_) => all.remove(&run.key),
    };
    built.map_err(|_| Outcome::Superseded)
}

/// What a build is made from.
#[derive(Clone)]
struct Build {
    tree: Arc<ArtifactTree>,
    object: Arc<Kustomization>,
    variables: Arc<Variables>,
    strict: bool,
}

impl Build {
    /// Renders on a thread that may block, which holds `place` as long as it runs.
    fn start(
        self,
        remote: Option<Arc<dyn Remote>>,
        end: &EndOnDrop,
        place: impl Send + 'static,
    ) -> JoinHandle<Result<Rendered, RenderError>> {
        let mut options = Options::flux();
        options.remote = remote;
        options.cancelled = Some(end.flag());
        tokio::task::spawn_blocking(move || {
            let files = ArtifactFiles::new(&self.tree);
            let rendered = render(&files, &self.object, &self.variables, &options, self.strict);
            drop(place);
            rendered
        })
    }
}

/// Gives the client of the identity that applies.
pub(crate) fn identity(run: &Reconciliation<'_>) -> Result<Rest, Failure> {
    let context = run.context;
    let named = &run.object.spec.service_account_name;
    let account = if named.is_empty() {
        &context.settings.default_service_account
    } else {
        named
    };
    if account.is_empty() {
        return Ok(context.rest.clone());
    }
    let rest = context.rest.impersonating(&run.key.namespace, account);
    rest.map_err(|error| Failure::new(reason::RECONCILIATION_FAILED, error))
}

/// Records the run in the history.
pub(crate) fn remember(run: &mut Reconciliation<'_>, checksum: &str, status: &str) {
    let (revision, origin) = run.revision.clone().unwrap_or_default();
    let mut metadata = BTreeMap::from([("revision".to_owned(), revision)]);
    if !origin.is_empty() {
        metadata.insert("originRevision".to_owned(), origin);
    }
    run.status.history.record(Attempt {
        digest: checksum.to_owned(),
        status: status.to_owned(),
        at: Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()),
        took: GoDuration::from(run.started.elapsed()),
        metadata,
    });
}
