//! A schema that is ready to check values, and what it says about those that break it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::Value as Json;

use crate::json;
use crate::schema::patterns;
use crate::schema::shape::is_plainly_valid;
use crate::schema::work::{self, Patterns};

/// Where a chart's schema stands for its own references.
const SCHEMA_URL: &str = "file:///values.schema.json";
/// Where it stands instead if the meta-schema need not be asked about it: the library asks about no schema of this host.
const UNASKED_SCHEMA_URL: &str = "file://json-schema.org/values.schema.json";

/// How long a report may become, and by how much more its last line may exceed that; Helm tells everything.
pub(crate) const MAX_REPORT: usize = 1 << 20;

/// A schema, ready to check values.
pub(crate) struct Compiled {
    document: Json,
    patterns: Patterns,
    schemas: Schemas,
    index: SchemaIndex,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

impl Compiled {
    /// How many steps it takes to check values, unless they are more than `most`.
    pub(crate) fn steps(&self, values: &Json, most: u64) -> Option<u64> {
        work::steps(&self.document, values, &self.patterns, most)
    }

    /// Checks values; fails with a report.
    pub(crate) fn validate(&self, values: &Json) -> Result<(), String> {
        let Err(error) = self.schemas.validate(values, self.index) else {
            return Ok(());
        };
        let mut text = String::new();
        for cause in &error.causes {
            describe(cause, 0, &mut text);
        }
        text.push('\n');
        Err(text)
    }

    /// Compiles a schema.
    pub(crate) fn new(schema: &[u8]) -> Result<Self, String> {
        let document = json::first_value("values.schema.json", schema)?;
        let patterns = patterns::measure(&document)?;
        let unasked = is_plainly_valid(&document).then(|| compile(UNASKED_SCHEMA_URL, &document));
        let (schemas, index) = match unasked {
            Some(Ok(compiled)) => compiled,
            // The error has to name the schema by its own URL.
            Some(Err(_)) | None => compile(SCHEMA_URL, &document)?,
        };
        Ok(Self {
            document,
            patterns,
            schemas,
            index,
        })
    }
}

fn compile(url: &str, document: &Json) -> Result<(Schemas, SchemaIndex), String> {
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(Offline));
    compiler
        .add_resource(url, document.clone())
        .map_err(|error| error.to_string())?;
    let mut schemas = Schemas::new();
    let index = compiler
        .compile(url, &mut schemas)
        .map_err(|error| error.to_string())?;
    Ok((schemas, index))
}

/// Refuses to read anything: a chart must not make its renderer open files or connections.
struct Offline;

impl UrlLoader for Offline {
    fn load(&self, url: &str) -> Result<Json, Box<dyn Error>> {
        if url.starts_with("urn:") {
            // Helm too accepts everything where a URN stands.
            return Ok(Json::Bool(true));
        }
        Err(format!(
            "failing loading {}: references out of the schema are refused",
            go_std::quote(url)
        )
        .into())
    }
}

/// Prints an error and its causes, one a line, indented by depth.
fn describe(error: &ValidationError<'_, '_>, depth: usize, text: &mut String) {
    if text.len() > MAX_REPORT {
        return;
    }
    let is_reference = matches!(error.kind, ErrorKind::Reference { .. }) && error.causes.len() == 1;
    if !is_reference {
        if !text.is_empty() {
            text.push('\n');
        }
        let place = quote(&error.instance_location.to_string());
        let _ = write!(
            text,
            "{:indent$}- at {place}: {}",
            "",
            message(&error.kind),
            indent = 2 * depth
        );
    }
    let depth = if is_reference { depth } else { depth + 1 };
    for cause in &error.causes {
        describe(cause, depth, text);
    }
}

/// The message of Helm's schema library for a kind of error.
fn message(kind: &ErrorKind<'_, '_>) -> String {
    let counts = |name: &str, got: &usize, want: &usize| {
        format!("{name}: got {}, want {}", grouped(*got), grouped(*want))
    };
    let numbers = |name: &str, got: &serde_json::Number, want: &serde_json::Number| {
        format!("{name}: got {}, want {}", decimal(got), decimal(want))
    };
    match kind {
        ErrorKind::Schema { url } => format!("jsonschema validation failed with {}", quote(url)),
        ErrorKind::Group | ErrorKind::Reference { .. } => "validation failed".to_owned(),
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((first, second))) => {
            format!("'oneOf' failed, subschemas {first}, {second} matched")
        }
        ErrorKind::FalseSchema => "false schema".to_owned(),
        ErrorKind::RefCycle {
            url,
            kw_loc1,
            kw_loc2,
        } => {
            let url = url.replace(UNASKED_SCHEMA_URL, SCHEMA_URL);
            format!(
                "both {kw_loc1} and {kw_loc2} resolve to {} causing reference cycle",
                go_std::quote(&url)
            )
        }
        ErrorKind::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|want| want.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Enum { want } => match want.as_slice() {
            values if values.iter().any(|value| value.is_array() || value.is_object()) => {
                "'enum' failed".to_owned()
            }
            [value] => format!("value must be {}", display(value)),
            values => {
                let values: Vec<String> = values.iter().map(display).collect();
                format!("value must be one of {}", values.join(", "))
            }
        },
        ErrorKind::Const { want } if want.is_array() || want.is_object() => "'const' failed".to_owned(),
        ErrorKind::Const { want } => format!("value must be {}", display(want)),
        ErrorKind::Format { got, want, err } => format!("{} is not valid {want}: {err}", display(got)),
        ErrorKind::MinProperties { got, want } => counts("minProperties", got, want),
        ErrorKind::MaxProperties { got, want } => counts("maxProperties", got, want),
        ErrorKind::MinItems { got, want } => counts("minItems", got, want),
        ErrorKind::MaxItems { got, want } => counts("maxItems", got, want),
        ErrorKind::MinLength { got, want } => counts("minLength", got, want),
        ErrorKind::MaxLength { got, want } => counts("maxLength", got, want),
        ErrorKind::AdditionalItems { got } => format!("last {} additionalItem(s) not allowed", grouped(*got)),
        ErrorKind::Required { want } if want.len() == 1 => format!("missing property {}", quoted_list(want)),
        ErrorKind::Required { want } => format!("missing properties {}", quoted_list(want)),
        ErrorKind::Dependency { prop, missing } | ErrorKind::DependentRequired { prop, missing } => {
            format!(
                "properties {} required, if {} exists",
                quoted_list(missing),
                quote(prop)
            )
        }
        ErrorKind::AdditionalProperties { got } => {
            format!("additional properties {} not allowed", quoted_list(got))
        }
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quote(prop)),
        ErrorKind::UniqueItems { got: [first, second] } => format!("items at {first} and {second} are equal"),
        ErrorKind::Contains => "no items match contains schema".to_owned(),
        ErrorKind::MinContains { got, want } if got.is_empty() => {
            format!("min {want} items required to match contains schema, but none matched")
        }
        ErrorKind::MinContains { got, want } => {
            format!(
                "min {want} items required to match contains schema, but matched {} items at {}",
                got.len(),
                spaced(got)
            )
        }
        ErrorKind::MaxContains { got, want } => {
            format!(
                "max {want} items required to match contains schema, but matched {} items at {}",
                got.len(),
                spaced(got)
            )
        }
        ErrorKind::Pattern { got, want } => format!("{} does not match pattern {}", quote(got), quote(want)),
        ErrorKind::ContentEncoding { want, err } => format!("value is not {} encoded: {err}", quote(want)),
        ErrorKind::ContentMediaType { want, err, .. } => {
            format!("value if not of mediatype {}: {err}", quote(want))
        }
        ErrorKind::ContentSchema => "'contentSchema' failed".to_owned(),
        ErrorKind::Minimum { got, want } => numbers("minimum", got, want),
        ErrorKind::Maximum { got, want } => numbers("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => numbers("multipleOf", got, want),
    }
}

/// Quotes text in single quotes.
fn quote(text: &str) -> String {
    let quoted = go_std::quote(text).replace("\\\"", "\"").replace('\'', "\\'");
    let inner = quoted
        .strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'))
        .unwrap_or(&quoted);
    format!("'{inner}'")
}

fn quoted_list<'t>(items: impl IntoIterator<Item = &'t (impl AsRef<str> + ?Sized + 't)>) -> String {
    items
        .into_iter()
        .map(|item| quote(item.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn spaced(indexes: &[usize]) -> String {
    indexes.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

fn display(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        Json::Null => "<nil>".to_owned(),
        Json::Number(number) => number_text(number).into_owned(),
        Json::Bool(b) => b.to_string(),
    }
}

fn number_text(number: &serde_json::Number) -> Cow<'static, str> {
    match number.as_f64() {
        Some(float) if number.is_f64() => go_std::float::format_g(float).into(),
        _ => number.to_string().into(),
    }
}

/// An integer with commas between groups of three digits.
fn grouped(number: usize) -> String {
    group(&number.to_string())
}

/// A number as Go's English printer shows it: `1,000`, `1.5`, and from a million on `1.2×10⁰⁶`.
fn decimal(number: &serde_json::Number) -> String {
    const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let text = number
        .as_f64()
        .map_or_else(|| number.to_string(), go_std::float::format_g);
    if let Some((mantissa, exponent)) = text.split_once('e') {
        let raised = exponent.chars().filter_map(|c| match c {
            '-' => Some('⁻'),
            digit => digit
                .to_digit(10)
                .and_then(|digit| SUPERSCRIPTS.get(digit as usize))
                .copied(),
        });
        return format!("{mantissa}×10{}", raised.collect::<String>());
    }
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", group(whole)),
        None => group(&text),
    }
}

fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Every argument for every keyword: what is taken for valid without asking the meta-schema is valid.
    #[test]
    fn what_is_plainly_valid_is_accepted_by_the_meta_schema() {
        let keywords = [
            "$comment",
            "$defs",
            "$id",
            "$ref",
            "$schema",
            "additionalItems",
            "additionalProperties",
            "allOf",
            "anyOf",
            "const",
            "contains",
            "contentEncoding",
            "contentMediaType",
            "contentSchema",
            "default",
            "definitions",
            "dependencies",
            "dependentRequired",
            "dependentSchemas",
            "deprecated",
            "description",
            "else",
            "enum",
            "examples",
            "exclusiveMaximum",
            "exclusiveMinimum",
            "format",
            "if",
            "items",
            "maxContains",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minContains",
            "minItems",
            "minLength",
            "minProperties",
            "minimum",
            "multipleOf",
            "not",
            "oneOf",
            "pattern",
            "patternProperties",
            "prefixItems",
            "properties",
            "propertyNames",
            "readOnly",
            "required",
            "then",
            "title",
            "type",
            "unevaluatedItems",
            "unevaluatedProperties",
            "uniqueItems",
            "writeOnly",
            "$anchor",
            "$recursiveRef",
            "$vocabulary",
            "anything",
        ];
        let arguments = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.0),
            json!(0.5),
            json!(1e300),
            json!(""),
            json!("string"),
            json!("["),
            json!("#"),
            json!("#/definitions/a"),
            json!("##"),
            json!("a b"),
            json!("http://example.com/a"),
            json!("http://"),
            json!([]),
            json!([true]),
            json!([1]),
            json!(["a"]),
            json!(["a", "a"]),
            json!(["string"]),
            json!(["string", "string"]),
            json!([{}]),
            json!([{"type": 1}]),
            json!({}),
            json!({"type": "string"}),
            json!({"type": 1}),
            json!({"a": true}),
            json!({"a": 1}),
            json!({"a": {"type": "strin"}}),
            json!({"[": {}}),
            json!({"a": {"$ref": "##"}}),
            json!({"a": ["b"]}),
            json!({"a": {"items": [{}]}}),
            json!([1, 1]),
            json!([1, 1.0]),
            json!([1, "1"]),
            json!([[], []]),
            json!(["a", null]),
        ];
        let mut plain = 0;
        for draft in [
            "draft-07/schema#",
            "draft-07/schema",
            "draft/2019-09/schema",
            "draft/2020-12/schema",
            "schema#",
        ] {
            for keyword in keywords {
                for argument in &arguments {
                    let schema =
                        json!({"$schema": format!("http://json-schema.org/{draft}"), keyword: argument});
                    if !is_plainly_valid(&schema) {
                        continue;
                    }
                    plain += 1;
                    if let Err(error) = compile(SCHEMA_URL, &schema) {
                        assert!(compile(UNASKED_SCHEMA_URL, &schema).is_err(), "{schema}: {error}");
                    }
                }
            }
        }
        assert!(plain > 1000, "{plain}");
    }
}
