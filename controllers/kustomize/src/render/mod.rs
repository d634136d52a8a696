//! From an unpacked artifact to the objects that a Kustomization applies.

mod error;
mod identity;
mod manner;
mod objects;
mod root;
mod substitution;

use std::borrow::Cow;
use std::collections::HashMap;

use controller_kit::artifact::Digest;
use envsubst::Variables;
use flux_api::Kustomization;
use go_yaml::{Limits, sigs};
use kustomize::{FileTree, Options};
use kustomize_sops::{Decrypted, Decryption, decrypt_built, decrypt_sources};
use serde_json::Value;

pub(crate) use error::RenderError;
pub(crate) use manner::{EndOnDrop, Manner};
pub(crate) use root::path;

use crate::floats;
use identity::{id_of, identity, missing_identity};
use objects::{flatten, label};
use substitution::{opts_out, substitution};

/// What a Kustomization desires.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// The objects, with owner labels and common metadata.
    pub(crate) objects: Vec<Value>,
    /// `sha256:<hex>` over the YAML of the build, as `status.history` records it.
    pub(crate) checksum: String,
    /// Values that decryption could not keep, each with its place.
    pub(crate) lost: Vec<String>,
}

/// Builds and substitutes; CPU-bound and free of I/O.
///
/// # Errors
/// See [`RenderError`].
pub(crate) fn render(
    tree: &dyn FileTree,
    object: &Kustomization,
    variables: &Variables,
    options: &Options,
    manner: &Manner<'_>,
) -> Result<Rendered, RenderError> {
    let path = path(tree, object)?;
    if tree.resolve(&path).is_ok_and(|found| !found.is_dir) {
        return Err(RenderError::File(path));
    }
    // A specification that came out of JSON goes back into it.
    let spec = serde_json::to_value(&object.spec).unwrap_or_default();
    let generated =
        kustomize::generate_kustomization(tree, &path, &spec, options).map_err(RenderError::Generation)?;
    let decryption = manner.keys.map(Decryption::new);
    let layered = generated.over(tree);
    let sources = match &decryption {
        Some(decryption) => decrypt_sources(&layered, &path, decryption, &options.limits)?,
        None => Decrypted::nothing(tree),
    };
    let output = generated.build(&sources, &path, options).map_err(|error| {
        if sources.is_empty() {
            RenderError::Build(error)
        } else {
            RenderError::Decrypted(sources.redacted(&error.to_string()))
        }
    })?;
    let mut lost = sources.lost().to_vec();
    let substitution = substitution(object, variables, manner);
    let mut yaml = String::new();
    let mut printer = output.printer();
    let mut objects = Vec::with_capacity(output.objects().len());
    let mut ids: HashMap<String, usize> = HashMap::new();
    for object in output.objects().iter().filter(|_| substitution.is_some()) {
        *ids.entry(identity(&object.id())).or_default() += 1;
    }
    for built in output.into_objects() {
        let (mut text, mut value) = (printer.yaml(&built)?, built.to_json()?);
        if let Some(field) = missing_identity(&value) {
            return Err(RenderError::Identity {
                subject: built.id().to_string(),
                field,
            });
        }
        if let Some(decryption) = &decryption {
            let change = decrypt_built(&mut value, decryption)?;
            if change.changed {
                text = sigs::value_to_string(&value).map_err(|source| RenderError::Yaml {
                    subject: built.id().to_string(),
                    source,
                })?;
            }
            lost.extend(change.lost.iter().map(|place| format!("{}: {place}", built.id())));
        }
        if let Some(substitution) = substitution.as_ref().filter(|_| !opts_out(&value)) {
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
            let replaced = replaced.and_then(|substitution| substitution.apply(&text));
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
                value = sigs::to_value(replaced.as_bytes(), &Limits::default()).map_err(yaml_error)?;
            }
            if floats::round(&mut value) || is_replaced {
                text = sigs::value_to_string(&value).map_err(yaml_error)?;
            }
            // A name may have become a number by now; without one it would be left out, and the object pruned.
            if let Some(field) = missing_identity(&value) {
                return Err(RenderError::Identity {
                    subject: subject(),
                    field,
                });
            }
            let (before, after) = (identity(&built.id()), identity(&id_of(&value)));
            if before != after {
                ids.entry(before).and_modify(|count| *count -= 1);
                let same = ids.entry(after).or_default();
                *same += 1;
                if *same > 1 {
                    return Err(RenderError::Twice(*same));
                }
            }
        }
        if !yaml.is_empty() {
            yaml.push_str("---\n");
        }
        yaml.push_str(&text);
        flatten(value, &mut objects)?;
    }
    for value in &mut objects {
        label(value, object);
    }
    Ok(Rendered {
        objects,
        checksum: Digest::sha256(yaml.as_bytes()).to_string(),
        lost,
    })
}

#[cfg(test)]
mod tests;
