//! From one type to another: `int`, `uint`, `double`, `string`, `bytes`, `bool`, `timestamp`, `duration`, `dyn`.

use std::sync::Arc;

use super::{Library, Outcome};
use crate::error::Failure;
use crate::limits::Budget;
use crate::time::Timestamp;
use crate::types::Type;
use crate::value::{Value, double_to_int, double_to_uint};

/// The names of the functions that convert, which are evaluated in advance for constants.
pub(crate) const NAMES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "duration",
    "int",
    "string",
    "timestamp",
    "type",
    "uint",
];

pub(super) fn declare(library: &mut Library) {
    let function = library.function("bool");
    for (id, from) in [("bool_to_bool", Type::Bool), ("string_to_bool", Type::String)] {
        function.overload(id, &[from], Type::Bool, to_bool);
    }
    let function = library.function("bytes");
    for (id, from) in [("bytes_to_bytes", Type::Bytes), ("string_to_bytes", Type::String)] {
        function.overload(id, &[from], Type::Bytes, to_bytes);
    }
    let function = library.function("double");
    for (id, from) in [
        ("double_to_double", Type::Double),
        ("int64_to_double", Type::Int),
        ("string_to_double", Type::String),
        ("uint64_to_double", Type::Uint),
    ] {
        function.overload(id, &[from], Type::Double, to_double);
    }
    let function = library.function("duration");
    for (id, from) in [
        ("duration_to_duration", Type::Duration),
        ("int64_to_duration", Type::Int),
        ("string_to_duration", Type::String),
    ] {
        function.overload(id, &[from], Type::Duration, to_duration);
    }
    library
        .single(
            "dyn",
            1,
            |_| true,
            |_, args| args.first().cloned().ok_or_else(Failure::no_overload),
        )
        .signature("to_dyn", &[Type::param("A")], Type::Dyn);
    let function = library.function("int");
    for (id, from) in [
        ("int64_to_int64", Type::Int),
        ("double_to_int64", Type::Double),
        ("duration_to_int64", Type::Duration),
        ("string_to_int64", Type::String),
        ("timestamp_to_int64", Type::Timestamp),
        ("uint64_to_int64", Type::Uint),
    ] {
        function.overload(id, &[from], Type::Int, to_int);
    }
    let function = library.function("string");
    for (id, from) in [
        ("string_to_string", Type::String),
        ("bool_to_string", Type::Bool),
        ("bytes_to_string", Type::Bytes),
        ("double_to_string", Type::Double),
        ("duration_to_string", Type::Duration),
        ("int64_to_string", Type::Int),
        ("timestamp_to_string", Type::Timestamp),
        ("uint64_to_string", Type::Uint),
    ] {
        function.overload(id, &[from], Type::String, to_string);
    }
    let function = library.function("timestamp");
    for (id, from) in [
        ("timestamp_to_timestamp", Type::Timestamp),
        ("int64_to_timestamp", Type::Int),
        ("string_to_timestamp", Type::String),
    ] {
        function.overload(id, &[from], Type::Timestamp, to_timestamp);
    }
    let function = library.function("uint");
    for (id, from) in [
        ("uint64_to_uint64", Type::Uint),
        ("double_to_uint64", Type::Double),
        ("int64_to_uint64", Type::Int),
        ("string_to_uint64", Type::String),
    ] {
        function.overload(id, &[from], Type::Uint, to_uint);
    }
}

fn unsuited<'a>(args: &[Value<'a>], to: &str) -> Outcome<'a> {
    let from = args.first().map_or("null_type", Value::type_name);
    Err(Failure::new(format!(
        "type conversion error from '{from}' to '{to}'"
    )))
}

fn to_bool<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Bool(truth)] => Ok(Value::Bool(*truth)),
        [Value::String(text)] => match go_std::parse_bool(text.as_str()) {
            Some(truth) => Ok(Value::Bool(truth)),
            None => unsuited(args, "bool"),
        },
        _ => unsuited(args, "bool"),
    }
}

fn to_bytes<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Bytes(bytes)] => Ok(Value::Bytes(Arc::clone(bytes))),
        [Value::String(text)] => {
            budget.bytes(text.as_str().len())?;
            Ok(Value::Bytes(Arc::from(text.as_str().as_bytes())))
        }
        _ => unsuited(args, "bytes"),
    }
}

fn to_double<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Double(number)] => Ok(Value::Double(*number)),
        [Value::Int(number)] => Ok(Value::Double(*number as f64)),
        [Value::Uint(number)] => Ok(Value::Double(*number as f64)),
        [Value::String(text)] => match go_std::parse_float(text.as_str().as_bytes()) {
            Ok(number) => Ok(Value::Double(number)),
            Err(_) => unsuited(args, "double"),
        },
        _ => unsuited(args, "double"),
    }
}

fn to_duration<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Duration(nanos)] => Ok(Value::Duration(*nanos)),
        [Value::String(text)] => match go_std::duration::parse(text.as_str()) {
            Ok(nanos) => Ok(Value::Duration(nanos)),
            Err(_) => unsuited(args, "google.protobuf.Duration"),
        },
        _ => unsuited(args, "google.protobuf.Duration"),
    }
}

fn to_int<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let overflow = || Failure::new("integer overflow");
    match args {
        [Value::Int(number) | Value::Duration(number)] => Ok(Value::Int(*number)),
        [Value::Double(number)] => double_to_int(*number).map(Value::Int).ok_or_else(overflow),
        [Value::Uint(number)] => i64::try_from(*number).map(Value::Int).map_err(|_| overflow()),
        [Value::Timestamp(time)] => Ok(Value::Int(time.seconds())),
        [Value::String(text)] => match go_std::parse_int(text.as_str().as_bytes(), 10) {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => unsuited(args, "int"),
        },
        _ => unsuited(args, "int"),
    }
}

fn to_uint<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let overflow = || Failure::new("unsigned integer overflow");
    match args {
        [Value::Uint(number)] => Ok(Value::Uint(*number)),
        [Value::Double(number)] => double_to_uint(*number).map(Value::Uint).ok_or_else(overflow),
        [Value::Int(number)] => u64::try_from(*number).map(Value::Uint).map_err(|_| overflow()),
        [Value::String(text)] => match go_std::parse_uint(text.as_str().as_bytes(), 10) {
            Ok(number) => Ok(Value::Uint(number)),
            Err(_) => unsuited(args, "uint"),
        },
        _ => unsuited(args, "uint"),
    }
}

fn to_timestamp<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Timestamp(time)] => Ok(Value::Timestamp(*time)),
        [Value::Int(seconds)] => Ok(Value::Timestamp(Timestamp::from_seconds(*seconds)?)),
        [Value::String(text)] => match Timestamp::parse(text.as_str()) {
            Some(time) => Ok(Value::Timestamp(time?)),
            None => unsuited(args, "google.protobuf.Timestamp"),
        },
        _ => unsuited(args, "google.protobuf.Timestamp"),
    }
}

fn to_string<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let text = match args {
        [Value::String(text)] => return Ok(Value::String(text.clone())),
        [Value::Bool(truth)] => truth.to_string(),
        [Value::Bytes(bytes)] => {
            budget.bytes(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => return Err(Failure::new("invalid UTF-8 in bytes, cannot convert to string")),
            }
        }
        [Value::Double(number)] => go_std::float::format_g(*number),
        [Value::Duration(nanos)] => seconds_text(*nanos),
        [Value::Int(number)] => number.to_string(),
        [Value::Timestamp(time)] => time.to_string(),
        [Value::Uint(number)] => number.to_string(),
        _ => return unsuited(args, "string"),
    };
    Ok(Value::from(text))
}

/// A duration in seconds, with a fraction where it has one.
pub(super) fn seconds_text(nanos: i64) -> String {
    format!("{}s", go_std::format_float(seconds(nanos), b'f', None))
}

/// A duration in seconds, as Go rounds it.
pub(super) fn seconds(nanos: i64) -> f64 {
    const SECOND: i64 = 1_000_000_000;
    (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9
}
