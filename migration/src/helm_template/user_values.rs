//! The values that a user gives on the command line, merged in Helm's order.

use std::io::{self, Read};
use std::{fs, path::Path};

use gotmpl::{Map, Value};
use helm::strvals::{self, StrvalsError};
use helm::{ValuesError, values};

use super::HelmTemplateArgs;
use crate::go_message::go_message;

/// Values that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UserValuesError {
    /// A file cannot be read.
    #[error("open {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: String,
    },
    /// A file has to be fetched.
    #[error("values from {0} are not supported: fetch the file first")]
    Remote(String),
    /// A file does not hold values.
    #[error("failed to parse {path}: {error}")]
    Parse {
        /// The file.
        path: String,
        /// Why.
        error: ValuesError,
    },
    /// `--set-json` got something else than JSON.
    #[error("failed parsing --set-json data {0}")]
    Json(String),
    /// `--set-json` got a malformed JSON object.
    #[error("failed parsing --set-json data JSON: {0}")]
    JsonObject(String),
    /// One of the `--set` flags has a malformed value.
    #[error("failed parsing {flag} data: {error}")]
    Set {
        /// The flag.
        flag: &'static str,
        /// Why.
        error: StrvalsError,
    },
}

/// Reads and merges what the files and the `--set` flags give.
pub(super) fn read(files: Vec<String>, args: &HelmTemplateArgs) -> Result<Map, UserValuesError> {
    let mut merged = Map::new();
    for path in files {
        let text = read_file(&path)?;
        let file = values::read(&text).map_err(|error| UserValuesError::Parse { path, error })?;
        merged = values::merge(&merged, &file);
    }
    for argument in &args.set_json {
        let trimmed = argument.trim();
        if trimmed.starts_with('{') {
            let object = match sprig::from_json_prefix(trimmed.as_bytes()) {
                Ok((Value::Map(object), end)) if end == trimmed.len() => object,
                _ => return Err(UserValuesError::JsonObject(argument.clone())),
            };
            merged = values::merge(&merged, &object);
        } else {
            strvals::set_json(argument, &merged).map_err(|_| UserValuesError::Json(argument.clone()))?;
        }
    }
    let failed = |flag| move |error| UserValuesError::Set { flag, error };
    for argument in &args.set {
        strvals::set(argument, &merged).map_err(failed("--set"))?;
    }
    for argument in &args.set_string {
        strvals::set_string(argument, &merged).map_err(failed("--set-string"))?;
    }
    for argument in &args.set_file {
        let mut read = |path: &str| {
            let text = read_file(path).map_err(|error| error.to_string())?;
            Ok(Value::Str(text.into()))
        };
        strvals::set_file(argument, &merged, &mut read).map_err(failed("--set-file"))?;
    }
    for argument in &args.set_literal {
        strvals::set_literal(argument, &merged).map_err(failed("--set-literal"))?;
    }
    Ok(merged)
}

fn read_file(path: &str) -> Result<Vec<u8>, UserValuesError> {
    let failed = |error: io::Error| UserValuesError::Read {
        path: path.to_owned(),
        error: go_message(&error),
    };
    if path.trim() == "-" {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text).map_err(failed)?;
        return Ok(text);
    }
    if ["http://", "https://", "oci://"]
        .iter()
        .any(|scheme| path.starts_with(scheme))
    {
        return Err(UserValuesError::Remote(path.to_owned()));
    }
    fs::read(Path::new(path)).map_err(failed)
}
