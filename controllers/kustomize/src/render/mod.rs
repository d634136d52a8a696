//! From an unpacked artifact to the objects that a Kustomization applies.

mod error;
mod identity;
mod manner;
mod objects;
mod root;
mod substitution;

use controller_kit::artifact::Digest;
use envsubst::Variables;
use flux_api::Kustomization;
use go_yaml::sigs;
use kustomize::{FileTree, Options};
use kustomize_sops::{Decrypted, Decryption, decrypt_built, decrypt_sources};
use serde_json::Value;

pub(crate) use error::RenderError;
pub(crate) use manner::{EndOnDrop, Manner};
pub(crate) use root::path;

use identity::{Identities, id_of, missing_identity};
use objects::{flatten, label};
use substitution::{opts_out, substitute, substitution};

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
    let mut identities = Identities::default();
    for object in output.objects().iter().filter(|_| substitution.is_some()) {
        identities.add(&object.id());
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
            if let Some(changed) = substitute(substitution, manner, &built, &text, &mut value)? {
                text = changed;
            }
            identities.rename(&built.id(), &id_of(&value))?;
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
