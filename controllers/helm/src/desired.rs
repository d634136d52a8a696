//! What a HelmRelease wants: a chart, values, and their digests.

use artifact_consumer::SourceKey;
use artifact_crd::Artifact;
use bytes::Bytes;
use flux_api::{GoDuration, HelmReleaseStatus};
use flux_deployer::fetch::ArtifactError;
use flux_deployer::{Run, fetch};
use gotmpl::Map;
use helm::chart_version::track;
use helm::digest::{Algorithm, Digest, verify_values};
use helm::release::config;
use helm::{Chart, Limits};
use serde_json::Value;

use crate::digests::SpecDigests;
use crate::kind::Helm;
use crate::machine::ChartIdentity;
use crate::source::revisions;
use crate::stop::Stop;
use crate::values;

/// What is wanted, as far as it is known before the release is looked at.
pub(crate) struct Desired {
    /// The chart, under the version that tells its digest.
    pub(crate) chart: Chart,
    /// The values.
    pub(crate) values: Map,
    /// The values as a record keeps them.
    recorded: serde_json::Map<String, Value>,
    /// Digest of the values.
    pub(crate) config_digest: String,
    /// Digest of the OCI artifact that holds the chart; empty if there is none.
    pub(crate) oci_digest: String,
    /// Digests of parts of the spec.
    pub(crate) digests: SpecDigests,
}

impl Desired {
    /// Finds out what is wanted: composes the values, and loads the chart from its artifact.
    ///
    /// # Errors
    /// Something is missing or not in order.
    pub(crate) async fn of(
        run: &mut Run<'_, Helm>,
        source: &SourceKey,
        artifact: &Artifact,
    ) -> Result<Self, Stop> {
        let values = values::compose(&run.context.rest, &run.object).await?;
        let chart = load(run, artifact).await?;
        let revision = &artifact.spec.revision;
        let tracked = track(&chart.metadata().version, revision, revisions(source))?;
        let ignores = run.context.own.settings.ignores_digests;
        let chart = if ignores || tracked.digest.is_empty() {
            chart
        } else {
            chart.with_version(&tracked.version)
        };
        let recorded = config::from_values(&values).map_err(no_digest)?;
        let config_digest = Digest::of_values(Algorithm::Sha256, &recorded).map_err(no_digest)?;
        let digests = SpecDigests::of(&run.object).map_err(no_digest)?;
        Ok(Self {
            chart,
            values,
            recorded,
            config_digest: config_digest.to_string(),
            oci_digest: tracked.digest,
            digests,
        })
    }

    /// The chart, for the state machine.
    pub(crate) fn identity(&self) -> ChartIdentity<'_> {
        let metadata = self.chart.metadata();
        ChartIdentity {
            name: &metadata.name,
            version: &metadata.version,
            app_version: &metadata.app_version,
        }
    }

    /// Tells whether a digest of values, of whatever algorithm, is that of the wanted ones.
    pub(crate) fn has_values(&self, digest: &str) -> bool {
        digest == self.config_digest || verify_values(digest, &self.recorded)
    }

    /// Tells whether the values that were tried last, if any were, are the wanted ones.
    pub(crate) fn has_attempted_values(&self, status: &HelmReleaseStatus) -> bool {
        let (digest, checksum) = (
            status.last_attempted_config_digest.as_str(),
            status.last_attempted_values_checksum.as_str(),
        );
        match (digest, checksum) {
            ("", "") => true,
            ("", checksum) => self.has_values(&format!("sha1:{checksum}")),
            (digest, _) => self.has_values(digest),
        }
    }
}

/// Something has no digest.
pub(crate) fn no_digest(error: impl std::fmt::Display) -> Stop {
    Stop::Digest(error.to_string())
}

/// Loads the chart in an artifact.
async fn load(run: &mut Run<'_, Helm>, artifact: &Artifact) -> Result<Chart, Stop> {
    let bytes = match fetch::bytes(run, artifact).await? {
        Ok(bytes) => bytes,
        Err(ArtifactError::NotFound(_)) => {
            let pause = run.context.settings.requeue_dependency;
            return Err(Stop::NoFile(GoDuration::from(pause)));
        }
        Err(error) => return Err(Stop::Artifact(error)),
    };
    let limits = run.context.own.settings.chart_limits;
    let loading = move |bytes: &Bytes, limits: &Limits| Chart::from_archive(bytes, limits);
    Ok(tokio::task::spawn_blocking(move || loading(&bytes, &limits)).await??)
}
