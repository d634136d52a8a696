//! What a HelmRelease wants: a chart, values, and their digests.

use std::sync::Arc;

use artifact_consumer::SourceKey;
use artifact_crd::Artifact;
use flux_api::{GoDuration, HelmReleaseStatus};
use flux_deployer::fetch::ArtifactError;
use flux_deployer::{Run, fetch};
use gotmpl::Map;
use helm::Chart;
use helm::chart_version::track;
use helm::digest::{Digest, verify_values};
use helm::release::{Release, config};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::digests::SpecDigests;
use crate::heads::Head;
use crate::kind::Helm;
use crate::machine::ChartIdentity;
use crate::source::revisions;
use crate::stop::Stop;
use crate::values;

/// What is wanted, as far as it is known before the release is looked at.
pub(crate) struct Desired {
    /// Where the chart is.
    artifact: Artifact,
    /// What the chart is, under the version that tells its digest.
    head: Head,
    /// The chart, once it was needed.
    chart: OnceCell<Versioned>,
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

/// A chart under the version that tells its digest.
struct Versioned {
    chart: Chart,
    /// The chart as others use it, too.
    _shared: Arc<Chart>,
}

impl Versioned {
    fn of(shared: Arc<Chart>, version: &str) -> Self {
        Self {
            chart: shared.with_version(version),
            _shared: shared,
        }
    }
}

impl Desired {
    /// Finds out what is wanted: composes the values, and looks what the chart is, which is loaded for it only if nobody
    /// has done so before.
    ///
    /// # Errors
    /// Something is missing or not in order.
    pub(crate) async fn of(
        run: &mut Run<'_, Helm>,
        source: &SourceKey,
        artifact: &Artifact,
    ) -> Result<Self, Stop> {
        let values = values::compose(&run.context.rest, &run.object).await?;
        let digest = artifact.spec.digest.as_deref().unwrap_or_default();
        let (mut head, loaded) = if let Some(head) = run.context.own.heads.get(digest) {
            (head, None)
        } else {
            let chart = load(run, artifact).await?;
            let head = Head::of(&chart);
            run.context.own.heads.note(digest, head.clone());
            (head, Some(chart))
        };
        let tracked = track(&head.version, &artifact.spec.revision, revisions(source))?;
        if !run.context.own.settings.ignores_digests && !tracked.digest.is_empty() {
            head.version = tracked.version;
        }
        let chart = loaded.map(|chart| Versioned::of(chart, &head.version));
        let algorithm = run.context.own.settings.digests;
        let recorded = config::from_values(&values).map_err(no_digest)?;
        let config_digest = Digest::of_values(algorithm, &recorded).map_err(no_digest)?;
        let digests = SpecDigests::of(&run.object, algorithm).map_err(no_digest)?;
        Ok(Self {
            artifact: artifact.clone(),
            head,
            chart: OnceCell::new_with(chart),
            values,
            recorded,
            config_digest: config_digest.to_string(),
            oci_digest: tracked.digest,
            digests,
        })
    }

    /// The chart, for the state machine.
    pub(crate) fn identity(&self) -> ChartIdentity<'_> {
        ChartIdentity {
            name: &self.head.name,
            version: &self.head.version,
            app_version: &self.head.app_version,
        }
    }

    /// Loads the chart, if that was not done before.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub(crate) async fn chart(&self, run: &mut Run<'_, Helm>) -> Result<&Chart, Stop> {
        let load = async || {
            let chart = load(run, &self.artifact).await?;
            Ok::<_, Stop>(Versioned::of(chart, &self.head.version))
        };
        Ok(&self.chart.get_or_try_init(load).await?.chart)
    }

    /// Tells whether a digest of values, of whatever algorithm, is that of the wanted ones.
    pub(crate) fn has_values(&self, digest: &str) -> bool {
        digest == self.config_digest || verify_values(digest, &self.recorded)
    }

    /// Tells whether the wanted values, laid over those of a record, are of the digest that the record's have: that is
    /// what `preserveValues` asks for.
    pub(crate) fn is_preserved_in(&self, record: &Release, digest: &str) -> bool {
        let merged = record.reuse_values(&self.values, helm::Limits::default()).ok();
        let merged = merged.and_then(|merged| config::from_values(&merged.values).ok());
        merged.is_some_and(|merged| verify_values(digest, &merged))
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

/// Loads the chart in an artifact, unless somebody has it in use.
async fn load(run: &mut Run<'_, Helm>, artifact: &Artifact) -> Result<Arc<Chart>, Stop> {
    let digest = artifact.spec.digest.as_deref().unwrap_or_default();
    if let Some(chart) = run.context.own.loaded.get(digest) {
        return Ok(chart);
    }
    let bytes = match fetch::bytes(run, artifact).await? {
        Ok(bytes) => bytes,
        Err(ArtifactError::NotFound(_)) => {
            let pause = run.context.settings.requeue_dependency;
            return Err(Stop::NoFile(GoDuration::from(pause)));
        }
        Err(error) => return Err(Stop::Artifact(error)),
    };
    let limits = run.context.own.settings.chart_limits;
    let (loaded, digest) = (Arc::clone(&run.context.own.loaded), digest.to_owned());
    let loading = move || loaded.get_or_load(&digest, || Chart::from_archive(&bytes, &limits));
    Ok(tokio::task::spawn_blocking(loading).await??)
}
