//! Lists whose elements are identified by keys, or that are sets of scalars.
//!
//! The steps are upstream's, including what they do to lists that break the rules: elements without a key, duplicates,
//! and keys that only some elements have. A list in good order takes the short way, [`Merge::merge_distinct`].

use std::collections::{HashMap, HashSet};

use go_yaml::{Kind, Node};

use super::{DIRECTIVE, Directive, Fate, Merge, take_comments_and_empty_style, take_directive};
use crate::Error;
use crate::edit::{set_field, set_scalar, wrong_kind};
use crate::openapi::Shape;

/// The key of a set of scalars: the text of the element itself.
const SELF: &str = "";

impl Merge<'_> {
    /// A list that only the object has.
    pub(super) fn keep_elements(
        &self,
        list: &mut Node,
        shape: &Shape,
        keys: &[impl AsRef<str>],
    ) -> Result<(), Error> {
        let items = std::mem::take(list.items_mut().unwrap_or(&mut Vec::new()));
        let items = self.merge_items(
            Lists {
                dest: items,
                patch: Patch::None,
            },
            shape,
            keys,
        )?;
        put_items(list, items);
        Ok(())
    }

    /// A list that only the patch has.
    pub(super) fn add_elements(
        &self,
        list: &mut Node,
        shape: &Shape,
        keys: &[impl AsRef<str>],
        inside: bool,
    ) -> Result<Fate, Error> {
        if inside && take_list_directive(list)? == Directive::Delete {
            return Ok(Fate::Remove);
        }
        let items = std::mem::take(list.items_mut().unwrap_or(&mut Vec::new()));
        let items = self.merge_items(
            Lists {
                dest: items,
                patch: Patch::Same,
            },
            shape,
            keys,
        )?;
        *list = Node::from_items(items);
        Ok(Fate::Keep)
    }

    /// A list that both have.
    pub(super) fn both_elements(
        &self,
        dest: &mut Node,
        mut patch: Node,
        shape: &Shape,
        keys: &[impl AsRef<str>],
    ) -> Result<Fate, Error> {
        match take_list_directive(&mut patch)? {
            Directive::Delete => Ok(Fate::Remove),
            Directive::Replace => {
                let items = self.merge_items(
                    Lists {
                        dest: patch.into_items(),
                        patch: Patch::Same,
                    },
                    shape,
                    keys,
                )?;
                put_items(dest, items);
                Ok(Fate::Keep)
            }
            Directive::Merge => {
                let items = std::mem::take(dest.items_mut().unwrap_or(&mut Vec::new()));
                let lists = Lists {
                    dest: items,
                    patch: Patch::Own(patch.into_items()),
                };
                put_items(dest, self.merge_items(lists, shape, keys)?);
                Ok(Fate::Keep)
            }
        }
    }

    fn merge_items(&self, lists: Lists, shape: &Shape, keys: &[impl AsRef<str>]) -> Result<Vec<Node>, Error> {
        self.budget.step(
            lists
                .iter()
                .map(|node| 1 + node.entries().len() / 4)
                .sum::<usize>()
                * keys.len().max(1),
        )?;
        let elements = self.schema.elements(shape);
        if keys.is_empty() {
            return self.merge_loosely(lists, elements, &[SELF]);
        }
        let mut used: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        if let [_, _, ..] = keys {
            // A key that no element has is not looked at.
            used.retain(|key| lists.iter().any(|node| has_text(node, key)));
        }
        if !used.is_empty() && lists.is_distinct(&used) {
            return self.merge_distinct(lists, elements, &used);
        }
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        self.merge_loosely(lists, elements, &keys)
    }

    /// Lists in which every element is a mapping with texts of its own under the keys.
    ///
    /// With one key the elements of the patch come first, in its order, then the others. With several, elements that both
    /// lists have keep the place that they have in the object.
    fn merge_distinct(
        &self,
        lists: Lists,
        elements: Option<&Shape>,
        keys: &[&str],
    ) -> Result<Vec<Node>, Error> {
        let Lists { dest, patch } = lists;
        let patch = match patch {
            Patch::None => Vec::new(),
            Patch::Own(patch) => patch,
            Patch::Same => {
                let mut result = Vec::with_capacity(dest.len());
                for mut node in dest {
                    if self.add(&mut node, elements, true)? == Fate::Keep {
                        result.push(node);
                    }
                }
                return Ok(result);
            }
        };
        let places = places_of(&patch, &dest, keys);
        let mut result = Vec::with_capacity(dest.len() + patch.len());
        // Each element of the object, and whether it is merged already.
        let mut dest: Vec<(Option<Node>, bool)> = dest.into_iter().map(|node| (Some(node), false)).collect();
        for (mut node, place) in patch.into_iter().zip(places) {
            let found = place.and_then(|place| dest.get_mut(place));
            let Some((mut old, slot)) = found.and_then(|slot| Some((slot.0.take()?, slot))) else {
                if self.add(&mut node, elements, false)? == Fate::Keep {
                    result.push(node);
                }
                continue;
            };
            // With `$patch: replace` the object's element wins all the same.
            if self.merge_element(&mut old, &mut node, elements)? == Element::Gone {
                continue;
            }
            if let [_] = keys {
                result.push(old);
            } else {
                *slot = (Some(old), true);
            }
        }
        for (node, is_merged) in dest {
            let Some(mut node) = node else { continue };
            if is_merged || self.keep(&mut node, elements)? == Fate::Keep {
                result.push(node);
            }
        }
        Ok(result)
    }

    /// Merges an element that both lists have.
    fn merge_element(
        &self,
        dest: &mut Node,
        patch: &mut Node,
        shape: Option<&Shape>,
    ) -> Result<Element, Error> {
        let known = self.known(&[dest, patch], shape);
        take_comments_and_empty_style(dest, patch);
        match take_directive(patch)? {
            Directive::Delete => Ok(Element::Gone),
            Directive::Replace => {
                self.add_fields(patch, known.get())?;
                Ok(Element::OfPatch)
            }
            Directive::Merge => {
                self.both_fields(dest, patch.clone(), known.get())?;
                Ok(Element::OfDest)
            }
        }
    }

    /// Any lists, step by step as upstream does it.
    fn merge_loosely(
        &self,
        mut lists: Lists,
        elements: Option<&Shape>,
        keys: &[&str],
    ) -> Result<Vec<Node>, Error> {
        // Each element has a text for each key, which a schema may have many of.
        let elements_of_both = lists.iter().count();
        self.budget
            .at_once(elements_of_both.saturating_mul(keys.len() * size_of::<String>()))?;
        self.budget.step(elements_of_both.saturating_mul(keys.len()))?;
        let mut tuples = lists.tuples(keys);
        if tuples.is_empty() {
            return Ok(lists.dest);
        }
        // A field of an element is searched among its others.
        let weight: usize = lists.iter().map(|node| 1 + node.entries().len() / 8).sum();
        self.budget.compare(tuples.len().saturating_mul(weight))?;
        if keys.len() > 1 {
            unify(&mut tuples);
        }
        let used: Vec<bool> = (0..keys.len())
            .map(|i| tuples.iter().any(|t| t.get(i).is_some_and(|v| !v.is_empty())))
            .collect();
        let any_used = used.contains(&true);
        let is_used = |i: usize| !any_used || used.get(i) == Some(&true);
        let keys: Vec<&str> = keys
            .iter()
            .enumerate()
            .filter(|(i, _)| is_used(*i))
            .map(|(_, key)| *key)
            .collect();

        let mut dest = List((0..lists.dest.len()).map(Slot::Dest).collect());
        let mut result = List(Vec::new());
        for tuple in &tuples {
            let values: Vec<&str> = tuple
                .iter()
                .enumerate()
                .filter(|(i, _)| is_used(*i))
                .map(|(_, v)| v.as_str())
                .collect();
            let Some(slot) = self.merge_tuple(&mut lists, &dest, elements, &keys, &values)? else {
                dest.set(&lists, None, &keys, &values)?;
                continue;
            };
            if let Some(node) = lists.node_mut(slot) {
                add_missing_keys(node, &keys, &values)?;
            }
            result.set(&lists, Some(slot), &keys, &values)?;
        }
        for slot in dest.0 {
            result.append(&lists, slot, &keys)?;
        }
        Ok(lists.take(&result.0))
    }

    /// The merged element for a tuple, `None` if there is none or nothing is left of it.
    fn merge_tuple(
        &self,
        lists: &mut Lists,
        dest: &List,
        elements: Option<&Shape>,
        keys: &[&str],
        values: &[&str],
    ) -> Result<Option<Slot>, Error> {
        // Empty components are not compared, unless all are empty.
        let named: Vec<_> = keys
            .iter()
            .copied()
            .zip(values.iter().copied())
            .filter(|(_, v)| !v.is_empty())
            .collect();
        let wanted = if named.is_empty() {
            keys.iter().copied().zip(values.iter().copied()).collect()
        } else {
            named
        };
        let in_dest = dest.0.iter().copied().find(|slot| lists.matches(*slot, &wanted));
        let in_patch = match &lists.patch {
            Patch::None => None,
            Patch::Same => in_dest,
            Patch::Own(patch) => (0..patch.len())
                .map(Slot::Patch)
                .find(|slot| lists.matches(*slot, &wanted)),
        };
        let is_set = keys == [SELF];
        let slot = match (in_dest, in_patch) {
            (None, None) => return Ok(None),
            (Some(slot), Some(same)) if slot == same => lists.change(slot, |node| {
                Ok((self.add(node, elements, true)? == Fate::Keep).then_some(slot))
            })?,
            (Some(slot), None) => lists.change(slot, |node| {
                Ok((self.keep(node, elements)? == Fate::Keep).then_some(slot))
            })?,
            (None, Some(slot)) => lists.change(slot, |node| {
                Ok((self.add(node, elements, false)? == Fate::Keep).then_some(slot))
            })?,
            (Some(_), Some(slot)) if is_set => Some(slot),
            (Some(in_dest), Some(in_patch)) => match lists.pair(in_dest, in_patch) {
                Some((dest, patch)) => match self.merge_element(dest, patch, elements)? {
                    Element::Gone => None,
                    Element::OfDest => Some(in_dest),
                    Element::OfPatch => Some(in_patch),
                },
                None => None,
            },
        };
        Ok(slot.filter(|slot| lists.node(*slot).is_some_and(|node| !is_nothing(node))))
    }
}

/// Where the merged element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Gone,
    OfDest,
    OfPatch,
}

/// The elements that take part in a merge; they stay where they are while lists of [`Slot`]s are rearranged.
struct Lists {
    dest: Vec<Node>,
    patch: Patch,
}

enum Patch {
    /// Only the object has the list.
    None,
    /// Only the patch has the list; upstream then merges it with itself.
    Same,
    Own(Vec<Node>),
}

/// The place of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    Dest(usize),
    Patch(usize),
}

impl Lists {
    fn patch(&self) -> &[Node] {
        match &self.patch {
            Patch::Own(patch) => patch,
            Patch::None | Patch::Same => &[],
        }
    }

    fn node(&self, slot: Slot) -> Option<&Node> {
        match slot {
            Slot::Dest(i) => self.dest.get(i),
            Slot::Patch(i) => self.patch().get(i),
        }
    }

    fn node_mut(&mut self, slot: Slot) -> Option<&mut Node> {
        match (slot, &mut self.patch) {
            (Slot::Dest(i), _) => self.dest.get_mut(i),
            (Slot::Patch(i), Patch::Own(patch)) => patch.get_mut(i),
            (Slot::Patch(_), _) => None,
        }
    }

    fn pair(&mut self, dest: Slot, patch: Slot) -> Option<(&mut Node, &mut Node)> {
        match (dest, patch, &mut self.patch) {
            (Slot::Dest(d), Slot::Patch(p), Patch::Own(patch)) => self.dest.get_mut(d).zip(patch.get_mut(p)),
            _ => None,
        }
    }

    fn change(
        &mut self,
        slot: Slot,
        change: impl FnOnce(&mut Node) -> Result<Option<Slot>, Error>,
    ) -> Result<Option<Slot>, Error> {
        self.node_mut(slot).map_or(Ok(None), change)
    }

    /// All elements, those of the patch first.
    fn iter(&self) -> impl Iterator<Item = &Node> {
        self.patch().iter().chain(&self.dest)
    }

    /// Whether every element of each list is a mapping with texts of its own under the keys.
    fn is_distinct(&self, keys: &[&str]) -> bool {
        let distinct = |nodes: &[Node]| {
            let mut seen = HashSet::with_capacity(nodes.len());
            nodes
                .iter()
                .all(|node| texts_of(node, keys).is_some_and(|texts| seen.insert(texts)))
        };
        distinct(&self.dest) && distinct(self.patch())
    }

    /// The distinct texts under the keys, those of the patch first.
    fn tuples(&self, keys: &[&str]) -> Vec<Vec<String>> {
        let mut seen = HashSet::new();
        let tuple = |node: &Node| -> Vec<String> {
            if keys == [SELF] {
                return vec![node.text().to_owned()];
            }
            let text = |key: &&str| {
                node.get(key)
                    .filter(|value| !value.is_empty())
                    .map_or("", Node::text)
                    .to_owned()
            };
            keys.iter().map(text).collect()
        };
        let tuples = self.iter().map(tuple);
        tuples.filter(|tuple| seen.insert(tuple.clone())).collect()
    }

    /// Whether an element has exactly these texts.
    fn matches(&self, slot: Slot, wanted: &[(&str, &str)]) -> bool {
        let Some(node) = self.node(slot) else { return false };
        wanted.iter().all(|&(key, value)| {
            if key == SELF {
                node.text() == value
            } else {
                node.get(key).is_some_and(|field| field.text() == value)
            }
        })
    }

    /// The elements in the order of `slots`; one that is named twice is copied.
    fn take(self, slots: &[Slot]) -> Vec<Node> {
        let mut dest: Vec<_> = self.dest.into_iter().map(Some).collect();
        let mut patch: Vec<_> = match self.patch {
            Patch::Own(patch) => patch.into_iter().map(Some).collect(),
            Patch::None | Patch::Same => Vec::new(),
        };
        let mut left: HashMap<Slot, usize> = HashMap::new();
        for slot in slots {
            *left.entry(*slot).or_default() += 1;
        }
        let take = |slot: &Slot| {
            let node = match *slot {
                Slot::Dest(i) => dest.get_mut(i),
                Slot::Patch(i) => patch.get_mut(i),
            }?;
            let uses = left.get_mut(slot)?;
            *uses -= 1;
            if *uses == 0 { node.take() } else { node.clone() }
        };
        slots.iter().filter_map(take).collect()
    }
}

/// A list under construction.
struct List(Vec<Slot>);

impl List {
    /// Puts `element` in the place of every element that has the texts, or at the end if there is none; without an
    /// element they are removed. A text `""` stands for any value, nulls and empty mappings go, and without any value
    /// everything goes (`ElementSetter`).
    fn set(
        &mut self,
        lists: &Lists,
        element: Option<Slot>,
        keys: &[&str],
        values: &[impl AsRef<str>],
    ) -> Result<(), Error> {
        let for_mappings = keys.first().is_some_and(|key| *key != SELF)
            && values.first().is_some_and(|v| !v.as_ref().is_empty());
        let mut found = false;
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for &slot in &self.0 {
            let Some(node) = lists.node(slot).filter(|node| !is_nothing(node)) else {
                continue;
            };
            if !node.is_mapping() && for_mappings {
                kept.push(slot);
            } else if has(node, keys, values)? {
                found = true;
                kept.extend(element);
            } else if !values.is_empty() {
                kept.push(slot);
            }
        }
        let something = |slot: &Slot| lists.node(*slot).is_some_and(|node| !node.is_null());
        if !found && let Some(element) = element.filter(something) {
            kept.push(element);
        }
        self.0 = kept;
        Ok(())
    }

    /// Adds an element of the object to the merged ones.
    fn append(&mut self, lists: &Lists, slot: Slot, keys: &[&str]) -> Result<(), Error> {
        let Some(node) = lists.node(slot) else {
            return Ok(());
        };
        if keys == [SELF] {
            return self.set(lists, Some(slot), keys, &[node.text()]);
        }
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            if !node.is_mapping() && !node.is_null() {
                return Err(wrong_kind(node, Kind::Mapping));
            }
            match node.get(key) {
                Some(field) => values.push(field.text()),
                None => self.0.push(slot),
            }
        }
        if keys.len() > 1 {
            self.set(lists, None, keys, &values)?;
        }
        self.set(lists, Some(slot), keys, &values)
    }
}

/// Whether an element has the texts; see [`List::set`]. Keys beyond the last value are not looked at.
fn has(node: &Node, keys: &[&str], values: &[impl AsRef<str>]) -> Result<bool, Error> {
    if values.is_empty() {
        return Ok(false);
    }
    for (key, value) in keys.iter().zip(values) {
        let value = value.as_ref();
        let found = if *key == SELF {
            if !node.is_scalar() {
                return Err(wrong_kind(node, Kind::Scalar));
            }
            node.text() == value
        } else {
            if !node.is_mapping() {
                return Err(wrong_kind(node, Kind::Mapping));
            }
            node.get(key)
                .is_some_and(|field| value.is_empty() || field.text() == value)
        };
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn add_missing_keys(node: &mut Node, keys: &[&str], values: &[&str]) -> Result<(), Error> {
    for (key, value) in keys.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
        if *key == SELF {
            set_scalar(node, Node::scalar(value))?;
        } else if !node.has(key) {
            set_field(node, key, Node::scalar(value))?;
        }
    }
    Ok(())
}

/// Lets tuples that differ only in components that one of them lacks become the same.
fn unify(tuples: &mut [Vec<String>]) {
    let has_gap = |tuple: &[String]| tuple.iter().any(String::is_empty);
    if !tuples.iter().any(|tuple| has_gap(tuple)) {
        return;
    }
    for i in 0..tuples.len() {
        let Some(first) = tuples.get(i).cloned() else {
            continue;
        };
        for j in 0..tuples.len() {
            let Some(filled) = tuples.get(j).and_then(|second| united(&first, second)) else {
                continue;
            };
            for k in [i, j] {
                if let Some(tuple) = tuples.get_mut(k) {
                    tuple.clone_from(&filled);
                }
            }
        }
    }
}

/// Both tuples in one, if they have a component in common and contradict each other in none.
fn united(first: &[String], second: &[String]) -> Option<Vec<String>> {
    let pairs = || first.iter().zip(second);
    let in_common = pairs().any(|(a, b)| a == b);
    let contradict = pairs().any(|(a, b)| a != b && !a.is_empty() && !b.is_empty());
    (in_common && !contradict).then(|| {
        pairs()
            .map(|(a, b)| if a.is_empty() { b.clone() } else { a.clone() })
            .collect()
    })
}

/// The directive of a list, removed from it: the first element that has one counts, if it has nothing else.
fn take_list_directive(list: &mut Node) -> Result<Directive, Error> {
    let Some(items) = list.items_mut() else {
        return Ok(Directive::Merge);
    };
    let Some(element) = items.iter().find(|item| item.has(DIRECTIVE)) else {
        return Ok(Directive::Merge);
    };
    if element.entries().len() > 1 {
        return Ok(Directive::Merge);
    }
    let word = element.get(DIRECTIVE).map_or("", Node::text).to_owned();
    let directive = Directive::parse(&word)?;
    let is_directive = |item: &Node| item.get(DIRECTIVE).is_some_and(|value| value.text() == word);
    items.retain(|item| !is_nothing(item) && !is_directive(item));
    Ok(directive)
}

/// The texts of an element under the keys, if it has all of them.
fn texts_of<'n>(node: &'n Node, keys: &[&str]) -> Option<Vec<&'n str>> {
    let text = |key: &&str| {
        let value = node
            .get(key)
            .filter(|value| value.is_scalar() && !value.is_null());
        value.map(Node::text).filter(|text| !text.is_empty())
    };
    keys.iter().map(text).collect()
}

/// Where in `dest` the element with the same texts is, for each element of `patch`.
fn places_of(patch: &[Node], dest: &[Node], keys: &[&str]) -> Vec<Option<usize>> {
    let texts = dest.iter().map(|node| texts_of(node, keys));
    let places: HashMap<_, _> = texts.zip(0..).collect();
    let place = |node| places.get(&texts_of(node, keys)).copied();
    patch.iter().map(place).collect()
}

fn has_text(node: &Node, key: &str) -> bool {
    node.get(key)
        .is_some_and(|value| !value.is_empty() && !value.text().is_empty())
}

/// A null or an empty mapping: neither survives in a list that is merged.
fn is_nothing(node: &Node) -> bool {
    node.is_null() || (node.is_mapping() && node.entries().is_empty())
}

fn put_items(list: &mut Node, items: Vec<Node>) {
    *list = Node::from_items(items).styled(list.style());
}
