//! Variables, which the text of an object that was built is given.

use std::borrow::Cow;

use envsubst::{Mode, Substitution, Variables};
use flux_api::Kustomization;
use go_yaml::{Limits, sigs};
use kustomize::Object;
use serde_json::Value;

use super::error::RenderError;
use super::identity::missing_identity;
use super::manner::Manner;
use crate::floats;

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

/// Substitutes in the text of an object, and reads what it has become; gives the text if it is another one now.
///
/// # Errors
/// The variables are not at hand or cannot be substituted, or what came out of it is no object any more.
pub(super) fn substitute(
    substitution: &Result<Substitution<'_>, envsubst::Error>,
    manner: &Manner<'_>,
    built: &Object,
    text: &str,
    value: &mut Value,
) -> Result<Option<String>, RenderError> {
    let subject = || {
        let id = built.id();
        format!("{}/{}", id.gvk, id.name)
    };
    if let Some(reason) = manner.lacks {
        return Err(RenderError::Variables {
            subject: subject(),
            reason: reason.to_owned(),
        });
    }
    let replaced = substitution.as_ref().map_err(Clone::clone);
    let replaced = replaced.and_then(|substitution| substitution.apply(text));
    let replaced = replaced.map_err(|source| RenderError::Substitution {
        subject: subject(),
        source,
    })?;
    let yaml_error = |source| RenderError::Yaml {
        subject: subject(),
        source,
    };
    let is_replaced = matches!(replaced, Cow::Owned(_));
    if is_replaced {
        *value = sigs::to_value(replaced.as_bytes(), &Limits::default()).map_err(yaml_error)?;
    }
    let changed = if floats::round(value) || is_replaced {
        Some(sigs::value_to_string(value).map_err(yaml_error)?)
    } else {
        None
    };
    // A name may have become a number by now; without one it would be left out, and the object pruned.
    if let Some(field) = missing_identity(value) {
        return Err(RenderError::Identity {
            subject: subject(),
            field,
        });
    }
    Ok(changed)
}

/// Whether an object says that nothing is to be substituted in it.
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
