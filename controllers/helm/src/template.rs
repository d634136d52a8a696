//! The HelmChart that a HelmRelease asks for, as it is applied.

use flux_api::{Duration, HELM_NAME, HELM_NAMESPACE, HelmChartTemplate, HelmRelease, SOURCE_GROUP};
use serde_json::{Map, Value, json};

use crate::source::HELM_CHART;

/// Builds the HelmChart of `template`, with the labels that say whose it is.
pub(crate) fn helm_chart(object: &HelmRelease, template: &HelmChartTemplate) -> Value {
    let spec = &template.spec;
    let interval = |interval: &Duration| interval.get().unwrap_or_default().to_string();
    let mut fields = Map::new();
    let mut set = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    set("chart", json!(spec.chart));
    set(
        "interval",
        json!(interval(spec.interval.as_ref().unwrap_or(&object.spec.interval))),
    );
    // The version of the source's API is not passed on.
    set(
        "sourceRef",
        json!({"kind": spec.source_ref.kind, "name": spec.source_ref.name}),
    );
    for (key, text) in [
        ("version", &spec.version),
        ("reconcileStrategy", &spec.reconcile_strategy),
    ] {
        if !text.is_empty() {
            set(key, json!(text));
        }
    }
    if !spec.values_files.is_empty() {
        set("valuesFiles", json!(spec.values_files));
    }
    if spec.ignore_missing_values_files {
        set("ignoreMissingValuesFiles", json!(true));
    }
    if let Some(verify) = &spec.verify {
        let mut verification = json!({"provider": verify.provider});
        if let Some(secret) = &verify.secret_ref {
            verification["secretRef"] = json!({"name": secret.name});
        }
        set("verify", verification);
    }
    let given = template.metadata.clone().unwrap_or_default();
    let mut labels = given.labels;
    labels.extend(owner_labels(object));
    let mut metadata = json!({
        "name": object.helm_chart_name(),
        "namespace": object.helm_chart_namespace(template),
        "labels": labels,
    });
    if !given.annotations.is_empty() {
        metadata["annotations"] = json!(given.annotations);
    }
    json!({
        "apiVersion": format!("{SOURCE_GROUP}/v1"),
        "kind": HELM_CHART,
        "metadata": metadata,
        "spec": fields,
    })
}

/// The labels of what belongs to a HelmRelease.
pub(crate) fn owner_labels(object: &HelmRelease) -> [(String, String); 2] {
    let meta = &object.metadata;
    [(HELM_NAME, &meta.name), (HELM_NAMESPACE, &meta.namespace)]
        .map(|(label, value)| (label.to_owned(), value.clone().unwrap_or_default()))
}

/// Tells whether the labels and annotations that are wanted are there.
pub(crate) fn has_metadata(live: &Value, wanted: &Value) -> bool {
    ["labels", "annotations"].iter().all(|kind| {
        let wanted = wanted["metadata"][kind].as_object();
        let live = &live["metadata"][kind];
        wanted.is_none_or(|wanted| wanted.iter().all(|(key, value)| live.get(key) == Some(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was recorded is without the labels of the owner, and with parts that nobody applies.
    #[test]
    fn charts_are_those_of_stock() {
        let cases = include_str!("../cases/helm-chart.json");
        let results = include_str!("../cases/helm-chart.results.json");
        let cases: Vec<HelmRelease> = serde_json::from_str(cases).unwrap();
        let results: Vec<Value> = serde_json::from_str(results).unwrap();
        assert_eq!(cases.len(), results.len());
        for (object, mut expected) in cases.into_iter().zip(results) {
            let fields = expected.as_object_mut().unwrap();
            fields.remove("status");
            fields.insert("apiVersion".into(), "source.toolkit.fluxcd.io/v1".into());
            fields.insert("kind".into(), HELM_CHART.into());
            let metadata = expected["metadata"].as_object_mut().unwrap();
            metadata.remove("creationTimestamp");
            let labels = metadata.entry("labels").or_insert_with(|| json!({}));
            for (label, value) in owner_labels(&object) {
                labels[label] = value.into();
            }
            let template = object.spec.chart.clone().unwrap();
            assert_eq!(helm_chart(&object, &template), expected);
        }
    }

    #[test]
    fn labels_of_others_are_no_difference() {
        let with = |labels: Value| json!({"metadata": {"labels": labels}});
        let wanted = with(json!({"a": "b"}));
        assert!(has_metadata(&with(json!({"a": "b", "c": "d"})), &wanted));
        assert!(!has_metadata(&with(json!({"a": "x"})), &wanted));
        assert!(!has_metadata(&json!({}), &wanted));
        assert!(has_metadata(&json!({}), &json!({"metadata": {}})));
    }
}
