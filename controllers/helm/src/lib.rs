//! The Helm deployer: Artifact in, Helm release out.
//!
//! Whatever all deployers have in common is `flux_deployer`. What is here reads as this table of contents, and each file
//! calls only those below it:
//!
//! 1. `deploy`: what has to be known before the release (`desired`: `values`, the chart), then `release`; `finalize`: the
//!    end of an object; both may `uninstall`; `shadow`: what a run would change, without one; [`local`]: what one would
//!    apply, of a chart that is at hand;
//! 2. `release`: look (`observe`, `drift`), decide ([`machine`]), act (`perform`), and again;
//! 3. `helm_chart` makes the HelmChart of `spec.chart` as `template` has it: the one kind of source that is written;
//! 4. `scene`: where and as whom to act; `status`: the state machine over the status of a run; `tell`: its events;
//! 5. `stop`: why a run stops before the release, and what is to become of each reason;
//! 6. `decide`: the next step, as a pure function; `source`: where a chart comes from; `kind`: names, and what is kept;
//! 7. [`action`]: what Helm does, on records ([`storage`]) and on a [`cluster`].
//!
//! - [`machine`] decides what comes next for a release, and writes its status, without looking at anything itself.
//!
//! The controller reads Artifacts and never the status of a source.

pub mod action;
pub mod cluster;
pub mod local;
pub mod machine;
pub mod storage;

mod decide;
mod deploy;
mod desired;
mod digests;
mod drift;
mod environment;
mod finalize;
mod heads;
mod helm_chart;
mod kind;
mod loaded;
mod made;
mod observe;
mod perform;
mod post_renderer;
mod release;
mod scene;
mod settings;
mod shadow;
mod source;
mod status;
mod stop;
mod tell;
mod template;
mod uninstall;
mod values;

use artifact_crd::Artifact;
use flux_deployer::{Conclusion, Connections, Deployer, Next, Outcome, Run, Shadowed, Wait};
use tokio_util::sync::CancellationToken;

pub use helm::digest::Algorithm as DigestAlgorithm;
pub use kind::CONTROLLER;
pub use post_renderer::{FluxPostRenderer, KustomizeStep};
pub use settings::Settings;

use kind::Helm;
use stop::Stop;

/// Tells why a HelmRelease would be refused for what its spec says, such as a field that is not supported yet; in the words
/// of its condition. Nothing if it would not.
pub fn refusal(object: &flux_api::HelmRelease) -> Option<String> {
    decide::refusal(object)
}

/// Runs the Helm controller until `shutdown`; `synced` fires when its caches are complete.
///
/// On shutdown, runs in progress are given time to end by the caller; what they leave is picked up by the next start.
pub async fn run(
    connections: Connections,
    settings: Settings,
    synced: CancellationToken,
    shutdown: CancellationToken,
) {
    let deployer = settings.deployer.clone();
    let helm = Helm::new(settings, connections.overridden_managers.clone());
    flux_deployer::run(helm, connections, deployer, synced, shutdown).await;
}

impl Deployer for Helm {
    async fn deploy(run: &mut Run<'_, Self>, artifact: &Artifact) -> Outcome {
        deploy::deploy(run, artifact).await
    }

    async fn shadow(run: &mut Run<'_, Self>, artifact: &Artifact) -> Shadowed {
        shadow::shadow(run, artifact).await
    }

    async fn clean_up(run: &mut Run<'_, Self>) -> Result<(), Outcome> {
        match finalize::clean_up(run).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(stop.conclude(run)),
        }
    }

    fn has_to_prepare(run: &Run<'_, Self>) -> bool {
        helm_chart::is_concerned(run)
    }

    async fn prepare(run: &mut Run<'_, Self>) -> Result<(), Outcome> {
        match helm_chart::prepare(run).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(stop.conclude(run)),
        }
    }

    fn conclude(run: &mut Run<'_, Self>, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Waiting(Wait::Dependency { message, .. }) => Stop::Dependency(message).conclude(run),
            Outcome::Waiting(Wait::Artifact(message)) => Stop::Source(message).conclude(run),
            Outcome::Refused(refusal) => Stop::Refused(refusal).conclude(run),
            // Nothing is said about it, but that it was seen.
            Outcome::Suspended => Outcome::Concluded(Conclusion {
                next: Next::Event,
                is_observed: true,
                error: None,
            }),
            other => other,
        }
    }
}
