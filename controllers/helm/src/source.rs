//! Where the chart of a HelmRelease comes from.

use artifact_consumer::{Access, ReferenceError, SourceKey, resolve};
use flux_api::{CrossNamespaceSourceReference, HelmRelease, SOURCE_GROUP};
use helm::chart_version::Revisions;

/// The kind that is made of `spec.chart`.
pub(crate) const HELM_CHART: &str = "HelmChart";

/// Gives the source of the chart: what `spec.chartRef` names, or the HelmChart that is made of `spec.chart`.
///
/// # Errors
/// It may not be referred to, or the reference is none.
pub(crate) fn source(object: &HelmRelease, access: &Access) -> Result<SourceKey, ReferenceError> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    match (&object.spec.chart_ref, &object.spec.chart) {
        (None, Some(template)) => {
            let made = CrossNamespaceSourceReference {
                kind: HELM_CHART.to_owned(),
                name: object.helm_chart_name(),
                namespace: object.helm_chart_namespace(template).to_owned(),
                ..CrossNamespaceSourceReference::default()
            };
            resolve(&made, "spec.chart.spec.sourceRef", namespace, None, access)
        }
        (reference, _) => {
            let none = CrossNamespaceSourceReference::default();
            let reference = reference.as_ref().unwrap_or(&none);
            let annotations = object.metadata.annotations.as_ref();
            resolve(reference, "spec.chartRef", namespace, annotations, access)
        }
    }
}

/// Tells which revisions of a source have a digest.
pub(crate) fn revisions(source: &SourceKey) -> Revisions {
    match (source.group.as_str(), source.kind.as_str()) {
        (SOURCE_GROUP, "OCIRepository") => Revisions::Digests,
        (SOURCE_GROUP, HELM_CHART) => Revisions::Versions,
        _ => Revisions::Either,
    }
}

/// Tells whether a source has a generation that it reconciles; stock asks no more of an ExternalArtifact than to be there.
pub(crate) fn has_generation(source: &SourceKey) -> bool {
    source.group == SOURCE_GROUP && source.kind != "ExternalArtifact"
}

/// Says that a source is not ready, in stock's words.
pub(crate) fn not_ready(source: &SourceKey, why: &str) -> String {
    let SourceKey {
        kind,
        namespace,
        name,
        ..
    } = source;
    format!("{kind} '{namespace}/{name}' is not ready: {why}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn release(spec: &Value) -> HelmRelease {
        serde_json::from_value(json!({"metadata": {"name": "app", "namespace": "apps"}, "spec": spec}))
            .unwrap()
    }

    #[test]
    fn a_chart_is_found_by_its_reference_or_by_the_chart_that_is_made() {
        let template = |namespace: &str| {
            json!({"chart": {"spec": {"chart": "web", "sourceRef":
                {"kind": "HelmRepository", "name": "repository", "namespace": namespace}}}})
        };
        let rows = [
            (
                json!({"chartRef": {"kind": "OCIRepository", "name": "web"}}),
                "source.toolkit.fluxcd.io/OCIRepository/apps/web",
                Revisions::Digests,
                true,
            ),
            (
                json!({"chartRef": {"kind": "ExternalArtifact", "name": "web", "namespace": "charts"}}),
                "source.toolkit.fluxcd.io/ExternalArtifact/charts/web",
                Revisions::Either,
                false,
            ),
            (
                json!({"chartRef": {"apiVersion": "example.org/v1", "kind": "Chart", "name": "web"}}),
                "example.org/Chart/apps/web",
                Revisions::Either,
                false,
            ),
            (
                json!({"chartRef": {"kind": "Artifact", "name": "web"}}),
                "openfluxcd.ocm.software/Artifact/apps/web",
                Revisions::Either,
                false,
            ),
            (
                template(""),
                "source.toolkit.fluxcd.io/HelmChart/apps/apps-app",
                Revisions::Versions,
                true,
            ),
            (
                template("charts"),
                "source.toolkit.fluxcd.io/HelmChart/charts/apps-app",
                Revisions::Versions,
                true,
            ),
        ];
        for (spec, expected, digests, generation) in rows {
            let key = source(&release(&spec), &Access::default()).unwrap();
            assert_eq!(key.to_string(), expected, "{spec}");
            assert_eq!(revisions(&key), digests, "{spec}");
            assert_eq!(has_generation(&key), generation, "{spec}");
        }
        let access = Access {
            no_cross_namespace_refs: true,
            ..Access::default()
        };
        for spec in [json!({}), template("charts")] {
            assert!(source(&release(&spec), &access).is_err(), "{spec}");
        }
    }
}
