//! The fields in which two states of an object differ.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::owners::Segment;

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It gets another value.
    Changed,
    /// It is new.
    Added,
    /// It goes.
    Removed,
}

impl Change {
    /// What somebody else has done, if this is what takes it back.
    pub(super) const fn was_done(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "removed",
            Self::Removed => "added",
        }
    }

    pub(super) const fn would_be_done(self) -> &'static str {
        match self {
            Self::Changed => "it would get another value",
            Self::Added => "it would be added",
            Self::Removed => "it would be removed",
        }
    }
}

/// A field in which two states differ; its text is the path, such as `spec.containers[0].image`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Where it is in the live object; where it would be if it is new.
    pub(super) path: Vec<Segment>,
    /// What becomes of it.
    pub(super) change: Change,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.path.iter().enumerate() {
            match segment {
                Segment::Field(name) => {
                    let is_plain = name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
                    match (is_plain, at) {
                        (true, 0) => f.write_str(name)?,
                        (true, _) => write!(f, ".{name}")?,
                        (false, _) => write!(f, "[{name:?}]")?,
                    }
                }
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Finds the fields that count in which `live` and `wanted` differ, `most` of them.
pub(super) fn differences(live: &Value, wanted: &Value, most: usize) -> Vec<Difference> {
    let mut walk = Walk {
        path: Vec::new(),
        found: Vec::new(),
        most,
    };
    let nothing = Map::new();
    for field in ["labels", "annotations"] {
        let entries = |object: &Value| {
            let entries = object.get("metadata").and_then(|metadata| metadata.get(field));
            entries.and_then(Value::as_object).cloned().unwrap_or_default()
        };
        walk.path = vec![Segment::field("metadata"), Segment::field(field)];
        walk.objects(&entries(live), &entries(wanted));
    }
    walk.path.clear();
    let counts = |object: &Value| {
        let mut fields = object.as_object().unwrap_or(&nothing).clone();
        fields.remove("metadata");
        fields.remove("status");
        fields
    };
    walk.objects(&counts(live), &counts(wanted));
    walk.found
}

struct Walk {
    path: Vec<Segment>,
    found: Vec<Difference>,
    most: usize,
}

impl Walk {
    fn note(&mut self, change: Change) {
        if self.found.len() < self.most {
            self.found.push(Difference {
                path: self.path.clone(),
                change,
            });
        }
    }

    fn below(&mut self, segment: Segment, look: impl FnOnce(&mut Self)) {
        self.path.push(segment);
        look(self);
        self.path.pop();
    }

    fn values(&mut self, live: &Value, wanted: &Value) {
        match (live, wanted) {
            _ if live == wanted => {}
            (Value::Object(live), Value::Object(wanted)) => self.objects(live, wanted),
            (Value::Array(live), Value::Array(wanted)) => self.lists(live, wanted),
            _ => self.note(Change::Changed),
        }
    }

    fn objects(&mut self, live: &Map<String, Value>, wanted: &Map<String, Value>) {
        for (key, had) in live {
            self.below(Segment::field(key), |walk| match wanted.get(key) {
                Some(has) => walk.values(had, has),
                None => walk.note(Change::Removed),
            });
        }
        for key in wanted.keys().filter(|key| !live.contains_key(*key)) {
            self.below(Segment::field(key), |walk| walk.note(Change::Added));
        }
    }

    /// Elements with names are told by them, all others by their place.
    fn lists(&mut self, live: &[Value], wanted: &[Value]) {
        if let (Some(had), Some(has)) = (by_name(live), by_name(wanted)) {
            let order = |list: &[Value], others: &BTreeMap<&str, usize>| -> Vec<String> {
                let names = list.iter().filter_map(name);
                names
                    .filter(|name| others.contains_key(name))
                    .map(str::to_owned)
                    .collect()
            };
            if order(live, &has) != order(wanted, &had) {
                self.note(Change::Changed);
                return;
            }
            for (name, at) in &had {
                let Some(element) = live.get(*at) else { continue };
                let now = has.get(name).and_then(|at| wanted.get(*at));
                self.below(Segment::Index(*at), |walk| match now {
                    Some(now) => walk.values(element, now),
                    None => walk.note(Change::Removed),
                });
            }
            for (_, at) in has.iter().filter(|(name, _)| !had.contains_key(*name)) {
                self.below(Segment::Index(*at), |walk| walk.note(Change::Added));
            }
        } else if live.len() == wanted.len() {
            for (at, (live, wanted)) in live.iter().zip(wanted).enumerate() {
                self.below(Segment::Index(at), |walk| walk.values(live, wanted));
            }
        } else {
            self.note(Change::Changed);
        }
    }
}

fn name(element: &Value) -> Option<&str> {
    element.get("name").and_then(Value::as_str)
}

/// Where each name is; nothing if an element has none, or two have the same.
fn by_name(list: &[Value]) -> Option<BTreeMap<&str, usize>> {
    let mut names = BTreeMap::new();
    for (at, element) in list.iter().enumerate() {
        if names.insert(name(element)?, at).is_some() {
            return None;
        }
    }
    Some(names)
}
