//! Tables under construction, and who may add to them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gotmpl::{List, Map, Str, Type, Value};

#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Node>,
    /// Whether a header has defined it, so that no other can.
    pub(super) defined: bool,
}

pub(super) enum Node {
    Value(Value),
    Table(Table),
    Tables(Vec<Table>),
}

impl Table {
    pub(super) fn into_map(self) -> Map {
        let entries = self
            .entries
            .into_iter()
            .map(|(key, node)| (Str::from(key), node.into_value()));
        Map::typed(Type::MAP, entries.collect())
    }
}

impl Node {
    pub(super) fn into_value(self) -> Value {
        match self {
            Node::Value(value) => value,
            Node::Table(table) => Value::Map(table.into_map()),
            Node::Tables(tables) => {
                let tables = tables
                    .into_iter()
                    .map(|table| Value::Map(table.into_map()))
                    .collect();
                Value::List(List::typed(Type::Slice(&Type::MAP), tables))
            }
        }
    }
}

/// The table at a path of headers, made if it is not there; the last element of lists of tables.
///
/// Fails with the index of the key that holds something else.
pub(super) fn descend<'r>(mut table: &'r mut Table, path: &[String]) -> Result<&'r mut Table, usize> {
    for (index, key) in path.iter().enumerate() {
        let node = table
            .entries
            .entry(key.clone())
            .or_insert_with(|| Node::Table(Table::default()));
        table = match node {
            Node::Table(table) => table,
            // A header makes a list together with its first table.
            Node::Tables(tables) => tables.last_mut().ok_or(index)?,
            Node::Value(_) => return Err(index),
        };
    }
    Ok(table)
}

/// The table at the path of a dotted key, which cannot lead through lists of tables.
pub(super) fn descend_dotted<'r>(mut table: &'r mut Table, path: &[String]) -> Result<&'r mut Table, String> {
    for (index, key) in path.iter().enumerate() {
        let node = table
            .entries
            .entry(key.clone())
            .or_insert_with(|| Node::Table(Table::default()));
        table = match node {
            Node::Table(table) => table,
            _ => return Err(already_defined(path.get(..=index).unwrap_or_default())),
        };
    }
    Ok(table)
}

pub(super) fn already_defined(path: &[String]) -> String {
    format!("Key '{}' has already been defined.", path.join("."))
}

/// Adds an entry; an error names the whole path.
pub(super) fn insert(
    table: &mut Table,
    key: &str,
    node: Node,
    path: impl FnOnce() -> Vec<String>,
) -> Result<(), String> {
    match table.entries.entry(key.to_owned()) {
        Entry::Vacant(entry) => {
            entry.insert(node);
            Ok(())
        }
        Entry::Occupied(_) => Err(already_defined(&path())),
    }
}

pub(super) fn define_table(parent: &mut Table, key: &str, path: &[String]) -> Result<(), String> {
    let node = parent
        .entries
        .entry(key.to_owned())
        .or_insert_with(|| Node::Table(Table::default()));
    match node {
        Node::Table(table) if !table.defined => {
            table.defined = true;
            Ok(())
        }
        _ => Err(already_defined(path)),
    }
}

pub(super) fn add_to_tables(parent: &mut Table, key: &str, path: &[String]) -> Result<(), String> {
    match parent
        .entries
        .entry(key.to_owned())
        .or_insert_with(|| Node::Tables(Vec::new()))
    {
        Node::Tables(tables) => {
            tables.push(Table {
                defined: true,
                ..Table::default()
            });
            Ok(())
        }
        _ => Err(format!(
            "Key '{}' was already created and cannot be used as an array.",
            path.join(".")
        )),
    }
}
