//! What others offer for download: archives of several formats, and single files.

mod glob;
mod select;
mod tar;
mod zip;

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::walk::Limits;

pub use glob::glob;
pub use select::Selection;

/// How a body is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As its first bytes say: an archive is unpacked, a compressed file too, and anything else is one file.
    #[default]
    Auto,
    /// As an archive, or not at all.
    Archive,
    /// As one file, whatever is in it.
    File,
}

/// Longest path of a file, in bytes.
const LONGEST_PATH: usize = 4096;
/// Most components of a path.
const DEEPEST: usize = 255;

/// Why a body cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// There is more than is allowed.
    #[error("it unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// There are more entries than are allowed.
    #[error("it has more than {0} entries")]
    TooMany(usize),
    /// A format that is known, and not read.
    #[error("{0} is not supported; use tar, tar.gz or zip")]
    Unsupported(&'static str),
    /// It is not what it is meant to be.
    #[error("{0}")]
    Invalid(String),
    /// What is asked for is not in it.
    #[error("{0}")]
    Nothing(String),
}

impl BodyError {
    fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

/// A file of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What is in it.
    pub content: Vec<u8>,
    /// Whether somebody may execute it.
    pub executable: bool,
}

/// Files by their clean, relative paths.
pub type Files = BTreeMap<String, Loaded>;

/// A body that was read.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The files.
    pub files: Files,
    /// Links, which were left out; the first few.
    pub links: Vec<String>,
    /// How many links were left out.
    pub left_out: usize,
}

impl Body {
    /// Reads a body, which is called `name` where it is one file.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn read(body: &[u8], form: Form, name: &str, limits: Limits) -> Result<Self, BodyError> {
        if form == Form::File {
            return Self::one(name, body.to_vec(), limits);
        }
        if let Some(format) = unsupported(body) {
            return Err(BodyError::Unsupported(format));
        }
        if body.starts_with(b"PK\x03\x04") || body.starts_with(b"PK\x05\x06") {
            return zip::read(body, limits);
        }
        if tar::is_tar(body) {
            return tar::read(body, limits);
        }
        if body.starts_with(&[0x1f, 0x8b]) {
            let head = head(body)?;
            if tar::is_tar(&head) {
                return tar::read(MultiGzDecoder::new(body), limits);
            }
            if form == Form::Auto {
                let name = name
                    .strip_suffix(".gz")
                    .filter(|name| !name.is_empty())
                    .unwrap_or(name);
                return Self::one(name, plain(body, limits)?, limits);
            }
        }
        match form {
            Form::Archive => Err(BodyError::invalid(
                "it is no archive: neither tar, nor tar.gz, nor zip",
            )),
            Form::Auto | Form::File => Self::one(name, body.to_vec(), limits),
        }
    }

    fn one(name: &str, content: Vec<u8>, limits: Limits) -> Result<Self, BodyError> {
        if content.len() as u64 > limits.bytes {
            return Err(BodyError::TooLarge(limits.bytes));
        }
        let mut body = Self::default();
        body.add(name.to_owned(), content, false);
        Ok(body)
    }

    /// Adds a file; a later one of the same path wins.
    fn add(&mut self, path: String, content: Vec<u8>, executable: bool) {
        self.files.insert(path, Loaded { content, executable });
    }

    fn leave_out(&mut self, link: &str) {
        if self.links.len() < 5 {
            self.links.push(shortened(link));
        }
        self.left_out += 1;
    }

    /// Refuses a path that is that of a file and that of a directory.
    fn without_clashes(self) -> Result<Self, BodyError> {
        for path in self.files.keys() {
            // What lies below a path comes at once after it and what only begins like it.
            let below = format!("{path}/");
            let next = self.files.range(below.clone()..).next();
            if next.is_some_and(|(next, _)| next.starts_with(&below)) {
                let clash = shortened(path);
                return Err(BodyError::invalid(format!("{clash:?} is a file and a directory")));
            }
        }
        Ok(self)
    }
}

/// The beginning of what a gzip stream holds.
fn head(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut head = Vec::with_capacity(512);
    let mut plain = MultiGzDecoder::new(body).take(512);
    plain.read_to_end(&mut head).map_err(|error| corrupt(&error))?;
    Ok(head)
}

fn plain(body: &[u8], limits: Limits) -> Result<Vec<u8>, BodyError> {
    let mut content = Vec::new();
    let mut plain = MultiGzDecoder::new(body).take(limits.bytes.saturating_add(1));
    plain.read_to_end(&mut content).map_err(|error| corrupt(&error))?;
    Ok(content)
}

fn corrupt(error: &io::Error) -> BodyError {
    BodyError::invalid(format!("it is not a valid gzip stream: {error}"))
}

/// The name of a format that begins like this, and is not read.
fn unsupported(body: &[u8]) -> Option<&'static str> {
    let formats: [(&[u8], &str); 5] = [
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
        (b"BZh", "bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
    ];
    let mut formats = formats.into_iter();
    formats.find_map(|(magic, name)| body.starts_with(magic).then_some(name))
}

/// The clean form of a path in an archive; `None` for the root.
fn clean(path: &str) -> Result<Option<String>, BodyError> {
    let refused = || {
        BodyError::invalid(format!(
            "entry {:?} has a path that leaves the root, or is none",
            shortened(path)
        ))
    };
    if path.is_empty() || path.starts_with('/') || path.contains(['\\', '\0']) || path.len() > LONGEST_PATH {
        return Err(refused());
    }
    let components: Vec<_> = path
        .split('/')
        .filter(|component| !matches!(*component, "" | "."))
        .collect();
    if components.contains(&"..") || components.len() > DEEPEST {
        return Err(refused());
    }
    Ok((!components.is_empty()).then(|| components.join("/")))
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
