//! The `sigs.k8s.io/yaml` flavour: YAML as a way to write JSON, with the `yaml.v2` resolver and printer.

use go_std::Build;
use serde::Serialize;

use crate::build::{ToJson, build_plain, build_value};
use crate::compose::Composer;
use crate::decode::decode_v2;
use crate::emit::{write_value, write_value_bytewise, write_value_within};
use crate::reader::{Input, read};
use crate::scanner::Flavor;
use crate::value::{Value, through_json};
use crate::{Error, Limits, Node, finite, gojson, v3};

/// Reads the first document into a JSON value (`YAMLToJSON`): numbers stay exact, the last of equal keys wins.
///
/// ```
/// let value = go_yaml::sigs::to_value(b"on: 0777\nsize: 1.0\n", &go_yaml::Limits::default())?;
/// assert_eq!(value.to_string(), r#"{"size":1.0,"true":511}"#);
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn to_value(input: &[u8], limits: &Limits) -> Result<serde_json::Value, Error> {
    build(input, limits, &mut ToJson::exact())
}

/// Like [`to_value`], but of a map at the top only the wanted keys are there; all of the document is checked.
pub fn to_value_of(
    input: &[u8],
    wanted: impl Fn(&str) -> bool,
    limits: &Limits,
) -> Result<serde_json::Value, Error> {
    build(input, limits, &mut ToJson::exact_where(wanted))
}

/// Reads the first document into values of any type, by the rules and with the errors of [`to_value`].
///
/// Documents without anchors, tags and merges never become a tree on the way, so this is the cheapest way to read.
pub fn build<B: Build>(input: &[u8], limits: &Limits, builder: &mut B) -> Result<B::Value, Error> {
    let input = read(input, limits)?;
    match build_plain(&input, limits, builder)? {
        Some(value) => Ok(value),
        None => build_value(decode_text(&input, false, limits)?, builder),
    }
}

/// Like [`to_value`], but a key given twice is an error (`YAMLToJSONStrict`).
pub fn to_value_strict(input: &[u8], limits: &Limits) -> Result<serde_json::Value, Error> {
    decode(input, true, limits)?.into_json()
}

/// Decodes the first document with `yaml.v2`; no document is null.
fn decode(input: &[u8], strict: bool, limits: &Limits) -> Result<Value, Error> {
    decode_text(&read(input, limits)?, strict, limits)
}

fn decode_text(input: &Input<'_>, strict: bool, limits: &Limits) -> Result<Value, Error> {
    match Composer::new(&input.text, input.problem, Flavor::V2, limits).next_document()? {
        Some(root) => decode_v2(&root, strict, limits),
        None => Ok(Value::Null),
    }
}

/// What `Unmarshal` puts before the error of its first stage.
const TO_JSON: &str = "error converting YAML to JSON: ";

/// Like [`build`], with the errors of `Unmarshal` into `interface{}`.
pub fn build_any<B: Build>(input: &[u8], limits: &Limits, builder: &mut B) -> Result<B::Value, Error> {
    build(input, limits, builder).map_err(|error| error.with_prefix(TO_JSON))
}

/// Prints a value (`Marshal`): keys in natural order, long text folded at column 80, a final newline. Infinities and NaN
/// are errors.
///
/// ```
/// let value = serde_json::json!({"port10": "12:30", "port9": [1, "yes"]});
/// assert_eq!(go_yaml::sigs::to_string(&value)?, "port9:\n- 1\n- \"yes\"\nport10: \"12:30\"\n");
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    finite::check(value).map_err(|error| error.with_prefix("error marshaling into JSON: "))?;
    let value = serde_json::to_value(value)
        .map_err(|error| Error::encode(format!("error marshaling into JSON: json: {error}")))?;
    value_to_string(&value)
}

/// Prints a JSON value, see [`to_string`].
pub fn value_to_string(value: &serde_json::Value) -> Result<String, Error> {
    if !reads_back(value) {
        return json_to_yaml(gojson::to_string(value)?.as_bytes(), &Limits::default());
    }
    let mut out = String::new();
    write_value(&mut out, value)?;
    Ok(out)
}

/// Prints a JSON value as Go prints the pairs of `JSONObjectToYAMLObject` after they were sorted: keys in bytewise order,
/// and texts and numbers as they stand, without a pass through JSON text.
///
/// ```
/// let value = serde_json::json!({"port10": 1, "port9": [1.0, {}], "large": 1e19});
/// let text = go_yaml::sigs::bytewise_to_string(&value)?;
/// assert_eq!(text, "large: 10000000000000000000\nport10: 1\nport9:\n- 1\n- {}\n");
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn bytewise_to_string(value: &serde_json::Value) -> Result<String, Error> {
    let mut out = String::new();
    if has_large_integers(value) {
        let mut value = value.clone();
        to_integers(&mut value);
        write_value_bytewise(&mut out, &value)?;
    } else {
        write_value_bytewise(&mut out, value)?;
    }
    Ok(out)
}

/// The whole number that a float is exactly, where its shortest digits may be others.
fn large_integer(number: &serde_json::Number) -> Option<serde_json::Number> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    let value = number
        .as_f64()
        .filter(|value| number.is_f64() && value.abs() > EXACT)?;
    if value >= -(2_f64.powi(63)) && value < 2_f64.powi(63) {
        Some((value as i64).into())
    } else if value > 0.0 && value < 2_f64.powi(64) {
        Some((value as u64).into())
    } else {
        None
    }
}

fn has_large_integers(value: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match value {
        Json::Number(number) => large_integer(number).is_some(),
        Json::Array(items) => items.iter().any(has_large_integers),
        Json::Object(pairs) => pairs.values().any(has_large_integers),
        Json::Null | Json::Bool(_) | Json::String(_) => false,
    }
}

fn to_integers(value: &mut serde_json::Value) {
    use serde_json::Value as Json;
    match value {
        Json::Number(number) => {
            if let Some(integer) = large_integer(number) {
                *number = integer;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(to_integers),
        Json::Object(pairs) => pairs.values_mut().for_each(to_integers),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

/// Whether every string of the value survives being written as JSON and read as YAML, which is what `Marshal` does.
fn reads_back(value: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => true,
        Json::String(text) => text_reads_back(text),
        Json::Array(items) => items.iter().all(reads_back),
        Json::Object(pairs) => pairs
            .iter()
            .all(|(key, value)| key_reads_back(key) && reads_back(value)),
    }
}

/// Controls beyond ASCII are refused, or fold like a line break.
fn text_reads_back(text: &str) -> bool {
    memchr::memchr3(0x7f, 0xc2, 0xef, text.as_bytes()).is_none()
        || !text.contains(|c| matches!(c, '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
}

/// A key of 1024 characters is too long; six is the most that one byte becomes.
fn key_reads_back(key: &str) -> bool {
    key.len() < 170 && text_reads_back(key)
}

/// Converts JSON text to YAML (`JSONToYAML`).
pub fn json_to_yaml(json: &[u8], limits: &Limits) -> Result<String, Error> {
    let value = decode(json, false, limits)?;
    let mut out = String::new();
    write_value(&mut out, &value)?;
    Ok(out)
}

/// Prints a tree as `kustomize build` does: `JSONToYAML` of [`v3::to_json`](crate::v3::to_json), without the detours.
pub fn node_to_string(node: &Node) -> Result<String, Error> {
    node_to_string_within(node, usize::MAX)
}

/// [`node_to_string`] with a bound on the bytes of the text; a larger one is an error of kind
/// [`Limit`](crate::ErrorKind::Limit), before it is made.
pub fn node_to_string_within(node: &Node, max_bytes: usize) -> Result<String, Error> {
    print(v3::decode(node, max_bytes)?, max_bytes)
}

/// Prints a tree as `kustomize build -o DIR` does: `Marshal` of what it decodes to, as it is. Where
/// [`node_to_string`] goes through printed text, folded text and empty nulls in flow collections may become others.
pub fn decoded_to_string_within(node: &Node, max_bytes: usize) -> Result<String, Error> {
    print(v3::decode_tree(node)?, max_bytes)
}

fn print(mut value: Value, max_bytes: usize) -> Result<String, Error> {
    if !pass_json(&mut value)? {
        return value_to_string(&value.into_json()?);
    }
    let mut out = String::new();
    write_value_within(&mut out, &value, max_bytes)?;
    Ok(out)
}

/// Makes floats what they are after a pass through JSON text; false if that pass does more than that to the value.
fn pass_json(value: &mut Value) -> Result<bool, Error> {
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) => Ok(true),
        Value::Float(float) => {
            *value = through_json(*float)?;
            Ok(true)
        }
        Value::Str(text) => Ok(text_reads_back(text)),
        Value::Seq(items) => items
            .iter_mut()
            .try_fold(true, |all, item| Ok(pass_json(item)? && all)),
        Value::Map(map) => map.pairs_mut().iter_mut().try_fold(true, |all, (key, value)| {
            Ok(pass_json(value)? && key_reads_back(key) && all)
        }),
    }
}
