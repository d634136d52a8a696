//! Go maps with string keys: shared, mutable, walked in key order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::FuncError;
use crate::value::str::Str;
use crate::value::types::Type;
use crate::value::{Value, cycles};

/// The entries of a map at one moment, in byte order of the keys.
pub type Entries = Arc<BTreeMap<Str, Value>>;

/// A Go map with string keys.
///
/// Like Go's, it is a reference: clones are aliases, and what is set through one is seen through
/// all of them, from any thread. [`Map::entries`] takes a snapshot at constant cost, so walking a
/// map while changing it is fine.
///
/// The type belongs to the handle, not to the entries: `common.Values` passed to a parameter of
/// type `map[string]interface {}` is the same map under another type.
#[derive(Clone, Debug)]
pub struct Map {
    cell: Option<Arc<MapCell>>,
    ty: Type,
}

#[derive(Debug)]
pub(crate) struct MapCell(Mutex<Entries>);

impl MapCell {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Entries are replaced or changed by single calls that leave them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn entries(&self) -> Entries {
        Arc::clone(&self.lock())
    }

    pub(crate) fn clear(&self) -> Entries {
        std::mem::take(&mut *self.lock())
    }
}

impl Drop for MapCell {
    fn drop(&mut self) {
        let entries = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        if let Some(entries) = Arc::into_inner(entries) {
            cycles::drop_flat(entries.into_values());
        }
    }
}

impl Map {
    /// Makes an empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::typed(Type::MAP, BTreeMap::new())
    }

    /// Makes a nil `map[string]interface {}`, which reads as empty and refuses to be written.
    pub fn nil() -> Self {
        Self {
            cell: None,
            ty: Type::MAP,
        }
    }

    /// Makes a map of the given type, `map[string]T` or a type named so.
    pub fn typed(ty: Type, entries: BTreeMap<Str, Value>) -> Self {
        Self {
            cell: Some(Arc::new(MapCell(Mutex::new(Arc::new(entries))))),
            ty,
        }
    }

    /// Returns the same map under another type.
    #[must_use]
    pub fn with_type(&self, ty: Type) -> Self {
        Self {
            cell: self.cell.clone(),
            ty,
        }
    }

    /// Returns the type of the map.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Returns the type of the map's elements.
    pub fn elem_type(&self) -> Type {
        match self.ty.underlying() {
            Type::Map(elem) => *elem,
            _ => Type::Any,
        }
    }

    /// Returns whether this is the nil map.
    pub fn is_nil(&self) -> bool {
        self.cell.is_none()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.cell.as_ref().map_or(0, |cell| cell.lock().len())
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the element under `key`, if there is one.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.cell.as_ref()?.lock().get(key.as_ref()).cloned()
    }

    /// Returns whether there is an element under `key`, null or not.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.cell
            .as_ref()
            .is_some_and(|cell| cell.lock().contains_key(key.as_ref()))
    }

    /// Sets the element under `key` in the shared map; fails on the nil map.
    pub fn insert(&self, key: impl Into<Str>, value: impl Into<Value>) -> Result<(), FuncError> {
        let Some(cell) = &self.cell else {
            return Err(FuncError::new("assignment to entry in nil map"));
        };
        let value = value.into();
        if value.is_container() {
            cycles::suspect(cell);
        }
        let old = Arc::make_mut(&mut cell.lock()).insert(key.into(), value);
        drop(old); // after the lock is released: it may own other maps
        Ok(())
    }

    /// Removes and returns the element under `key` from the shared map.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        let cell = self.cell.as_ref()?;
        let mut entries = cell.lock();
        if entries.contains_key(key.as_ref()) {
            Arc::make_mut(&mut entries).remove(key.as_ref())
        } else {
            None
        }
    }

    /// Returns the entries as they are now; later changes of the map do not show in it.
    pub fn entries(&self) -> Entries {
        self.cell
            .as_ref()
            .map_or_else(Entries::default, |cell| cell.entries())
    }

    /// Returns the keys in byte order.
    pub fn keys(&self) -> Vec<Str> {
        self.entries().keys().cloned().collect()
    }

    /// Returns whether both are the same map, not merely equal ones.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Returns what `%p` shows: equal for aliases, 0 for nil.
    pub fn address(&self) -> usize {
        self.cell.as_ref().map_or(0, |cell| Arc::as_ptr(cell) as usize)
    }

    pub(crate) fn cell(&self) -> Option<&Arc<MapCell>> {
        self.cell.as_ref()
    }

    pub(crate) fn into_cell(self) -> Option<Arc<MapCell>> {
        self.cell
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        Self::typed(
            Type::MAP,
            iter.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
        )
    }
}
