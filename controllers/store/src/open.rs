//! Opening a volume: alone, and knowing at once what is on it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use crate::disk::{Disk, RealDisk};
use crate::index::{Entry, Index};
use crate::record::{Record, hex_of};
use crate::store::{RECORDS, Shared, TEMPORARY};
use crate::{OpenError, Place, Store, StoreOptions};

/// The file that a process holds as long as it uses the volume.
const LOCK: &str = "LOCK";
/// How the names of files begin that are not what they should be.
pub(crate) const QUARANTINE: &str = "quarantine-";
/// How long such files are kept for somebody to look at.
const QUARANTINED: Duration = Duration::from_hours(1);

impl Store {
    /// Opens a volume, or creates it; blocks. The places whose files turn out to be corrupt come out of the receiver.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: StoreOptions) -> Result<(Self, mpsc::UnboundedReceiver<Place>), OpenError> {
        Self::open_on(options, Box::new(RealDisk))
    }

    pub(crate) fn open_on(
        options: StoreOptions,
        disk: Box<dyn Disk>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Place>), OpenError> {
        let mut kinds = options.kinds.clone();
        kinds.sort();
        if let Some(two) = kinds.windows(2).find(|two| two[0] == two[1]) {
            return Err(OpenError::Kinds(two[0].clone()));
        }
        let path = options.path.clone();
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        RealDisk.create_folders(&path).map_err(at(&path))?;
        let lock = lock(&path)?;
        let temporary = path.join(TEMPORARY);
        for folder in [&temporary, &path.join(RECORDS)] {
            RealDisk.create_folders(folder).map_err(at(folder))?;
        }
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).map_err(at(path));
        if device(&path)? != device(&temporary)? {
            return Err(OpenError::OtherFileSystem { path, temporary });
        }
        clear(&temporary).map_err(at(&temporary))?;
        let root = File::open(&path).map_err(at(&path))?;
        let (corrupt, receiver) = mpsc::unbounded_channel();
        let shared = Shared {
            options,
            disk,
            root,
            _lock: lock,
            index: RwLock::new(Index::default()),
            turns: Mutex::default(),
            full_until: Mutex::default(),
            broken: AtomicBool::new(false),
            corrupt,
        };
        shared.look().map_err(at(&path))?;
        let shared = Arc::new(shared);
        Ok((Self { shared }, receiver))
    }
}

impl Shared {
    /// Finds what is on the volume, by the records beside the files.
    fn look(&self) -> io::Result<()> {
        for name in names(&self.options.path)? {
            let ours = name == LOCK || name == TEMPORARY || name == RECORDS || name == "lost+found";
            if !ours && !self.options.kinds.contains(&name) {
                tracing::warn!(
                    name,
                    "something else is on the volume of artifacts, and is left alone"
                );
            }
        }
        let mut index = Index::default();
        for (place, file) in files(&self.options.path, &self.options.kinds)? {
            if let Some(entry) = self.entry(&place, &file)? {
                index.insert(&place, &file, entry);
            }
        }
        // Records of files that are gone.
        for (place, record) in files(&self.options.path.join(RECORDS), &self.options.kinds)? {
            let has_file = index
                .files(&place)
                .iter()
                .any(|(file, _)| hex_of(file) == hex_of(&record));
            if !has_file {
                let folder = self.options.path.join(RECORDS).join(place.folder());
                let _ = fs::remove_file(folder.join(record));
            }
        }
        *self.index.write() = index;
        Ok(())
    }

    fn entry(&self, place: &Place, file: &str) -> io::Result<Option<Entry>> {
        let path = self.path(place, file);
        let found = fs::symlink_metadata(&path)?;
        if !found.is_file() || !is_name(file) {
            tracing::warn!(path = %path.display(), "this is no artifact, and is left alone");
            return Ok(None);
        }
        let known = Record::read(&self.record_path(place, file), file, found.len());
        let record = if let Some(record) = known {
            record
        } else {
            let Some(record) = Record::of_file(&path, file, self.options.max_unpacked_bytes)? else {
                self.quarantine_file(&path, file);
                return Ok(None);
            };
            self.write_record(place, file, &record)?;
            record
        };
        // The clock may have jumped in either direction: a file stays one time to live longer at most, and the grace at least.
        let most = self.options.retention_ttl.saturating_sub(self.options.grace);
        let since = record.superseded.map(|at| {
            let age = Timestamp::now().duration_since(at);
            let age = Duration::try_from(age).unwrap_or_default();
            let now = Instant::now();
            now.checked_sub(age.min(most)).unwrap_or(now)
        });
        Ok(Some(Entry {
            record,
            superseded: since,
            pending: None,
            verified: false,
        }))
    }

    pub(crate) fn quarantine_file(&self, path: &Path, file: &str) {
        let name = format!("{QUARANTINE}{:08x}-{file}", fastrand::u32(..));
        let aside = self.options.path.join(TEMPORARY).join(name);
        let moved = fs::rename(path, &aside);
        let (path, aside) = (path.display(), aside.display());
        match moved {
            Ok(()) => {
                tracing::error!(%path, %aside, "a stored artifact is not what its name says; it is put aside");
            }
            Err(error) => {
                tracing::error!(%path, %error, "a stored artifact is not what its name says, and cannot be put aside");
            }
        }
    }
}

/// Takes the volume, or says who has it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let name = path.join(LOCK);
    let failed = |source| OpenError::Io {
        path: name.clone(),
        source,
    };
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(300).read_to_string(&mut holder);
            let holder = if holder.is_empty() {
                "another process".to_owned()
            } else {
                holder
            };
            return Err(OpenError::InUse {
                path: path.to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let holder = format!("{host} (process {})", std::process::id());
    file.set_len(0).map_err(failed)?;
    file.write_all(holder.trim_start().as_bytes()).map_err(failed)?;
    Ok(file)
}

/// Removes what an earlier process left behind.
fn clear(temporary: &Path) -> io::Result<()> {
    for name in names(temporary)? {
        let path = temporary.join(&name);
        let found = fs::symlink_metadata(&path)?;
        let age = found.modified().ok();
        let age = age.and_then(|at| SystemTime::now().duration_since(at).ok());
        let is_young = age.is_none_or(|age| age < QUARANTINED);
        let kept = found.is_dir() || name.starts_with(QUARANTINE) && is_young;
        if !kept {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// All files three folders below a root whose outermost one is a kind.
fn files(root: &Path, kinds: &[String]) -> io::Result<Vec<(Place, String)>> {
    let mut found = Vec::new();
    for kind in kinds {
        for namespace in names(&root.join(kind))? {
            for name in names(&root.join(kind).join(&namespace))? {
                let Some(place) = Place::new(kind, &namespace, &name) else {
                    continue;
                };
                for file in names(&root.join(place.folder()))? {
                    found.push((place.clone(), file));
                }
            }
        }
    }
    Ok(found)
}

/// The names in a folder; none where there is no folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Whether a name is one that the store gives.
fn is_name(file: &str) -> bool {
    let hex = hex_of(file);
    let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    matches!(hex.len(), 64 | 96 | 128) && is_hex && matches!(&file[hex.len()..], ".tar.gz" | ".tgz")
}
