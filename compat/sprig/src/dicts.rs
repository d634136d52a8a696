//! Functions on dictionaries.

use std::collections::{BTreeMap, BTreeSet};

use gotmpl::{Context, FuncError, FuncMap, Limits, List, Map, Rest, Str, Value};

use crate::bounds::Budget;
use crate::cast::text;
use crate::merge::{Overwrite, merge_all};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("dict", dict)
        .add("get", |map: Map, key: Str| {
            map.get(&*key).unwrap_or_else(|| Value::from(""))
        })
        .add("set", |map: Map, key: Str, value: Value| {
            map.insert(key, value).map(|()| map)
        })
        .add("unset", |map: Map, key: Str| {
            map.remove(&*key);
            map
        })
        .add("hasKey", |map: Map, key: Str| map.contains_key(&*key))
        .add("pluck", |key: Str, maps: Rest<Map>| {
            maps.0.iter().filter_map(|map| map.get(&*key)).collect::<List>()
        })
        .add("keys", |maps: Rest<Map>| {
            List::strings(maps.0.iter().flat_map(Map::keys))
        })
        .add("values", |map: Map| {
            map.entries().values().cloned().collect::<List>()
        })
        .add("pick", |map: Map, keys: Rest<Str>| {
            keys.0
                .into_iter()
                .filter_map(|key| map.get(&*key).map(|value| (key, value)))
                .collect::<Map>()
        })
        .add("omit", |map: Map, keys: Rest<Str>| {
            let omitted: BTreeSet<Str> = keys.0.into_iter().collect();
            let kept = |key: &Str| !omitted.contains(key);
            map.entries()
                .iter()
                .filter(|(key, _)| kept(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect::<Map>()
        })
        .add("dig", dig)
        .add("deepCopy", |cx: &mut Context<'_>, value: Value| {
            deep_copy(cx, &value)
        })
        .add("mustDeepCopy", |cx: &mut Context<'_>, value: Value| {
            deep_copy(cx, &value)
        })
        // The errors of the plain forms end up as an empty string in the manifest, as they do in Helm.
        .add("merge", |cx: &mut Context<'_>, dst: Map, sources: Rest<Map>| {
            merge_all(cx, dst, &sources.0, Overwrite::No).or_swallow()
        })
        .add(
            "mergeOverwrite",
            |cx: &mut Context<'_>, dst: Map, sources: Rest<Map>| {
                merge_all(cx, dst, &sources.0, Overwrite::Yes).or_swallow()
            },
        )
        .add(
            "mustMerge",
            |cx: &mut Context<'_>, dst: Map, sources: Rest<Map>| {
                merge_all(cx, dst, &sources.0, Overwrite::No).or_fail()
            },
        )
        .add(
            "mustMergeOverwrite",
            |cx: &mut Context<'_>, dst: Map, sources: Rest<Map>| {
                merge_all(cx, dst, &sources.0, Overwrite::Yes).or_fail()
            },
        );
}

fn dict(cx: &mut Context<'_>, items: Rest<Value>) -> Result<Map, FuncError> {
    let mut entries = BTreeMap::new();
    let mut items = items.0.into_iter();
    while let Some(key) = items.next() {
        let name = text(cx, &key)?;
        if !matches!(key, Value::Str(_)) {
            cx.charge_values(name.len() as u64)?;
        }
        entries.insert(name, items.next().unwrap_or_else(|| Value::from("")));
    }
    Ok(Map::typed(gotmpl::Type::MAP, entries))
}

/// `dig KEY... DEFAULT MAP`.
fn dig(arguments: Rest<Value>) -> Result<Value, FuncError> {
    let [keys @ .., default, map] = arguments.0.as_slice() else {
        return Err(FuncError::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(FuncError::new("dig needs at least three arguments"));
    }
    let mut map = as_plain_map(map)?;
    let keys = keys.iter().map(as_key).collect::<Result<Vec<_>, _>>()?;
    let Some((last, path)) = keys.split_last() else {
        return Ok(default.clone());
    };
    for key in path {
        match map.get(&**key) {
            Some(next) => map = as_plain_map(&next)?,
            None => return Ok(default.clone()),
        }
    }
    Ok(map.get(&***last).unwrap_or_else(|| default.clone()))
}

/// The failed type assertion `value.(wanted)`.
fn conversion_error(value: &Value, wanted: &str) -> FuncError {
    let actual = if value.is_nil() {
        "nil".to_owned()
    } else {
        value.type_name()
    };
    FuncError::new(format!(
        "interface conversion: interface {{}} is {actual}, not {wanted}"
    ))
}

fn as_plain_map(value: &Value) -> Result<Map, FuncError> {
    match value {
        Value::Map(map) if map.ty() == gotmpl::Type::MAP => Ok(map.clone()),
        other => Err(conversion_error(other, "map[string]interface {}")),
    }
}

fn as_key(value: &Value) -> Result<&Str, FuncError> {
    value.as_str().ok_or_else(|| conversion_error(value, "string"))
}

fn deep_copy(cx: &mut Context<'_>, value: &Value) -> Result<Value, FuncError> {
    if value.is_nil() {
        return Err(FuncError::new(
            "reflect: call of reflect.Value.Type on zero Value",
        ));
    }
    copy(cx, value, 0, &mut Budget::default())
}

fn copy(cx: &mut Context<'_>, value: &Value, depth: usize, budget: &mut Budget) -> Result<Value, FuncError> {
    budget.spend()?;
    if depth > Limits::VALUE_DEPTH {
        return Err(FuncError::limit("value is nested too deeply, or contains itself"));
    }
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            cx.charge_list(list.len())?;
            let items = list
                .items()
                .map(|item| copy(cx, &item, depth + 1, budget))
                .collect::<Result<_, _>>()?;
            Value::List(List::typed(list.ty(), items))
        }
        Value::Map(map) if !map.is_nil() => {
            cx.charge_map(map.len())?;
            let entries = map
                .entries()
                .iter()
                .map(|(key, value)| Ok((key.clone(), copy(cx, value, depth + 1, budget)?)))
                .collect::<Result<BTreeMap<_, _>, FuncError>>()?;
            Value::Map(Map::typed(map.ty(), entries))
        }
        other => crate::semver::deep_copy(other).unwrap_or_else(|| other.clone()),
    })
}
