//! A file from its bytes to its bytes.

use crate::error::{DecryptError, EmitError, LoadError};
use crate::flatten::unflatten;
use crate::groups::DataKey;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::stores;
use crate::tree::{Branch, Item, Value};
use crate::walk;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One document or several.
    Yaml,
    /// One object.
    Json,
    /// `KEY=VALUE`.
    Dotenv,
    /// Sections of keys.
    Ini,
    /// Any bytes; encrypted they are a JSON object.
    Binary,
}

impl Format {
    /// The format that sops takes a file for by its name.
    ///
    /// ```
    /// use sops::Format;
    ///
    /// assert_eq!(Format::of_path("secrets/app.yml"), Format::Yaml);
    /// assert_eq!(Format::of_path("app.JSON"), Format::Binary);
    /// ```
    pub fn of_path(path: &str) -> Self {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| path.ends_with(suffix));
        if ends(&[".yaml", ".yml"]) {
            Self::Yaml
        } else if ends(&[".json"]) {
            Self::Json
        } else if ends(&[".env"]) {
            Self::Dotenv
        } else if ends(&[".ini"]) {
            Self::Ini
        } else {
            Self::Binary
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            "dotenv" => Ok(Self::Dotenv),
            "ini" => Ok(Self::Ini),
            "binary" => Ok(Self::Binary),
            other => Err(format!(
                "there is no format {other:?}, only: yaml, json, dotenv, ini, binary"
            )),
        }
    }
}

/// A file that is encrypted.
#[derive(Debug)]
pub struct EncryptedFile {
    documents: Vec<Branch>,
    metadata: Metadata,
}

impl EncryptedFile {
    /// Reads a file.
    pub fn load(bytes: &[u8], format: Format, limits: &Limits) -> Result<Self, LoadError> {
        if bytes.len() > limits.max_bytes {
            return Err(LoadError::Limit {
                what: "bytes",
                allowed: limits.max_bytes,
            });
        }
        let mut documents = match format {
            Format::Yaml => stores::yaml::load(bytes, limits)?,
            Format::Json | Format::Binary => vec![stores::json::load(bytes, limits)?],
            Format::Dotenv => vec![stores::dotenv::load(bytes, limits)?],
            Format::Ini => vec![stores::ini::load(bytes, limits)?],
        };
        let block = match format {
            Format::Dotenv => take_prefixed(&mut documents)?,
            Format::Ini => unflatten(with_newlines(take_block(&mut documents)?))?,
            Format::Yaml | Format::Json | Format::Binary => take_block(&mut documents)?,
        };
        Ok(Self {
            metadata: Metadata::read(&block, limits)?,
            documents,
        })
    }

    /// What the file says about its encryption.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Decrypts the file.
    pub fn decrypt(mut self, key: &DataKey) -> Result<Decrypted, DecryptError> {
        let is_authentic = walk::decrypt(&mut self.documents, &self.metadata, key)?;
        Ok(Decrypted {
            documents: self.documents,
            is_authentic,
        })
    }
}

/// Takes the block of SOPS out of the documents; that of the first counts.
fn take_block(documents: &mut [Branch]) -> Result<Branch, LoadError> {
    let mut block = None;
    for (at, document) in documents.iter_mut().enumerate() {
        for item in document.extract_if(.., |item| item.key_text() == Some(b"sops")) {
            if at > 0 {
                continue;
            }
            let Value::Branch(branch) = item.value else {
                return Err(LoadError::Metadata(
                    "Found sops entry that is not a mapping".to_owned(),
                ));
            };
            if block.is_some() {
                return Err(LoadError::Metadata("Found duplicate sops entry".to_owned()));
            }
            block = Some(branch);
        }
    }
    block.ok_or(LoadError::MetadataNotFound)
}

/// Takes the keys of SOPS out of a flat document.
fn take_prefixed(documents: &mut [Branch]) -> Result<Branch, LoadError> {
    let mut block = Vec::new();
    for document in documents.iter_mut().take(1) {
        let is_ours = |item: &mut Item| item.key_text().is_some_and(|key| key.starts_with(b"sops_"));
        for item in document.extract_if(.., is_ours) {
            let key = item
                .key_text()
                .and_then(|key| key.get(5..))
                .unwrap_or_default()
                .to_vec();
            block.push(Item::new(key, item.value));
        }
    }
    if block.is_empty() {
        return Err(LoadError::MetadataNotFound);
    }
    unflatten(block)
}

/// In the block of an ini file newlines are written as two characters.
fn with_newlines(block: Branch) -> Branch {
    let items = block.into_iter().map(|mut item| {
        if let Value::Text(text) = &mut item.value {
            *text = stores::replace(text, b"\\n", b"\n");
        }
        item
    });
    items.collect()
}

/// A file that was decrypted.
pub struct Decrypted {
    documents: Vec<Branch>,
    is_authentic: bool,
}

impl std::fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decrypted({} documents)", self.documents.len())
    }
}

impl Decrypted {
    /// Says whether all values, and their order, are those that were encrypted. kustomize-controller does not ask.
    pub fn is_authentic(&self) -> bool {
        self.is_authentic
    }

    /// Where in the file a value is lost when it is printed in a format: some texts of several lines that begin with a tab
    /// become null in YAML, because sops cannot read what it prints of them, and does not say so.
    pub fn lost(&self, format: Format) -> Vec<String> {
        match format {
            Format::Yaml => stores::yaml::lost(&self.documents),
            Format::Json | Format::Dotenv | Format::Ini | Format::Binary => Vec::new(),
        }
    }

    /// Prints the file in a format.
    pub fn emit(&self, format: Format) -> Result<Vec<u8>, EmitError> {
        let first = self.documents.first().map_or(&[][..], Vec::as_slice);
        match format {
            Format::Yaml => stores::yaml::emit(&self.documents),
            Format::Json => stores::json::emit(first),
            Format::Dotenv => stores::dotenv::emit(first),
            Format::Ini => stores::ini::emit(&self.documents),
            Format::Binary if self.documents.len() != 1 => {
                Err(EmitError::Binary("there must be exactly one tree branch"))
            }
            Format::Binary => stores::json::emit_binary(first),
        }
    }
}
