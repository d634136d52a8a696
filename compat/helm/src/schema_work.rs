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

/// Tells whether checking `values` visits at most `limit` subschemas.
///
/// The count is an upper bound: every alternative and every pattern counts, and a reference counts for everything that
/// its fragment could mean.
pub(crate) fn is_bounded(schema: &Value, values: &Value, limit: u64) -> bool {
    visits(schema, values, limit).is_some()
}

fn visits(schema: &Value, values: &Value, limit: u64) -> Option<u64> {
    let mut work = Work {
        targets: Targets::of(schema),
        counted: HashMap::new(),
        limit,
    };
    work.count(schema, values, 0)
}

struct Work<'s> {
    targets: Targets<'s>,
    /// By the places of subschema and value; zero while it is being counted, since a cycle at one value is an error.
    counted: HashMap<(*const Value, *const Value), u64>,
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
            visits = visits.saturating_add(self.count_keyword(keyword, argument, value, depth + 1)?);
            if visits > self.limit {
                return None;
            }
        }
        self.counted.insert(pair, visits);
        Some(visits)
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
            ("patternProperties", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    sum = sum.saturating_add(self.count_each(schema, members(value), depth)?);
                }
            }
            ("propertyNames", schema) => {
                let each = self.count(schema, &Value::Null, depth)?;
                sum = each.saturating_mul(members(value).count() as u64);
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
        super::visits(schema, values, 1 << 40)
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
