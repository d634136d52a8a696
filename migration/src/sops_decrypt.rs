//! `openflux sops decrypt`: what kustomize-controller sees of an encrypted file.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use sops::{
    DataKeyError, DecryptError, EmitError, EncryptedFile, Format, IdentityError, Limits, LoadError,
    LocalKeys, PgpKeyError, Surroundings,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Decrypts a file and prints it.
///
/// The keys are those of `--keys`; where it has none of age, those of SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, of SSH, and of the
/// configuration of sops, as for kustomize-controller.
/// As for kustomize-controller, a file that was changed after it was encrypted is decrypted all the same; it is told on
/// standard error.
#[derive(Debug, Args)]
pub struct SopsDecryptArgs {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// How the file is written: yaml, json, dotenv, ini or binary. By default what its name says.
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<Format>,

    /// How the file is printed. By default as it was written.
    #[arg(long, value_name = "FORMAT")]
    output_type: Option<Format>,

    /// A directory with the entries of a decryption Secret: age keys in files `*.agekey`, OpenPGP keys in files `*.asc`.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// Why a file is not printed.
#[derive(Debug, Error)]
pub enum SopsDecryptError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Keys cannot be read.
    #[error("failed to parse and add to age identities of {}: {source}", path.display())]
    Identity {
        /// Where they are.
        path: PathBuf,
        /// Why.
        source: IdentityError,
    },
    /// Keys of OpenPGP cannot be read.
    #[error("failed to import {}: {source}", path.display())]
    Pgp {
        /// Where they are.
        path: PathBuf,
        /// Why.
        source: PgpKeyError,
    },
    /// The file is not an encrypted one.
    #[error("failed to load encrypted data: {0}")]
    Load(#[from] LoadError),
    /// No key opens the file.
    #[error("cannot get sops data key: {0}")]
    DataKey(#[from] DataKeyError),
    /// The file is damaged.
    #[error("error decrypting sops tree: {0}")]
    Decrypt(#[from] DecryptError),
    /// The file cannot be printed in this format.
    #[error("failed to emit the decrypted file: {0}")]
    Emit(#[from] EmitError),
    /// Nobody reads what is printed.
    #[error("cannot write: {0}")]
    Write(io::Error),
}

/// Decrypts a file and prints it.
pub fn sops_decrypt(
    args: &SopsDecryptArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), SopsDecryptError> {
    let limits = Limits::default();
    let bytes = read(&args.path, limits.max_bytes)?;
    let from = args
        .input_type
        .unwrap_or_else(|| Format::of_path(&args.path.to_string_lossy()));
    let mut keys = match &args.keys {
        Some(directory) => keys_of_directory(directory)?,
        None => LocalKeys::default(),
    };
    keys.fall_back_to(&Process);
    let file = EncryptedFile::load(&bytes, from, &limits)?;
    let key = file.metadata().data_key(&keys)?;
    let decrypted = file.decrypt(&key)?;
    if !decrypted.is_authentic() {
        // A closed stderr changes nothing about the outcome.
        let _ = writeln!(
            err,
            "Warning: MAC mismatch: the file was changed after it was encrypted; sops would refuse it, kustomize-controller does not"
        );
    }
    let text = Zeroizing::new(decrypted.emit(args.output_type.unwrap_or(from))?);
    out.write_all(&text).map_err(SopsDecryptError::Write)
}

/// Reads a file, and one byte more than is allowed of one that is too large.
fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, SopsDecryptError> {
    let mut bytes = Vec::new();
    let limit = max_bytes as u64 + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map(|_| bytes).map_err(|source| SopsDecryptError::Read {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn keys_of_directory(directory: &Path) -> Result<LocalKeys, SopsDecryptError> {
    let failed = |source| SopsDecryptError::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, io::Error>>()
        .map_err(failed)?;
    paths.sort();
    let mut keys = LocalKeys::default();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_pgp = match extension {
            Some("agekey") => false,
            Some("asc") => true,
            _ => continue,
        };
        let bytes = std::fs::read(&path).map(Zeroizing::new);
        let bytes = bytes.map_err(|source| SopsDecryptError::Read {
            path: path.clone(),
            source,
        })?;
        if is_pgp {
            let added = keys.add_pgp_keys(&bytes);
            added.map_err(|source| SopsDecryptError::Pgp { path, source })?;
        } else {
            let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
            let added = keys.add_age_identities(&text);
            added.map_err(|source| SopsDecryptError::Identity { path, source })?;
        }
    }
    Ok(keys)
}

/// The environment and the files of this process.
struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<Option<String>, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("open {path}: {error}")),
        }
    }
}
