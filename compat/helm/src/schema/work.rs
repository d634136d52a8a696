//! How much work a schema makes, found out before it is done.
//!
//! References that meet again and again (`allOf` of two references to an `allOf` of two references, ...) double the work
//! with every line of a schema. Counting does not: what a part of the schema costs for a part of the values is counted
//! once, however often it is checked.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// How deep schemas and references may nest for one value, so that neither the count nor the check runs out of stack.
const MAX_DEPTH: usize = 500;
/// Different pairs of a subschema and a value, which is what the count itself costs.
const MAX_PAIRS: usize = 1_000_000;

/// How many bytes of a compiled pattern are gone through in one step, at worst for each part of a text.
const PATTERN_BYTES_PER_STEP: u64 = 64;
/// How many bytes of text are looked at in one step.
const TEXT_BYTES_PER_STEP: u64 = 32;

/// The memory of the compiled patterns of a schema, by their texts.
pub(crate) type Patterns = HashMap<String, u64>;

/// Counts the steps of checking `values`: the subschemas that it visits, and what their keywords compare. Nothing if they
/// are more than `limit`.
///
/// The count is an upper bound: every alternative and every pattern counts, and a reference counts for everything that
/// its fragment could mean.
pub(crate) fn steps(schema: &Value, values: &Value, patterns: &Patterns, limit: u64) -> Option<u64> {
    let mut work = Work {
        targets: Targets::of(schema),
        counted: HashMap::new(),
        patterns,
        looked_at: 0,
        limit,
    };
    let visits = work.count(schema, values, 0)?;
    Some(visits.saturating_add(work.looked_at))
}

struct Work<'s> {
    targets: Targets<'s>,
    /// By the places of subschema and value; zero while it is being counted, since a cycle at one value is an error.
    counted: HashMap<(*const Value, *const Value), u64>,
    patterns: &'s Patterns,
    /// What the counting itself has looked at, beyond one step for each pair.
    looked_at: u64,
    limit: u64,
}

impl<'s> Work<'s> {
    /// The number of visits, or `None` when there are too many of them.
    fn count(&mut self, schema: &'s Value, value: &Value, depth: usize) -> Option<u64> {
        let Value::Object(keywords) = schema else {
            return Some(1);
        };
        let pair = (std::ptr::from_ref(schema), std::ptr::from_ref(value));
        if let Some(visits) = self.counted.get(&pair) {
            return Some(*visits);
        }
        if depth > MAX_DEPTH || self.counted.len() >= MAX_PAIRS {
            return None;
        }
        self.counted.insert(pair, 0);
        let mut visits = 1_u64;
        for (keyword, argument) in keywords {
            self.look_at(entries(argument) / ENTRIES_PER_STEP)?;
            visits = visits.saturating_add(self.count_keyword(keyword, argument, value, depth + 1)?);
            if visits > self.limit {
                return None;
            }
        }
        self.counted.insert(pair, visits);
        Some(visits)
    }

    fn look_at(&mut self, steps: u64) -> Option<()> {
        self.looked_at = self.looked_at.saturating_add(steps);
        (self.looked_at <= self.limit).then_some(())
    }

    fn count_each<'v>(
        &mut self,
        schema: &'s Value,
        mut values: impl Iterator<Item = &'v Value>,
        depth: usize,
    ) -> Option<u64> {
        values.try_fold(0_u64, |sum, value| {
            Some(sum.saturating_add(self.count(schema, value, depth)?))
        })
    }

    /// What matching texts with a pattern takes at worst, apart from one step for each.
    fn matching<'t>(&self, pattern: &str, mut texts: impl Iterator<Item = &'t str>) -> u64 {
        let memory = self.patterns.get(pattern).copied().unwrap_or_default();
        texts
            .try_fold(0_u64, |sum, text| {
                let bytes = text.len() as u64;
                let parts = (bytes / 1024).saturating_mul(memory / PATTERN_BYTES_PER_STEP);
                let sum = sum
                    .saturating_add(bytes / TEXT_BYTES_PER_STEP)
                    .saturating_add(parts);
                (sum <= self.limit).then_some(sum)
            })
            .unwrap_or(u64::MAX)
    }

    fn count_keyword(
        &mut self,
        keyword: &str,
        argument: &'s Value,
        value: &Value,
        depth: usize,
    ) -> Option<u64> {
        let mut sum = 0_u64;
        match (keyword, argument) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                for target in self.targets.resolve(reference) {
                    sum = sum.saturating_add(self.count(target, value, depth)?);
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                for schema in schemas {
                    sum = sum.saturating_add(self.count(schema, value, depth)?);
                }
            }
            ("not" | "if" | "then" | "else", schema) => sum = self.count(schema, value, depth)?,
            ("dependencies" | "dependentSchemas", Value::Object(schemas)) => {
                for schema in schemas.values().filter(|schema| !schema.is_array()) {
                    sum = sum.saturating_add(self.count(schema, value, depth)?);
                }
            }
            ("properties", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    if let Some(child) = value.get(name) {
                        sum = sum.saturating_add(self.count(schema, child, depth)?);
                    }
                }
            }
            ("pattern", Value::String(pattern)) => {
                let steps = self.matching(pattern, value.as_str().into_iter());
                self.look_at(steps)?;
            }
            ("patternProperties", Value::Object(schemas)) => {
                for (pattern, schema) in schemas {
                    let names = value.as_object().into_iter().flat_map(Map::keys);
                    let steps = self.matching(pattern, names.map(String::as_str));
                    self.look_at(steps.saturating_add(entries(value) / ENTRIES_PER_STEP))?;
                    sum = sum.saturating_add(self.count_each(schema, members(value), depth)?);
                }
            }
            ("const", wanted) => self.look_at(size(wanted).min(size(value)) / ENTRIES_PER_STEP)?,
            ("enum", Value::Array(wanted)) => {
                // Each is compared as far as both go.
                let each = size(value) / ENTRIES_PER_STEP;
                self.look_at((wanted.len() as u64).saturating_mul(each))?;
            }
            // Nested lists are gone through once for each list that they are in.
            ("uniqueItems", Value::Bool(true)) => self.look_at(size(value))?,
            ("propertyNames", schema) => {
                let each = self.count(schema, &Value::Null, depth)?;
                sum = each.saturating_mul(members(value).count() as u64);
                // Its patterns see names, which are no values of their own.
                let names = value.as_object().into_iter().flat_map(Map::keys);
                let memory = self.patterns.values().copied().max().unwrap_or_default();
                let parts: u64 = names.map(|name| name.len() as u64 / 1024).sum();
                self.look_at(parts.saturating_mul(memory / PATTERN_BYTES_PER_STEP))?;
            }
            ("additionalProperties" | "unevaluatedProperties", schema) => {
                sum = self.count_each(schema, members(value), depth)?;
            }
            ("items" | "prefixItems", Value::Array(schemas)) => {
                for (schema, element) in schemas.iter().zip(elements(value)) {
                    sum = sum.saturating_add(self.count(schema, element, depth)?);
                }
            }
            ("items" | "additionalItems" | "unevaluatedItems" | "contains", schema) => {
                sum = self.count_each(schema, elements(value), depth)?;
            }
            _ => {}
        }
        Some(sum)
    }
}

/// How many names or words of a keyword are compared in one step.
const ENTRIES_PER_STEP: u64 = 8;

fn entries(value: &Value) -> u64 {
    let entries = match value {
        Value::Array(items) => items.len(),
        Value::Object(entries) => entries.len(),
        _ => 0,
    };
    entries as u64
}

/// How many values there are in one.
fn size(value: &Value) -> u64 {
    let (mut size, mut rest) = (0, vec![value]);
    while let Some(value) = rest.pop() {
        size += 1;
        rest.extend(members(value));
        rest.extend(elements(value));
    }
    size
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(Map::values)
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What references can mean.
struct Targets<'s> {
    /// The root, and whatever has an identifier of its own: a pointer starts at one of them.
    roots: Vec<&'s Value>,
    anchors: HashMap<&'s str, Vec<&'s Value>>,
}

impl<'s> Targets<'s> {
    fn of(schema: &'s Value) -> Self {
        let mut targets = Self {
            roots: vec![schema],
            anchors: HashMap::new(),
        };
        let mut rest = vec![schema];
        while let Some(value) = rest.pop() {
            rest.extend(members(value));
            rest.extend(elements(value));
            for (keyword, name) in value.as_object().into_iter().flatten() {
                match (keyword.as_str(), name.as_str()) {
                    ("$anchor" | "$dynamicAnchor", Some(name)) => targets.anchor(name, value),
                    ("$id" | "id", Some(id)) => match id.split_once('#') {
                        Some((_, name)) if !name.is_empty() => targets.anchor(name, value),
                        _ if !std::ptr::eq(value, schema) => targets.roots.push(value),
                        _ => {}
                    },
                    _ => {}
                }
            }
        }
        targets
    }

    fn anchor(&mut self, name: &'s str, schema: &'s Value) {
        self.anchors.entry(name).or_default().push(schema);
    }

    fn resolve(&self, reference: &str) -> Vec<&'s Value> {
        let fragment = reference.split_once('#').map_or("", |(_, fragment)| fragment);
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        if fragment.is_empty() || fragment.starts_with('/') {
            let found = self.roots.iter().filter_map(|root| root.pointer(&fragment));
            found.collect()
        } else {
            self.anchors.get(&*fragment).cloned().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn visits(schema: &Value, values: &Value) -> Option<u64> {
        steps(schema, values, &Patterns::new(), 1 << 40)
    }

    /// `levels` definitions, each of which refers to the next one twice.
    fn doubling(levels: usize, keyword: &str) -> Value {
        let mut definitions = Map::new();
        for level in 0..levels {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({keyword: [next, next]}));
        }
        definitions.insert(format!("d{levels}"), json!({"type": "object"}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    }

    #[test]
    fn references_that_multiply_are_counted_without_following_each() {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            assert_eq!(visits(&doubling(3, keyword), &json!({})), Some(30), "{keyword}");
            assert_eq!(visits(&doubling(60, keyword), &json!({})), None, "{keyword}");
        }
    }

    #[test]
    fn recursion_is_as_deep_as_the_values() {
        let tree = json!({
            "$id": "https://example.com/tree", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "tree"}},
        });
        let values = json!({"left": {"left": {}, "right": {}}, "right": 1});
        assert_eq!(visits(&tree, &values), Some(9));
    }

    #[test]
    fn a_cycle_and_a_long_chain_end() {
        let cycle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
        assert_eq!(visits(&cycle, &json!({})), Some(2));
        let chain: Map<_, _> = (0..2000)
            .map(|at| (at.to_string(), json!({"$ref": format!("#/$defs/{}", at + 1)})))
            .collect();
        let chain = json!({"$ref": "#/$defs/0", "$defs": chain});
        assert_eq!(visits(&chain, &json!({})), None);
    }

    #[test]
    fn anchors_and_identifiers_are_found() {
        let schema = json!({
            "allOf": [{"$ref": "#here"}, {"$dynamicRef": "#there"}, {"$ref": "other.json#/$defs/x"}],
            "$defs": {
                "a": {"$anchor": "here", "not": {}}, "b": {"$dynamicAnchor": "there", "not": {}},
                "c": {"$id": "other.json", "$defs": {"x": {"not": {}}}},
            },
        });
        // The root, three references, three targets, and what is in each.
        assert_eq!(visits(&schema, &json!({})), Some(10));
    }
}
