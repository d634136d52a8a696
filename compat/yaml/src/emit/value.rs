//! Plain values as `yaml.v2` prints them for `sigs.k8s.io/yaml`.

use super::analysis::{analyze, has_break};
use super::writer::{Writer, select_style};
use super::{MAX_DEPTH, too_deep};
use crate::Error;
use crate::resolve::{Scalar, resolve_plain};
use crate::scanner::{Flavor, ScalarStyle};
use crate::sort::natural_order;
use crate::value::{Value, through_json};
use go_std::float;

/// Anything that can be printed as JSON-like YAML.
pub(crate) trait Tree: Sized {
    /// What this value is.
    fn shape(&self) -> Shape<'_, Self>;
}

/// A value, one level deep.
pub(crate) enum Shape<'a, T> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str(&'a str),
    Seq(Vec<&'a T>),
    /// Pairs sorted bytewise by key.
    Map(Vec<(&'a str, &'a T)>),
}

/// Where spaces become line breaks.
const WIDTH: usize = 80;

/// Appends one document.
pub(crate) fn write_value<T: Tree>(out: &mut String, value: &T) -> Result<(), Error> {
    write_value_within(out, value, usize::MAX)
}

/// Appends one document, as long as the text takes no more than so many bytes.
pub(crate) fn write_value_within<T: Tree>(
    out: &mut String,
    value: &T,
    max_bytes: usize,
) -> Result<(), Error> {
    write(out, value, max_bytes, Keys::Natural)
}

/// Appends one document with the keys of maps in bytewise order.
pub(crate) fn write_value_bytewise<T: Tree>(out: &mut String, value: &T) -> Result<(), Error> {
    write(out, value, usize::MAX, Keys::Bytewise)
}

fn write<T: Tree>(out: &mut String, value: &T, max_bytes: usize, keys: Keys) -> Result<(), Error> {
    let mut writer = Writer::new(2, WIDTH, max_bytes);
    writer.out = std::mem::take(out);
    let done = node(&mut writer, value, Place::Root, keys, 0);
    if done.is_ok() {
        writer.write_indent();
    }
    *out = writer.out;
    done
}

/// The order of the keys of maps: that of Go's printer, or that of lists of pairs which somebody sorted before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Natural,
    Bytewise,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Value,
}

fn node<T: Tree>(
    writer: &mut Writer,
    value: &T,
    place: Place,
    keys: Keys,
    depth: usize,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    writer.check_size()?;
    match value.shape() {
        Shape::Null => plain(writer, "null"),
        Shape::Bool(true) => plain(writer, "true"),
        Shape::Bool(false) => plain(writer, "false"),
        Shape::Int(value) => plain(writer, &value.to_string()),
        Shape::Uint(value) => plain(writer, &value.to_string()),
        Shape::Float(value) => plain(writer, &float::format_yaml(value)),
        Shape::Str(text) => string(writer, text, false),
        Shape::Seq(items) if items.is_empty() => writer.write_indicator("[]", true, false, false),
        Shape::Map(pairs) if pairs.is_empty() => writer.write_indicator("{}", true, false, false),
        Shape::Seq(items) => {
            let outer = writer.indent;
            // A list below a key starts in the column of the key.
            if place != Place::Value || writer.indention {
                deeper(writer, false);
            }
            for item in items {
                writer.write_indent();
                writer.write_indicator("-", true, false, true);
                node(writer, item, Place::Item, keys, depth + 1)?;
            }
            writer.indent = outer;
        }
        Shape::Map(pairs) => {
            let outer = writer.indent;
            deeper(writer, false);
            let pairs = match keys {
                Keys::Natural => natural_order(Flavor::V2, pairs),
                Keys::Bytewise => pairs,
            };
            for (key, value) in pairs {
                writer.write_indent();
                if is_simple_key(key) {
                    string(writer, key, true);
                    writer.write_indicator(":", false, false, false);
                } else {
                    writer.write_indicator("?", true, false, true);
                    string(writer, key, false);
                    writer.write_indent();
                    writer.write_indicator(":", true, false, true);
                }
                node(writer, value, Place::Value, keys, depth + 1)?;
            }
            writer.indent = outer;
        }
    }
    Ok(())
}

fn deeper(writer: &mut Writer, flow: bool) {
    if writer.indent < 0 {
        writer.indent = if flow { writer.step } else { 0 };
    } else {
        writer.indent += writer.step;
    }
}

fn plain(writer: &mut Writer, text: &str) {
    let outer = writer.indent;
    deeper(writer, true);
    writer.write_flow_scalar(text, ScalarStyle::Plain, false);
    writer.indent = outer;
}

fn string(writer: &mut Writer, text: &str, simple_key: bool) {
    let analysis = analyze(Flavor::V2, text);
    let style = select_style(wanted_style(text), analysis, text.is_empty(), false, simple_key);
    let outer = writer.indent;
    deeper(writer, true);
    if style == ScalarStyle::Literal {
        writer.write_block_header("|", text);
        writer.put_break();
        writer.write_literal_body(text);
    } else {
        writer.write_flow_scalar(text, style, !simple_key);
    }
    writer.indent = outer;
}

fn wanted_style(text: &str) -> ScalarStyle {
    if text.contains('\n') {
        return ScalarStyle::Literal;
    }
    let is_string = matches!(resolve_plain(Flavor::V2, text), Scalar::Str(_));
    if is_string && !is_base60(text) {
        ScalarStyle::Plain
    } else {
        ScalarStyle::DoubleQuoted
    }
}

/// Whether YAML 1.1 would read the text as a number in base 60, such as `12:30`.
pub(crate) fn is_base60(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || !digits.contains(':') {
        return false;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut groups = whole.split(':');
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let first = groups.next().is_some_and(is_number);
    first
        && is_number(fraction)
        && groups.all(|group| match group.as_bytes() {
            [ones] => ones.is_ascii_digit(),
            [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
            _ => false,
        })
}

fn is_simple_key(key: &str) -> bool {
    key.len() <= 128 && !has_break(key)
}

impl Tree for serde_json::Value {
    /// Floats go by way of JSON text read as YAML: integral ones become integers while they fit 64 bits.
    fn shape(&self) -> Shape<'_, Self> {
        match self {
            Self::Null => Shape::Null,
            Self::Bool(value) => Shape::Bool(*value),
            Self::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Shape::Int(value),
                (_, Some(value), _) => Shape::Uint(value),
                (_, _, value) => reread(value.unwrap_or_default()),
            },
            Self::String(text) => Shape::Str(text),
            Self::Array(items) => Shape::Seq(items.iter().collect()),
            Self::Object(pairs) => {
                let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value)).collect();
                pairs.sort_unstable_by_key(|(key, _)| *key);
                Shape::Map(pairs)
            }
        }
    }
}

fn reread<T>(value: f64) -> Shape<'static, T> {
    match through_json(value) {
        Ok(Value::Int(value)) => Shape::Int(value),
        Ok(Value::Uint(value)) => Shape::Uint(value),
        _ => Shape::Float(value),
    }
}

impl Tree for Value {
    fn shape(&self) -> Shape<'_, Self> {
        match self {
            Self::Null => Shape::Null,
            Self::Bool(value) => Shape::Bool(*value),
            Self::Int(value) => Shape::Int(*value),
            Self::Uint(value) => Shape::Uint(*value),
            Self::Float(value) => Shape::Float(*value),
            Self::Str(text) => Shape::Str(text),
            Self::Seq(items) => Shape::Seq(items.iter().collect()),
            Self::Map(map) => Shape::Map(
                map.pairs()
                    .iter()
                    .map(|(key, value)| (key.as_str(), value))
                    .collect(),
            ),
        }
    }
}
