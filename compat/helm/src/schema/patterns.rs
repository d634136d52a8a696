//! What the parts and the patterns of a schema take when they are compiled, before the schema library compiles them.

use regex_automata::nfa::thompson::{Config, NFA};
use serde_json::Value;

use crate::schema::work::Patterns;

/// Most objects of a schema: the library makes some kilobyte of each.
const MAX_OBJECTS: usize = 50_000;
/// Most memory of all compiled patterns of a schema; that of the library's own form of them is a small multiple.
const MAX_PATTERN_BYTES: usize = 4 << 20;

/// Compiles the patterns of a schema one after the other, as far as the limit allows; says what each takes.
pub(crate) fn measure(schema: &Value) -> Result<Patterns, String> {
    let (mut patterns, mut left, mut objects) = (Patterns::new(), MAX_PATTERN_BYTES, 0);
    let mut rest = vec![schema];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(entries) => {
                objects += 1;
                if objects > MAX_OBJECTS {
                    return Err(format!(
                        "values.schema.json: the schema holds more than {MAX_OBJECTS} objects"
                    ));
                }
                rest.extend(entries.values());
                let own = entries.get("pattern").and_then(Value::as_str);
                let of_names = entries.get("patternProperties").and_then(Value::as_object);
                let of_names = of_names.into_iter().flat_map(|schemas| schemas.keys());
                for pattern in own.into_iter().chain(of_names.map(String::as_str)) {
                    if patterns.contains_key(pattern) {
                        continue;
                    }
                    let bytes = memory(pattern, left)?;
                    left = left.saturating_sub(bytes);
                    patterns.insert(pattern.to_owned(), bytes as u64);
                }
            }
            _ => {}
        }
    }
    Ok(patterns)
}

/// The bytes of a compiled pattern; none of one that is malformed, about which the library complains in its own words.
fn memory(pattern: &str, limit: usize) -> Result<usize, String> {
    let config = Config::new().nfa_size_limit(Some(limit));
    match NFA::compiler().configure(config).build(pattern) {
        Ok(nfa) => Ok(nfa.memory_usage() + pattern.len()),
        Err(error) if error.size_limit().is_some() => Err(format!(
            "values.schema.json: the patterns take more than {MAX_PATTERN_BYTES} bytes when they are compiled"
        )),
        Err(_) => Ok(pattern.len()),
    }
}
