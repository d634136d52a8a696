//! What a Kustomization applies, made of files that are at hand: for tools that show it, without a controller.

use controller_kit::Rest;
use envsubst::Variables;
use flux_api::Kustomization;
use kustomize::{FileTree, Options};
use serde_json::Value;
use sops::KeyService;

use crate::render::{Manner, render};
use crate::variables;

/// Why nothing can be shown, in the words of the controller.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LocalError(String);

/// Reads the variables of `spec.postBuild`, as whoever `rest` acts as.
///
/// # Errors
/// A ConfigMap or Secret that is named cannot be read.
pub async fn variables(rest: &Rest, object: &Kustomization) -> Result<Variables, LocalError> {
    let loaded = variables::load(rest, object).await;
    loaded.map_err(|error| LocalError(error.to_string()))
}

/// Builds `spec.path` below the root of `files`, decrypts with `keys` if there are any, and substitutes: what is applied, with its owner
/// labels.
///
/// # Errors
/// It cannot be built.
pub fn build(
    files: &dyn FileTree,
    object: &Kustomization,
    variables: &Variables,
    keys: Option<&dyn KeyService>,
) -> Result<Vec<Value>, LocalError> {
    let manner = Manner {
        keys,
        strict: true,
        lacks: None,
    };
    let rendered = render(files, object, variables, &Options::flux(), &manner);
    let rendered = rendered.map_err(|error| LocalError(error.to_string()))?;
    Ok(rendered.objects)
}
