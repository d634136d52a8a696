//! What a run settles before it looks at the release: whether it is still the same one, and whether it is a new attempt.

use std::collections::BTreeMap;

use flux_api::{FORCE_AT, HelmRelease, HelmReleaseStatus, REQUESTED_AT, RESET_AT, shorten_release_name};

/// The chart that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartIdentity<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version, with the digest of its artifact if that is tracked.
    pub version: &'a str,
    /// The version of the application in it.
    pub app_version: &'a str,
}

/// Tells what has changed such that the release of the status is not the one that is wanted: it is to be uninstalled then.
pub fn target_change(object: &HelmRelease, status: &HelmReleaseStatus, chart: &str) -> Option<&'static str> {
    let current = status.history.latest()?;
    let reinstalls = || {
        let upgrade = object.spec.upgrade.as_ref();
        let strategy = upgrade.map_or("", |upgrade| upgrade.chart_name_change_strategy.as_str());
        matches!(strategy, "" | "Reinstall")
    };
    if status.storage_namespace.is_empty() {
        None
    } else if object.storage_namespace() != status.storage_namespace {
        Some("storage namespace")
    } else if object.release_namespace() != current.namespace {
        Some("release namespace")
    } else if shorten_release_name(&object.release_name()) != current.name {
        Some("release name")
    } else if chart != current.chart_name && reinstalls() {
        Some("chart name")
    } else {
        None
    }
}

/// Notes what is about to be tried; failures are forgotten if it is not what failed before.
///
/// `same_values` tells whether the digest of the values that were tried last, if there is one, is that of the wanted ones.
/// Returns why failures are forgotten.
pub fn begin_attempt(
    object: &HelmRelease,
    status: &mut HelmReleaseStatus,
    chart: &ChartIdentity<'_>,
    oci_digest: &str,
    config_digest: &str,
    same_values: bool,
) -> Option<&'static str> {
    let generation = object.metadata.generation.unwrap_or_default();
    // Looked at first, so that the request counts as handled in any case.
    let reset = handle(object, status, RESET_AT, |status| {
        &mut status.last_handled_reset_at
    });
    let reason = if status.last_attempted_generation != generation {
        Some("generation differs from last attempt")
    } else if status.last_attempted_revision != chart.version {
        Some("chart version differs from last attempt")
    } else if !same_values {
        Some("values differ from last attempt")
    } else {
        reset.then_some("reset requested through annotation")
    };
    if reason.is_some() {
        status.clear_failures();
    }
    object
        .storage_namespace()
        .clone_into(&mut status.storage_namespace);
    status.last_attempted_generation = generation;
    chart.version.clone_into(&mut status.last_attempted_revision);
    oci_digest.clone_into(&mut status.last_attempted_revision_digest);
    config_digest.clone_into(&mut status.last_attempted_config_digest);
    status.last_attempted_values_checksum.clear();
    status.last_release_revision = 0;
    reason
}

/// Tells whether a release is asked for even if there is nothing to change; the request counts as handled from now on.
pub fn handle_force(object: &HelmRelease, status: &mut HelmReleaseStatus) -> bool {
    handle(object, status, FORCE_AT, |status| {
        &mut status.last_handled_force_at
    })
}

/// A request counts once, and only together with a request for a run that was not handled either.
fn handle(
    object: &HelmRelease,
    status: &mut HelmReleaseStatus,
    annotation: &str,
    handled: impl Fn(&mut HelmReleaseStatus) -> &mut String,
) -> bool {
    let none = BTreeMap::new();
    let annotations = object.metadata.annotations.as_ref().unwrap_or(&none);
    let Some(request) = annotations.get(annotation) else {
        return false;
    };
    let handled = handled(status);
    let is_new = handled != request;
    handled.clone_from(request);
    is_new && annotations.get(REQUESTED_AT) == Some(request) && status.last_handled_reconcile_at != *request
}
