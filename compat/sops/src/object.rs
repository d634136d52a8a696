//! Objects of a build, decrypted as kustomize-controller does it before it applies them.
//!
//! An object with a block of SOPS is decrypted as a whole. Otherwise the data of a Secret is looked through for encrypted
//! files, which a generator may have put there, and is rewritten whether one is found or not.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value};
use zeroize::Zeroizing;

use crate::error::{DecryptError, EmitError, LoadError};
use crate::file::{EncryptedFile, Format};
use crate::groups::{DataKeyError, KeyService};
use crate::limits::Limits;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The annotation that keeps an object from being decrypted, with the value `disabled`.
const MARKER: &str = "kustomize.toolkit.fluxcd.io/decrypt";

/// Why a file is not decrypted, in the words of kustomize-controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be loaded.
    #[error("failed to load encrypted {} data: {source}", from.title())]
    Load {
        /// The format that it was read in.
        from: Format,
        /// Why.
        source: LoadError,
    },
    /// There is no data key.
    #[error("cannot get sops data key: {0}")]
    DataKey(#[from] DataKeyError),
    /// It is damaged.
    #[error("error decrypting sops tree: {0}")]
    Decrypt(#[from] DecryptError),
    /// It cannot be printed.
    #[error("failed to emit encrypted {} file as decrypted {}: {source}", from.title(), to.title())]
    Emit {
        /// The format that it was read in.
        from: Format,
        /// The format that it was to be printed in.
        to: Format,
        /// Why.
        source: EmitError,
    },
}

/// Why an object is not decrypted, in the words of kustomize-controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The object as a whole.
    #[error("failed to decrypt and format '{name}' {kind} data: {source}")]
    Whole {
        /// `namespace/name`.
        name: String,
        /// The kind.
        kind: String,
        /// Why.
        source: FileError,
    },
    /// A field of its data.
    #[error("failed to decrypt and format '{name}' Secret field '{field}': {source}")]
    Field {
        /// `namespace/name`.
        name: String,
        /// The field.
        field: String,
        /// Why.
        source: FileError,
    },
}

impl Format {
    /// What messages of kustomize-controller call it.
    fn title(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Dotenv => "dotenv",
            Self::Ini => "INI",
            Self::Binary => "binary",
        }
    }

    /// The format of a file that is to be the value of this key of a Secret.
    ///
    /// ```
    /// use sops::Format;
    ///
    /// assert_eq!(Format::of_key("my.dockerconfigjson"), Format::Json);
    /// assert_eq!(Format::of_key("app.env"), Format::Dotenv);
    /// ```
    pub fn of_key(key: &str) -> Self {
        if key.ends_with(".dockerconfigjson") {
            Self::Json
        } else {
            Self::of_path(key)
        }
    }

    /// The format of the encrypted file that these bytes seem to be, by a mark that each format has in it.
    pub fn of_encrypted(bytes: &[u8]) -> Option<Self> {
        let formats = [Self::Binary, Self::Yaml, Self::Dotenv, Self::Ini];
        formats.into_iter().find(|format| format.marks(bytes))
    }

    /// Whether the mark of this format is somewhere in the bytes, so that kustomize-controller takes them for an encrypted
    /// file of it.
    pub fn marks(self, bytes: &[u8]) -> bool {
        let mark = match self {
            Self::Binary | Self::Json => r#""mac": "ENC["#,
            Self::Yaml => "mac: ENC[",
            Self::Dotenv => "sops_mac=ENC[",
            Self::Ini => "[sops]",
        };
        memchr::memmem::find(bytes, mark.as_bytes()).is_some()
    }
}

/// A file that was decrypted.
#[derive(Debug, Default)]
pub struct Plain {
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Where in the file a value was lost while it was printed, see [`Decrypted::lost`](crate::Decrypted::lost).
    pub lost: Vec<String>,
}

/// What became of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether it may be another one now.
    pub changed: bool,
    /// Where in its fields a value was lost, see [`Decrypted::lost`](crate::Decrypted::lost).
    pub lost: Vec<String>,
}

/// Decrypts a file from one format to another. The MAC does not count.
pub fn decrypt_file(
    bytes: &[u8],
    from: Format,
    to: Format,
    keys: &dyn KeyService,
    limits: &Limits,
) -> Result<Plain, FileError> {
    let file = EncryptedFile::load(bytes, from, limits).map_err(|source| FileError::Load { from, source })?;
    let key = file.metadata().data_key(keys)?;
    let decrypted = file.decrypt(&key)?;
    let bytes = decrypted
        .emit(to)
        .map(Zeroizing::new)
        .map_err(|source| FileError::Emit { from, to, source })?;
    Ok(Plain {
        lost: decrypted.lost(to),
        bytes,
    })
}

/// Decrypts an object of a build.
pub fn decrypt_object(
    object: &mut Value,
    keys: &dyn KeyService,
    limits: &Limits,
) -> Result<Change, ObjectError> {
    let mut change = Change::default();
    change.changed = decrypt_in_place(object, keys, limits, &mut change.lost)?;
    Ok(change)
}

fn decrypt_in_place(
    object: &mut Value,
    keys: &dyn KeyService,
    limits: &Limits,
    lost: &mut Vec<String>,
) -> Result<bool, ObjectError> {
    if is_disabled(object) {
        return Ok(false);
    }
    if is_encrypted(object) {
        let bytes = object.to_string();
        let decrypted = decrypt_file(bytes.as_bytes(), Format::Json, Format::Json, keys, limits);
        let decrypted = decrypted.map_err(|source| ObjectError::Whole {
            name: name_of(object),
            kind: text(object, "/kind").to_owned(),
            source,
        })?;
        *object = serde_json::from_slice(&decrypted.bytes)
            .map(|value| through_floats(&value))
            .unwrap_or_default();
        return Ok(true);
    }
    if text(object, "/kind") != "Secret" {
        return Ok(false);
    }
    let name = name_of(object);
    let Some(fields) = object.as_object_mut() else {
        return Ok(false);
    };
    let data = match fields.remove("data") {
        Some(Value::Object(data)) if !data.is_empty() => data,
        _ => return Ok(true),
    };
    let mut rewritten = Map::new();
    for (key, value) in data {
        let value = decrypt_field(&key, as_text(&value), keys, limits, lost).map_err(|source| {
            ObjectError::Field {
                name: name.clone(),
                field: key.clone(),
                source,
            }
        })?;
        rewritten.insert(key, Value::String(value));
    }
    fields.insert("data".to_owned(), Value::Object(rewritten));
    Ok(true)
}

/// Decrypts the value of a field, if it is an encrypted file; what is no base64 is left for the API server to refuse.
fn decrypt_field(
    key: &str,
    value: String,
    keys: &dyn KeyService,
    limits: &Limits,
    lost: &mut Vec<String>,
) -> Result<String, FileError> {
    let compact: String = value.split(['\r', '\n']).collect();
    let Ok(bytes) = BASE64.decode(compact) else {
        return Ok(value);
    };
    let Some(from) = Format::of_encrypted(&bytes) else {
        return Ok(value);
    };
    let decrypted = decrypt_file(&bytes, from, Format::of_key(key), keys, limits)?;
    lost.extend(decrypted.lost.iter().map(|place| format!("{key}: {place}")));
    Ok(BASE64.encode(decrypted.bytes.as_slice()))
}

/// Says whether an annotation keeps the object as it is.
fn is_disabled(object: &Value) -> bool {
    let annotation = object
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(MARKER));
    annotation
        .and_then(Value::as_str)
        .is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

/// Says whether the object has a block of SOPS with a code in it, which may be the empty text.
fn is_encrypted(object: &Value) -> bool {
    let is_there = |value: &Value| match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    object
        .get("sops")
        .and_then(|sops| sops.get("mac"))
        .is_some_and(is_there)
}

fn text<'o>(object: &'o Value, path: &str) -> &'o str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn name_of(object: &Value) -> String {
    format!(
        "{}/{}",
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name")
    )
}

/// A value of the data of a Secret, where upstream keeps texts only.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// Numbers as they are after they have been floats, which all of them are in an object that was decrypted.
fn through_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_i64() || number.is_u64() => {
                // The limits of the integers as floats.
                const MAX: f64 = 9_223_372_036_854_775_808.0;
                if (-MAX..MAX).contains(&float) {
                    Value::Number((float as i64).into())
                } else {
                    Number::from_f64(float).map_or(Value::Null, Value::Number)
                }
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(through_floats).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), through_floats(value)))
            .collect(),
        _ => value.clone(),
    }
}
