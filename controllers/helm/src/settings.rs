//! What an operator chooses about the controller.

/// Settings of the Helm controller; the defaults are stock's.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What all deployers have.
    pub deployer: flux_deployer::Settings,
    /// Whether defaults are those of Helm 3 (gate `UseHelm3Defaults`).
    pub helm3_defaults: bool,
    /// Whether failures are retried when an object names no strategy (gate `DefaultToRetryOnFailure`).
    pub retry_by_default: bool,
    /// Whether a newer event ends the wait for readiness (gate `CancelHealthCheckOnNewRevision`).
    pub cancels_waits: bool,
    /// Whether the digest of an artifact is no part of a chart's version (gate `DisableChartDigestTracking`).
    pub ignores_digests: bool,
    /// Whether templates may look up the addresses of hosts (gate `AllowDNSLookups`).
    pub resolves_hosts: bool,
    /// How digests in statuses are computed (`--snapshot-digest-algo`).
    pub digests: helm::digest::Algorithm,
    /// Bounds on charts.
    pub chart_limits: helm::Limits,
    /// Bounds on templates.
    pub template_limits: gotmpl::Limits,
}
