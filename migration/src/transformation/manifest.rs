//! Objects of a file of manifests.

use std::fs;
use std::io::Read;
use std::path::Path;

use go_yaml::{Limits, sigs};
use helm::split_manifests;
use serde_json::Value;

use super::error::FilesError;

/// The largest file, in bytes.
const LARGEST: u64 = 64 << 20;

/// An object of a file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Its kind.
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// All of it.
    pub(crate) object: Value,
}

/// Reads the objects of a file; `-` is standard input.
pub(crate) fn documents(path: &Path) -> Result<Vec<Document>, FilesError> {
    let mut text = String::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(fs::File::open(path).map_err(FilesError::io(path))?)
    };
    source
        .take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(FilesError::io(path))?;
    if text.len() as u64 > LARGEST {
        return Err(FilesError::content(
            path,
            format!("it is larger than {LARGEST} bytes"),
        ));
    }
    let mut found = Vec::new();
    for document in split_manifests(&text) {
        let object = sigs::to_value(document.as_bytes(), &Limits::default())
            .map_err(|error| FilesError::content(path, error))?;
        let text = |pointer: &str| {
            let text = object.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        if !kind.is_empty() {
            found.push(Document { kind, name, object });
        }
    }
    Ok(found)
}
