//! The store: what all of its parts share.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use crate::disk::Disk;
use crate::index::{Entry, Index};
use crate::record::hex_of;
use crate::{Place, StoreOptions};

/// Folder of temporary files.
pub(crate) const TEMPORARY: &str = ".tmp";
/// Folder of records.
pub(crate) const RECORDS: &str = ".index";

/// The artifacts of a producer on a volume; clones share it. What blocks says so.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) disk: Box<dyn Disk>,
    /// The volume, which stays the same one whatever is mounted over it.
    pub(crate) root: File,
    /// Held for as long as the store is.
    pub(crate) _lock: File,
    pub(crate) index: RwLock<Index>,
    /// Who adds or removes files at a place; a second one waits.
    pub(crate) turns: Mutex<HashMap<Place, Arc<Mutex<()>>>>,
    /// Until when nothing is written, because there was no room.
    pub(crate) full_until: Mutex<Option<Instant>>,
    pub(crate) broken: AtomicBool,
    pub(crate) corrupt: mpsc::UnboundedSender<Place>,
}

/// A stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The name of the file.
    pub file: String,
    /// Where it is served.
    pub url: String,
    /// Digest of the bytes as served.
    pub digest: String,
    /// SHA-256 of the uncompressed archive, in hex.
    pub content: String,
    /// Size in bytes.
    pub size: u64,
    /// When this content was first published.
    pub published: Timestamp,
    /// Whether it was written just now, and not there before.
    pub is_new: bool,
}

/// What a kind takes on the volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files that are advertised.
    pub current: u64,
    /// Files in whose place others stand.
    pub superseded: u64,
}

impl Store {
    /// Gives the file that is advertised for a place.
    pub fn current(&self, place: &Place) -> Option<Stored> {
        let index = self.shared.index.read();
        let (file, entry) = index.current(place)?;
        Some(self.shared.stored(place, file, entry, false))
    }

    /// Reads a stored file by its digest; blocks.
    pub fn read(&self, digest: &str) -> Option<Vec<u8>> {
        let path = {
            let index = self.shared.index.read();
            let mut all = index.all();
            let (place, file, _) = all.find(|(_, _, entry)| entry.record.digest == digest)?;
            self.shared.path(place, file)
        };
        std::fs::read(path).ok()
    }

    /// Gives the places that have files.
    pub fn places(&self) -> Vec<Place> {
        self.shared.index.read().places().cloned().collect()
    }

    /// Gives what each kind takes.
    pub fn usage(&self) -> HashMap<String, Usage> {
        let mut usage = HashMap::<String, Usage>::new();
        for (place, _, entry) in self.shared.index.read().all() {
            let kind = usage.entry(place.kind().to_owned()).or_default();
            kind.bytes += entry.record.size;
            match entry.superseded {
                Some(_) => kind.superseded += 1,
                None => kind.current += 1,
            }
        }
        usage
    }

    /// Gives the bytes that are free on the volume, if it can be asked; blocks.
    pub fn free(&self) -> Option<u64> {
        let free = self.shared.disk.free(&self.shared.options.path).ok()?;
        Some(free.bytes)
    }

    /// Tells whether the volume stopped working, so that nothing more is written.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Gives how the store was opened.
    pub fn options(&self) -> &StoreOptions {
        &self.shared.options
    }
}

impl Shared {
    pub(crate) fn stored(&self, place: &Place, file: &str, entry: &Entry, is_new: bool) -> Stored {
        Stored {
            file: file.to_owned(),
            url: self.options.advertised.url(place, file),
            digest: entry.record.digest.clone(),
            content: entry.record.content.clone(),
            size: entry.record.size,
            published: entry.record.published,
            is_new,
        }
    }

    /// The turn at a place, which whoever adds or removes files there has.
    pub(crate) fn turn(&self, place: &Place) -> Arc<Mutex<()>> {
        Arc::clone(self.turns.lock().entry(place.clone()).or_default())
    }

    pub(crate) fn path(&self, place: &Place, file: &str) -> PathBuf {
        self.options.path.join(place.folder()).join(file)
    }

    pub(crate) fn record_path(&self, place: &Place, file: &str) -> PathBuf {
        let folder = self.options.path.join(RECORDS).join(place.folder());
        folder.join(format!("{}.json", hex_of(file)))
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        let name = format!("{:016x}", fastrand::u64(..));
        self.options.path.join(TEMPORARY).join(name)
    }
}
