//! Storing: to a temporary file, and from there to its place in one step.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flux_archive::{ArchiveError, content_hash, content_hash_of, pack};
use jiff::Timestamp;

use crate::error::{is_broken, is_full};
use crate::index::Entry;
use crate::record::{Record, hash};
use crate::store::Shared;
use crate::{Content, Place, PutError, Store, Stored};

/// How long nothing is written after there was no room.
const FULL_FOR: Duration = Duration::from_secs(30);
/// After how many bytes the room is looked at again.
const LOOK_EVERY: u64 = 16 << 20;
/// Bytes that are written at once.
const BUFFER: usize = 64 << 10;

impl Store {
    /// Stores a content, unless it is there; blocks. It is served from here on, and superseded once [`Store::publish`] names
    /// another.
    ///
    /// # Errors
    /// See [`PutError`]; whatever was stored before stays as it is.
    pub fn put(&self, place: &Place, content: &Content<'_>) -> Result<Stored, PutError> {
        let shared = &self.shared;
        let turn = shared.turn(place);
        let _turn = turn.lock();
        let hash = shared.hash(content)?;
        if let Some(known) = shared.known(place, &hash) {
            return Ok(known);
        }
        let full = *shared.full_until.lock();
        if full.is_some_and(|until| Instant::now() < until) {
            return Err(shared.full());
        }
        let mut result = shared.write(place, content, &hash);
        if matches!(&result, Err(Unwritten::Full)) {
            shared.make_room(place);
            result = shared.write(place, content, &hash);
        }
        result.map_err(|unwritten| match unwritten {
            Unwritten::Full => {
                *shared.full_until.lock() = Some(Instant::now() + FULL_FOR);
                shared.full()
            }
            Unwritten::TooLong => PutError::TooLong(shared.options.max_artifact_bytes),
            Unwritten::Archive(error) => PutError::Archive(Arc::new(error)),
            Unwritten::Failed(error) => shared.failed(error),
        })
    }
}

/// Why a file was not written.
enum Unwritten {
    Full,
    TooLong,
    Archive(ArchiveError),
    Failed(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        if is_full(&error) {
            Self::Full
        } else {
            Self::Failed(error)
        }
    }
}

impl From<ArchiveError> for Unwritten {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Write(error) => error.into(),
            error => Self::Archive(error),
        }
    }
}

impl Shared {
    fn hash(&self, content: &Content<'_>) -> Result<String, PutError> {
        let hashed = match content {
            Content::Files(files) => content_hash(files.clone()),
            Content::Verbatim { archive, .. } => content_hash_of(*archive, self.options.max_unpacked_bytes)
                .map(|(hash, _)| hash)
                .map_err(ArchiveError::Write),
        };
        hashed.map_err(|error| PutError::Archive(Arc::new(error)))
    }

    /// The same content that is stored already, be it what is advertised or what was before.
    fn known(&self, place: &Place, hash: &str) -> Option<Stored> {
        let (stored, returned) = self.find_known(place, hash)?;
        if let Some(record) = returned {
            // Before it is advertised again: after the next start it would not be taken for what is.
            if let Err(error) = self.write_record(place, &stored.file, &record) {
                tracing::warn!(%place, file = stored.file, %error, "cannot write down that an artifact is back in its place");
            }
        }
        Some(stored)
    }

    /// Finds the file of a content; with its record if others took its place and it comes back.
    fn find_known(&self, place: &Place, hash: &str) -> Option<(Stored, Option<Record>)> {
        let (file, size) = {
            let index = self.index.read();
            let mut files = index.files(place).into_iter();
            let (file, entry) = files.find(|(_, entry)| entry.record.content == hash)?;
            (file.clone(), entry.record.size)
        };
        // A disk that does not answer holds nobody else up.
        let found = std::fs::symlink_metadata(self.path(place, &file));
        let mut index = self.index.write();
        if !found.is_ok_and(|found| found.is_file() && found.len() == size) {
            index.remove(place, &file);
            return None;
        }
        let entry = index.get_mut(place, &file)?;
        if entry.superseded.take().is_some() || entry.pending.is_some() {
            entry.pending = Some(Instant::now());
        }
        let is_back = entry.record.superseded.take().is_some();
        let record = is_back.then(|| entry.record.clone());
        let stored = self.stored(place, &file, entry, false);
        index.gone.remove(place);
        Some((stored, record))
    }

    fn write(
        &self,
        place: &Place,
        content: &Content<'_>,
        hash_of_content: &str,
    ) -> Result<Stored, Unwritten> {
        let limit = self.options.max_artifact_bytes;
        self.look_for_room(content.expected_bytes().min(limit).saturating_mul(2))?;
        let algorithm = self.options.algorithm;
        let mut temporary = Temporary::create(self)?;
        let packed = match content {
            Content::Files(files) => pack(files.clone(), algorithm, &mut temporary)
                .map(|(packed, _)| (packed.hex, packed.size))
                .map_err(Unwritten::from),
            Content::Verbatim { archive, .. } => temporary
                .write_all(archive)
                .and_then(|()| temporary.flush())
                .map(|()| (hash(algorithm, archive), archive.len() as u64))
                .map_err(Unwritten::from),
        };
        if temporary.written > limit {
            return Err(Unwritten::TooLong);
        }
        let (hex, size) = packed?;
        temporary.sync()?;
        let file = format!("{hex}.{}", content.extension());
        let record = Record::new(
            format!("{algorithm}:{hex}"),
            hash_of_content.to_owned(),
            size,
            Timestamp::now(),
        );
        // First what is known of it: a record without a file is dropped, a file without a record has to be read.
        self.write_record(place, &file, &record)?;
        let path = self.path(place, &file);
        self.move_to(temporary, &path)?;
        let entry = Entry {
            record,
            superseded: None,
            pending: Some(Instant::now()),
            verified: true,
        };
        let stored = self.stored(place, &file, &entry, true);
        let mut index = self.index.write();
        index.gone.remove(place);
        index.insert(place, &file, entry);
        Ok(stored)
    }

    pub(crate) fn write_record(&self, place: &Place, file: &str, record: &Record) -> io::Result<()> {
        let mut temporary = Temporary::create(self)?;
        temporary.write_all(&record.to_json()?)?;
        temporary.flush()?;
        temporary.sync()?;
        self.move_to(temporary, &self.record_path(place, file))
    }

    /// Gives a temporary file its name, so that it outlives a loss of power.
    fn move_to(&self, mut temporary: Temporary<'_>, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.options.path);
        self.disk.create_folders(folder)?;
        self.disk.rename(&temporary.path, path)?;
        temporary.moved = true;
        // The folder may be new, and so may be those above it.
        for folder in folder.ancestors().take(4) {
            self.disk.sync_folder(folder)?;
            if folder == self.options.path {
                break;
            }
        }
        Ok(())
    }

    /// Says that there is no room for so many bytes more.
    fn look_for_room(&self, bytes: u64) -> io::Result<()> {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let most = self.options.max_bytes;
        if most > 0 && self.index.read().bytes().saturating_add(bytes / 2) > most {
            return Err(full());
        }
        let free = self.disk.free(&self.options.path)?;
        if free.bytes < bytes.max(self.options.reserve) || free.inodes < 16 {
            return Err(full());
        }
        Ok(())
    }

    fn full(&self) -> PutError {
        let free = self.disk.free(&self.options.path).ok();
        let index = self.index.read();
        let superseded = index.all().filter(|(_, _, entry)| entry.superseded.is_some());
        PutError::Full {
            path: self.options.path.clone(),
            free: free.map_or(0, |free| free.bytes),
            inodes: free.map_or(0, |free| free.inodes),
            superseded: superseded.map(|(_, _, entry)| entry.record.size).sum(),
        }
    }

    fn failed(&self, error: io::Error) -> PutError {
        if is_broken(&error) {
            self.broken.store(true, Ordering::Relaxed);
        }
        PutError::Io {
            path: self.options.path.clone(),
            source: Arc::new(error),
        }
    }
}

/// A file that is gone again unless it gets its name.
struct Temporary<'a> {
    store: &'a Shared,
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    looked_at: u64,
    moved: bool,
}

impl<'a> Temporary<'a> {
    fn create(store: &'a Shared) -> io::Result<Self> {
        let path = store.temporary();
        Ok(Self {
            store,
            file: store.disk.create(&path)?,
            path,
            buffer: Vec::with_capacity(BUFFER),
            written: 0,
            looked_at: 0,
            moved: false,
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.store.disk.sync(&self.file)
    }
}

impl Write for Temporary<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len() as u64;
        if self.written > self.store.options.max_artifact_bytes {
            return Err(io::Error::other("too long"));
        }
        if self.written - self.looked_at > LOOK_EVERY {
            self.looked_at = self.written;
            self.store.look_for_room(0)?;
        }
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.store.disk.write(&mut self.file, &self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.moved
            && let Err(error) = self.store.disk.remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a temporary file; the next start does");
        }
    }
}
