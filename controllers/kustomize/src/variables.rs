//! The variables of `postBuild`, read once per run with the controller's own identity.

use base64::Engine;
use controller_kit::{Mapping, Rest, RestError};
use envsubst::Variables;
use flux_api::Kustomization;
use serde_json::Value;

/// Why variables are not at hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VariablesError {
    /// A referenced object does not exist and is not optional.
    #[error("substitute from '{kind}/{name}' error: {} \"{name}\" not found", plural(.kind))]
    NotFound {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
    },
    /// A referenced object could not be read.
    #[error("substitute from '{kind}/{name}' error: {source}")]
    Read {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// What the API server answered.
        source: RestError,
    },
    /// A reference names another kind than ConfigMap or Secret.
    #[error("spec.postBuild.substituteFrom[].kind {0:?} is neither ConfigMap nor Secret")]
    Kind(String),
}

/// Reads the variables of `object`: each reference in order, later ones win, inline ones win over all.
///
/// # Errors
/// See [`VariablesError`].
pub(crate) async fn load(rest: &Rest, object: &Kustomization) -> Result<Variables, VariablesError> {
    let mut variables = Variables::default();
    let Some(post_build) = &object.spec.post_build else {
        return Ok(variables);
    };
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    for reference in &post_build.substitute_from {
        let (kind, name) = (&reference.kind, &reference.name);
        if !["ConfigMap", "Secret"].contains(&kind.as_str()) {
            return Err(VariablesError::Kind(kind.clone()));
        }
        let mapping = core(kind);
        let found = rest.get(&mapping, namespace, name).await;
        let found = found.map_err(|source| VariablesError::Read {
            kind: kind.clone(),
            name: name.clone(),
            source,
        })?;
        let Some(found) = found else {
            if reference.optional {
                continue;
            }
            let (kind, name) = (kind.clone(), name.clone());
            return Err(VariablesError::NotFound { kind, name });
        };
        for (key, value) in found.get("data").and_then(Value::as_object).into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            if kind == "Secret" {
                // The API server only stores valid base64.
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .unwrap_or_default();
                variables.set(key, &String::from_utf8_lossy(&bytes));
            } else {
                variables.set(key, text);
            }
        }
    }
    for (name, value) in &post_build.substitute {
        variables.set(name, value);
    }
    Ok(variables)
}

/// Gives what such objects are called in URLs.
fn plural(kind: &str) -> String {
    format!("{}s", kind.to_lowercase())
}

fn core(kind: &str) -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural(kind),
        namespaced: true,
    }
}
