//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`.

use std::sync::Arc;

use crate::error::FuncError;
use crate::fmt::sprintf;
use crate::value::Value;
use crate::value::types::Kind;

use super::slot::Slot;

type Result<T> = std::result::Result<T, FuncError>;

/// How many bytes of a value an error message may show.
const SHOWN: usize = 1 << 20;

/// Compares the first value with the others until one is equal.
pub(super) fn eq(first: &Value, others: &[Slot]) -> Result<bool> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, &other.value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool> {
    Ok(match (&basic(a), &basic(b)) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
        (Value::Int(int, _), Value::Uint(uint, _)) | (Value::Uint(uint, _), Value::Int(int, _)) => {
            u64::try_from(*int) == Ok(*uint)
        }
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(re, im), Value::Complex(re2, im2)) => re == re2 && im == im2,
        (Value::Str(a), Value::Str(b)) => a == b,
        (basic_a, basic_b) if is_basic(basic_a) || is_basic(basic_b) => {
            if !a.is_nil() && !b.is_nil() {
                return Err(incompatible(a, b));
            }
            false
        }
        _ => return equal_others(a, b),
    })
}

fn incompatible(a: &Value, b: &Value) -> FuncError {
    FuncError::new(format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    ))
}

fn is_basic(value: &Value) -> bool {
    !matches!(
        value,
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Object(_) | Value::Func(_)
    )
}

/// Compares what is not a number, a string or a bool.
fn equal_others(a: &Value, b: &Value) -> Result<bool> {
    let (kind_a, kind_b) = (a.kind(), b.kind());
    if kind_a != kind_b && kind_a != Kind::Invalid && kind_b != Kind::Invalid {
        let shown = [
            a.clone(),
            Value::from(a.type_name()),
            Value::from(b.type_name()),
            b.clone(),
        ];
        return Err(message(b"non-comparable types %s: %v, %s: %v", &shown)?);
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    let comparison = match (a, b) {
        (Value::Object(a), Value::Object(b)) if kind_a == Kind::Pointer => Some(Arc::ptr_eq(a, b)),
        (Value::Object(a), Value::Object(b)) => a.equals(b.as_ref()),
        _ => None,
    };
    match comparison {
        Some(equal) => Ok(equal),
        None => Err(message(
            b"non-comparable type %s: %v",
            &[b.clone(), Value::from(b.type_name())],
        )?),
    }
}

fn message(format: &[u8], values: &[Value]) -> Result<FuncError> {
    Ok(FuncError::new(String::from_utf8_lossy(&sprintf(
        format, values, SHOWN,
    )?)))
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

pub(super) fn lt(a: &Value, b: &Value) -> Result<bool> {
    let invalid = || FuncError::new("invalid type for comparison");
    let (basic_a, basic_b) = (basic(a), basic(b));
    if !is_basic(&basic_a) || !is_basic(&basic_b) {
        return Err(invalid());
    }
    Ok(match (&basic_a, &basic_b) {
        (Value::Int(a, _), Value::Int(b, _)) => a < b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a < b,
        (Value::Int(a, _), Value::Uint(b, _)) => u64::try_from(*a).map_or(true, |a| a < *b),
        (Value::Uint(a, _), Value::Int(b, _)) => u64::try_from(*b).is_ok_and(|b| *a < b),
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Str(a), Value::Str(b)) => a < b,
        (Value::Bool(_), Value::Bool(_)) | (Value::Complex(..), Value::Complex(..)) => return Err(invalid()),
        _ => return Err(incompatible(a, b)),
    })
}

pub(super) fn le(a: &Value, b: &Value) -> Result<bool> {
    Ok(lt(a, b)? || equal(a, b)?)
}

/// Returns the plain value of a named basic type.
pub(super) fn basic(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.basic().unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}
