//! The kinds that tests speak of.

/// A kind of object and its plural, so that no test asks the API server for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `group/version`, or the version alone for the core group.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The plural in URLs.
    pub plural: &'static str,
}

const fn kind(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        api_version,
        kind,
        plural,
    }
}

const SOURCE: &str = "source.toolkit.fluxcd.io/v1";

/// `v1` ConfigMap.
pub const CONFIG_MAP: Kind = kind("v1", "ConfigMap", "configmaps");
/// `v1` Secret.
pub const SECRET: Kind = kind("v1", "Secret", "secrets");
/// `v1` Service.
pub const SERVICE: Kind = kind("v1", "Service", "services");
/// `v1` ServiceAccount.
pub const SERVICE_ACCOUNT: Kind = kind("v1", "ServiceAccount", "serviceaccounts");
/// `apps/v1` Deployment.
pub const DEPLOYMENT: Kind = kind("apps/v1", "Deployment", "deployments");
/// `v1` Event.
pub const EVENT: Kind = kind("v1", "Event", "events");
/// The stock Kustomization.
pub const KUSTOMIZATION: Kind = kind(
    "kustomize.toolkit.fluxcd.io/v1",
    "Kustomization",
    "kustomizations",
);
/// The stock HelmRelease.
pub const HELM_RELEASE: Kind = kind("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases");
/// The stock GitRepository.
pub const GIT_REPOSITORY: Kind = kind(SOURCE, "GitRepository", "gitrepositories");
/// The stock OCIRepository.
pub const OCI_REPOSITORY: Kind = kind(SOURCE, "OCIRepository", "ocirepositories");
/// The stock Bucket.
pub const BUCKET: Kind = kind(SOURCE, "Bucket", "buckets");
/// The stock HelmRepository.
pub const HELM_REPOSITORY: Kind = kind(SOURCE, "HelmRepository", "helmrepositories");
/// The stock HelmChart.
pub const HELM_CHART: Kind = kind(SOURCE, "HelmChart", "helmcharts");
/// The stock ExternalArtifact.
pub const EXTERNAL_ARTIFACT: Kind = kind(SOURCE, "ExternalArtifact", "externalartifacts");
/// Open Flux's Artifact.
pub const ARTIFACT: Kind = kind("openfluxcd.ocm.software/v1alpha1", "Artifact", "artifacts");
/// Artifacts that are made out of others.
pub const TRANSFORMATION: Kind = kind(
    "openfluxcd.ocm.software/v1alpha1",
    "Transformation",
    "transformations",
);
/// The custom source Http.
pub const HTTP: Kind = kind("openfluxcd.openfluxcd/v1alpha1", "Http", "https");
