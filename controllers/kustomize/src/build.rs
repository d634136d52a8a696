//! From the files of an artifact to objects: loads the variables and renders, where that is in nobody's way.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use artifact_crd::Artifact;
use controller_kit::artifact::ArtifactTree;
use envsubst::Variables;
use flux_api::Kustomization;
use flux_deployer::wanted::{Making, News};
use flux_deployer::{Halt, Run};
use kustomize::{Options, Remote};
use kustomize_remote::Fetcher;
use sops::KeyService;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::RemoteBases;
use crate::decryption::{self, Keys};
use crate::key_services::{Asking, AtHand, services_of};
use crate::kind::Kustomize;
use crate::patience::patience;
use crate::remote::{Probe, Reach};
use crate::render::{EndOnDrop, Manner, RenderError, Rendered, render};
use crate::stop::Stop;
use crate::tree::ArtifactFiles;
use crate::variables;

/// Loads keys and variables and renders on a thread that may block.
pub(crate) async fn build(
    run: &mut Run<'_, Kustomize>,
    artifact: &Artifact,
    tree: Arc<ArtifactTree>,
) -> Result<Rendered, Stop> {
    let settings = &run.context.own.settings;
    let keys = decryption::load(&run.context.rest, &run.object, &settings.decryption).await?;
    let loaded = variables::load(&run.context.rest, &run.object).await;
    let (variables, lacks) = match loaded {
        Ok(variables) => (variables, None),
        Err(error) => (Variables::default(), Some(error.to_string())),
    };
    let build = Build {
        tree,
        object: Arc::clone(&run.object),
        variables: Arc::new(variables),
        lacks,
        keys,
        strict: settings.strict_substitution,
    };
    let own = &run.context.own;
    let asks_services = build.keys.is_some() && settings.decryption.network.is_some();
    let shutting_down = |_| Halt::Aborted("the controller is shutting down".to_owned());
    // Most builds need nothing from elsewhere. One that does starts again where it may wait without being in the way.
    let probe = Arc::new(Probe::default());
    let bases = own.settings.remote_bases.as_ref();
    let local = {
        let permit = own.builds.acquire().await.map_err(shutting_down)?;
        let remote = bases.map(|_| Arc::clone(&probe) as Arc<dyn Remote>);
        // A run that is given up takes its build with it.
        let end = EndOnDrop::default();
        let keys = asks_services.then(|| Arc::clone(&probe));
        let rendered = build
            .clone()
            .start(Elsewhere::Probed { remote, keys }, &end, ())
            .await;
        drop(permit);
        rendered
    };
    let rendered = if probe.was_asked() {
        build_with_others(run, artifact, build).await?
    } else {
        local?
    };
    Ok(rendered?)
}

/// Builds what needs other machines, outside the worker slot; it ends at once, as does the wait for a place, when what
/// it makes is not wanted any more.
async fn build_with_others(
    run: &mut Run<'_, Kustomize>,
    artifact: &Artifact,
    build: Build,
) -> Result<Result<Rendered, RenderError>, Stop> {
    let (own, namespace) = (&run.context.own, run.key.namespace.clone());
    let (rest, settings) = (run.context.rest.clone(), &own.settings);
    let identities = run.identities();
    let until = Instant::now() + run.timeout();
    let making = Making::of(run, artifact);
    let gave_way = own.gave_way.lock().get(&run.key).copied().unwrap_or(0);
    let given_up = CancellationToken::new();
    // Whatever ends this future ends what the build waits for.
    let (_given_up, end) = (given_up.clone().drop_guard(), EndOnDrop::default());
    let building = async {
        let place = own.remote_builds.take(&namespace, 1).await;
        let keys = match &build.keys {
            None => None,
            Some(keys) => Some(Box::new(Asking {
                local: keys.local.clone(),
                services: services_of(
                    &rest,
                    &build.object,
                    keys.imported.clone(),
                    identities,
                    &settings.decryption,
                )
                .await,
                runtime: Handle::current(),
                until,
                given_up: given_up.clone(),
                calls: AtomicUsize::new(0),
            })),
        };
        let remote = settings
            .remote_bases
            .as_ref()
            .map(|bases| fetcher(bases, given_up));
        // The place is free when the thread is.
        build.start(Elsewhere::Asked { remote, keys }, &end, place).await
    };
    let built = async {
        tokio::select! {
            biased;
            built = building => Ok(built),
            news = making.outdated(patience(gave_way)) => Err(news),
        }
    };
    let built = run.slot.on("a build that asks other machines").park(built).await;
    let mut all = own.gave_way.lock();
    match built {
        Err(News::Newer) => all.insert(run.key.clone(), gave_way.saturating_add(1)),
        Err(News::None | News::Unwanted) | Ok(_) => all.remove(&run.key),
    };
    Ok(built.map_err(|_| Halt::Superseded)??)
}

/// What a build is made from.
#[derive(Clone)]
struct Build {
    tree: Arc<ArtifactTree>,
    object: Arc<Kustomization>,
    variables: Arc<Variables>,
    /// Why they are not at hand, if they are not.
    lacks: Option<String>,
    /// What encrypted files are decrypted with, if they are.
    keys: Option<Arc<Keys>>,
    strict: bool,
}

/// What a build needs of other machines.
enum Elsewhere {
    /// It is only found out whether it needs something.
    Probed {
        remote: Option<Arc<dyn Remote>>,
        /// Notes that a service would be asked for a key; nobody would be without it.
        keys: Option<Arc<Probe>>,
    },
    /// It is got from there.
    Asked {
        remote: Option<Arc<dyn Remote>>,
        keys: Option<Box<Asking>>,
    },
}

fn fetcher(bases: &RemoteBases, given_up: CancellationToken) -> Arc<dyn Remote> {
    let network = Reach {
        client: Arc::clone(&bases.client),
        runtime: Handle::current(),
        given_up,
    };
    Arc::new(Fetcher::new(bases.policy.clone(), Arc::new(network)))
}

impl Build {
    /// Renders on a thread that may block, which holds `place` as long as it runs.
    fn start(
        self,
        elsewhere: Elsewhere,
        end: &EndOnDrop,
        place: impl Send + 'static,
    ) -> JoinHandle<Result<Rendered, RenderError>> {
        let mut options = Options::flux();
        options.cancelled = Some(end.flag());
        tokio::task::spawn_blocking(move || {
            let files = ArtifactFiles::new(&self.tree);
            let (at_hand, asking);
            let keys: Option<&dyn KeyService> = match elsewhere {
                Elsewhere::Probed { remote, keys } => {
                    options.remote = remote;
                    at_hand = AtHand {
                        keys: self.keys.clone(),
                        probe: keys,
                    };
                    self.keys.as_ref().map(|_| &at_hand as &dyn KeyService)
                }
                Elsewhere::Asked { remote, keys } => {
                    options.remote = remote;
                    asking = keys;
                    asking.as_deref().map(|asking| asking as &dyn KeyService)
                }
            };
            let manner = Manner {
                keys,
                strict: self.strict,
                lacks: self.lacks.as_deref(),
            };
            let rendered = render(&files, &self.object, &self.variables, &options, &manner);
            drop(place);
            rendered
        })
    }
}
