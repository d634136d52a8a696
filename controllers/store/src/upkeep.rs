//! What becomes of stored files: advertised, superseded, removed, found to be corrupt.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::spawn_blocking;

use crate::index::Entry;
use crate::record::matches;
use crate::retention::{Retention, Rule, garbage};
use crate::store::Shared;
use crate::{Advertised, Place, Store, Stored};

/// Files that are looked at before they are served for the first time are not longer than this.
pub(crate) const LOOK_FIRST: u64 = 4 << 20;
/// Files of one object within the grace period from which on its producer is too fast.
const CROWD: usize = 16;

/// What the store knows about what is advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The file is there, under this URL today.
    Here(Box<Stored>),
    /// It is not: it has to be made anew, and those who ask for it are told to come back.
    Missing,
}

/// A file that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The object that it belonged to.
    pub place: Place,
    /// Its name.
    pub file: String,
    /// The name of the rule that it fell under.
    pub rule: &'static str,
}

impl Store {
    /// Compares what is advertised for a place with what there is; blocks. Other files of the place are superseded, but for what was
    /// stored last and not said to be advertised: that may be so already, where no answer came.
    pub fn adopt(&self, place: &Place, url: &str) -> Adopted {
        let file = Advertised::file_of(place, url).unwrap_or_default();
        let known = {
            let index = self.shared.index.read();
            let named = index.get(place, file).map(|entry| (file, entry));
            let current = index.current(place).map(|(file, entry)| (file.as_str(), entry));
            // What is advertised may have been edited by somebody, or be old news: then what took its place puts it right.
            let standing = named.filter(|(_, entry)| entry.superseded.is_none());
            let entry = standing.or(current).or(named);
            entry.map(|(file, entry)| self.shared.stored(place, file, entry, false))
        };
        let Some(stored) = known else {
            if !file.is_empty() {
                self.shared.index.write().miss(place, file);
            }
            return Adopted::Missing;
        };
        self.settle(place, &stored.file, true);
        Adopted::Here(Box::new(stored))
    }

    /// Takes note that a file is advertised, and that those before it no longer are; blocks.
    pub fn publish(&self, place: &Place, file: &str) {
        self.settle(place, file, false);
    }

    fn settle(&self, place: &Place, file: &str, keeps_last: bool) {
        let mut changed = Vec::new();
        {
            let mut index = self.shared.index.write();
            if index.get(place, file).is_none() {
                return;
            }
            index.no_longer_missing(place);
            // No more than one, or a cluster that takes nothing would fill the volume.
            let last = if keeps_last {
                index.last_pending(place)
            } else {
                None
            };
            for (name, entry) in index.files_mut(place) {
                let before = entry.record.superseded;
                if name == file {
                    (entry.pending, entry.superseded, entry.record.superseded) = (None, None, None);
                } else if entry.superseded.is_none() && last.as_ref() != Some(name) {
                    entry.pending = None;
                    entry.superseded = Some(Instant::now());
                    entry.record.superseded = Some(Timestamp::now());
                }
                if entry.record.superseded != before {
                    changed.push((name.clone(), entry.record.clone()));
                }
            }
        }
        for (name, record) in changed {
            // What is lost here is found again at the next start: no more than one file is advertised.
            if let Err(error) = self.shared.write_record(place, &name, &record) {
                tracing::warn!(%place, file = name, %error, "cannot write down that an artifact is superseded");
            }
        }
    }

    /// [`Store::adopt`] for those who must not block: most of the time, there is nothing to write down.
    pub async fn look_up(&self, place: &Place, url: &str) -> Adopted {
        let file = Advertised::file_of(place, url).unwrap_or_default();
        if let Some(stored) = self.shared.advertised(place, file) {
            return Adopted::Here(Box::new(stored));
        }
        let (store, place, url) = (self.clone(), place.clone(), url.to_owned());
        let adopted = spawn_blocking(move || store.adopt(&place, &url)).await;
        adopted.unwrap_or(Adopted::Missing)
    }

    /// [`Store::publish`] for those who must not block.
    pub async fn advertise(&self, place: &Place, file: &str) {
        if self.shared.advertised(place, file).is_some() {
            return;
        }
        let (store, place, file) = (self.clone(), place.clone(), file.to_owned());
        // What is lost here is found at the next look.
        let _ = spawn_blocking(move || store.publish(&place, &file)).await;
    }

    /// Takes note that the object of a place is gone; its files follow after the grace period.
    pub fn remove(&self, place: &Place) {
        let mut index = self.shared.index.write();
        index.no_longer_missing(place);
        let mut any = false;
        for (_, entry) in index.files_mut(place) {
            any = true;
            entry.superseded.get_or_insert_with(Instant::now);
        }
        if any {
            index.gone.insert(place.clone());
        }
    }

    /// Tells whether more files of a place wait for the end of the grace period than is healthy.
    pub fn is_crowded(&self, place: &Place) -> bool {
        self.shared.index.read().files(place).len() > CROWD
    }

    /// Removes files that have been superseded for long enough; blocks.
    pub fn collect(&self) -> Vec<Collected> {
        self.collect_at(Instant::now())
    }

    pub(crate) fn collect_at(&self, now: Instant) -> Vec<Collected> {
        let options = &self.shared.options;
        let retention = Retention {
            ttl: options.retention_ttl,
            records: options.retention_records,
            grace: options.grace,
        };
        let garbage = {
            let index = self.shared.index.read();
            let mut all = Vec::new();
            for place in index.places() {
                let files = index.files(place);
                let ages: Vec<_> = files.iter().map(|(_, entry)| entry.age(now)).collect();
                let found = if index.gone.contains(place) {
                    let is_over = |age: &Option<Duration>| age.is_some_and(|age| age >= options.grace);
                    let over = ages.iter().enumerate().filter(|(_, age)| is_over(age));
                    over.map(|(at, _)| (at, Rule::Gone)).collect()
                } else {
                    garbage(&ages, &retention)
                };
                all.extend(found.into_iter().filter_map(|(at, rule)| {
                    let (file, _) = files.get(at)?;
                    Some((place.clone(), (*file).clone(), rule))
                }));
            }
            all
        };
        self.shared.drop_all(garbage, None)
    }

    /// Looks whether the next file that nobody has looked at is what its name says; blocks. Gives its size.
    pub fn scrub_one(&self) -> Option<u64> {
        let (place, file, size) = {
            let index = self.shared.index.read();
            let mut all = index.all().filter(|(_, _, entry)| !entry.verified);
            let (place, file, entry) = all.next()?;
            (place.clone(), file.clone(), entry.record.size)
        };
        self.shared.verify(&place, &file);
        Some(size)
    }

    /// Has all files looked at again by and by.
    pub fn forget_verdicts(&self) {
        let mut index = self.shared.index.write();
        let places: Vec<_> = index.places().cloned().collect();
        for place in places {
            for (_, entry) in index.files_mut(&place) {
                entry.verified = false;
            }
        }
    }
}

impl Entry {
    fn age(&self, now: Instant) -> Option<Duration> {
        self.superseded.map(|since| now.saturating_duration_since(since))
    }
}

impl Shared {
    /// A file that is known to be what is advertised for a place, and all others not.
    fn advertised(&self, place: &Place, file: &str) -> Option<Stored> {
        let index = self.index.read();
        let entry = index.get(place, file)?;
        let mut others = index.files(place).into_iter().filter(|(name, _)| *name != file);
        let is_settled = entry.pending.is_none()
            && entry.superseded.is_none()
            && !index.is_missing(place)
            && others.all(|(_, other)| other.superseded.is_some());
        is_settled.then(|| self.stored(place, file, entry, false))
    }

    /// Removes everything that nobody needs, because there is no room for whoever has the turn at `place`.
    pub(crate) fn make_room(&self, place: &Place) {
        let now = Instant::now();
        let superseded = {
            let index = self.index.read();
            let old = index
                .all()
                .filter(|(_, _, entry)| entry.age(now).is_some_and(|age| age >= self.options.grace));
            old.map(|(place, file, _)| (place.clone(), file.clone(), Rule::NoRoom))
                .collect()
        };
        self.drop_all(superseded, Some(place));
    }

    /// Removes files; the caller has the turn at the place `own`.
    fn drop_all(&self, garbage: Vec<(Place, String, Rule)>, own: Option<&Place>) -> Vec<Collected> {
        let mut collected = Vec::new();
        for (place, file, rule) in garbage {
            let turn = self.turn(&place);
            let taking = (own != Some(&place)).then(|| turn.try_lock());
            if let Some(None) = taking {
                // Whoever stores there may be about to give this very file its place back.
                continue;
            }
            let taken = {
                let mut index = self.index.write();
                // It may have come back into its place since it was looked at.
                let old = index
                    .get(&place, &file)
                    .is_some_and(|entry| entry.superseded.is_some());
                old.then(|| index.remove(&place, &file)).flatten()
            };
            let Some(entry) = taken else { continue };
            let removed = self.disk.remove(&self.path(&place, &file));
            let removed = removed.and_then(|()| self.disk.remove(&self.record_path(&place, &file)));
            if let Err(error) = removed {
                tracing::warn!(%place, file, %error, "cannot remove an artifact, trying again later");
                self.index.write().insert(&place, &file, entry);
                continue;
            }
            self.remove_empty_folders(&place);
            let rule = rule.name();
            collected.push(Collected { place, file, rule });
        }
        if !collected.is_empty() {
            let index = self.index.read();
            let is_needed = |place: &Place, turn: &Arc<_>| Arc::strong_count(turn) > 1 || index.has(place);
            self.turns.lock().retain(|place, turn| is_needed(place, turn));
        }
        collected
    }

    fn remove_empty_folders(&self, place: &Place) {
        let root = &self.options.path;
        for folder in [
            root.join(place.folder()),
            root.join(crate::store::RECORDS).join(place.folder()),
        ] {
            // One that is not empty stays.
            for folder in folder.ancestors().take(2) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
        }
    }

    /// Looks whether a file is what its name says, and takes it out of service if it is not.
    pub(crate) fn verify(&self, place: &Place, file: &str) -> bool {
        let path = self.path(place, file);
        let before = self
            .index
            .read()
            .get(place, file)
            .map(|entry| entry.record.clone());
        let Some(before) = before else { return false };
        let looked = matches(&before.digest, &path);
        let turn = self.turn(place);
        let taken = turn.try_lock();
        let mut index = self.index.write();
        // It may have been made anew since.
        let same = index
            .get_mut(place, file)
            .filter(|entry| entry.record.published == before.published);
        let Some(entry) = same else { return false };
        match &looked {
            Ok(true) => {
                entry.verified = true;
                return true;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "cannot read an artifact");
                return false;
            }
            // Whoever stores there may be about to put the file that would be taken away; it is looked at again.
            _ if taken.is_none() => return false,
            _ => {}
        }
        let current = entry.superseded.is_none();
        index.remove(place, file);
        if current {
            index.miss(place, file);
        }
        drop(index);
        if looked.is_ok() {
            self.quarantine_file(&path, file);
        }
        let _ = self.disk.remove(&self.record_path(place, file));
        if current {
            // Nobody may be listening any more, at the end of the process.
            let _ = self.corrupt.send(place.clone());
        }
        false
    }
}
