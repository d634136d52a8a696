//! The kustomize deployer: Artifact in, applied objects out.
//!
//! Whatever all deployers have in common is `flux_deployer`. What is here reads as this table of contents, and each file
//! calls only those below it:
//!
//! 1. `deploy`: fetch, `build`, apply in stages, prune, wait for readiness; `finalize`: the end of an object; `shadow`: what a run would
//!    change, without one; [`local`]: what one would apply, of files that are at hand;
//! 2. the stages: `build` (`tree`, `remote`, `patience`, `variables`, `decryption`, `key_services`, `render`, `floats`), `apply` (`kinds`), and which objects to wait
//!    for (`checks`);
//! 3. `ledger`: what their results mean for status, history and events; `log`: for the log;
//! 4. `stop`: why a run stops before its end, and what is to become of each reason;
//! 5. `decide`: the next step, as a pure function; `kind`: names, and what is kept about objects.
//!
//! The controller reads Artifacts and never a source kind.

mod apply;
mod build;
mod checks;
mod decide;
mod decryption;
mod deploy;
mod finalize;
mod floats;
mod key_services;
mod kind;
mod kinds;
mod ledger;
mod log;
mod patience;
mod remote;
mod render;
mod settings;
mod shadow;
mod source;
mod stop;
mod tree;
mod variables;

pub mod local;

use artifact_crd::Artifact;
use flux_deployer::{ArtifactProblem, Deployer, Outcome, Run, Shadowed};
use tokio_util::sync::CancellationToken;

pub use decryption::DecryptionSettings;
pub use flux_deployer::Connections;
pub use kind::CONTROLLER;
pub use remote::RemoteBases;
pub use settings::Settings;

use kind::Kustomize;

/// Tells why a Kustomization would be refused for what its spec says, such as a field that is not supported yet; in the words
/// of its condition. Nothing if it would not.
pub fn refusal(object: &flux_api::Kustomization) -> Option<String> {
    decide::refusal(object)
}

/// Runs the kustomize controller until `shutdown`; `synced` fires when its caches are complete.
///
/// On shutdown, runs in progress are given time to end by the caller; what they leave is picked up by the next start.
pub async fn run(
    connections: Connections,
    settings: Settings,
    synced: CancellationToken,
    shutdown: CancellationToken,
) {
    let deployer = settings.deployer.clone();
    flux_deployer::run(Kustomize::new(settings), connections, deployer, synced, shutdown).await;
}

impl Deployer for Kustomize {
    async fn deploy(run: &mut Run<'_, Self>, artifact: &Artifact) -> Outcome {
        deploy::deploy(run, artifact).await
    }

    async fn shadow(run: &mut Run<'_, Self>, artifact: &Artifact) -> Shadowed {
        shadow::shadow(run, artifact).await
    }

    async fn missing(run: &mut Run<'_, Self>, problem: ArtifactProblem) -> String {
        source::missing(run, problem).await
    }

    fn conclude(run: &mut Run<'_, Self>, outcome: Outcome) -> Outcome {
        let outcome = source::refused(run, outcome);
        ledger::concluded(run, &outcome);
        source::told(run, outcome)
    }

    async fn clean_up(run: &mut Run<'_, Self>) -> Result<(), Outcome> {
        finalize::clean_up(run).await.map_err(Outcome::from)
    }
}
