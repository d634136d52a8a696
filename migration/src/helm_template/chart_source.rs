//! Finding a chart on disk, and reading its folder as Helm does.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use helm::{Chart, File, HELMIGNORE, IgnoreError, IgnoreRules, Limits, LoadError};

use crate::go_message::go_message;

/// How many links and folders a path below the chart may go through.
const MAX_DEPTH: usize = 100;

/// How many steps it may take to compare the files of a chart with its rules; Helm has no such limit.
const MAX_COMPARED: u64 = 50_000_000;

/// Larger files are read when a template asks for them: charts ship CRDs of which a render uses a few.
const READ_AT_ONCE: u64 = 64 << 10;

/// A chart that cannot be found or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ChartSourceError {
    /// There is nothing at a path.
    #[error("path {0} not found")]
    NotFound(String),
    /// A folder holds no chart.
    #[error("unable to detect chart at {folder}/Chart.yaml: open {folder}/Chart.yaml: {error}")]
    NoChart {
        /// The folder.
        folder: String,
        /// What the system says.
        error: String,
    },
    /// A file is not an archive.
    #[error("{0}")]
    NotArchive(String),
    /// An archive is refused.
    #[error("unable to load chart archive")]
    Archive(#[source] LoadError),
    /// A file cannot be read.
    #[error("error reading {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: String,
    },
    /// A file is a device, a socket or a pipe.
    #[error("cannot load irregular file {0} as it has file mode type bits set")]
    Irregular(String),
    /// A file is larger than Helm allows.
    #[error("chart file {name} is larger than the maximum file size {limit}")]
    FileTooLarge {
        /// The file's name, quoted.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The folder holds more than is allowed for an archive; Helm has no such limit for folders.
    #[error("the chart's folder holds more than {0}")]
    FolderTooLarge(String),
    /// A link leads to nothing.
    #[error("error evaluating symlink {path}: {error}")]
    Link {
        /// The link.
        path: String,
        /// What the system says.
        error: String,
    },
    /// A link leads out of the chart.
    #[error("{0} is a link that leads out of the chart; --allow-outside-links follows it as Helm does")]
    OutsideLink(String),
    /// Links or folders nest too deeply, probably in a circle.
    #[error("{0} lies too deep below the chart's folder; is there a link to a folder above it?")]
    TooDeep(String),
    /// `.helmignore` is malformed.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// There are too many rules for so many files.
    #[error("{HELMIGNORE}: comparing its rules with the chart's files takes more than {MAX_COMPARED} steps")]
    IgnoreWork,
    /// The files are no chart.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Finds a chart on disk; nothing for the name of one that has to be fetched.
pub(super) fn locate(name: &str) -> Result<Option<PathBuf>, ChartSourceError> {
    let name = name.trim();
    let path = Path::new(name);
    if path.exists() {
        return Ok(Some(
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        ));
    }
    if path.is_absolute() || name.starts_with('.') {
        return Err(ChartSourceError::NotFound(go_std::quote(name.as_bytes())));
    }
    Ok(None)
}

/// Reads the archive of a chart that was fetched.
pub(super) fn read_archive(bytes: &[u8], limits: &Limits) -> Result<Chart, ChartSourceError> {
    Chart::from_archive(bytes, limits).map_err(|error| match error {
        LoadError::Archive(_) => ChartSourceError::Archive(error),
        error => error.into(),
    })
}

/// Loads a chart from its folder or archive; also returns what is worth a warning.
///
/// Links that lead out of the chart, and the git work tree around it, are followed only if `allow_outside_links`.
pub fn load_chart(
    path: &Path,
    allow_outside_links: bool,
    limits: &Limits,
) -> Result<(Chart, Vec<String>), ChartSourceError> {
    if !path.is_dir() {
        return Ok((load_archive(path, limits)?, Vec::new()));
    }
    if let Err(error) = fs::metadata(path.join("Chart.yaml")) {
        return Err(ChartSourceError::NoChart {
            folder: shown(path),
            error: go_message(&error),
        });
    }
    let (files, warnings) = read_folder(path, allow_outside_links, limits)?;
    Ok((Chart::from_files(files, limits)?, warnings))
}

/// Loads a chart from its archive.
pub(crate) fn load_archive(path: &Path, limits: &Limits) -> Result<Chart, ChartSourceError> {
    // Helm allows no more than this unpacked.
    let bytes = read_bounded(path, limits.chart_bytes).map_err(|error| read_error(path, &error))?;
    archive_at(path, &bytes, limits)
}

/// Reads a file, and no more of it than is needed to see that it is too long.
pub(super) fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    read_into(&mut content, fs::File::open(path)?, max)?;
    Ok(content)
}

/// Reads to the end of what is not longer than `max`.
fn read_into(content: &mut Vec<u8>, source: impl io::Read, max: u64) -> io::Result<()> {
    source.take(max.saturating_add(1)).read_to_end(content)?;
    if content.len() as u64 > max {
        return Err(io::Error::other(format!("larger than the maximum size {max}")));
    }
    Ok(())
}

/// Reads the archive of a chart that lies at a path.
pub(super) fn archive_at(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Chart, ChartSourceError> {
    check_is_archive(path, bytes)?;
    read_archive(bytes, limits)
}

/// Reads the files of a chart's folder that take part; also returns what is worth a warning.
pub(crate) fn read_folder(
    path: &Path,
    allow_outside_links: bool,
    limits: &Limits,
) -> Result<(Vec<File>, Vec<String>), ChartSourceError> {
    let rules = ignore_rules(path, limits)?;
    let roots = if allow_outside_links {
        vec![PathBuf::from("/")]
    } else {
        link_roots(path)
    };
    let mut walk = Walk {
        rules,
        roots,
        limits: *limits,
        left: limits.chart_bytes,
        files: Vec::new(),
        left_out: Vec::new(),
        compared: 0,
        buffer: Vec::new(),
    };
    walk.folder(path, "", 0)?;
    let warnings = walk
        .left_out
        .iter()
        .map(|path| format!("{path} is left out: the link leads out of the chart"));
    let warnings = warnings.collect();
    Ok((walk.files, warnings))
}

fn ignore_rules(chart: &Path, limits: &Limits) -> Result<IgnoreRules, ChartSourceError> {
    let Ok(file) = fs::File::open(chart.join(HELMIGNORE)) else {
        return Ok(IgnoreRules::default());
    };
    let mut text = Vec::new();
    let read = file
        .take(limits.file_bytes.saturating_add(1))
        .read_to_end(&mut text);
    if text.len() as u64 > limits.file_bytes {
        return Err(ChartSourceError::FileTooLarge {
            name: go_std::quote(HELMIGNORE.as_bytes()),
            limit: limits.file_bytes,
        });
    }
    match read {
        Ok(_) => Ok(IgnoreRules::parse(&String::from_utf8_lossy(&text))?),
        // Helm takes a file that cannot be read for none.
        Err(_) => Ok(IgnoreRules::default()),
    }
}

/// The folders that links of a chart may lead into: its own, and the git work tree around it.
fn link_roots(chart: &Path) -> Vec<PathBuf> {
    let Ok(chart) = fs::canonicalize(chart) else {
        return Vec::new();
    };
    let work_tree = chart
        .ancestors()
        .find(|folder| folder.join(".git").exists())
        .map(Path::to_owned);
    work_tree.into_iter().chain([chart]).collect()
}

/// Reads the files of a folder in the order of their names, through links too.
struct Walk {
    rules: IgnoreRules,
    roots: Vec<PathBuf>,
    limits: Limits,
    /// How many bytes may still be read.
    left: u64,
    files: Vec<File>,
    left_out: Vec<String>,
    /// The steps of comparing names with rules so far.
    compared: u64,
    /// Room for the content of one file after the other.
    buffer: Vec<u8>,
}

impl Walk {
    fn folder(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), ChartSourceError> {
        if depth > MAX_DEPTH {
            return Err(ChartSourceError::TooDeep(shown(path)));
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| read_error(path, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let file_name = entry.file_name();
            let file_name = file_name.to_string_lossy();
            let name = if name.is_empty() {
                file_name.into_owned()
            } else {
                format!("{name}/{file_name}")
            };
            let Some(metadata) = self.metadata(&path, &name)? else {
                continue;
            };
            self.compared = self.compared.saturating_add(self.rules.steps(&name));
            if self.compared > MAX_COMPARED {
                return Err(ChartSourceError::IgnoreWork);
            }
            if self.rules.ignores(&name, metadata.is_dir()) {
                continue;
            }
            if metadata.is_dir() {
                self.folder(&path, &name, depth + 1)?;
            } else {
                self.file(&path, &name, &metadata)?;
            }
        }
        Ok(())
    }

    /// Looks through a link; nothing if it leads out of the chart and the file takes no part in rendering.
    fn metadata(&mut self, path: &Path, name: &str) -> Result<Option<Metadata>, ChartSourceError> {
        let metadata = fs::symlink_metadata(path).map_err(|error| read_error(path, &error))?;
        if !metadata.is_symlink() {
            return Ok(Some(metadata));
        }
        let link_error = |error: io::Error| ChartSourceError::Link {
            path: shown(path),
            error: link_problem(path, &error),
        };
        let target = fs::canonicalize(path).map_err(link_error)?;
        if self.roots.iter().any(|root| target.starts_with(root)) {
            return fs::metadata(path).map(Some).map_err(link_error);
        }
        // Licences and the like are often links; templates could still ask for their content.
        if name.contains('/') || path.extension().is_some() {
            return Err(ChartSourceError::OutsideLink(shown(path)));
        }
        self.left_out.push(shown(path));
        Ok(None)
    }

    fn file(&mut self, path: &Path, name: &str, metadata: &Metadata) -> Result<(), ChartSourceError> {
        if !metadata.is_file() {
            return Err(ChartSourceError::Irregular(shown(path)));
        }
        if metadata.len() > self.limits.file_bytes {
            let name = go_std::quote(path.file_name().unwrap_or_default().to_string_lossy().as_bytes());
            return Err(ChartSourceError::FileTooLarge {
                name,
                limit: self.limits.file_bytes,
            });
        }
        let Some(left) = self.left.checked_sub(metadata.len()) else {
            return Err(ChartSourceError::FolderTooLarge(format!(
                "{} bytes",
                self.limits.chart_bytes
            )));
        };
        self.left = left;
        if self.files.len() == self.limits.files {
            return Err(ChartSourceError::FolderTooLarge(format!(
                "{} files",
                self.limits.files
            )));
        }
        // One that has grown out of that meanwhile is not read.
        let max = self.limits.file_bytes;
        let opened = fs::File::open(path).and_then(|file| {
            if metadata.len() > READ_AT_ONCE {
                let path = path.to_owned();
                let read = move || read_bounded(&path, max).map_err(|error| open_error(&path, &error));
                return Ok(File::on_demand(name, metadata.len(), read));
            }
            self.buffer.clear();
            read_into(&mut self.buffer, file, READ_AT_ONCE)?;
            Ok(File::new(name, &self.buffer))
        });
        let file = opened.map_err(|error| ChartSourceError::Read {
            error: open_error(path, &error),
            path: name.to_owned(),
        })?;
        let modified = metadata.modified().ok();
        let modified = modified.and_then(|modified| jiff::Timestamp::try_from(modified).ok());
        self.files.push(match modified {
            Some(modified) => file.with_modified(modified.into()),
            None => file,
        });
        Ok(())
    }
}

/// Tells a user what else a file is, in Helm's words.
fn check_is_archive(path: &Path, bytes: &[u8]) -> Result<(), ChartSourceError> {
    if helm::is_gzip(bytes) {
        return Ok(());
    }
    let path = shown(path);
    let yaml = [".yml", ".yaml"]
        .iter()
        .any(|extension| path.ends_with(extension));
    Err(ChartSourceError::NotArchive(if yaml {
        format!("file '{path}' seems to be a YAML file, but expected a gzipped archive")
    } else {
        // Helm looks at 512 bytes, and shorter files are filled up with zeros.
        let text = bytes.len() >= 512
            && !bytes
                .iter()
                .take(512)
                .any(|b| matches!(b, 0..=8 | 0xB | 0xE..=0x1A | 0x1C..=0x1F));
        let kind = if text {
            "text/plain; charset=utf-8"
        } else {
            "application/octet-stream"
        };
        format!("file '{path}' does not appear to be a gzipped archive; got '{kind}'")
    }))
}

/// Says where a link leads to nothing, as Go's `EvalSymlinks` does: it follows links one after the other.
fn link_problem(link: &Path, error: &io::Error) -> String {
    const MAX_LINKS: usize = 255;
    let mut reached = PathBuf::new();
    let mut left = vec![link.to_owned()];
    let mut links = 0;
    while let Some(path) = left.pop() {
        let mut components = path.components();
        let Some(first) = components.next() else { continue };
        left.push(components.as_path().to_owned());
        match first {
            Component::ParentDir => drop(reached.pop()),
            Component::CurDir => {}
            other => reached.push(other),
        }
        match fs::symlink_metadata(&reached) {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return "EvalSymlinks: too many links".to_owned();
                }
                left.extend(fs::read_link(&reached));
                reached.pop();
            }
            Ok(_) => {}
            Err(error) => return format!("lstat {}: {}", shown(&reached), go_message(&error)),
        }
    }
    go_message(error)
}

fn open_error(path: &Path, error: &io::Error) -> String {
    format!("open {}: {}", shown(path), go_message(error))
}

fn read_error(path: &Path, error: &io::Error) -> ChartSourceError {
    ChartSourceError::Read {
        path: shown(path),
        error: go_message(error),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_cut_silently() {
        let read = |length: usize| {
            let mut content = Vec::new();
            let read = read_into(&mut content, vec![7; length].as_slice(), 4);
            read.map(|()| content).map_err(|error| error.to_string())
        };
        assert_eq!(read(4), Ok(vec![7; 4]));
        assert_eq!(read(5), Err("larger than the maximum size 4".to_owned()));
    }

    #[test]
    fn an_archive_is_read_as_far_as_it_may_be_long() {
        let path = std::env::temp_dir().join(format!("openflux-large-{}.tgz", std::process::id()));
        // It has no content, and takes no room.
        fs::File::create(&path).unwrap().set_len(1 << 33).unwrap();
        let limits = Limits {
            chart_bytes: 1 << 16,
            ..Limits::default()
        };
        let error = load_chart(&path, false, &limits).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        let expected = format!(
            "error reading {}: larger than the maximum size 65536",
            path.display()
        );
        assert_eq!(error, expected);
    }
}
