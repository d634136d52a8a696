//! Objects of a build.

use kustomize::Gvk;
use serde_json::Value;
use sops::{Change, ObjectError, decrypt_object};

use crate::Decryption;

/// Why an object of a build is not decrypted, in the words of kustomize-controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed for '{subject}': {source}")]
pub struct BuiltError {
    /// `KIND.VERSION.GROUP/NAME`.
    subject: String,
    /// Why.
    source: Box<ObjectError>,
}

/// Decrypts an object of a build.
///
/// # Errors
/// See [`BuiltError`].
pub fn decrypt_built(object: &mut Value, decryption: &Decryption<'_>) -> Result<Change, BuiltError> {
    // Only what fails has to be named, by what it was called before.
    let named = |object: &Value| {
        let text = |pointer: &str| {
            let text = object.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let gvk = Gvk::from_api_version(&text("/apiVersion"), text("/kind"));
        format!("{gvk}/{}", text("/metadata/name"))
    };
    match decrypt_object(object, decryption.keys, &decryption.limits) {
        Ok(change) => Ok(change),
        Err(source) => Err(BuiltError {
            subject: named(object),
            source: Box::new(source),
        }),
    }
}
