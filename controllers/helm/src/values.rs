//! The values of a HelmRelease, read once per run with the controller's own identity.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller_kit::{Mapping, Rest, RestError};
use flux_api::HelmRelease;
use gotmpl::{Map, Value};
use helm::values;
use helm::values_from::{Composition, Referenced, ValuesFromError, ValuesReference};
use serde_json::Value as Json;

/// Why values are not at hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValuesError {
    /// A reference cannot be resolved.
    #[error(transparent)]
    Reference(#[from] ValuesFromError),
    /// A referenced object cannot be read.
    #[error(transparent)]
    Read(#[from] RestError),
}

/// Composes the values of `object`.
///
/// # Errors
/// See [`ValuesError`].
pub(crate) async fn compose(rest: &Rest, object: &HelmRelease) -> Result<Map, ValuesError> {
    let inline = match object.spec.values.as_ref().map(values::from_json) {
        Some(Value::Map(inline)) => inline,
        _ => Map::new(),
    };
    let mut composition = Composition::new(inline);
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let mut objects: HashMap<(&str, &str), Option<Json>> = HashMap::new();
    for reference in &object.spec.values_from {
        let named = (reference.kind.as_str(), reference.name.as_str());
        let reference = ValuesReference {
            kind: reference.kind.clone(),
            namespace: namespace.to_owned(),
            name: reference.name.clone(),
            key: reference.values_key.clone(),
            target_path: reference.target_path.clone(),
            literal: reference.literal,
            optional: reference.optional,
        };
        reference.check_kind()?;
        let mapping = mapping(&reference.kind);
        let mut answer = None;
        let found = match objects.entry(named) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let found = rest.get(&mapping, namespace, &reference.name).await?;
                if found.is_none() {
                    answer = Some(format!("{} {:?} not found", mapping.plural, reference.name));
                }
                unknown.insert(found)
            }
        };
        let data = found.as_ref().map(|found| data(found, &reference));
        let referenced = match &data {
            None => Referenced::NoObject(answer.as_deref()),
            Some(None) => Referenced::NoKey,
            Some(Some(data)) => Referenced::Data(data),
        };
        if let Some(left_out) = composition.add(&reference, referenced)? {
            tracing::info!("{left_out}");
        }
    }
    Ok(composition.finish())
}

/// The text under the key of a reference.
fn data(found: &Json, reference: &ValuesReference) -> Option<Vec<u8>> {
    let text = found.get("data")?.get(reference.key())?.as_str()?;
    if reference.kind == "Secret" {
        // The API server only stores valid base64.
        STANDARD.decode(text).ok()
    } else {
        Some(text.as_bytes().to_vec())
    }
}

fn mapping(kind: &str) -> Mapping {
    let plural = if kind == "Secret" { "secrets" } else { "configmaps" };
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
    }
}
