//! From a commit to a work tree, which is all that is written: below its root, through no link, over nothing that is there.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;
use gix_object::bstr::BStr;
use gix_object::tree::EntryKind;
use gix_object::{CommitRefIter, Kind, TagRefIter, TreeRefIter};
use gix_validate::path::component;
use kustomize::RemoteError;

use super::convert::{CONVERTED_BYTES, Conversions, IN_FORCE_BYTES};
use super::objects::{Objects, damaged};
use crate::bounds::{Bounds, io_error};
use crate::submodules::{GITMODULES_BYTES, Gitlink, parse, too_large};
use crate::wanted::CheckedOut;

/// Files, links and folders of one work tree.
const MAX_ENTRIES: usize = 500_000;
/// Bytes of the paths of folders that are still to come.
const MAX_PENDING: usize = 32 * 1024 * 1024;
/// Bytes of one folder, commit or tag.
const OBJECT_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of what a link points to.
const LINK_BYTES: u64 = 4095;
/// Bytes of a path.
const PATH_BYTES: usize = 4096;
/// How many tags may stand before a commit.
const TAGS: usize = 16;

/// Writes the files of a commit, or of one that a tag names, below an empty directory.
pub(super) fn check_out(
    mut objects: Objects<'_>,
    wanted: ObjectId,
    root: &Path,
    bounds: &Bounds<'_>,
) -> Result<CheckedOut, RemoteError> {
    let tree = tree_of(&mut objects, wanted, bounds)?;
    weigh(&mut objects, tree, bounds)?;
    let mut checkout = Checkout {
        objects,
        root,
        bounds,
        conversions: Conversions::new()?,
        pending: vec![Folder {
            tree,
            path: Vec::new(),
            depth: 0,
        }],
        pending_bytes: 0,
        checked_out: CheckedOut::default(),
    };
    while let Some(folder) = checkout.pending.pop() {
        checkout.pending_bytes -= folder.path.len();
        checkout.folder(&folder)?;
    }
    Ok(checkout.checked_out)
}

/// The folder that a commit stands for.
fn tree_of(
    objects: &mut Objects<'_>,
    wanted: ObjectId,
    bounds: &Bounds<'_>,
) -> Result<ObjectId, RemoteError> {
    let mut id = wanted;
    for _ in 0..=TAGS {
        let (kind, _) = objects.find(&id)?;
        let bytes = match kind {
            Kind::Commit | Kind::Tag => objects.read(&id, kind, OBJECT_BYTES, bounds)?,
            Kind::Tree | Kind::Blob => break,
        };
        let sha1 = gix_hash::Kind::Sha1;
        if kind == Kind::Commit {
            let tree = CommitRefIter::from_bytes(&bytes, sha1).tree_id();
            return tree.map_err(|_| damaged());
        }
        let target = TagRefIter::from_bytes(&bytes, sha1).target_id();
        id = target.map_err(|_| damaged())?;
    }
    Err(RemoteError::Failed(format!("{wanted} is no commit")))
}

/// Fails when a work tree would be too large, before anything of it is written.
fn weigh(objects: &mut Objects<'_>, tree: ObjectId, bounds: &Bounds<'_>) -> Result<(), RemoteError> {
    let (mut entries, mut bytes) = (0_usize, 0_u64);
    let mut pending = vec![tree];
    while let Some(tree) = pending.pop() {
        bounds.check()?;
        let tree = objects.read(&tree, Kind::Tree, OBJECT_BYTES, bounds)?;
        for entry in TreeRefIter::from_bytes(&tree, gix_hash::Kind::Sha1) {
            let entry = entry.map_err(|_| damaged())?;
            entries += 1;
            if entries > MAX_ENTRIES {
                let text = format!("there are more than {MAX_ENTRIES} files and folders");
                return Err(RemoteError::TooLarge(text));
            }
            match entry.mode.kind() {
                EntryKind::Tree => pending.push(entry.oid.to_owned()),
                EntryKind::Commit => {}
                _ => bytes = bytes.saturating_add(objects.find(entry.oid)?.1),
            }
            bounds.room.check(bytes)?;
        }
    }
    Ok(())
}

/// A folder that is to be written.
struct Folder {
    tree: ObjectId,
    path: Vec<u8>,
    depth: usize,
}

impl Folder {
    fn below(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }
}

struct Checkout<'a> {
    objects: Objects<'a>,
    root: &'a Path,
    bounds: &'a Bounds<'a>,
    conversions: Conversions,
    /// What is still to come, the next one last: everything below a folder comes before what is beside it.
    pending: Vec<Folder>,
    pending_bytes: usize,
    checked_out: CheckedOut,
}

impl Checkout<'_> {
    fn folder(&mut self, folder: &Folder) -> Result<(), RemoteError> {
        let tree = self
            .objects
            .read(&folder.tree, Kind::Tree, OBJECT_BYTES, self.bounds)?;
        self.attributes(folder, &tree)?;
        let mut is_there = false;
        for entry in TreeRefIter::from_bytes(&tree, gix_hash::Kind::Sha1) {
            self.bounds.check()?;
            let entry = entry.map_err(|_| damaged())?;
            let kind = entry.mode.kind();
            let path = Self::judge(folder, entry.filename, kind)?;
            if kind == EntryKind::Tree {
                self.pending_bytes += path.len();
                if self.pending_bytes > MAX_PENDING {
                    return Err(RemoteError::TooLarge("there are too many folders".to_owned()));
                }
                self.pending.push(Folder {
                    tree: entry.oid.to_owned(),
                    path,
                    depth: folder.depth + 1,
                });
                continue;
            }
            if !is_there {
                self.make_directory(&folder.path)?;
                is_there = true;
            }
            match kind {
                EntryKind::Link => self.link(entry.oid, &path)?,
                EntryKind::Commit => {
                    fs::create_dir(self.at(&path)).map_err(|e| taken(&path, &e))?;
                    let commit = entry.oid.to_owned();
                    self.checked_out.gitlinks.push(Gitlink { path, commit });
                }
                _ => self.file(entry.oid, &path, kind == EntryKind::BlobExecutable)?,
            }
        }
        Ok(())
    }

    /// Puts the attributes of a folder in force, and reads where submodules come from.
    fn attributes(&mut self, folder: &Folder, tree: &[u8]) -> Result<(), RemoteError> {
        self.conversions.leave(folder.depth);
        for entry in TreeRefIter::from_bytes(tree, gix_hash::Kind::Sha1) {
            let entry = entry.map_err(|_| damaged())?;
            if !entry.mode.is_blob() {
                continue;
            }
            if entry.filename == ".gitattributes" {
                let text = self
                    .objects
                    .read(entry.oid, Kind::Blob, IN_FORCE_BYTES, self.bounds)?;
                self.conversions.enter(&folder.path, folder.depth, &text)?;
            } else if entry.filename == ".gitmodules" && folder.depth == 0 {
                let (_, size) = self.objects.find(entry.oid)?;
                if size > GITMODULES_BYTES {
                    return Err(too_large());
                }
                let text = self
                    .objects
                    .read(entry.oid, Kind::Blob, GITMODULES_BYTES, self.bounds)?;
                self.checked_out.submodules = parse(&text)?;
            }
        }
        Ok(())
    }

    /// Judges the name of an entry; gives its path.
    fn judge(folder: &Folder, name: &BStr, kind: EntryKind) -> Result<Vec<u8>, RemoteError> {
        let path = folder.below(name);
        let mode = (kind == EntryKind::Link).then_some(component::Mode::Symlink);
        let options = component::Options {
            // This is no such system; names that it would read as `.git` are refused all the same.
            protect_windows: false,
            protect_hfs: true,
            protect_ntfs: true,
        };
        let is_good = gix_validate::path::component(name, mode, options).is_ok() && !name.contains(&0);
        if !is_good || path.len() > PATH_BYTES {
            let shown: String = String::from_utf8_lossy(&path).chars().take(500).collect();
            return Err(RemoteError::Failed(format!("invalid path {shown:?}")));
        }
        Ok(path)
    }

    fn at(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// Makes the folder, and those above it that are not there because they have no files of their own.
    fn make_directory(&self, path: &[u8]) -> Result<(), RemoteError> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends = ends
            .map(|(at, _)| at)
            .chain((!path.is_empty()).then_some(path.len()));
        for end in ends {
            let at = self.at(&path[..end]);
            match fs::create_dir(&at) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Something else of the same name, such as a link that leads away, is not followed.
                    let found = at.symlink_metadata().map_err(io_error)?;
                    if !found.is_dir() {
                        return Err(taken(&path[..end], &error));
                    }
                }
                made => made.map_err(|e| taken(&path[..end], &e))?,
            }
        }
        Ok(())
    }

    fn link(&mut self, id: &gix_hash::oid, path: &[u8]) -> Result<(), RemoteError> {
        let to = self.objects.read(id, Kind::Blob, LINK_BYTES, self.bounds)?;
        self.bounds.room.take(to.len() as u64)?;
        symlink(OsStr::from_bytes(&to), self.at(path)).map_err(|e| taken(path, &e))
    }

    fn file(&mut self, id: &gix_hash::oid, path: &[u8], is_executable: bool) -> Result<(), RemoteError> {
        let (kind, size) = self.objects.find(id)?;
        if kind != Kind::Blob {
            return Err(damaged());
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            // What the process masks is masked, as git has it.
            .mode(if is_executable { 0o777 } else { 0o666 })
            .open(self.at(path))
            .map_err(|e| taken(path, &e))?;
        if self.conversions.may_change(path) {
            let content = self.objects.read(id, Kind::Blob, CONVERTED_BYTES, self.bounds)?;
            let content = self.conversions.convert(path, &content)?;
            self.bounds.room.take(content.len() as u64)?;
            return file.write_all(&content).map_err(io_error);
        }
        self.bounds.room.take(size)?;
        self.objects
            .copy(id, self.bounds, &mut |piece| write(&mut file, piece))
    }
}

fn write(file: &mut File, piece: &[u8]) -> Result<(), RemoteError> {
    file.write_all(piece).map_err(io_error)
}

fn taken(path: &[u8], error: &io::Error) -> RemoteError {
    let shown = String::from_utf8_lossy(path);
    RemoteError::Failed(format!("cannot write {shown:?}: {error}"))
}
