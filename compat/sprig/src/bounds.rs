//! Bounds on values: a small one can stand for a huge one, by holding the same list many times, again and again.

use gotmpl::{Context, FuncError, Limits, Value};

/// Most items that one call looks at.
const MAX_ITEMS: usize = 1_000_000;
/// Longest text that one value may become.
pub(crate) const MAX_TEXT: usize = 16 << 20;

/// Counts what a walk over a value visits.
#[derive(Default)]
pub(crate) struct Budget {
    items: usize,
    bytes: u64,
}

impl Budget {
    /// Returns how many steps the walk was.
    pub(crate) fn steps(&self) -> u64 {
        self.items as u64 + self.bytes / Limits::BYTES_PER_STEP
    }

    /// Counts one item; fails if it is one too many.
    pub(crate) fn spend(&mut self) -> Result<(), FuncError> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(FuncError::limit(format!(
                "exceeded maximum number of items in a value ({MAX_ITEMS})"
            )));
        }
        Ok(())
    }

    /// Counts a map of so many entries, which takes as much as many items where it is sorted.
    pub(crate) fn spend_map(&mut self, entries: usize) -> Result<(), FuncError> {
        const ENTRIES: usize = 8;
        const ITEMS: usize = 10;
        self.items += entries.div_ceil(ENTRIES) * ITEMS;
        self.spend()
    }

    /// Counts the bytes of a text that is read.
    pub(crate) fn read(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
    }
}

/// Fails for a value of too many items, and pays for those that it has: writing it may end with an error, and nothing is
/// there to be paid for then. How deep it nests is left to what comes next.
pub(crate) fn check_size(cx: &mut Context<'_>, value: &Value) -> Result<(), FuncError> {
    const STEPS_PER_ITEM: u64 = 2;
    let mut budget = Budget::default();
    let counted = count(value, &mut budget, 0);
    cx.charge(STEPS_PER_ITEM * budget.steps())?;
    counted
}

fn count(value: &Value, budget: &mut Budget, depth: usize) -> Result<(), FuncError> {
    budget.spend()?;
    if depth > Limits::VALUE_DEPTH {
        return Ok(());
    }
    match value {
        Value::List(list) => list.items().try_for_each(|item| count(&item, budget, depth + 1)),
        Value::Map(map) => map
            .entries()
            .values()
            .try_for_each(|value| count(value, budget, depth + 1)),
        _ => Ok(()),
    }
}

/// Fails for a text that has grown too long.
pub(crate) fn check_text(bytes: usize) -> Result<(), FuncError> {
    if bytes > MAX_TEXT {
        return Err(FuncError::limit(format!(
            "exceeded maximum string size ({MAX_TEXT} bytes)"
        )));
    }
    Ok(())
}

/// Counts the maps that a document may hold towards the limits, before it is read: one for each of the signs that they begin
/// with.
pub(crate) fn charge_maps(cx: &mut Context<'_>, text: &[u8], signs: &[u8]) -> Result<(), FuncError> {
    /// Items that a map counts without its entries, which come with room for more.
    const ITEMS_OF_MAP: usize = 11;
    let count = |sign: &u8| memchr::memchr_iter(*sign, text).count();
    cx.charge_items(ITEMS_OF_MAP * signs.iter().map(count).sum::<usize>())
}

/// Counts the values that a document may hold towards the limits, before it is read: one for each sign that can stand between two.
pub(crate) fn charge_document(cx: &mut Context<'_>, text: &[u8], separators: &[u8]) -> Result<(), FuncError> {
    let count = |separator: &u8| memchr::memchr_iter(*separator, text).count();
    cx.charge_items(separators.iter().map(count).sum())
}
