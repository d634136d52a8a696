//! Events about an object, with the metadata that notification-controller reads.

use std::collections::BTreeMap;

use controller_kit::events::{EventRecord, Regarding, Severity};
use flux_api::{Deployed, event};

/// What a run is about, as events and the log tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The revision.
    pub revision: String,
    /// What else is said about it, by the key of the event's metadata; empty values are left out.
    pub details: Vec<(&'static str, String)>,
}

/// Makes an event about `object`; one that is `finished` updates the commit status.
pub(crate) fn event_about<O: Deployed>(
    object: &O,
    severity: Severity,
    reason: &str,
    message: String,
    about: Option<&About>,
    finished: bool,
) -> EventRecord {
    let (meta, group) = (object.meta(), O::group(&()));
    let mut metadata = BTreeMap::new();
    let prefix = format!("{}/", flux_api::EVENT_GROUP);
    for (key, value) in meta.annotations.iter().flatten() {
        if key.starts_with(&prefix) {
            metadata.insert(key.clone(), value.clone());
        }
    }
    let mut insert = |key: &str, value: &str| {
        if !value.is_empty() {
            metadata.insert(format!("{group}/{key}"), value.to_owned());
        }
    };
    if let Some(about) = about {
        insert(event::REVISION, &about.revision);
        for (key, value) in &about.details {
            insert(key, value);
        }
    }
    if finished {
        insert(event::COMMIT_STATUS, event::COMMIT_STATUS_UPDATE);
    }
    EventRecord {
        regarding: Regarding {
            api_version: O::api_version(&()).into_owned(),
            kind: O::kind(&()).into_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        },
        severity,
        reason: reason.to_owned(),
        message,
        metadata,
    }
}

#[cfg(test)]
mod tests {
    use flux_api::Kustomization;
    use serde_json::json;

    use super::*;

    #[test]
    fn events_carry_revision_and_copied_annotations() {
        let object: Kustomization = serde_json::from_value(json!({
            "metadata": {"name": "app", "namespace": "apps", "annotations": {
                "reconcile.fluxcd.io/requestedAt": "now", "event.toolkit.fluxcd.io/team": "a"}},
            "spec": {"interval": "10m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"}},
        }))
        .unwrap();
        let about = About {
            revision: "main@sha1:a".into(),
            details: vec![
                (event::ORIGIN_REVISION, String::new()),
                (event::TOKEN, "t".into()),
            ],
        };
        let event = event_about(&object, Severity::Info, "R", "m".into(), Some(&about), true);
        assert_eq!(event.regarding.api_version, "kustomize.toolkit.fluxcd.io/v1");
        let keys: Vec<_> = event.metadata.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "event.toolkit.fluxcd.io/team",
                "kustomize.toolkit.fluxcd.io/commit_status",
                "kustomize.toolkit.fluxcd.io/revision",
                "kustomize.toolkit.fluxcd.io/token"
            ]
        );
    }
}
