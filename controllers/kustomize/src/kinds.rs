//! Kinds that are on their way: those that an apply has defined itself, or that somebody else has.

use std::collections::HashSet;
use std::time::Duration;

use controller_kit::apply::ApplyError;
use controller_kit::object::split_api_version;
use controller_kit::{KindVersion, MapError, Mapper};
use serde_json::Value;

/// Tells whether an error is about kinds that are on their way, so that it passes by itself, and soon.
pub(crate) async fn are_coming(mapper: &Mapper, error: &ApplyError) -> bool {
    let errors = match error {
        ApplyError::Several(errors) => errors.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut missing = HashSet::new();
    for error in errors {
        let ApplyError::Kind { id, source } = error else {
            return false;
        };
        if let MapError::NoMatch { api_version, .. } = source {
            let (group, version) = split_api_version(api_version);
            missing.insert(KindVersion {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: id.kind.clone(),
            });
        }
    }
    mapper.are_coming(&missing).await
}

/// The kinds that CustomResourceDefinitions define, by group, version and kind.
pub(crate) fn defined_by(objects: &[Value]) -> Vec<[String; 3]> {
    let text = |value: &Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let definitions = objects
        .iter()
        .filter(|object| controller_kit::object::kind(object) == "CustomResourceDefinition");
    let versions = |definition: &Value| {
        let versions = definition
            .pointer("/spec/versions")
            .and_then(Value::as_array)
            .cloned();
        let served = |version: &Value| version.get("served").and_then(Value::as_bool) == Some(true);
        versions
            .unwrap_or_default()
            .into_iter()
            .filter(served)
            .collect::<Vec<_>>()
    };
    definitions
        .flat_map(|definition| {
            let (group, kind) = (
                text(definition, "/spec/group"),
                text(definition, "/spec/names/kind"),
            );
            versions(definition)
                .into_iter()
                .map(move |version| [group.clone(), text(&version, "/name"), kind.clone()])
        })
        .collect()
}

/// Waits until discovery lists new kinds, which lags a moment behind their becoming established.
pub(crate) async fn await_served(mapper: &Mapper, kinds: &[[String; 3]]) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    for [group, version, kind] in kinds {
        while mapper.mapping(group, version, kind).await.is_err() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}
