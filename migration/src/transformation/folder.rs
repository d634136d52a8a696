//! A folder as the files of an input.

use std::fs;
use std::io::Read;
use std::path::Path;

use flux_transform::{File, Limits, Tree};
use sourceignore::{Matcher, patterns_of};

use super::error::FilesError;

/// The folder that no source has.
const GIT: &str = ".git";
/// How many folders may lie in each other.
const DEEPEST: usize = 255;

/// Reads a folder; gives the links in it too, which are left out.
///
/// `as_source` leaves out what a GitRepository leaves out that says nothing about it.
pub(super) fn read(folder: &Path, as_source: bool) -> Result<(Tree, Vec<String>), FilesError> {
    let mut walk = Walk {
        as_source,
        limits: Limits::default(),
        bytes: 0,
        tree: Tree::new(),
        links: Vec::new(),
    };
    walk.folder(folder, "", 0)?;
    let Walk { mut tree, links, .. } = walk;
    if as_source {
        let files = tree.files().map(|(path, file)| (path, &file.content[..]));
        let matcher = Matcher::for_archives(patterns_of(files));
        let ignored = tree
            .files()
            .map(|(path, _)| path)
            .filter(|path| matcher.ignores(path, false));
        let ignored: Vec<_> = ignored.map(str::to_owned).collect();
        for path in ignored {
            tree.remove(&path);
        }
    }
    Ok((tree, links))
}

struct Walk {
    as_source: bool,
    limits: Limits,
    bytes: u64,
    tree: Tree,
    links: Vec<String>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) -> Result<(), FilesError> {
        if depth > DEEPEST {
            return Err(FilesError::content(folder, "it lies too deep"));
        }
        for entry in fs::read_dir(folder).map_err(FilesError::io(folder))? {
            let entry = entry.map_err(FilesError::io(folder))?;
            let path = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(FilesError::content(&path, "its name is not UTF-8"));
            };
            let kind = entry.file_type().map_err(FilesError::io(&path))?;
            let name = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            if kind.is_dir() {
                if !(self.as_source && entry.file_name() == GIT) {
                    self.folder(&path, &name, depth + 1)?;
                }
            } else if kind.is_file() {
                self.file(&path, &name)?;
            } else {
                self.links.push(name);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &str) -> Result<(), FilesError> {
        let left = self.limits.bytes - self.bytes;
        let file = fs::File::open(path).map_err(FilesError::io(path))?;
        let executable = is_executable(&file.metadata().map_err(FilesError::io(path))?);
        let mut content = Vec::new();
        let mut file = file.take(left + 1);
        file.read_to_end(&mut content).map_err(FilesError::io(path))?;
        if content.len() as u64 > left || self.tree.len() == self.limits.files {
            let Limits { bytes, files, .. } = self.limits;
            let problem = format!("there are more than {files} files, or {bytes} bytes, in this input");
            return Err(FilesError::content(path, problem));
        }
        self.bytes += content.len() as u64;
        let file = File {
            content: content.into(),
            executable,
        };
        self.tree
            .insert(name, file)
            .map_err(|error| FilesError::content(path, error))
    }
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
