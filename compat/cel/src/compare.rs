//! Equality and order of values, across the types of numbers.

use std::cmp::Ordering;

use crate::error::Failure;
use crate::value::Value;

impl Value<'_> {
    /// `==`: of values of different types only numbers may be equal.
    pub(crate) fn equals(&self, other: &Value<'_>) -> bool {
        stacker::maybe_grow(crate::RED_ZONE, crate::MORE_STACK, || match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a.is_same_moment(b),
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Optional(a), Value::Optional(b)) => match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => a.equals(b),
                _ => false,
            },
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(&b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.entries()
                        .iter()
                        .all(|(key, value)| b.get(key).is_some_and(|other| value.equals(&other)))
            }
            _ => numbers(self, other) == Some(Ordering::Equal),
        })
    }

    /// `<`, `>` and their kin; values without an order are an error.
    pub(crate) fn compare(&self, other: &Value<'_>) -> Result<Ordering, Failure> {
        let none = || Failure::new("no such overload");
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
            (Value::String(a), Value::String(b)) => Ok(a.as_str().cmp(b.as_str())),
            (Value::Bytes(a), Value::Bytes(b)) => Ok(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Ok(a.compare(b)),
            (Value::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
            (Value::Double(a), _) if a.is_nan() => Err(Failure::new("NaN values cannot be ordered")),
            (Value::Int(_) | Value::Uint(_) | Value::Double(_), Value::Double(b)) if b.is_nan() => {
                Err(Failure::new("NaN values cannot be ordered"))
            }
            _ => numbers(self, other).ok_or_else(none),
        }
    }
}

/// The order of two numbers of any types; nothing where one is not a number.
fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => doubles(*a, *b),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        // Within the range of the integers both are compared as floats.
        (Value::Double(a), Value::Int(b)) => doubles(*a, *b as f64),
        (Value::Int(a), Value::Double(b)) => doubles(*a as f64, *b),
        (Value::Double(a), Value::Uint(b)) => doubles(*a, *b as f64),
        (Value::Uint(a), Value::Double(b)) => doubles(*a as f64, *b),
        _ => None,
    }
}

fn doubles(a: f64, b: f64) -> Option<Ordering> {
    a.partial_cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_types_are_compared() {
        assert!(Value::Int(1).equals(&Value::Double(1.0)));
        assert!(Value::Uint(1).equals(&Value::Int(1)));
        assert!(!Value::Int(-1).equals(&Value::Uint(u64::MAX)));
        assert!(!Value::Double(f64::NAN).equals(&Value::Double(f64::NAN)));
        assert_eq!(
            Value::Int(1).compare(&Value::Double(f64::NAN)),
            Err(Failure::new("NaN values cannot be ordered"))
        );
        assert_eq!(
            Value::Int(1).compare(&Value::Bool(true)),
            Err(Failure::new("no such overload"))
        );
    }
}
