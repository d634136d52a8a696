//! Files of a tree, in the order in which Go walks it.

use std::cmp::Ordering;
use std::io::Write;

use crate::{ArchiveError, TarWriter};

/// A regular file of a tree.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its clean path, relative to the root.
    pub path: &'a str,
    /// What is in it.
    pub content: &'a [u8],
    /// Whether somebody may execute it.
    pub executable: bool,
}

/// Tells whether a path is relative, stays in its root, and is written in the one way that consumers unpack.
pub fn clean_path(path: &str) -> bool {
    let is_name = |component: &str| !matches!(component, "" | "." | "..");
    !path.contains(['\\', '\0']) && path.split('/').all(is_name)
}

/// Writes the root, and all directories above files right before what is in them. Nothing but files makes a directory.
pub(crate) fn write<W: Write>(mut files: Vec<File<'_>>, tar: &mut TarWriter<W>) -> Result<(), ArchiveError> {
    if let Some(file) = files.iter().find(|file| !clean_path(file.path)) {
        return Err(ArchiveError::Path(shortened(file.path)));
    }
    files.sort_by(|one, other| in_walk(one.path, other.path));
    tar.directory(".")?;
    let mut previous = "";
    for file in files {
        if file.path == previous {
            return Err(ArchiveError::Twice(shortened(file.path)));
        }
        let below = file.path.strip_prefix(previous);
        if !previous.is_empty() && below.is_some_and(|below| below.starts_with('/')) {
            return Err(ArchiveError::Clash(shortened(previous)));
        }
        for (at, _) in file.path.match_indices('/') {
            let directory = &file.path[..at];
            let open = previous
                .strip_prefix(directory)
                .is_some_and(|rest| rest.starts_with('/'));
            if !open {
                tar.directory(directory)?;
            }
        }
        tar.file(file.path, file.executable, file.content)?;
        previous = file.path;
    }
    Ok(())
}

/// The order of a walk: by one component after the other, which is not the order of whole paths.
fn in_walk(one: &str, other: &str) -> Ordering {
    one.split('/').cmp(other.split('/'))
}

fn shortened(path: &str) -> String {
    path.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn names(paths: &[&str]) -> Result<Vec<String>, ArchiveError> {
        let files = paths.iter().map(|path| File {
            path,
            content: b"",
            executable: false,
        });
        let mut tar = TarWriter::new(Vec::new());
        write(files.collect(), &mut tar)?;
        let bytes = tar.finish()?;
        let blocks = bytes.chunks(512).take_while(|block| block[0] != 0);
        let name = |block: &[u8]| {
            let name = block[..100].split(|byte| *byte == 0).next();
            String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
        };
        Ok(blocks.map(name).collect())
    }

    #[test]
    fn directories_come_once_right_before_their_files() {
        let paths = ["b/c/d", "a.txt", "a/b", "b/c.d", "b/c/e", "a/b.d/x"];
        let expected = [
            ".", "a", "a/b", "a/b.d", "a/b.d/x", "a.txt", "b", "b/c", "b/c/d", "b/c/e", "b/c.d",
        ];
        assert_eq!(names(&paths).expect("clean paths"), expected);
        assert_eq!(names(&[]).expect("nothing"), ["."]);
    }

    #[test]
    fn what_no_consumer_would_unpack_is_refused() {
        for path in ["", "/a", "a//b", "a/", "./a", "a/../b", "a\\b", "a\0", "..", "."] {
            assert!(matches!(names(&[path]), Err(ArchiveError::Path(_))), "{path:?}");
        }
        assert!(matches!(names(&["a", "b", "a"]), Err(ArchiveError::Twice(_))));
        assert!(matches!(names(&["a", "a/b"]), Err(ArchiveError::Clash(_))));
        assert!(matches!(
            names(&["x/a/b", "x/a", "x/a.b"]),
            Err(ArchiveError::Clash(_))
        ));
    }
}
