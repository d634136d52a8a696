//! A checkout on disk: read whole, and written file by file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use flux_fleet::git::{Checkout, Cluster, Repository};
use similar::TextDiff;

use crate::cluster::CommandError;

/// The largest file that is read; manifests are smaller.
const MAX_FILE: u64 = 4 << 20;
/// The most that is read of one checkout.
const MAX_BYTES: u64 = 256 << 20;
/// The most files that are read of one checkout.
const MAX_FILES: usize = 50_000;

/// Whether files that have changes which are not committed may be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dirty {
    /// They may.
    Allowed,
    /// They may not.
    Refused,
}

/// Reads a checkout; gives what was left out of it, with the reason.
pub(crate) fn read(root: &Path) -> Result<(Checkout, Vec<String>), CommandError> {
    let mut reader = Reader {
        root,
        files: Vec::new(),
        left_out: Vec::new(),
        bytes: 0,
    };
    let what = |error: io::Error| CommandError::Usage(format!("{}: {error}", root.display()));
    reader.directory(root).map_err(what)?;
    Ok((Checkout::new(reader.files), reader.left_out))
}

struct Reader<'a> {
    root: &'a Path,
    files: Vec<(String, Vec<u8>)>,
    left_out: Vec<String>,
    bytes: u64,
}

impl Reader<'_> {
    fn directory(&mut self, at: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(at)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                if entry.file_name() != ".git" {
                    self.directory(&path)?;
                }
            } else if kind.is_symlink() {
                self.link(&path)?;
            } else if kind.is_file() {
                self.file(&path, entry.metadata()?.len(), &path)?;
            }
        }
        Ok(())
    }

    /// A link to a file inside is that file; others are left out.
    fn link(&mut self, path: &Path) -> io::Result<()> {
        let (Ok(target), root) = (path.canonicalize(), self.root.canonicalize()?) else {
            return Ok(());
        };
        if target.starts_with(&root) && target.is_file() {
            let length = fs::metadata(&target)?.len();
            return self.file(path, length, &target);
        }
        self.left_out
            .push(format!("{} is a link that is not followed", path.display()));
        Ok(())
    }

    fn file(&mut self, path: &Path, length: u64, content: &Path) -> io::Result<()> {
        let Some(name) = path.strip_prefix(self.root).ok().and_then(Path::to_str) else {
            return Ok(());
        };
        if length > MAX_FILE {
            return Ok(());
        }
        self.bytes += length;
        if self.bytes > MAX_BYTES || self.files.len() >= MAX_FILES {
            return Err(io::Error::other("the checkout is too large to be read"));
        }
        self.files.push((name.replace('\\', "/"), fs::read(content)?));
        Ok(())
    }
}

/// Writes files, each by way of another one beside it that takes its place, with its mode.
pub(crate) fn write(
    root: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    dirty: Dirty,
) -> Result<(), CommandError> {
    if dirty == Dirty::Refused {
        refuse_dirty(root, files)?;
    }
    for (name, content) in files {
        let path = root.join(name);
        let what = |error: io::Error| CommandError::Usage(format!("{}: {error}", path.display()));
        // A link would be replaced by a file.
        let path = path.canonicalize().map_err(what)?;
        replace(&path, content).map_err(what)?;
    }
    Ok(())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside: PathBuf = folder.join(format!(".{name}.openflux-{}", std::process::id()));
    let mut file = fs::File::create_new(&beside)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.set_permissions(fs::metadata(path)?.permissions()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Refuses files that git says have changed; where there is no git, nothing is known.
fn refuse_dirty(root: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), CommandError> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["status", "--porcelain", "--untracked-files=no", "--"])
        .args(files.keys())
        .env_remove("GIT_DIR")
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output();
    let Ok(output) = output else { return Ok(()) };
    let changed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && !changed.trim().is_empty() {
        return Err(CommandError::Usage(format!(
            "these files have changes that are not committed: commit them first, or edit them all the same with --allow-dirty:\n{}",
            changed.trim_end()
        )));
    }
    Ok(())
}

/// Refuses a checkout that has more than what is committed; journals of migrations, which may be kept there, are none of it.
pub(crate) fn refuse_uncommitted(root: &Path) -> Result<(), CommandError> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["status", "--porcelain", "--", ".", ":(exclude,glob)**/*.journal"])
        .env_remove("GIT_DIR")
        .output()
        .map_err(|error| CommandError::Usage(format!("git: {error}")))?;
    if !output.status.success() {
        return Err(CommandError::Usage(format!(
            "{} is no checkout that git knows: {}",
            root.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let changed = String::from_utf8_lossy(&output.stdout);
    if changed.trim().is_empty() {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "a label can be handed over to Git only once it is committed, and these files of {} have changes that are not: commit and push \
         them, wait until they are applied, and try again, or put them aside with git stash -u:\n{}",
        root.display(),
        changed.trim_end()
    )))
}

/// The cluster that is meant, of those that a checkout is for.
pub(crate) fn pick<'a>(repository: &'a Repository, path: Option<&str>) -> Result<&'a Cluster, CommandError> {
    let all: Vec<_> = repository
        .clusters
        .iter()
        .map(|cluster| cluster.path.as_str())
        .collect();
    match (path, &repository.clusters[..]) {
        (Some(path), _) => repository.cluster_at(&[path.to_owned()]).ok_or_else(|| {
            CommandError::NotFound(format!(
                "no cluster begins at {path}: there are {}",
                all.join(", ")
            ))
        }),
        (None, [only]) => Ok(only),
        (None, []) => Err(CommandError::NotFound(
            "no Kustomization of the checkout names a folder of it: say with --path where the cluster begins"
                .to_owned(),
        )),
        (None, _) => Err(CommandError::Usage(format!(
            "the checkout is for several clusters: name one with --path ({})",
            all.join(", ")
        ))),
    }
}

/// The commit of a checkout, if git knows it.
pub(crate) fn head(root: &Path) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["rev-parse", "HEAD"])
        .env_remove("GIT_DIR")
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// The difference of two states of a file, as `git apply` takes it.
pub(crate) fn unified(path: &str, before: &[u8], after: &[u8]) -> String {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    let mut text = String::new();
    // A String takes whatever is written to it.
    let _ = write!(
        text,
        "{}",
        diff.unified_diff()
            .header(&format!("a/{path}"), &format!("b/{path}"))
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_one_that_git_takes() {
        let text = unified("a.yaml", b"a: 1\nb: 2\n", b"a: 1\nc: 3\nb: 2\n");
        assert_eq!(
            text,
            "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,3 @@\n a: 1\n+c: 3\n b: 2\n"
        );
    }

    #[test]
    fn what_is_not_committed_is_refused() {
        let root = env::temp_dir().join(format!("openflux-uncommitted-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
            let output = Command::new("git")
                .arg("-C")
                .arg(&root)
                .args(identity)
                .args(arguments)
                .env_remove("GIT_DIR")
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        git(&["init", "--quiet"]);
        fs::write(root.join("a.yaml"), "a: 1\n").unwrap();
        let refused = refuse_uncommitted(&root).unwrap_err().to_string();
        assert!(
            refused.contains("a.yaml") && refused.contains("commit and push"),
            "{refused}"
        );
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "a"]);
        fs::write(root.join("m.journal"), "{}\n").unwrap();
        refuse_uncommitted(&root).unwrap();
        fs::write(root.join("a.yaml"), "a: 2\n").unwrap();
        assert!(refuse_uncommitted(&root).is_err());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn files_are_read_without_git_and_written_with_their_mode() {
        use std::os::unix::fs::PermissionsExt;
        let root = env::temp_dir().join(format!("openflux-checkout-{}", std::process::id()));
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join(".git/config"), "x").unwrap();
        fs::write(root.join("a/b.yaml"), "a: 1\n").unwrap();
        fs::set_permissions(root.join("a/b.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
        let (checkout, left_out) = read(&root).unwrap();
        assert_eq!(left_out, Vec::<String>::new());
        assert_eq!(checkout.get("a/b.yaml"), Some(&b"a: 1\n"[..]));
        assert_eq!(checkout.get(".git/config"), None);
        let files = BTreeMap::from([("a/b.yaml".to_owned(), b"a: 2\n".to_vec())]);
        write(&root, &files, Dirty::Allowed).unwrap();
        assert_eq!(fs::read(root.join("a/b.yaml")).unwrap(), b"a: 2\n");
        let mode = fs::metadata(root.join("a/b.yaml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(root.join("a")).unwrap().count(), 1);
        fs::remove_dir_all(&root).unwrap();
    }
}
