//! The status of a run, as the state machine writes it.

use flux_api::{HelmRelease, HelmReleaseStatus};
use flux_deployer::Run;
use jiff::Timestamp;

use crate::digests::SpecDigests;
use crate::kind::Helm;
use crate::machine::Machine;
use crate::settings::Settings;

/// The state machine over the status of a run.
pub(crate) fn machine<'m>(
    run: &'m mut Run<'_, Helm>,
    object: &'m HelmRelease,
    digests: &'m SpecDigests,
) -> Machine<'m> {
    let settings = &run.context.own.settings;
    machine_of(settings, object, &mut run.status, digests)
}

/// The same, where the rest of the run is in use.
pub(crate) fn machine_of<'m>(
    settings: &Settings,
    object: &'m HelmRelease,
    status: &'m mut HelmReleaseStatus,
    digests: &'m SpecDigests,
) -> Machine<'m> {
    Machine {
        object,
        status,
        post_renderers: &digests.post_renderers,
        common_metadata: &digests.common_metadata,
        retry_by_default: settings.retry_by_default,
        algorithm: settings.digests,
        now: Timestamp::now(),
    }
}
