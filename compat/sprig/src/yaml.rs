//! YAML as Helm's functions read and write it.

use std::cmp::Ordering;

use go_std::float;
use go_yaml::v3::{self, EmitOptions};
use go_yaml::{Node, Style, Tag, sigs};
use gotmpl::{Context, FuncError, Limits, Str, Value};

use crate::bounds::check_size;
use crate::decoded::{Decoded, ToValue, misfit};
use crate::json;
use crate::runes::{is_digit, is_letter};

/// `toYaml`: by way of JSON, without the final newline.
pub(crate) fn encode(cx: &mut Context<'_>, value: &Value) -> Result<String, FuncError> {
    json::check(cx, value).map_err(|error| {
        if error.is_limit() {
            error
        } else {
            FuncError::new(format!("error marshaling into JSON: {error}"))
        }
    })?;
    let mut text = sigs::to_string(value).map_err(|error| FuncError::new(error.to_string()))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// `toYamlPretty`: by yaml.v3 directly, lists indented below their keys, without the final newline.
pub(crate) fn encode_pretty(cx: &mut Context<'_>, value: &Value) -> Result<String, FuncError> {
    check_size(cx, value)?;
    let node = node(value, 0)?;
    // What yaml.v3 returns as an error, Helm swallows.
    let mut text = v3::to_string(&node, &EmitOptions::wide()).unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn node(value: &Value, depth: usize) -> Result<Node, FuncError> {
    if depth > Limits::VALUE_DEPTH {
        return Err(FuncError::limit("value is nested too deeply, or contains itself"));
    }
    Ok(match value {
        Value::Nil => Node::null(),
        Value::Bool(b) => Node::bool(*b),
        Value::Int(n, _) => Node::int(*n),
        Value::Uint(n, _) => Node::tagged_scalar(Tag::Int, n.to_string()),
        Value::Float(f) => Node::scalar(float_text(*f)),
        Value::Str(s) => string(s),
        Value::List(list) => Node::from_items(
            list.items()
                .map(|item| node(&item, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Value::Map(map) => {
            let entries = map.entries();
            let mut entries: Vec<(&Str, &Value)> = entries.iter().collect();
            entries.sort_by(|(a, _), (b, _)| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
            let entries = entries
                .into_iter()
                .map(|(key, value)| Ok((string(key), node(value, depth + 1)?)));
            Node::from_entries(entries.collect::<Result<_, FuncError>>()?)
        }
        Value::Object(object) => {
            if let Some(basic) = object.basic() {
                // A duration prints as its text, other named numbers as numbers.
                return match object.text() {
                    Some(text) if object.type_info().name == "time.Duration" => Ok(string(&text)),
                    _ => node(&basic, depth + 1),
                };
            }
            let plain = object.to_plain();
            match (&plain, object.type_info().name) {
                (Value::Str(text), "time.Time") => {
                    Node::tagged_scalar(Tag::Timestamp, text.to_string_lossy())
                }
                (Value::Map(_), _) => {
                    let fields = object.fields().into_iter();
                    let fields = fields
                        .filter(|(name, _)| name.starts_with(char::is_uppercase))
                        .map(|(name, value)| {
                            Ok((Node::string(name.to_lowercase()), node(&value, depth + 1)?))
                        });
                    Node::from_entries(fields.collect::<Result<_, FuncError>>()?)
                }
                _ => node(&plain, depth + 1)?,
            }
        }
        Value::Complex(..) | Value::Func(_) => {
            return Err(FuncError::new(format!(
                "cannot marshal type: {}",
                value.type_name()
            )));
        }
    })
}

fn string(text: &Str) -> Node {
    match text.to_str() {
        Some(text) if !text.contains('\n') && (is_old_bool(text) || is_base_60(text)) => {
            Node::string(text).styled(Style::DOUBLE_QUOTED)
        }
        Some(text) => Node::string(text),
        None => Node::tagged_scalar(Tag::Binary, go_std::base64::encode(text)),
    }
}

/// Whether YAML 1.1 took the text for a boolean, which readers of that version still do.
fn is_old_bool(text: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "yes", "on", "n", "no", "off"];
    let lower = text.to_ascii_lowercase();
    let capitalised = text
        .get(1..)
        .is_some_and(|rest| rest == lower.get(1..).unwrap_or_default());
    WORDS.contains(&lower.as_str()) && (capitalised || text == text.to_ascii_uppercase())
}

/// Whether YAML 1.1 took the text for a number to base 60, such as `1:30`.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let starts_well = first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return false;
    };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let sixtieth = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    starts_well
        && middle.iter().all(|part| sixtieth(part))
        && sixtieth(last)
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

fn float_text(f: f64) -> String {
    if f.is_nan() {
        ".nan".to_owned()
    } else if f.is_infinite() {
        (if f > 0.0 { ".inf" } else { "-.inf" }).to_owned()
    } else {
        float::format_g(f)
    }
}

/// The key order of yaml.v3: digit runs by value, letters behind other characters but not right behind digits.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut after_digit = false;
    for (index, (&x, &y)) in a.iter().zip(&b).enumerate() {
        if x == y {
            after_digit = is_digit(x);
            continue;
        }
        return match (is_letter(x), is_letter(y)) {
            (true, true) => x.cmp(&y),
            (true, false) if after_digit => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if after_digit => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_numbers(&a, &b, index).then(x.cmp(&y)),
        };
    }
    a.len().cmp(&b.len())
}

/// Compares the digit runs at `index`, first by value, then by length.
fn compare_numbers(a: &[char], b: &[char], index: usize) -> Ordering {
    let at = |text: &[char], index: usize| text.get(index).copied().unwrap_or(' ');
    let mut before = 0_u64;
    if at(a, index) == '0' || at(b, index) == '0' {
        // Leading zeros count only inside of a longer number.
        let run = a
            .get(..index)
            .unwrap_or_default()
            .iter()
            .rev()
            .take_while(|c| is_digit(**c));
        before = u64::from(run.into_iter().any(|&c| c != '0'));
    }
    let run = |text: &[char]| {
        let digits = text
            .get(index..)
            .unwrap_or_default()
            .iter()
            .take_while(|c| is_digit(**c))
            .map(|&c| u64::from(c).wrapping_sub(u64::from('0')));
        digits.fold((before, 0_usize), |(value, length), digit| {
            (value.wrapping_mul(10).wrapping_add(digit), length + 1)
        })
    };
    run(a).cmp(&run(b))
}

/// Reads the first document of a YAML text, as Go reads it into `any`: every number is a float.
pub fn from_yaml(text: &[u8]) -> Result<Value, go_yaml::Error> {
    sigs::build_any(text, &go_yaml::Limits::default(), &mut ToValue::default())
}

/// The first document as a template value, within the limits; numbers are floats.
pub(crate) fn decode(cx: &mut Context<'_>, text: &[u8]) -> Result<Decoded, FuncError> {
    let left = cx.items_left().saturating_mul(Limits::BYTES_PER_ITEM as usize);
    let default = go_yaml::Limits::default();
    let limits = go_yaml::Limits {
        max_value_bytes: default.max_value_bytes.min(left),
        ..default
    };
    let mut builder = ToValue::default();
    let built = sigs::build_any(text, &limits, &mut builder);
    for _ in 0..builder.maps {
        cx.charge_map(0)?;
    }
    match built {
        Err(error) if error.kind() == go_yaml::ErrorKind::Limit => Err(FuncError::limit(error.to_string())),
        built => Ok(built.map_err(|error| (error.to_string(), None))),
    }
}

/// The complaint of `sigs.k8s.io/yaml` about a document that is not of the wanted Go type.
pub(crate) fn document_misfit(value: &Value, wanted: &str) -> String {
    format!(
        "error unmarshaling JSON: while decoding JSON: {}",
        misfit(value, wanted)
    )
}
