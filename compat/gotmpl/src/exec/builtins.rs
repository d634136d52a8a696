//! Go's own template functions.

use crate::error::FuncError;
use crate::fmt::{sprint, sprintf, sprintln};
use crate::parse::Builtin;
use crate::value::Value;
use crate::value::context::Context;
use crate::value::func::Func;
use crate::value::types::{Kind, Type};

use super::compare::{self, basic};
use super::escape;
use super::slot::{Slot, Want};

type Result<T> = std::result::Result<T, FuncError>;

impl Builtin {
    pub(super) fn want(self, at: usize) -> Want {
        match self {
            Builtin::Printf if at == 0 => Want::Typed(Type::String),
            Builtin::Html
            | Builtin::Js
            | Builtin::UrlQuery
            | Builtin::Print
            | Builtin::Printf
            | Builtin::Println => Want::Typed(Type::Any),
            _ => Want::Raw,
        }
    }

    /// Runs the function; arity and types are fine already, and `and`/`or` never come here.
    pub(super) fn call(self, cx: &mut Context<'_>, args: &[Slot], callee: &str) -> Result<Slot> {
        let first = args.first().cloned().unwrap_or_default();
        let second = args.get(1).cloned().unwrap_or_default();
        let rest = args.get(1..).unwrap_or_default();
        let truth = |truth: bool| Ok(Slot::concrete(Value::Bool(truth)));
        let values = || args.iter().map(|slot| slot.value.clone()).collect::<Vec<_>>();
        let limit = cx.limits().string_bytes;
        match self {
            Builtin::And | Builtin::Or => Ok(first),
            Builtin::Call => call(cx, callee, &first.value, rest),
            Builtin::Index => index(first.unwrapped(), rest),
            Builtin::Slice => slice(&first.value, rest),
            Builtin::Len => len(&first),
            Builtin::Not => truth(!first.value.truth()),
            Builtin::Eq => truth(compare::eq(&first.value, rest)?),
            Builtin::Ne => truth(!compare::eq(&first.value, rest)?),
            Builtin::Lt => truth(compare::lt(&first.value, &second.value)?),
            Builtin::Le => truth(compare::le(&first.value, &second.value)?),
            Builtin::Gt => truth(!compare::le(&first.value, &second.value)?),
            Builtin::Ge => truth(!compare::lt(&first.value, &second.value)?),
            Builtin::Print => text(cx, sprint(&values(), limit)?),
            Builtin::Println => text(cx, sprintln(&values(), limit)?),
            Builtin::Printf => {
                let format = first.value.as_str().cloned().unwrap_or_default();
                let text_made = sprintf(&format, values().get(1..).unwrap_or_default(), limit)?;
                text(cx, text_made)
            }
            Builtin::Html => text(cx, escape::html(&escape::joined(&values(), limit)?, limit)?),
            Builtin::Js => text(cx, escape::js(&escape::joined(&values(), limit)?, limit)?),
            Builtin::UrlQuery => text(cx, escape::url_query(&escape::joined(&values(), limit)?, limit)?),
        }
    }
}

fn text(cx: &mut Context<'_>, bytes: Vec<u8>) -> Result<Slot> {
    cx.check_string(bytes.len())?;
    cx.charge_values(bytes.len() as u64)?;
    Ok(Slot::concrete(Value::Str(bytes.into())))
}

/// Reads an index into something of length `cap`.
fn index_arg(index: &Value, cap: usize) -> Result<usize> {
    let number = match basic(index) {
        Value::Int(n, _) => n,
        Value::Uint(n, _) => n as i64,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        _ => return Err(format!("cannot index slice/array with type {}", index.type_name()).into()),
    };
    match usize::try_from(number) {
        Ok(at) if at <= cap => Ok(at),
        _ => Err(format!("index out of range: {number}").into()),
    }
}

fn index(mut item: Slot, indexes: &[Slot]) -> Result<Slot> {
    if item.is_invalid() {
        return Err("index of untyped nil".into());
    }
    for index in indexes {
        let index = &index.value;
        item = match &basic(&item.value) {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::Str(s) => {
                let at = index_arg(index, s.len())?;
                let byte = s.get(at).ok_or("reflect: string index out of range")?;
                Slot::concrete(Value::Uint(u64::from(*byte), crate::UintType::Uint8))
            }
            Value::List(list) => {
                let at = index_arg(index, list.len())?;
                let value = list.get(at).ok_or("reflect: slice index out of range")?;
                Slot::of_type(value, list.elem_type())
            }
            Value::Map(map) => {
                let key = match index {
                    Value::Str(key) => key,
                    Value::Nil => return Err("value is nil; should be of type string".into()),
                    other => {
                        let ty = other.type_name();
                        return Err(format!("value has type {ty}; should be string").into());
                    }
                };
                let elem = map.elem_type();
                Slot::of_type(map.get(key).unwrap_or_else(|| Value::zero(elem)), elem)
            }
            _ => return Err(format!("can't index item of type {}", pointee(&item.value)).into()),
        };
    }
    Ok(item)
}

/// The type of a value, or of what a pointer points to.
fn pointee(value: &Value) -> String {
    let name = value.type_name();
    name.strip_prefix('*').map(str::to_owned).unwrap_or(name)
}

fn slice(item: &Value, indexes: &[Slot]) -> Result<Slot> {
    if item.is_nil() {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let (len, cap) = match item {
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(s) => (s.len(), s.len()),
        Value::List(list) => (list.len(), list.capacity()),
        other => return Err(format!("can't slice item of type {}", other.type_name()).into()),
    };
    let mut bounds = [0, len, cap];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // Unlike `index`, `slice` does not look into interfaces.
        if index.iface {
            return Err("cannot index slice/array with type interface {}".into());
        }
        *bound = index_arg(&index.value, cap)?;
    }
    let [from, to, max] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    if to > max {
        return Err(format!("invalid slice index: {to} > {max}").into());
    }
    let part = match item {
        Value::Str(s) => Value::Str(s.slice(from, to)),
        Value::List(list) => match list.reslice(from, to) {
            Some(part) => Value::List(part.with_max_capacity(max - from)),
            None => return Err("reflect.Value.Slice: slice index out of bounds".into()),
        },
        _ => Value::Nil,
    };
    Ok(Slot::concrete(part))
}

fn len(item: &Slot) -> Result<Slot> {
    let len = match &basic(&item.value) {
        Value::Nil if item.iface => return Err("len of nil pointer".into()),
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::Str(s) => s.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return Err(format!("len of type {}", pointee(&item.value)).into()),
    };
    Ok(Slot::concrete(Value::int(len as i64)))
}

fn call(cx: &mut Context<'_>, name: &str, func: &Value, args: &[Slot]) -> Result<Slot> {
    let func: &Func = match func {
        Value::Nil => return Err("call of nil".into()),
        Value::Func(func) => func,
        other => return Err(format!("non-function {name} of type {}", other.type_name()).into()),
    };
    let signature = func.signature();
    let (params, got) = (&signature.params, args.len());
    let fixed = params.len() - usize::from(signature.variadic);
    if signature.variadic && got < fixed {
        return Err(format!("wrong number of args for {name}: got {got} want at least {fixed}").into());
    }
    if !signature.variadic && got != fixed {
        return Err(format!("wrong number of args for {name}: got {got} want {fixed}").into());
    }
    let mut values = Vec::with_capacity(got);
    for (at, arg) in args.iter().enumerate() {
        let ty = params.get(at).or(params.last()).copied().unwrap_or(Type::Any);
        values.push(prepare(&arg.value, ty).map_err(|error| FuncError::new(format!("arg {at}: {error}")))?);
    }
    let returns = signature.returns;
    Ok(Slot::of_type(func.call(cx, &values)?, returns))
}

/// Converts an argument of `call`, where integers adapt to each other.
fn prepare(value: &Value, ty: Type) -> Result<Value> {
    let Some(own) = value.go_type() else {
        if ty.can_be_nil() {
            return Ok(Value::zero(ty));
        }
        return Err(format!("value is nil; should be of type {ty}").into());
    };
    if own.assignable_to(ty) {
        return Ok(match value {
            Value::Map(map) if ty != Type::Any => Value::Map(map.with_type(ty)),
            Value::List(list) if ty != Type::Any => Value::List(list.with_type(ty)),
            other => other.clone(),
        });
    }
    match (basic(value), ty.kind()) {
        (Value::Int(n, _), Kind::Int(int)) => Ok(Value::Int(n, int)),
        (Value::Int(n, _), Kind::Uint(uint)) => Ok(Value::Uint(n as u64, uint)),
        (Value::Uint(n, _), Kind::Int(int)) => Ok(Value::Int(n as i64, int)),
        (Value::Uint(n, _), Kind::Uint(uint)) => Ok(Value::Uint(n, uint)),
        _ => Err(format!("value has type {own}; should be {ty}").into()),
    }
}
