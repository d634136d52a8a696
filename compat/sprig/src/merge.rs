//! `merge` and `mergeOverwrite`: the rules of the Go library mergo, which change the first map and share parts of the others.

use gotmpl::{Context, FuncError, Kind, Limits, Map, Type, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    No,
    Yes,
}

/// How a merge ended.
pub(crate) enum Merged {
    Done(Map),
    /// An error that mergo returns, which the plain functions turn into an empty string.
    Refused(FuncError),
    /// A panic of Go's reflection, or a used-up limit: fails the template in any case.
    Failed(FuncError),
}

impl Merged {
    pub(crate) fn or_swallow(self) -> Result<Value, FuncError> {
        match self {
            Merged::Done(map) => Ok(Value::Map(map)),
            Merged::Refused(_) => Ok(Value::from("")),
            Merged::Failed(error) => Err(error),
        }
    }

    pub(crate) fn or_fail(self) -> Result<Value, FuncError> {
        match self {
            Merged::Done(map) => Ok(Value::Map(map)),
            Merged::Refused(error) | Merged::Failed(error) => Err(error),
        }
    }
}

enum Stop {
    Refused(FuncError),
    Failed(FuncError),
}

/// Merges the sources into `dst`, from left to right.
pub(crate) fn merge_all(cx: &mut Context<'_>, dst: Map, sources: &[Map], overwrite: Overwrite) -> Merged {
    // A nil destination becomes a new map as soon as there is something to put in.
    let dst = if dst.is_nil() && sources.iter().any(|source| !source.is_nil()) {
        Map::new()
    } else {
        dst
    };
    for source in sources {
        match merge(cx, &dst, source, overwrite, 0) {
            Ok(()) => {}
            Err(Stop::Refused(error)) => return Merged::Refused(error),
            Err(Stop::Failed(error)) => return Merged::Failed(error),
        }
    }
    Merged::Done(dst)
}

fn merge(
    cx: &mut Context<'_>,
    dst: &Map,
    source: &Map,
    overwrite: Overwrite,
    depth: usize,
) -> Result<(), Stop> {
    if depth > Limits::VALUE_DEPTH {
        return Err(Stop::Failed(FuncError::limit(
            "value is nested too deeply, or contains itself",
        )));
    }
    if dst.is_nil() {
        return Ok(());
    }
    // What the source holds is shared, but each entry is one more here; and maps may hold the same one many times over.
    cx.charge_items(source.len()).map_err(Stop::Failed)?;
    let insert = |key: &gotmpl::Str, value: Value| put(dst, source, key, value);
    for (key, value) in source.entries().iter() {
        let old = dst.get(key);
        if value.is_nil() {
            if overwrite == Overwrite::Yes {
                insert(key, Value::Nil)?;
            }
            continue;
        }
        if overwrite == Overwrite::No && is_composite(value) && old.as_ref().is_some_and(is_pointer) {
            return Err(Stop::Refused(FuncError::new("src and dst must be of same type")));
        }
        if let (Value::Map(value), Some(Value::Map(old))) = (value, &old) {
            merge(cx, old, value, overwrite, depth + 1)?;
        }
        if value.kind() == Kind::Struct && matches!(&old, Some(Value::Map(old)) if old.is_nil()) {
            return Err(Stop::Failed(FuncError::new(
                "reflect: call of reflect.Value.IsNil on struct Value",
            )));
        }
        if let Value::List(list) = value {
            if list.is_nil() && source.elem_type() != Type::Any {
                continue;
            }
            // mergo writes the slice back before it looks whether it should, which matters for the type only.
            if dst.elem_type() == Type::String {
                insert(key, value.clone())?;
            }
        }
        let replace = match &old {
            None => true,
            Some(old) if is_empty(old) => true,
            // Maps have been merged in place.
            Some(Value::Map(_)) if value.kind() == Kind::Map => false,
            Some(_) => overwrite == Overwrite::Yes,
        };
        if replace {
            insert(key, value.clone())?;
        }
    }
    Ok(())
}

/// Whether mergo looks into the value: a map or a struct.
fn is_composite(value: &Value) -> bool {
    matches!(value.kind(), Kind::Map | Kind::Struct)
}

fn is_pointer(value: &Value) -> bool {
    value.kind() == Kind::Pointer
}

/// mergo's idea of emptiness; pointers are followed, structs are never empty.
fn is_empty(value: &Value) -> bool {
    !value.truth()
}

fn put(dst: &Map, source: &Map, key: &gotmpl::Str, value: Value) -> Result<(), Stop> {
    let (target, given) = (dst.elem_type(), source.elem_type());
    if target != Type::Any && target != given {
        let given = match &value {
            Value::List(list) => list.ty(),
            _ => given,
        };
        return Err(Stop::Failed(FuncError::new(format!(
            "reflect.Value.SetMapIndex: value of type {given} is not assignable to type {target}"
        ))));
    }
    dst.insert(key.clone(), value).map_err(Stop::Failed)
}
