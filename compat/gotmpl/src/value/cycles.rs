//! Memory safety nets of shared containers: values that contain themselves, and very deep ones.
//!
//! `set $d "self" $d` makes a map that owns itself, which reference counting alone never frees. A
//! [`CycleGuard`] remembers every map that was given a container while it lived, and when it ends
//! it empties those that only they themselves still keep alive.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::value::Value;
use crate::value::list::ListCell;
use crate::value::map::MapCell;

thread_local! {
    static SUSPECTS: RefCell<Option<Vec<Weak<MapCell>>>> = const { RefCell::new(None) };
}

/// Collects maps that own themselves when it goes out of scope.
///
/// Every execution makes one. Make one yourself around several executions over the same values to
/// pay for the collection once. Guards nest: the outermost one of a thread collects.
#[derive(Debug)]
pub struct CycleGuard {
    outermost: bool,
}

impl CycleGuard {
    /// Starts to remember maps that might become part of a cycle on this thread.
    #[must_use]
    pub fn new() -> Self {
        let outermost = SUSPECTS.with_borrow_mut(|suspects| {
            let outermost = suspects.is_none();
            suspects.get_or_insert_default();
            outermost
        });
        Self { outermost }
    }
}

impl Default for CycleGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CycleGuard {
    fn drop(&mut self) {
        if self.outermost {
            let suspects = SUSPECTS.with_borrow_mut(Option::take).unwrap_or_default();
            collect(&suspects);
        }
    }
}

/// Remembers a map that is about to get a container as an element.
pub(crate) fn suspect(cell: &Arc<MapCell>) {
    SUSPECTS.with_borrow_mut(|suspects| {
        if let Some(suspects) = suspects
            && suspects
                .last()
                .is_none_or(|last| last.as_ptr() != Arc::as_ptr(cell))
        {
            suspects.push(Arc::downgrade(cell));
        }
    });
}

/// A container reachable from a suspect.
struct Node {
    cell: Cell,
    /// References from other nodes, plus the one held here.
    known: usize,
    children: Vec<usize>,
}

enum Cell {
    Map(Arc<MapCell>),
    List(Arc<ListCell>),
}

impl Cell {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Map(map) => map.cell().cloned().map(Cell::Map),
            Value::List(list) => list.cell().cloned().map(Cell::List),
            _ => None,
        }
    }

    fn address(&self) -> usize {
        match self {
            Cell::Map(cell) => Arc::as_ptr(cell) as usize,
            Cell::List(cell) => Arc::as_ptr(cell) as usize,
        }
    }

    fn owners(&self) -> usize {
        match self {
            Cell::Map(cell) => Arc::strong_count(cell),
            Cell::List(cell) => Arc::strong_count(cell),
        }
    }

    fn for_each_child(&self, mut visit: impl FnMut(&Value)) {
        match self {
            Cell::Map(cell) => cell.entries().values().for_each(&mut visit),
            Cell::List(cell) => cell.held().iter().for_each(&mut visit),
        }
    }
}

/// Trial deletion: empties the suspects that nothing outside the graph below them refers to.
fn collect(suspects: &[Weak<MapCell>]) {
    let mut nodes: Vec<Node> = Vec::new();
    let mut index: HashMap<usize, usize> = HashMap::new();
    let mut add = |cell: Cell, nodes: &mut Vec<Node>| -> usize {
        *index.entry(cell.address()).or_insert_with(|| {
            nodes.push(Node {
                cell,
                known: 1,
                children: Vec::new(),
            });
            nodes.len() - 1
        })
    };
    for suspect in suspects.iter().filter_map(Weak::upgrade) {
        add(Cell::Map(suspect), &mut nodes);
    }
    let mut next = 0;
    while next < nodes.len() {
        let mut children = Vec::new();
        let node = &nodes[next];
        node.cell.for_each_child(|value| children.extend(Cell::of(value)));
        for child in children {
            let child = add(child, &mut nodes);
            nodes[child].known += 1;
            nodes[next].children.push(child);
        }
        next += 1;
    }

    let mut live = vec![false; nodes.len()];
    let mut work: Vec<usize> = (0..nodes.len())
        .filter(|&at| nodes[at].cell.owners() > nodes[at].known)
        .collect();
    while let Some(at) = work.pop() {
        if !std::mem::replace(&mut live[at], true) {
            work.extend(&nodes[at].children);
        }
    }
    let mut dead = Vec::new();
    for (node, live) in nodes.iter().zip(live) {
        if let (Cell::Map(cell), false) = (&node.cell, live) {
            dead.push(cell.clear());
        }
    }
}

/// Drops values without recursion, however deeply they are nested.
pub(crate) fn drop_flat(values: impl Iterator<Item = Value>) {
    let mut work: Vec<Value> = values.filter(Value::is_container).collect();
    while let Some(value) = work.pop() {
        match value {
            Value::Map(map) => {
                if let Some(cell) = map.into_cell().and_then(Arc::into_inner)
                    && let Some(entries) = Arc::into_inner(cell.clear())
                {
                    work.extend(entries.into_values().filter(Value::is_container));
                }
            }
            Value::List(list) => {
                if let Some(cell) = list.into_cell().and_then(Arc::into_inner)
                    && let Some(items) = Arc::into_inner(cell.clear())
                {
                    work.extend(items.into_iter().filter(Value::is_container));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{List, Map};

    #[test]
    fn a_map_that_owns_itself_is_freed() {
        let guard = CycleGuard::new();
        let map = Map::new();
        map.insert("list", List::new(vec![Value::Map(map.clone())]))
            .unwrap();
        let weak = Arc::downgrade(map.cell().unwrap());
        drop(map);
        assert!(weak.upgrade().is_some());
        drop(guard);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn a_cycle_that_somebody_holds_is_kept() {
        let outer = Map::new();
        {
            let _guard = CycleGuard::new();
            let inner = Map::new();
            inner.insert("outer", outer.clone()).unwrap();
            outer.insert("inner", inner).unwrap();
        }
        assert_eq!(outer.len(), 1);
    }

    #[test]
    fn deep_values_drop_without_recursion() {
        let mut value = Value::Nil;
        for _ in 0..200_000 {
            value = Value::List(List::new(vec![value]));
        }
        drop(value);
        let mut value = Value::Nil;
        for _ in 0..200_000 {
            value = Value::Map([("k", value)].into_iter().collect());
        }
        drop(value);
    }
}
