//! Events about releases, with the metadata that notification-controller reads.

use controller_kit::events::Severity;
use flux_api::event;
use flux_deployer::{About, Run};

use crate::kind::Helm;
use crate::machine::{self, Event};

/// Records events, and logs them.
pub(crate) fn tell(run: &Run<'_, Helm>, events: Vec<Event>) {
    for event in events {
        let about = event.about.map(about);
        let severity = if event.is_error {
            tracing::error!(reason = event.reason, error = event.message, "Helm action failed");
            Severity::Error
        } else {
            tracing::info!(reason = event.reason, "{}", event.message);
            Severity::Info
        };
        run.tell(severity, event.reason, event.message, about.as_ref());
    }
}

fn about(release: machine::About) -> About {
    About {
        revision: release.revision,
        details: vec![
            (event::TOKEN, release.token),
            (event::APP_VERSION, release.app_version),
            (event::OCI_DIGEST, release.oci_digest),
        ],
    }
}
