//! Where subcharts are put: at first beside `charts/`, and into it once all are there.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use helm::Limits;

use super::HelmDependencyError;
use crate::go_message::go_message;
use crate::helm_template::load_archive;

/// How many names are tried for the folder beside `charts/`; each but the first is a random one.
const TRIES: usize = 8;

/// A new folder beside `charts/` that goes when it is no longer needed.
pub(super) struct Beside(String);

impl Beside {
    /// Makes the folder: never is one taken that is there already, since it could be a link to anywhere.
    pub(super) fn new(chart: &str) -> Result<Self, HelmDependencyError> {
        let mut number = u64::from(std::process::id());
        let mut tries = 0;
        loop {
            let path = go_std::path::join(chart, &format!("tmpcharts-{number}"));
            tries += 1;
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < TRIES => {
                    let mut bytes = [0; 8];
                    getrandom::fill(&mut bytes)
                        .map_err(|error| file_error(&path)(io::Error::other(error.to_string())))?;
                    number = u64::from_le_bytes(bytes);
                }
                Err(error) => return Err(file_error(&path)(error)),
            }
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.0
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // What is left is told by the next one who looks into the chart; there is nobody else to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn file_error(path: &str) -> impl Fn(io::Error) -> HelmDependencyError + '_ {
    move |error| HelmDependencyError::File {
        path: path.to_owned(),
        error,
    }
}

/// The names in a folder in their order, and whether each is a folder.
fn names(folder: &str) -> Result<Vec<(String, bool)>, HelmDependencyError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(file_error(folder))? {
        let entry = entry.map_err(file_error(folder))?;
        let is_folder = entry.file_type().map_err(file_error(folder))?.is_dir();
        names.push((entry.file_name().to_string_lossy().into_owned(), is_folder));
    }
    names.sort();
    Ok(names)
}

/// Moves what was fetched into `charts/`, and removes the archives there that are none of it, but those of these charts.
/// Nothing is removed if something could not be moved.
pub(super) fn put(
    beside: &str,
    charts: &str,
    locals: &[&str],
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<(), HelmDependencyError> {
    let (new, old) = (names(beside)?, names(charts)?);
    let load = |path: &str| load_archive(Path::new(path), limits);
    let mut present: HashSet<&str> = HashSet::new();
    let mut left = Vec::new();
    for (name, _) in new.iter().filter(|(_, is_folder)| !is_folder) {
        let (source, target) = (format!("{beside}/{name}"), format!("{charts}/{name}"));
        present.insert(name);
        if let Err(error) = load(&source) {
            write!(out, "Could not verify {source} for moving: {error} (Skipping)")?;
        } else if let Err(error) = move_file(&source, &target) {
            let error = go_message(&error);
            writeln!(
                out,
                "Unable to move {source} to charts dir link error: cannot rename {source} to {target}: rename {source} {target}: {error} (Skipping)"
            )?;
            left.push(name.clone());
        }
    }
    if !left.is_empty() {
        let charts = charts.to_owned();
        return Err(HelmDependencyError::NotMoved { charts, names: left });
    }
    writeln!(out, "Deleting outdated charts")?;
    for (name, is_folder) in old {
        if is_folder || present.contains(name.as_str()) {
            continue;
        }
        let path = format!("{charts}/{name}");
        match load(&path) {
            Err(error) => {
                writeln!(out, "Could not verify {path} for deletion: {error} (Skipping)")?;
            }
            Ok(chart) if locals.contains(&chart.name()) => {}
            Ok(_) => {
                if let Err(error) = fs::remove_file(&path) {
                    write!(out, "Could not delete {path}: {error} (Skipping)")?;
                }
            }
        }
    }
    Ok(())
}

/// Moves a file, also to another device, where it appears whole or not at all.
fn move_file(source: &str, target: &str) -> io::Result<()> {
    match fs::rename(source, target) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => copy_file(source, target),
        moved => moved,
    }
}

/// Copies a file beside its target and moves it there.
fn copy_file(source: &str, target: &str) -> io::Result<()> {
    let beside = format!("{target}.{}.tmp", std::process::id());
    let mut from = fs::File::open(source)?;
    let mut to = fs::File::create_new(&beside)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| fs::rename(&beside, target));
    if copied.is_err() {
        // The error says more than what becomes of the copy.
        let _ = fs::remove_file(&beside);
    }
    copied
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("helm-dependency-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let root = folder("planted");
        let (chart, outside) = (root.join("chart"), root.join("outside"));
        fs::create_dir_all(&chart).unwrap();
        fs::create_dir_all(&outside).unwrap();
        symlink(&outside, chart.join(format!("tmpcharts-{}", std::process::id()))).unwrap();
        let beside = Beside::new(&chart.display().to_string()).unwrap();
        fs::write(format!("{}/a", beside.path()), "").unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        drop(beside);
        assert_eq!(fs::read_dir(&chart).unwrap().count(), 1);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn copies_replace_their_targets_whole() {
        let root = folder("copies");
        let at = |name: &str| root.join(name).display().to_string();
        fs::write(at("new"), "new").unwrap();
        fs::write(at("target"), "old").unwrap();
        copy_file(&at("new"), &at("target")).unwrap();
        assert_eq!(fs::read(at("target")).unwrap(), b"new");
        assert!(copy_file(&at("none"), &at("target")).is_err());
        assert!(move_file(&at("new"), &at("none/target")).is_err());
        assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
        fs::remove_dir_all(root).unwrap();
    }
}
