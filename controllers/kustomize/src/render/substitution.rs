//! Variables, which the text of an object that was built is given.

use envsubst::{Mode, Substitution, Variables};
use flux_api::Kustomization;
use serde_json::Value;

use super::manner::Manner;

/// What substitutes, if anything is; that a name is not valid is told about the first object, as in stock.
pub(super) fn substitution<'v>(
    object: &Kustomization,
    variables: &'v Variables,
    manner: &Manner<'_>,
) -> Option<Result<Substitution<'v>, envsubst::Error>> {
    let post_build = object.spec.post_build.as_ref()?;
    if variables.is_empty() && !post_build.always() && manner.lacks.is_none() {
        return None;
    }
    let mode = if manner.strict { Mode::Strict } else { Mode::Lax };
    Some(Substitution::new(variables, mode, envsubst::Limits::default()))
}

pub(super) fn opts_out(object: &Value) -> bool {
    let marker = |field: &str| {
        object
            .get("metadata")?
            .get(field)?
            .get(envsubst::SUBSTITUTE)?
            .as_str()
    };
    envsubst::is_disabled(marker("labels"), marker("annotations"))
}
