//! `+`, `-`, `*`, `/` and `%`, with overflow and division by zero as errors.

use std::sync::Arc;

use super::{Library, Native, Outcome, list_of};
use crate::ast::operator;
use crate::error::Failure;
use crate::limits::Budget;
use crate::types::Type;
use crate::value::{List, Value};

pub(super) fn declare(library: &mut Library) {
    let adds = |value: &Value<'_>| {
        matches!(
            value,
            Value::Bytes(_)
                | Value::Double(_)
                | Value::Duration(_)
                | Value::Int(_)
                | Value::List(_)
                | Value::String(_)
                | Value::Timestamp(_)
                | Value::Uint(_)
        )
    };
    let (duration, timestamp) = (Type::Duration, Type::Timestamp);
    library
        .single(operator::ADD, 2, adds, add)
        .signature("add_bytes", &[Type::Bytes, Type::Bytes], Type::Bytes)
        .signature("add_double", &[Type::Double, Type::Double], Type::Double)
        .signature(
            "add_duration_duration",
            &[duration.clone(), duration.clone()],
            duration.clone(),
        )
        .signature(
            "add_duration_timestamp",
            &[duration.clone(), timestamp.clone()],
            timestamp.clone(),
        )
        .signature(
            "add_timestamp_duration",
            &[timestamp.clone(), duration.clone()],
            timestamp.clone(),
        )
        .signature("add_int64", &[Type::Int, Type::Int], Type::Int)
        .signature("add_list", &[list_of("A"), list_of("A")], list_of("A"))
        .signature("add_string", &[Type::String, Type::String], Type::String)
        .signature("add_uint64", &[Type::Uint, Type::Uint], Type::Uint);
    let numbers: [(&'static str, Native); 2] = [(operator::DIVIDE, divide), (operator::MULTIPLY, multiply)];
    for (name, native) in numbers {
        library
            .single(
                name,
                2,
                |value| matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_)),
                native,
            )
            .signature("double", &[Type::Double, Type::Double], Type::Double)
            .signature("int64", &[Type::Int, Type::Int], Type::Int)
            .signature("uint64", &[Type::Uint, Type::Uint], Type::Uint);
    }
    library
        .single(
            operator::MODULO,
            2,
            |value| matches!(value, Value::Int(_) | Value::Uint(_)),
            modulo,
        )
        .signature("modulo_int64", &[Type::Int, Type::Int], Type::Int)
        .signature("modulo_uint64", &[Type::Uint, Type::Uint], Type::Uint);
    let subtracts = |value: &Value<'_>| {
        matches!(
            value,
            Value::Double(_) | Value::Duration(_) | Value::Int(_) | Value::Timestamp(_) | Value::Uint(_)
        )
    };
    library
        .single(operator::SUBTRACT, 2, subtracts, subtract)
        .signature("subtract_double", &[Type::Double, Type::Double], Type::Double)
        .signature(
            "subtract_duration_duration",
            &[duration.clone(), duration.clone()],
            duration.clone(),
        )
        .signature("subtract_int64", &[Type::Int, Type::Int], Type::Int)
        .signature(
            "subtract_timestamp_duration",
            &[timestamp.clone(), duration.clone()],
            timestamp.clone(),
        )
        .signature(
            "subtract_timestamp_timestamp",
            &[timestamp.clone(), timestamp],
            duration,
        )
        .signature("subtract_uint64", &[Type::Uint, Type::Uint], Type::Uint);
    let negates = |value: &Value<'_>| {
        matches!(
            value,
            Value::Bool(_) | Value::Double(_) | Value::Duration(_) | Value::Int(_)
        )
    };
    library
        .single(operator::NEGATE, 1, negates, |_, args| match args {
            [Value::Int(number)] => int(number.checked_neg()),
            [Value::Duration(nanos)] => Ok(Value::Duration(nanos.checked_neg().ok_or_else(int_overflow)?)),
            [Value::Double(number)] => Ok(Value::Double(-number)),
            _ => Err(Failure::no_overload()),
        })
        .signature("negate_double", &[Type::Double], Type::Double)
        .signature("negate_int64", &[Type::Int], Type::Int);
}

fn int_overflow() -> Failure {
    Failure::new("integer overflow")
}

fn int<'a>(number: Option<i64>) -> Outcome<'a> {
    number.map(Value::Int).ok_or_else(int_overflow)
}

fn uint<'a>(number: Option<u64>) -> Outcome<'a> {
    number
        .map(Value::Uint)
        .ok_or_else(|| Failure::new("unsigned integer overflow"))
}

fn add<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_add(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_add(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a + b)),
        [Value::Duration(a), Value::Duration(b)] => {
            Ok(Value::Duration(a.checked_add(*b).ok_or_else(int_overflow)?))
        }
        [Value::Duration(by), Value::Timestamp(from)] | [Value::Timestamp(from), Value::Duration(by)] => {
            Ok(Value::Timestamp(from.plus(*by)?))
        }
        [Value::String(a), Value::String(b)] => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.bytes(a.len() + b.len())?;
            Ok(Value::from([a, b].concat()))
        }
        [Value::Bytes(a), Value::Bytes(b)] => {
            budget.bytes(a.len() + b.len())?;
            Ok(Value::Bytes(Arc::from([a.as_ref(), b.as_ref()].concat())))
        }
        [Value::List(a), Value::List(b)] => {
            if a.len() == 0 {
                return Ok(Value::List(b.clone()));
            }
            if b.len() == 0 {
                return Ok(Value::List(a.clone()));
            }
            budget.bytes((a.len() + b.len()) * size_of::<Value<'_>>())?;
            let items = a.iter().chain(b.iter()).collect();
            Ok(Value::List(List::Made(Arc::new(items))))
        }
        _ => Err(Failure::no_overload()),
    }
}

fn subtract<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_sub(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_sub(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
        [Value::Duration(a), Value::Duration(b)] => {
            Ok(Value::Duration(a.checked_sub(*b).ok_or_else(int_overflow)?))
        }
        [Value::Timestamp(from), Value::Duration(by)] => Ok(Value::Timestamp(
            from.plus(by.checked_neg().ok_or_else(int_overflow)?)?,
        )),
        [Value::Timestamp(a), Value::Timestamp(b)] => Ok(Value::Duration(a.minus(b)?)),
        _ => Err(Failure::no_overload()),
    }
}

fn multiply<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_mul(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_mul(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(Failure::no_overload()),
    }
}

fn divide<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Failure::new("division by zero"))
        }
        [Value::Int(a), Value::Int(b)] => int(a.checked_div(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_div(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(Failure::no_overload()),
    }
}

fn modulo<'a>(_: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Failure::new("modulus by zero"))
        }
        [Value::Int(a), Value::Int(b)] => int(a.checked_rem(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_rem(*b)),
        _ => Err(Failure::no_overload()),
    }
}
