//! A quick look at whether a schema is a schema.
//!
//! The schema library asks the meta-schema of the draft. It has to compile those of all drafts for that, which takes
//! longer than everything else that most charts need. Nearly every schema uses a few plain keywords whose arguments can
//! be checked here; for all others, and for the words of an error, the meta-schema is asked.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The drafts whose plain keywords mean the same, without scheme and fragment; a schema that names none has the latest.
const DRAFTS: [&str; 4] = [
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/schema",
];
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Whether the meta-schema surely accepts a schema; `false` says nothing.
pub(crate) fn is_plainly_valid(schema: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return schema.is_boolean();
    };
    keywords.iter().all(|(keyword, argument)| match keyword.as_str() {
        "$schema" => argument.as_str().is_some_and(is_draft),
        "$id" => argument
            .as_str()
            .is_some_and(|id| is_plain_reference(id) && !id.contains('#')),
        _ => is_plain(keyword, argument),
    })
}

fn is_draft(url: &str) -> bool {
    let name = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    name.is_some_and(|name| DRAFTS.contains(&name.strip_suffix('#').unwrap_or(name)))
}

fn is_schema(schema: &Value) -> bool {
    match schema {
        Value::Bool(_) => true,
        Value::Object(keywords) => are_plain(keywords),
        _ => false,
    }
}

fn are_plain(keywords: &Map<String, Value>) -> bool {
    keywords
        .iter()
        .all(|(keyword, argument)| is_plain(keyword, argument))
}

fn is_plain(keyword: &str, argument: &Value) -> bool {
    match keyword {
        "additionalItems"
        | "additionalProperties"
        | "contains"
        | "else"
        | "if"
        | "items"
        | "not"
        | "propertyNames"
        | "then"
        | "unevaluatedItems"
        | "unevaluatedProperties" => is_schema(argument),
        "$defs" | "definitions" | "dependentSchemas" | "properties" => argument
            .as_object()
            .is_some_and(|schemas| schemas.values().all(is_schema)),
        "patternProperties" => argument.as_object().is_some_and(|schemas| {
            schemas.keys().all(|pattern| is_expression(pattern)) && schemas.values().all(is_schema)
        }),
        "pattern" => argument.as_str().is_some_and(is_expression),
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => argument
            .as_array()
            .is_some_and(|schemas| !schemas.is_empty() && schemas.iter().all(is_schema)),
        "maxContains" | "maxItems" | "maxLength" | "maxProperties" | "minContains" | "minItems"
        | "minLength" | "minProperties" => argument.is_u64(),
        "exclusiveMaximum" | "exclusiveMinimum" | "maximum" | "minimum" => argument.is_number(),
        "multipleOf" => argument.as_f64().is_some_and(|number| number > 0.0),
        "$comment" | "contentEncoding" | "contentMediaType" | "description" | "format" | "title" => {
            argument.is_string()
        }
        "deprecated" | "readOnly" | "uniqueItems" | "writeOnly" => argument.is_boolean(),
        "examples" => argument.is_array(),
        "enum" => argument
            .as_array()
            .is_some_and(|values| !values.is_empty() && values.iter().all(is_simple) && are_unique(values)),
        "required" => argument
            .as_array()
            .is_some_and(|names| names.iter().all(Value::is_string) && are_unique(names)),
        "type" => match argument {
            Value::String(name) => TYPES.contains(&name.as_str()),
            Value::Array(names) => {
                let known = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
                !names.is_empty() && names.iter().all(known) && are_unique(names)
            }
            _ => false,
        },
        "$ref" => argument.as_str().is_some_and(is_plain_reference),
        "contentSchema" | "dependencies" | "dependentRequired" => false,
        other => !other.starts_with('$'),
    }
}

/// Whether a value equals others only if it looks the same: 1 and 1.0 are equal.
fn is_simple(value: &Value) -> bool {
    value.is_string() || value.is_boolean() || value.is_null() || value.is_i64()
}

fn are_unique(values: &[Value]) -> bool {
    let mut seen = HashSet::new();
    values.iter().all(|value| seen.insert(value))
}

fn is_expression(pattern: &str) -> bool {
    regex_syntax::ast::parse::Parser::new().parse(pattern).is_ok()
}

/// Whether a text is a reference by the grammar of URIs, of the kinds that charts use.
fn is_plain_reference(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .or_else(|| text.starts_with('#').then_some(text));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-#$".contains(c);
    rest.is_some_and(|rest| rest.chars().all(is_plain) && rest.matches('#').count() <= 1)
}
