//! Where the chart of a HelmRelease comes from: a template of a HelmChart, or a reference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HelmRelease;
use crate::decode::{UnknownFields, is_default, or_default};
use crate::{CrossNamespaceSourceReference, Duration, LocalObjectReference};

/// Names the object whose artifact is the chart.
pub type ChartReference = CrossNamespaceSourceReference;

/// The HelmChart to make for a HelmRelease.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmChartTemplate {
    /// Labels and annotations of the HelmChart.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Option<HelmChartTemplateMeta>,
    /// What to get, from where.
    pub spec: HelmChartTemplateSpec,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Labels and annotations of a HelmChart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmChartTemplateMeta {
    /// Labels.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Which chart to get, from where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmChartTemplateSpec {
    /// Name of the chart in the repository, or its path in the source.
    pub chart: String,
    /// Version or range.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// The HelmRepository, GitRepository or Bucket; the HelmChart is made in its namespace.
    pub source_ref: CrossNamespaceSourceReference,
    /// Time between two checks; absent means that of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: Option<Duration>,
    /// `ChartVersion` (also when empty) or `Revision`.
    #[serde(skip_serializing_if = "is_default")]
    pub reconcile_strategy: String,
    /// Values files to merge into the chart's own.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub values_files: Vec<String>,
    /// Whether values files may be absent.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_values_files: bool,
    /// How the signature of the chart is verified.
    #[serde(skip_serializing_if = "is_default")]
    pub verify: Option<HelmChartVerification>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How the signature of a chart is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmChartVerification {
    /// `cosign` or `notation`.
    pub provider: String,
    /// Secret with the trusted public keys.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

impl HelmChartTemplate {
    /// Returns the path of a field that these types do not have; `at` is the path of the template.
    pub(super) fn unknown_field(&self, at: &str) -> Option<String> {
        let metadata = || self.metadata.as_ref()?.unknown.first(&format!("{at}metadata."));
        let spec = || self.spec.unknown.first(&format!("{at}spec."));
        let source = || {
            self.spec
                .source_ref
                .unknown
                .first(&format!("{at}spec.sourceRef."))
        };
        let verify = || {
            self.spec
                .verify
                .as_ref()?
                .unknown
                .first(&format!("{at}spec.verify."))
        };
        let own = self.unknown.first(at);
        own.or_else(metadata)
            .or_else(spec)
            .or_else(source)
            .or_else(verify)
    }
}

impl HelmRelease {
    /// Returns the namespace of the HelmChart that is made from `template`.
    pub fn helm_chart_namespace<'a>(&'a self, template: &'a HelmChartTemplate) -> &'a str {
        let namespace = template.spec.source_ref.namespace.as_str();
        if namespace.is_empty() {
            self.metadata.namespace.as_deref().unwrap_or_default()
        } else {
            namespace
        }
    }
}
