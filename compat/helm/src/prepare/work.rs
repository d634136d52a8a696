//! What preparing a render gathers and may take: warnings, and the bounds on subcharts and values.
//!
//! Charts multiply before the first template runs: an alias takes a subchart once more with all below it, and each copy
//! has values, templates and files under names of its own. All that is counted here before it is made.

use std::collections::HashSet;
use std::fmt;

use gotmpl::{List, Map, Value};

use crate::Limits;

/// How deeply values may nest, subcharts and imports included, which is as deep as templates can print them.
const MAX_DEPTH: usize = gotmpl::Limits::VALUE_DEPTH;

/// How many bytes of text count as one item.
const BYTES_PER_ITEM: usize = 64;

/// How many items a table counts besides its entries: the first of them comes with room for more.
const MAP_ITEMS: usize = 11;

/// How many comparisons count as one item.
const COMPARED_PER_ITEM: usize = 8;

/// What one render has used of its limits before its templates run, and what it warns of.
#[derive(Debug)]
pub(crate) struct Preparation {
    limits: Limits,
    instances: usize,
    items: usize,
    warnings: Vec<String>,
    seen: HashSet<String>,
}

/// A limit that preparing a render would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// [`Limits::instances`].
    #[error("subcharts multiply to more than {0}, counted once for each alias")]
    Instances(usize),
    /// [`Limits::items`].
    #[error("preparing the subcharts and their values takes more than {0} items")]
    Items(usize),
    /// The depth that all values are bound to.
    #[error("values nest more than {MAX_DEPTH} levels deep")]
    Depth,
}

impl Preparation {
    pub(crate) fn new(limits: Limits, warnings: Vec<String>) -> Self {
        Self {
            limits,
            instances: 0,
            items: 0,
            seen: warnings.iter().cloned().collect(),
            warnings,
        }
    }

    /// Counts charts that are about to take part.
    pub(crate) fn instances(&mut self, count: usize) -> Result<(), Exceeded> {
        self.instances = self.instances.saturating_add(count);
        if self.instances > self.limits.instances {
            return Err(Exceeded::Instances(self.limits.instances));
        }
        Ok(())
    }

    /// Counts items that are about to be made or looked at.
    pub(crate) fn items(&mut self, count: usize) -> Result<(), Exceeded> {
        self.items = self.items.saturating_add(count);
        if self.items > self.limits.items {
            return Err(Exceeded::Items(self.limits.items));
        }
        Ok(())
    }

    /// Counts a table that is about to be made.
    pub(crate) fn table(&mut self, entries: usize) -> Result<(), Exceeded> {
        self.items(MAP_ITEMS + entries)
    }

    /// Counts items that are about to be compared, which takes no memory.
    pub(crate) fn compared(&mut self, count: usize) -> Result<(), Exceeded> {
        self.items(1 + count / COMPARED_PER_ITEM)
    }

    /// Counts text that is about to be made or looked at.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.items(1 + bytes / BYTES_PER_ITEM)
    }

    /// Copies a table; nothing in the copy is shared with the original.
    pub(crate) fn copy(&mut self, table: &Map) -> Result<Map, Exceeded> {
        self.copy_table(table, 0)
    }

    fn copy_table(&mut self, table: &Map, depth: usize) -> Result<Map, Exceeded> {
        let depth = deeper(depth)?;
        let entries = table.entries();
        self.table(entries.len())?;
        let copied = entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), self.copy_value(value, depth)?)));
        copied.collect()
    }

    fn copy_value(&mut self, value: &Value, depth: usize) -> Result<Value, Exceeded> {
        Ok(match value {
            Value::Map(table) => self.copy_table(table, depth)?.into(),
            Value::List(list) => {
                let depth = deeper(depth)?;
                self.items(2 + list.len())?;
                let items = list.items().map(|item| self.copy_value(&item, depth));
                items.collect::<Result<List, _>>()?.into()
            }
            scalar => scalar.clone(),
        })
    }

    /// Warns.
    pub(crate) fn warn(&mut self, warning: String) -> Result<(), Exceeded> {
        self.text(warning.len())?;
        self.seen.insert(warning.clone());
        self.warnings.push(warning);
        Ok(())
    }

    /// Warns, unless it has done so in the same words.
    pub(crate) fn warn_once(&mut self, warning: String) -> Result<(), Exceeded> {
        self.text(warning.len())?;
        if self.seen.insert(warning.clone()) {
            self.warnings.push(warning);
        }
        Ok(())
    }

    /// All that is worth a warning, in the order in which it came up.
    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}

/// One level further down, if values may be that deep.
pub(crate) fn deeper(depth: usize) -> Result<usize, Exceeded> {
    if depth >= MAX_DEPTH {
        return Err(Exceeded::Depth);
    }
    Ok(depth + 1)
}

/// The dotted path of a chart or of a table in its values, put together only when it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValuePath<'p> {
    above: Option<&'p ValuePath<'p>>,
    name: &'p str,
}

impl<'p> ValuePath<'p> {
    pub(crate) const ROOT: ValuePath<'static> = ValuePath {
        above: None,
        name: "",
    };

    pub(crate) fn below(&'p self, name: &'p str) -> ValuePath<'p> {
        ValuePath {
            above: Some(self),
            name,
        }
    }
}

impl fmt::Display for ValuePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = std::iter::successors(Some(self), |place| place.above)
            .map(|place| place.name)
            .collect();
        names.reverse();
        // Nothing separates the first name from the nameless places above it.
        let first = names
            .iter()
            .position(|name| !name.is_empty())
            .unwrap_or(names.len());
        f.write_str(&names.get(first..).unwrap_or_default().join("."))
    }
}
