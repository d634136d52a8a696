//! Go slices: typed views of a shared array.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::Limits;
use crate::value::str::Str;
use crate::value::types::{IntType, Type, UintType};
use crate::value::{Value, cycles};

/// A Go slice: a typed view (start, length, capacity) of a shared array.
///
/// Clones and sub-slices share the array. Nothing but [`List::set`] and [`List::sort_by`] changes an array in
/// place, so one that is only read can go to any thread.
#[derive(Clone, Debug)]
pub struct List {
    cell: Option<Arc<ListCell>>,
    start: usize,
    len: usize,
    cap: usize,
    ty: Type,
}

#[derive(Debug)]
pub(crate) struct ListCell(Mutex<Array>);

#[derive(Debug, Default)]
struct Array {
    values: Arc<Vec<Value>>,
    /// Items that take far less room like this, as long as nobody sorts them; there are no values then.
    compact: Option<Compact>,
}

#[derive(Clone, Debug)]
enum Compact {
    /// A `[]byte`.
    Bytes(Str),
    /// A `[]int` whose numbers are equally far apart.
    Range { first: i64, step: i64, len: usize },
}

impl Array {
    fn values(&mut self) -> &mut Arc<Vec<Value>> {
        if let Some(compact) = self.compact.take() {
            self.values = Arc::new((0..).map_while(|at| compact.get(at)).collect());
        }
        &mut self.values
    }
}

impl Compact {
    fn get(&self, index: usize) -> Option<Value> {
        match self {
            Self::Bytes(bytes) => Some(Value::Uint(u64::from(*bytes.get(index)?), UintType::Uint8)),
            Self::Range { first, step, len } => {
                let distance = step.wrapping_mul(index as i64);
                (index < *len).then(|| Value::int(first.wrapping_add(distance)))
            }
        }
    }
}

impl ListCell {
    fn new(array: Array) -> Arc<Self> {
        Arc::new(Self(Mutex::new(array)))
    }

    fn lock(&self) -> MutexGuard<'_, Array> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clear(&self) -> Arc<Vec<Value>> {
        std::mem::take(&mut self.lock().values)
    }

    /// The values in the array that may be containers, which compact ones never are.
    pub(crate) fn held(&self) -> Arc<Vec<Value>> {
        Arc::clone(&self.lock().values)
    }

    fn source(&self) -> Source {
        let array = self.lock();
        match &array.compact {
            Some(compact) => Source::Compact(compact.clone()),
            None => Source::Values(Arc::clone(&array.values)),
        }
    }
}

impl Drop for ListCell {
    fn drop(&mut self) {
        let array = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(values) = Arc::into_inner(std::mem::take(&mut array.values)) {
            cycles::drop_flat(values.into_iter());
        }
    }
}

impl List {
    /// Makes a `[]interface {}` of the items; an empty one is not nil.
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(Type::LIST, items)
    }

    /// Makes a nil `[]interface {}`, which serialises as null.
    pub fn nil() -> Self {
        Self::nil_of(Type::LIST)
    }

    /// Makes a nil slice of the given type.
    pub fn nil_of(ty: Type) -> Self {
        Self {
            cell: None,
            start: 0,
            len: 0,
            cap: 0,
            ty,
        }
    }

    /// Makes a slice of the given type, `[]T` or a type named so; items must be of type T.
    pub fn typed(ty: Type, items: Vec<Value>) -> Self {
        let len = items.len();
        Self {
            cell: Some(ListCell::new(Array {
                values: Arc::new(items),
                compact: None,
            })),
            start: 0,
            len,
            cap: len,
            ty,
        }
    }

    /// Makes a `[]byte`, which takes no more room than its bytes.
    pub fn bytes(bytes: Str) -> Self {
        let len = bytes.len();
        Self::compact(Type::BYTES, Compact::Bytes(bytes), len)
    }

    /// Makes a `[]int` of `len` numbers from `first` on, each `step` from the one before; it takes next to no room.
    pub fn range(first: i64, step: i64, len: usize) -> Self {
        Self::compact(Type::INTS, Compact::Range { first, step, len }, len)
    }

    fn compact(ty: Type, items: Compact, len: usize) -> Self {
        Self {
            cell: Some(ListCell::new(Array {
                values: Arc::default(),
                compact: Some(items),
            })),
            start: 0,
            len,
            cap: len,
            ty,
        }
    }

    /// Makes a `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::typed(
            Type::STRINGS,
            items.into_iter().map(|s| Value::Str(s.into())).collect(),
        )
    }

    /// Makes a `[]int`.
    pub fn ints(items: impl IntoIterator<Item = i64>) -> Self {
        Self::typed(
            Type::INTS,
            items.into_iter().map(|n| Value::Int(n, IntType::Int)).collect(),
        )
    }

    /// Gives the slice room beyond its end, as Go's `append` does; see [`List::reslice`].
    #[must_use]
    pub fn with_capacity(mut self, cap: usize) -> Self {
        self.cap = self.cap.max(cap);
        self
    }

    /// Cuts the room beyond the end down to `cap`, but never below the length.
    #[must_use]
    pub fn with_max_capacity(mut self, cap: usize) -> Self {
        self.cap = self.cap.min(cap.max(self.len));
        self
    }

    /// Returns the same slice under another type.
    #[must_use]
    pub fn with_type(&self, ty: Type) -> Self {
        Self { ty, ..self.clone() }
    }

    /// Returns the type of the slice.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Returns the type of the elements.
    pub fn elem_type(&self) -> Type {
        match self.ty.underlying() {
            Type::Slice(elem) => *elem,
            _ => Type::Any,
        }
    }

    /// Returns whether this is the nil slice.
    pub fn is_nil(&self) -> bool {
        self.cell.is_none()
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how far the slice can be extended: always at least its length.
    pub fn capacity(&self) -> usize {
        self.cap
    }

    /// Returns item `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<Value> {
        if index >= self.len {
            return None;
        }
        let item = self.cell.as_ref()?.source().get(self.start + index);
        Some(item.unwrap_or_else(|| Value::zero(self.elem_type())))
    }

    /// Returns the items as they are now.
    pub fn items(&self) -> Items {
        let nothing = || Source::Values(Arc::default());
        Items {
            source: self.cell.as_ref().map_or_else(nothing, |cell| cell.source()),
            next: self.start,
            end: self.start + self.len,
            elem: self.elem_type(),
        }
    }

    /// Returns the items `from..to` as a slice of the same array, as Go's `s[from:to]`.
    ///
    /// `to` may reach beyond the length up to the capacity; new items are zero values. Returns
    /// nothing where Go would panic.
    pub fn reslice(&self, from: usize, to: usize) -> Option<Self> {
        if from > to || to > self.cap {
            return None;
        }
        let mut part = self.clone();
        part.start += from;
        part.len = to - from;
        part.cap -= from;
        Some(part)
    }

    /// Sets item `index` in place, which every slice of the same array sees; returns whether there is such an item.
    ///
    /// Unlike a map, a list is never looked at for cycles: it must not be made to hold itself.
    pub fn set(&self, index: usize, value: Value) -> bool {
        let Some(cell) = self.cell.as_ref().filter(|_| index < self.len) else {
            return false;
        };
        let mut array = cell.lock();
        let items = Arc::make_mut(array.values());
        let at = self.start + index;
        if items.len() <= at {
            // What lies beyond the items so far reads as zero values.
            items.resize(at + 1, Value::zero(self.elem_type()));
        }
        let old = items.get_mut(at).map(|item| std::mem::replace(item, value));
        drop(array);
        drop(old); // after the lock is released: it may own other lists
        true
    }

    /// Sorts the items in place, which every slice of the same array sees.
    pub fn sort_by(&self, mut compare: impl FnMut(&Value, &Value) -> std::cmp::Ordering) {
        if let Some(cell) = &self.cell {
            let mut array = cell.lock();
            let items = Arc::make_mut(array.values());
            let end = items.len().min(self.start + self.len);
            if let Some(part) = items.get_mut(self.start.min(end)..end) {
                part.sort_by(&mut compare);
            }
        }
    }

    /// Returns the text of a `[]byte` (or a type named so), and nothing for other slices.
    pub fn as_bytes(&self) -> Option<Vec<u8>> {
        if self.elem_type() != Type::UINT8 {
            return None;
        }
        if let Some(cell) = &self.cell
            && let Some(Compact::Bytes(bytes)) = &cell.lock().compact
        {
            let mut part = bytes.slice(self.start, self.start + self.len).to_vec();
            part.resize(self.len, 0);
            return Some(part);
        }
        Some(
            self.items()
                .map(|v| {
                    if let Value::Uint(b, UintType::Uint8) = v {
                        b as u8
                    } else {
                        0
                    }
                })
                .collect(),
        )
    }

    /// Returns what `%p` shows: the place of the first item, 0 for nil.
    pub fn address(&self) -> usize {
        self.cell
            .as_ref()
            .map_or(0, |cell| Arc::as_ptr(cell) as usize + 16 * self.start)
    }

    /// How many bytes the list counts towards the limits.
    pub(crate) fn size(&self) -> u64 {
        let compact = self.cell.as_ref().and_then(|cell| cell.lock().compact.clone());
        match compact {
            Some(Compact::Bytes(bytes)) => bytes.len() as u64,
            Some(Compact::Range { .. }) => Limits::BYTES_PER_ITEM,
            None => Limits::list_bytes(self.len),
        }
    }

    /// How many bytes the list counts if a function makes values of its numbers.
    pub(crate) fn size_as_values(&self) -> u64 {
        let is_range = |cell: &Arc<ListCell>| matches!(cell.lock().compact, Some(Compact::Range { .. }));
        if self.cell.as_ref().is_some_and(is_range) {
            Limits::list_bytes(self.len)
        } else {
            0
        }
    }

    pub(crate) fn cell(&self) -> Option<&Arc<ListCell>> {
        self.cell.as_ref()
    }

    pub(crate) fn into_cell(self) -> Option<Arc<ListCell>> {
        self.cell
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<V: Into<Value>> FromIterator<V> for List {
    fn from_iter<I: IntoIterator<Item = V>>(iter: I) -> Self {
        Self::new(iter.into_iter().map(Into::into).collect())
    }
}

/// Iterator over the items that a [`List`] had when it was made.
#[derive(Clone, Debug)]
pub struct Items {
    source: Source,
    next: usize,
    end: usize,
    elem: Type,
}

#[derive(Clone, Debug)]
enum Source {
    Values(Arc<Vec<Value>>),
    Compact(Compact),
}

impl Source {
    fn get(&self, index: usize) -> Option<Value> {
        match self {
            Self::Values(values) => values.get(index).cloned(),
            Self::Compact(compact) => compact.get(index),
        }
    }
}

impl Iterator for Items {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        if self.next >= self.end {
            return None;
        }
        let value = self
            .source
            .get(self.next)
            .unwrap_or_else(|| Value::zero(self.elem));
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Items {}
