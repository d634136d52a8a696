//! Submodules: where they belong, and where they come from.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix_config::File;
use gix_config::file::Metadata;
use gix_config::file::init::Options;
use gix_hash::ObjectId;
use kustomize::RemoteError;

use crate::bounds::io_error;

/// Bytes of `.gitmodules` that are read.
pub(crate) const GITMODULES_BYTES: u64 = 256 * 1024;
/// Submodules of one repository.
const MAX_SUBMODULES: usize = 1000;

/// A submodule as a tree has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gitlink {
    /// Below the root of the repository.
    pub(crate) path: Vec<u8>,
    pub(crate) commit: ObjectId,
}

/// A submodule as `.gitmodules` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submodule {
    pub(crate) path: Vec<u8>,
    pub(crate) url: String,
    /// Whether `update = none` says that nobody needs it.
    pub(crate) is_left_out: bool,
}

/// Reads the `.gitmodules` of a work tree; none if it is a link.
pub(crate) fn read(root: &Path) -> Result<Vec<Submodule>, RemoteError> {
    let at = root.join(".gitmodules");
    let found = at.symlink_metadata().ok().filter(fs::Metadata::is_file);
    let Some(found) = found else {
        return Ok(Vec::new());
    };
    if found.len() > GITMODULES_BYTES {
        return Err(too_large());
    }
    parse(&fs::read(at).map_err(io_error)?)
}

pub(crate) fn too_large() -> RemoteError {
    RemoteError::TooLarge(format!(".gitmodules is larger than {GITMODULES_BYTES} bytes"))
}

/// Reads a `.gitmodules`, where the first that is said about a submodule counts.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Submodule>, RemoteError> {
    let options = Options {
        lossy: true,
        ..Options::default()
    };
    let file = File::from_bytes_no_includes(text, Metadata::api(), options)
        .map_err(|_| RemoteError::Failed("bad config in .gitmodules".to_owned()))?;
    let mut found: Vec<Said> = Vec::new();
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        let Some(name) = section.header().subsection_name() else {
            continue;
        };
        if gix_validate::submodule::name(name).is_err() {
            continue;
        }
        let at = found.iter().position(|said| said.name == *name);
        let at = at.unwrap_or_else(|| {
            found.push(Said {
                name: name.to_vec(),
                ..Said::default()
            });
            found.len() - 1
        });
        if found.len() > MAX_SUBMODULES {
            let text = format!("there are more than {MAX_SUBMODULES} submodules");
            return Err(RemoteError::TooLarge(text));
        }
        let said = &mut found[at];
        for (value, key) in [
            (&mut said.path, "path"),
            (&mut said.url, "url"),
            (&mut said.update, "update"),
        ] {
            let values = section.body().values(key);
            if value.is_none() {
                *value = values.into_iter().next().map(Into::into);
            }
        }
    }
    let submodules = found.into_iter().filter_map(|said| {
        let url = String::from_utf8(said.url?).ok()?;
        // It would be an option of git.
        let harmless = !url.starts_with('-');
        harmless.then_some(Submodule {
            path: said.path?,
            url,
            is_left_out: said.update.as_deref() == Some(b"none"),
        })
    });
    Ok(submodules.collect())
}

/// What all sections of one name say.
#[derive(Default)]
struct Said {
    name: Vec<u8>,
    path: Option<Vec<u8>>,
    url: Option<Vec<u8>>,
    update: Option<Vec<u8>>,
}

/// The address of a submodule, which may be relative to that of its parent.
pub(crate) fn resolve(parent: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let mut base = parent.strip_suffix('/').unwrap_or(parent);
    let (mut rest, mut separator) = (url, '/');
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            let cut = base.rfind('/').or_else(|| {
                separator = ':';
                base.rfind(':')
            });
            base = cut.map_or(".", |at| &base[..at]);
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            return format!("{base}{separator}{rest}");
        }
    }
}

/// The directory for a submodule, which is empty and lies below the root without a link on the way.
pub(crate) fn directory(root: &Path, path: &[u8]) -> Result<PathBuf, RemoteError> {
    let shown = String::from_utf8_lossy(path);
    let mut at = root.to_owned();
    for component in path.split(|byte| *byte == b'/') {
        let component = OsStr::from_bytes(component);
        let plain = !component.is_empty() && component != "." && component != "..";
        at.push(component);
        let found = at.symlink_metadata().map_err(io_error)?;
        if !plain || !found.is_dir() {
            return Err(RemoteError::Failed(format!("{shown:?} is no directory")));
        }
    }
    let is_empty = fs::read_dir(&at).map_err(io_error)?.next().is_none();
    if is_empty {
        Ok(at)
    } else {
        Err(RemoteError::Failed(format!("{shown:?} is not empty")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_relative_to_the_parent_as_git_has_them() {
        // `git submodule init` says the same.
        for (parent, url, expected) in [
            ("https://host/a/b", "../c", "https://host/a/c"),
            ("https://host/a/b/", "../../c/d.git", "https://host/c/d.git"),
            ("https://host/a/b", "./c/", "https://host/a/b/c"),
            ("git@host:a/b", "../c", "git@host:a/c"),
            ("git@host:b", "../c", "git@host:c"),
            ("https://host/a", "https://other/c", "https://other/c"),
            ("https://host/a", "git@other:c", "git@other:c"),
        ] {
            assert_eq!(resolve(parent, url), expected, "{parent} {url}");
        }
    }

    #[test]
    fn gitmodules() {
        let text = br#"
            # comment
            [submodule "one"]
                path = "sub/one" ; comment
                url = ../one.git
            [submodule "two"]
                path = two
                url = https://host/two.git
                update = none
            [submodule "one"]
                url = https://host/second
            [submodule "../evil"]
                path = evil
                url = https://host/evil
            [submodule "option"]
                path = option
                url = -u./payload
            [core]
                hooksPath = hooks
        "#;
        let of = |path: &str, url: &str, is_left_out| Submodule {
            path: path.into(),
            url: url.to_owned(),
            is_left_out,
        };
        assert_eq!(
            parse(text),
            Ok(vec![
                of("sub/one", "../one.git", false),
                of("two", "https://host/two.git", true)
            ])
        );
        assert!(parse(b"[submodule").is_err());
    }
}
