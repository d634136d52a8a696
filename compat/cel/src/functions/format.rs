//! `format`: a text with the arguments in the place of its clauses, and values as text elsewhere.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::conversion::seconds_text;
use super::{Library, Outcome};
use crate::error::Failure;
use crate::limits::Budget;
use crate::types::Type;
use crate::value::{List, Value};

const DEFAULT_PRECISION: usize = 6;
/// Go prints up to a million digits; more than this says nothing of a float.
const MOST_PRECISION: i64 = 1_000;

/// What a clause asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    Text,
    Decimal,
    Fixed(usize),
    Scientific(usize),
    Binary,
    Hex { upper: bool },
    Octal,
}

/// Takes the clauses of a format, one after the other: with values, or with types.
pub(crate) trait Formatter {
    /// How many arguments there are.
    fn size(&self) -> usize;

    /// What an argument gives for a clause.
    fn format(&mut self, index: usize, clause: Clause) -> Result<String, String>;

    /// Whether a clause without an argument is a mistake before the text ends too early.
    fn checks_size_first(&self) -> bool;
}

impl Clause {
    /// That values of a type cannot be formatted so.
    pub(crate) fn refusal(self, type_name: &str) -> String {
        let words = match self {
            Clause::Text => {
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
            }
            Clause::Decimal => "decimal clause can only be used on ints, uints, and doubles",
            Clause::Fixed(_) => "fixed-point clause can only be used on ints, uints, and doubles",
            Clause::Scientific(_) => "scientific clause can only be used on ints, uints, and doubles",
            Clause::Binary => "only ints, uints, and bools can be formatted as binary",
            Clause::Hex { .. } => "only ints, uints, bytes, and strings can be formatted as hex",
            Clause::Octal => "octal clause can only be used on ints and uints",
        };
        format!("{words}, was given {type_name}")
    }
}

/// A format with its clauses replaced.
pub(crate) fn interpolate(format: &str, formatter: &mut impl Formatter) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = format;
    let mut index = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let clause = &rest[at + 1..];
        if let Some(behind) = clause.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let out_of_range = || format!("index {index} out of range");
        if formatter.checks_size_first() && index >= formatter.size() {
            return Err(out_of_range());
        }
        if clause.is_empty() {
            return Err("unexpected end of string".to_owned());
        }
        if index >= formatter.size() {
            return Err(out_of_range());
        }
        let (clause, behind) =
            read_clause(clause).map_err(|reason| format!("could not parse formatting clause: {reason}"))?;
        let text = formatter
            .format(index, clause)
            .map_err(|reason| format!("error during formatting: {reason}"))?;
        out.push_str(&text);
        rest = behind;
        index += 1;
    }
    out.push_str(rest);
    Ok(out)
}

fn read_clause(text: &str) -> Result<(Clause, &str), String> {
    let wrap = |reason: String| format!("error while parsing precision: {reason}");
    let (precision, rest) = match text.strip_prefix('.') {
        None => (DEFAULT_PRECISION, text),
        Some(behind) => {
            let count = behind.bytes().take_while(u8::is_ascii_digit).count();
            if count == behind.len() {
                return Err(wrap("could not find end of precision specifier".to_owned()));
            }
            let (digits, rest) = behind.split_at(count);
            let precision = go_std::atoi(digits).map_err(|error| {
                let reason = error.of_call("Atoi", digits);
                wrap(format!("error while converting precision to integer: {reason}"))
            })?;
            if precision > MOST_PRECISION {
                return Err(wrap(format!("precision too large: {precision}")));
            }
            (precision as usize, rest)
        }
    };
    let mut chars = rest.chars();
    let clause = match chars.next() {
        Some('s') => Clause::Text,
        Some('d') => Clause::Decimal,
        Some('f') => Clause::Fixed(precision),
        Some('e') => Clause::Scientific(precision),
        Some('b') => Clause::Binary,
        Some('x') => Clause::Hex { upper: false },
        Some('X') => Clause::Hex { upper: true },
        Some('o') => Clause::Octal,
        Some(other) => return Err(format!("unrecognized formatting clause \"{other}\"")),
        None => return Err("unexpected end of string".to_owned()),
    };
    Ok((clause, chars.as_str()))
}

pub(super) fn declare(library: &mut Library) {
    library
        .function("format")
        .member(
            "string_format",
            &[Type::String, Type::list(Type::Dyn)],
            Type::String,
            format,
        )
        .variadic = true;
}

struct Values<'v, 'a> {
    items: Vec<Value<'a>>,
    budget: &'v Budget,
}

impl Formatter for Values<'_, '_> {
    fn size(&self) -> usize {
        self.items.len()
    }

    fn format(&mut self, index: usize, clause: Clause) -> Result<String, String> {
        let value = &self.items[index];
        self.budget
            .steps(value.weight() / 16 + 1)
            .map_err(|failure| failure.message)?;
        let refuse = || clause.refusal(value.type_name());
        Ok(match (clause, value) {
            (Clause::Text, _) => text(value)?,
            (Clause::Decimal, Value::Double(number)) => plain_float(*number),
            (Clause::Decimal, Value::Int(_) | Value::Uint(_)) => text(value)?,
            (Clause::Decimal, _) => return Err(refuse()),
            (Clause::Fixed(precision), Value::Double(number)) => float(*number, b'f', precision),
            (Clause::Scientific(precision), Value::Double(number)) => float(*number, b'e', precision),
            (Clause::Fixed(precision), _) => wrong_verb(value, 'f', precision).ok_or_else(refuse)?,
            (Clause::Scientific(precision), _) => wrong_verb(value, 'e', precision).ok_or_else(refuse)?,
            (Clause::Binary, Value::Bool(truth)) => u8::from(*truth).to_string(),
            (Clause::Binary, _) => digits(value, |number| format!("{number:b}")).ok_or_else(refuse)?,
            (Clause::Octal, _) => digits(value, |number| format!("{number:o}")).ok_or_else(refuse)?,
            (Clause::Hex { upper }, _) => {
                let hex = match value {
                    Value::String(text) => hex(text.as_str().as_bytes()),
                    Value::Bytes(bytes) => hex(bytes),
                    _ => digits(value, |number| format!("{number:x}")).ok_or_else(refuse)?,
                };
                if upper { hex.to_ascii_uppercase() } else { hex }
            }
        })
    }

    fn checks_size_first(&self) -> bool {
        true
    }
}

fn format<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(format), Value::List(list)] = args else {
        return Err(Failure::no_overload());
    };
    budget.bytes(format.as_str().len() + list.len() * size_of::<Value<'_>>())?;
    let mut values = Values {
        items: list.iter().collect(),
        budget,
    };
    let text = interpolate(format.as_str(), &mut values).map_err(Failure::new)?;
    budget.bytes(text.len())?;
    Ok(Value::from(text))
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// An integer in another base, the sign before it.
fn digits(value: &Value<'_>, of: impl Fn(u64) -> String) -> Option<String> {
    match value {
        Value::Int(number) if *number < 0 => Some(format!("-{}", of(number.unsigned_abs()))),
        Value::Int(number) => Some(of(number.unsigned_abs())),
        Value::Uint(number) => Some(of(*number)),
        _ => None,
    }
}

/// What Go prints for an integer with a verb for floats, which cel-go lets through.
fn wrong_verb(value: &Value<'_>, verb: char, precision: usize) -> Option<String> {
    let (name, negative, number) = match value {
        Value::Int(number) => ("int64", *number < 0, number.unsigned_abs()),
        Value::Uint(number) => ("uint64", false, *number),
        _ => return None,
    };
    let digits = if number == 0 && precision == 0 {
        String::new()
    } else {
        format!("{number:0>precision$}")
    };
    let sign = if negative { "-" } else { "" };
    Some(format!("%!{verb}({name}={sign}{digits})"))
}

fn float(number: f64, verb: u8, precision: usize) -> String {
    special(number).unwrap_or_else(|| go_std::format_float(number, verb, Some(precision)))
}

fn plain_float(number: f64) -> String {
    special(number).unwrap_or_else(|| go_std::format_float(number, b'f', None))
}

fn special(number: f64) -> Option<String> {
    if number.is_nan() {
        Some("NaN".to_owned())
    } else if number.is_infinite() {
        Some(if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
    } else {
        None
    }
}

/// A value as the clause for texts prints it.
fn text(value: &Value<'_>) -> Result<String, String> {
    stacker::maybe_grow(crate::RED_ZONE, crate::MORE_STACK, || {
        Ok(match value {
            Value::Null => "null".to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Uint(number) => number.to_string(),
            Value::Double(number) => plain_float(*number),
            Value::String(text) => text.as_str().to_owned(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::List(list) => {
                let items: Vec<_> = list.iter().map(|item| text(&item)).collect::<Result<_, _>>()?;
                format!("[{}]", items.join(", "))
            }
            Value::Map(map) => {
                let mut entries = map
                    .entries()
                    .iter()
                    .map(|(key, value)| Ok((text(key)?, text(value)?)))
                    .collect::<Result<Vec<_>, String>>()?;
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            Value::Timestamp(time) => time.utc().to_string(),
            Value::Duration(nanos) => seconds_text(*nanos),
            Value::Type(name) => (*name).to_owned(),
            Value::Optional(_) => return Err(Clause::Text.refusal(value.type_name())),
        })
    })
}

/// A value as Go prints it in a message.
pub(crate) fn display(value: &Value<'_>) -> String {
    stacker::maybe_grow(crate::RED_ZONE, crate::MORE_STACK, || match value {
        // A number in Go, which has no text of its own.
        Value::Null => "0".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => go_std::float::format_g(*number),
        Value::String(text) => text.as_str().to_owned(),
        Value::Bytes(bytes) => {
            let bytes: Vec<_> = bytes.iter().map(u8::to_string).collect();
            format!("[{}]", bytes.join(" "))
        }
        Value::List(list) => {
            let items: Vec<_> = match list {
                List::Borrowed(items) => items.iter().map(native).collect(),
                List::Made(items) => items.iter().map(display).collect(),
            };
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries = map.entries();
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", display(key), display(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Timestamp(time) => time.go_text(),
        Value::Duration(nanos) => go_std::duration::format(*nanos),
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(value)) => format!("optional({})", display(value)),
        Value::Type(name) => (*name).to_owned(),
    })
}

/// A value of the object itself as Go prints it in a message.
fn native(value: &Json) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(native).collect();
            format!("[{}]", items.join(" "))
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(key, value)| format!("{key}:{}", native(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
        other => display(&Value::from(other)),
    }
}
