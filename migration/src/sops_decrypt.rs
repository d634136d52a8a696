//! `openflux sops decrypt`: what kustomize-controller sees of an encrypted file.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use sops::{
    DataKeyError, DecryptError, EmitError, EncryptedFile, Format, IdentityError, Limits, LoadError, LocalKeys,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Decrypts a file and prints it.
///
/// The keys are those of `--keys`; without it those of SOPS_AGE_KEY, SOPS_AGE_KEY_FILE and the configuration of sops.
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

    /// A directory with the entries of a decryption Secret: age keys in files `*.agekey`.
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
    #[error("failed to parse and add to age identities of {place}: {source}")]
    Identity {
        /// Where they are.
        place: String,
        /// Why.
        source: IdentityError,
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
    let keys = match &args.keys {
        Some(directory) => keys_of_directory(directory)?,
        None => keys_of_environment()?,
    };
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

fn keys_of_directory(directory: &Path) -> Result<LocalKeys, SopsDecryptError> {
    let failed = |source| SopsDecryptError::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, io::Error>>()
        .map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "agekey"));
    paths.sort();
    let mut keys = LocalKeys::default();
    for path in paths {
        add_file(&mut keys, &path)?;
    }
    Ok(keys)
}

/// The keys where sops looks for them, but for those that a program would have to be run for, and those of SSH.
fn keys_of_environment() -> Result<LocalKeys, SopsDecryptError> {
    let mut keys = LocalKeys::default();
    if let Ok(text) = std::env::var("SOPS_AGE_KEY") {
        add(&mut keys, "SOPS_AGE_KEY", &Zeroizing::new(text))?;
    }
    if let Some(path) = std::env::var_os("SOPS_AGE_KEY_FILE") {
        add_file(&mut keys, Path::new(&path))?;
    }
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    let configuration = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(home);
    let path = configuration.map(|folder| folder.join("sops/age/keys.txt"));
    if let Some(path) = path.filter(|path| path.is_file()) {
        add_file(&mut keys, &path)?;
    }
    Ok(keys)
}

fn add_file(keys: &mut LocalKeys, path: &Path) -> Result<(), SopsDecryptError> {
    let text = std::fs::read_to_string(path).map_err(|source| SopsDecryptError::Read {
        path: path.to_owned(),
        source,
    })?;
    add(keys, &path.display().to_string(), &Zeroizing::new(text))
}

fn add(keys: &mut LocalKeys, place: &str, text: &str) -> Result<(), SopsDecryptError> {
    keys.add_age_identities(text)
        .map_err(|source| SopsDecryptError::Identity {
            place: place.to_owned(),
            source,
        })
}
