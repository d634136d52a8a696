//! What is stored, as the store knows it without looking at the disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use crate::Place;
use crate::record::Record;

/// A stored file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// Since when another stands in its place; the clock of the wall counts only from one process to the next.
    pub(crate) superseded: Option<Instant>,
    /// When it was stored last, if it is not yet said to be advertised.
    pub(crate) pending: Option<Instant>,
    /// Whether its digest was computed since it was found.
    pub(crate) verified: bool,
}

/// All stored files, and what is advertised and not there.
#[derive(Debug, Default)]
pub(crate) struct Index {
    places: BTreeMap<Place, BTreeMap<String, Entry>>,
    missing: HashMap<Place, String>,
    /// Places whose object is gone.
    pub(crate) gone: HashSet<Place>,
}

/// What there is to say about a file.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    File(Box<(Place, String, Entry)>),
    /// It is advertised, and being made anew.
    Missing,
    Unknown,
}

impl Index {
    pub(crate) fn get(&self, place: &Place, file: &str) -> Option<&Entry> {
        self.places.get(place)?.get(file)
    }

    pub(crate) fn get_mut(&mut self, place: &Place, file: &str) -> Option<&mut Entry> {
        self.places.get_mut(place)?.get_mut(file)
    }

    pub(crate) fn insert(&mut self, place: &Place, file: &str, entry: Entry) {
        self.places
            .entry(place.clone())
            .or_default()
            .insert(file.to_owned(), entry);
    }

    pub(crate) fn remove(&mut self, place: &Place, file: &str) -> Option<Entry> {
        let files = self.places.get_mut(place)?;
        let removed = files.remove(file);
        if files.is_empty() {
            self.places.remove(place);
            self.gone.remove(place);
        }
        removed
    }

    /// Finds what a request asks for, by what follows the host of its URL.
    pub(crate) fn find(&self, path: &str) -> Found {
        let Some((place, file)) = Place::of_path(path) else {
            return Found::Unknown;
        };
        if let Some(entry) = self.get(&place, file) {
            let entry = entry.clone();
            return Found::File(Box::new((place, file.to_owned(), entry)));
        }
        if self.missing.get(&place).is_some_and(|missing| missing == file) {
            return Found::Missing;
        }
        Found::Unknown
    }

    /// The files of a place, oldest first.
    pub(crate) fn files(&self, place: &Place) -> Vec<(&String, &Entry)> {
        let mut files: Vec<_> = self.places.get(place).into_iter().flatten().collect();
        files.sort_by_key(|(file, entry)| (entry.record.published, *file));
        files
    }

    pub(crate) fn files_mut(&mut self, place: &Place) -> impl Iterator<Item = (&String, &mut Entry)> {
        self.places.get_mut(place).into_iter().flatten()
    }

    /// The file that is advertised.
    pub(crate) fn current(&self, place: &Place) -> Option<(&String, &Entry)> {
        let mut files = self.places.get(place).into_iter().flatten();
        files.find(|(_, entry)| entry.superseded.is_none() && entry.pending.is_none())
    }

    /// The file that was stored last and is not yet said to be advertised.
    pub(crate) fn last_pending(&self, place: &Place) -> Option<String> {
        let files = self.places.get(place).into_iter().flatten();
        let standing = files.filter(|(_, entry)| entry.superseded.is_none());
        let pending = standing.filter_map(|(file, entry)| Some((entry.pending?, file)));
        pending.max().map(|(_, file)| file.clone())
    }

    /// Whether there are files of a place.
    pub(crate) fn has(&self, place: &Place) -> bool {
        self.places.contains_key(place)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.keys()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Place, &String, &Entry)> {
        let places = self.places.iter();
        places.flat_map(|(place, files)| files.iter().map(move |(file, entry)| (place, file, entry)))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.all().map(|(_, _, entry)| entry.record.size).sum()
    }

    pub(crate) fn miss(&mut self, place: &Place, file: &str) {
        self.missing.insert(place.clone(), file.to_owned());
    }

    pub(crate) fn is_missing(&self, place: &Place) -> bool {
        self.missing.contains_key(place)
    }

    pub(crate) fn no_longer_missing(&mut self, place: &Place) {
        self.missing.remove(place);
    }
}
