//! `reflect.DeepEqual`.

use gotmpl::{Context, FuncError, Limits, Value};

use crate::bounds::Budget;

/// Whether both values are the same all the way down, types included; fails for values nested too deeply.
pub(crate) fn deep_equal(cx: &mut Context<'_>, a: &Value, b: &Value) -> Result<bool, FuncError> {
    let mut budget = Budget::default();
    let equal = compare(a, b, 0, &mut budget)?;
    cx.charge(budget.steps())?;
    Ok(equal)
}

fn compare(a: &Value, b: &Value, depth: usize, budget: &mut Budget) -> Result<bool, FuncError> {
    budget.spend()?;
    if depth > Limits::VALUE_DEPTH {
        return Err(FuncError::limit("value is nested too deeply, or contains itself"));
    }
    if a.go_type() != b.go_type() {
        return Ok(false);
    }
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Str(a), Value::Str(b)) => {
            budget.read(a);
            a == b
        }
        (Value::List(a), Value::List(b)) => {
            if a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.address() == b.address() {
                return Ok(true);
            }
            for (a, b) in a.items().zip(b.items()) {
                if !compare(&a, &b, depth + 1, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.ptr_eq(b) {
                return Ok(true);
            }
            let (a, b) = (a.entries(), b.entries());
            for ((a_key, a), (b_key, b)) in a.iter().zip(b.iter()) {
                if a_key != b_key || !compare(a, b, depth + 1, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => {
            if let (Some(a), Some(b)) = (a.basic(), b.basic()) {
                compare(&a, &b, depth + 1, budget)?
            } else {
                let (a, b) = (a.fields(), b.fields());
                if a.len() != b.len() {
                    return Ok(false);
                }
                for ((_, a), (_, b)) in a.iter().zip(&b) {
                    if !compare(a, b, depth + 1, budget)? {
                        return Ok(false);
                    }
                }
                true
            }
        }
        _ => false,
    })
}
