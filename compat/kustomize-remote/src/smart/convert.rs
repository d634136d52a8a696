//! What `.gitattributes` make of files: ends of lines, encodings and `$Id$`. Filters that are programs are not run.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix_attributes::search::{MetadataCollection, Outcome};
use gix_attributes::{Search, StateRef};
use gix_filter::Pipeline;
use gix_filter::driver::apply::Delay;
use gix_filter::pipeline::convert::to_worktree::{Options, UnknownEncoding};
use gix_glob::pattern::Case;
use gix_object::Kind;
use gix_object::bstr::ByteSlice as _;
use kustomize::RemoteError;

/// Bytes of a file that is converted.
pub(super) const CONVERTED_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of all attributes that may say something about one file.
pub(super) const IN_FORCE_BYTES: u64 = 64 * 1024;
/// Bytes of all attributes of a repository, of which the names stay known.
const ALL_BYTES: u64 = 512 * 1024;
/// The attributes that may change a file.
const CHANGING: [&str; 3] = ["ident", "eol", "working-tree-encoding"];

/// The attributes in force, folder by folder.
pub(super) struct Conversions {
    search: Search,
    names: MetadataCollection,
    found: Outcome,
    /// How deep the folders are whose attributes are in force, and the bytes of these.
    folders: Vec<(usize, u64)>,
    all: u64,
    pipeline: Pipeline,
}

impl Conversions {
    pub(super) fn new() -> Result<Self, RemoteError> {
        let mut names = MetadataCollection::default();
        let search = Search::new_globals(Vec::<PathBuf>::new(), &mut Vec::new(), &mut names);
        let search = search.map_err(|e| unreadable(Path::new(""), &e))?;
        Ok(Self {
            search,
            names,
            found: Outcome::default(),
            folders: Vec::new(),
            all: 0,
            pipeline: Pipeline::new(
                gix_command::Context::default(),
                gix_hash::Kind::Sha1,
                gix_filter::pipeline::Options::default(),
            ),
        })
    }

    /// Leaves the folders that are as deep as the next one or deeper.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.folders.pop_if(|(of, _)| *of >= depth).is_some() {
            self.search.pop_pattern_list();
        }
    }

    /// Begins a folder that has attributes.
    pub(super) fn enter(
        &mut self,
        folder: &[u8],
        depth: usize,
        attributes: &[u8],
    ) -> Result<(), RemoteError> {
        let bytes = attributes.len() as u64;
        self.folders.push((depth, bytes));
        self.all += bytes;
        let in_force: u64 = self.folders.iter().map(|(_, bytes)| bytes).sum();
        if in_force > IN_FORCE_BYTES || self.all > ALL_BYTES {
            let text = format!(
                "there are more than {IN_FORCE_BYTES} bytes of .gitattributes for one file, or {ALL_BYTES} for all"
            );
            return Err(RemoteError::TooLarge(text));
        }
        let source = Path::new(OsStr::from_bytes(folder)).join(".gitattributes");
        let (root, is_top) = (Some(Path::new("")), depth == 0);
        self.search
            .add_patterns_buffer(attributes, source.clone(), root, &mut self.names, is_top)
            .map_err(|e| unreadable(&source, &e))?;
        self.found.initialize_with_selection(&self.names, CHANGING);
        Ok(())
    }

    /// Tells whether a file may be another one than what the repository has.
    pub(super) fn may_change(&mut self, path: &[u8]) -> bool {
        if self.folders.is_empty() {
            return false;
        }
        self.found.reset();
        self.search.pattern_matching_relative_path(
            path.into(),
            Case::Sensitive,
            Some(false),
            &mut self.found,
        );
        let mut states = self.found.iter_selected().map(|found| found.assignment.state);
        let is = |state: Option<StateRef<'_>>, value: &str| matches!(state, Some(StateRef::Value(v)) if v.as_bstr() == value);
        let is_ident = states.next().is_some_and(|state| state.is_set());
        let is_crlf = is(states.next(), "crlf");
        let is_encoded = matches!(states.next(), Some(StateRef::Value(_)));
        is_ident || is_crlf || is_encoded
    }

    /// What the file is in a work tree.
    pub(super) fn convert(&mut self, path: &[u8], content: &[u8]) -> Result<Vec<u8>, RemoteError> {
        let (search, names) = (&self.search, &self.names);
        let options = Options {
            can_delay: Delay::Forbid,
            // As git has it.
            unknown_encoding: UnknownEncoding::Ignore,
        };
        let converted = self.pipeline.convert_to_worktree(
            content,
            path.into(),
            &mut |path, found| {
                found.initialize(names);
                search.pattern_matching_relative_path(path, Case::Sensitive, Some(false), found);
            },
            options,
        );
        let converted = converted.map_err(|error| {
            let shown = String::from_utf8_lossy(path);
            RemoteError::Failed(format!("cannot convert '{shown}': {error}"))
        })?;
        let converted = converted.as_bytes().unwrap_or(content).to_vec();
        as_git_ends_names(&converted, content)
    }
}

/// Ends the name of the file in `$Id: name $` with a space, which gitoxide leaves out.
fn as_git_ends_names(converted: &[u8], content: &[u8]) -> Result<Vec<u8>, RemoteError> {
    let name = gix_object::compute_hash(gix_hash::Kind::Sha1, Kind::Blob, content);
    let name = name.map_err(|error| RemoteError::Failed(error.to_string()))?;
    Ok(converted.replace(format!("$Id: {name}$"), format!("$Id: {name} $")))
}

fn unreadable(source: &Path, error: &std::io::Error) -> RemoteError {
    RemoteError::Failed(format!("cannot read '{}': {error}", source.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_in_force_in_their_folder() {
        let mut conversions = Conversions::new().expect("conversions");
        assert!(!conversions.may_change(b"a.bat"));
        conversions
            .enter(
                b"",
                0,
                b"*.bat eol=crlf\n[attr]win eol=crlf\n*.cmd win\n*.bin eol=crlf\n*.bin binary\n",
            )
            .expect("attributes");
        conversions
            .enter(
                b"sub",
                1,
                b"*.bat -text eol=lf\nid ident\n*.txt working-tree-encoding=windows-1252\n",
            )
            .expect("attributes");
        for (path, changes) in [
            ("a.bat", true),
            ("a.cmd", true),
            ("a.yaml", false),
            ("sub/a.bat", false),
            ("sub/id", true),
            ("id", false),
            ("sub/a.txt", true),
        ] {
            assert_eq!(conversions.may_change(path.as_bytes()), changes, "{path}");
        }
        let of = |conversions: &mut Conversions, path: &str, text: &[u8]| {
            conversions.convert(path.as_bytes(), text).expect("a file")
        };
        assert_eq!(of(&mut conversions, "a.bat", b"a\nb\r\n"), b"a\r\nb\r\n");
        assert_eq!(of(&mut conversions, "a.bin", b"a\n"), b"a\n");
        assert_eq!(of(&mut conversions, "sub/a.txt", "\u{e9}".as_bytes()), b"\xe9");
        // As `git hash-object` names a file with `$Id$`.
        assert_eq!(
            of(&mut conversions, "sub/id", b"$Id$"),
            b"$Id: b3f5ebfb5843bc43ceecff6d4f26bb37c615beb1 $"
        );
        conversions.leave(1);
        assert!(conversions.may_change(b"sub/a.bat"));
        conversions.leave(0);
        assert!(!conversions.may_change(b"a.bat"));
    }

    #[test]
    fn attributes_are_bounded() {
        let mut conversions = Conversions::new().expect("conversions");
        let large = vec![b'#'; IN_FORCE_BYTES as usize + 1];
        assert!(matches!(
            conversions.enter(b"", 0, &large),
            Err(RemoteError::TooLarge(_))
        ));
    }
}
