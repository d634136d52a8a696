//! A tree on disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use go_std::path;

use super::{Entry, FileTree, Resolved, TreeError, TreeErrorReason};

/// What lies below one directory of the file system, read through its real absolute paths.
///
/// A path outside of that directory, or a symbolic link that leads outside, is refused.
#[derive(Debug, Clone)]
pub struct DiskTree {
    root: String,
}

impl DiskTree {
    /// The tree below `root`, which must be an existing directory; `/` confines nothing.
    pub fn new(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = root.as_ref().canonicalize()?;
        let root = root
            .into_os_string()
            .into_string()
            .map_err(|_| io::ErrorKind::InvalidFilename)?;
        Ok(Self { root })
    }

    /// The directory, absolute and without symbolic links.
    pub fn root(&self) -> &str {
        &self.root
    }

    fn real(&self, operation: &'static str, path: &str) -> Result<String, TreeError> {
        let outside = || TreeError::new(operation, path, TreeErrorReason::Outside(self.root.clone()));
        // Before asking the file system: whether something exists outside is not the build's business either.
        if !path::is_in_or_below(path, &self.root) {
            return Err(outside());
        }
        let real = Path::new(path)
            .canonicalize()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    let at = if operation == "lstat" {
                        first_missing(path)
                    } else {
                        path.to_owned()
                    };
                    TreeError::new(operation, at, TreeErrorReason::NotFound)
                }
                _ => from_io(operation, path, &error),
            })?;
        let real = utf8(operation, real)?;
        if path::is_in_or_below(&real, &self.root) {
            Ok(real)
        } else {
            Err(outside())
        }
    }
}

impl FileTree for DiskTree {
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
        let real = self.real("lstat", path)?;
        let is_dir = Path::new(&real).is_dir();
        Ok(Resolved { path: real, is_dir })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let real = self.real("open", path)?;
        let file = fs::File::open(&real).map_err(|e| from_io("open", path, &e))?;
        let metadata = file.metadata().map_err(|e| from_io("read", path, &e))?;
        if metadata.is_dir() {
            return Err(TreeError::new("read", path, TreeErrorReason::IsDirectory));
        }
        let mut content = Vec::with_capacity(metadata.len().min(limit) as usize);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|e| from_io("read", path, &e))?;
        if content.len() as u64 > limit {
            return Err(TreeError::new("read", path, TreeErrorReason::TooLarge(limit)));
        }
        Ok(content)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        let real = self.real("open", path)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(&real).map_err(|e| from_io("open", path, &e))? {
            let entry = entry.map_err(|e| from_io("readdirent", path, &e))?;
            let is_dir = entry
                .file_type()
                .map_err(|e| from_io("lstat", path, &e))?
                .is_dir();
            let name = utf8("readdirent", entry.file_name().into())?;
            entries.push(Entry { name, is_dir });
        }
        entries.sort();
        Ok(entries)
    }
}

/// The shortest leading part of `path` that does not exist, which is where Go notices it.
fn first_missing(path: &str) -> String {
    let ends = path
        .match_indices('/')
        .map(|(i, _)| i)
        .skip(1)
        .chain([path.len()]);
    ends.map(|end| &path[..end])
        .find(|part| fs::metadata(part).is_err())
        .unwrap_or(path)
        .to_owned()
}

fn utf8(operation: &'static str, path: PathBuf) -> Result<String, TreeError> {
    path.into_os_string().into_string().map_err(|name| {
        TreeError::new(
            operation,
            name.to_string_lossy(),
            TreeErrorReason::Other("name is not UTF-8".to_owned()),
        )
    })
}

fn from_io(operation: &'static str, path: &str, error: &io::Error) -> TreeError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => TreeErrorReason::NotFound,
        io::ErrorKind::IsADirectory => TreeErrorReason::IsDirectory,
        io::ErrorKind::NotADirectory => TreeErrorReason::NotDirectory,
        _ => {
            // Go prints the bare text of the error number, in lower case.
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text);
            TreeErrorReason::Other(text.to_lowercase())
        }
    };
    TreeError::new(operation, path, reason)
}
