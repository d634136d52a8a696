//! A directory on disk as the files of an Artifact.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flux_archive::{Files, Limits, Loaded};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// How many directories may lie in each other.
const DEEPEST: usize = 255;

/// Reads all regular files below a directory; links, and what else is no file, are left out, as no consumer takes them. Blocks.
///
/// # Errors
/// Something cannot be read, a name is not UTF-8, or there is more than the limits allow, directories included.
pub fn read_directory(directory: &Path, limits: Limits) -> io::Result<Files> {
    let mut files = Files::new();
    let (mut bytes, mut folders) = (0, 0);
    let check = |bytes: u64, entries: usize| {
        if bytes <= limits.bytes && entries <= limits.entries {
            return Ok(());
        }
        let Limits { bytes, entries } = limits;
        let what = format!("there are more than {entries} files and directories, or {bytes} bytes");
        Err(io::Error::other(what))
    };
    let mut left = BTreeSet::from([String::new()]);
    while let Some(below) = left.pop_first() {
        if below.matches('/').count() > DEEPEST {
            return Err(io::Error::other(format!("{below:?} lies too deep")));
        }
        for entry in fs::read_dir(directory.join(&below))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| io::Error::other(format!("the name {} is not UTF-8", name.display())))?;
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.insert(path);
                folders += 1;
                check(bytes, files.len() + folders)?;
            } else if kind.is_file()
                && let Some(loaded) = load(&entry.path(), limits.bytes - bytes)?
            {
                bytes += loaded.content.len() as u64;
                files.insert(path, loaded);
                check(bytes, files.len() + folders)?;
            }
        }
    }
    Ok(files)
}

/// Reads a file, and no more of it than is needed to see that it is too long. Nothing if it has become a link, or what no
/// file is, since it was looked at.
fn load(path: &Path, room: u64) -> io::Result<Option<Loaded>> {
    // A pipe would wait for somebody to write.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => fs::File::from(file),
        Err(Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let mut content = Vec::new();
    file.take(room.saturating_add(1)).read_to_end(&mut content)?;
    Ok(Some(Loaded { content, executable }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_links_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b")).expect("a folder");
        fs::write(at("a/b/x"), "1").expect("room");
        fs::write(at("run.sh"), "2").expect("room");
        fs::set_permissions(at("run.sh"), fs::Permissions::from_mode(0o755)).expect("a file");
        std::os::unix::fs::symlink("/etc/passwd", at("link")).expect("a link");
        let limits = |bytes, entries| Limits { bytes, entries };
        // A link that takes the place of a file is none, and neither is a directory.
        for path in ["link", "a"] {
            assert!(load(&at(path), 9).expect("an answer").is_none(), "{path}");
        }
        let files = read_directory(folder.path(), limits(2, 4)).expect("files");
        let read: Vec<_> = files
            .iter()
            .map(|(path, file)| (path.as_str(), file.content.as_slice(), file.executable))
            .collect();
        assert_eq!(read, [("a/b/x", &b"1"[..], false), ("run.sh", b"2", true)]);
        assert!(read_directory(folder.path(), limits(1, 4)).is_err());
        assert!(read_directory(folder.path(), limits(2, 3)).is_err());
        assert!(read_directory(&at("none"), limits(2, 4)).is_err());
    }
}
