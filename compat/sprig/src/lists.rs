//! Functions on lists; each takes any kind of slice.

use gotmpl::{Context, FuncError, FuncMap, Items, List, Rest, Type, Value};

use crate::cast::{text, to_i64};
use crate::defaults::is_empty;
use crate::equality::deep_equal;
use crate::nil_dereference;
use crate::strings::strings_of;

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("list", |items: Rest<Value>| List::new(items.0))
        .add("tuple", |items: Rest<Value>| List::new(items.0));
    for name in ["append", "push", "mustAppend", "mustPush"] {
        functions.add(name, |list: Value, item: Value| {
            let mut items = copy(&list, "push on type")?;
            let length = items.len();
            items.push(item);
            Ok::<_, FuncError>(List::new(items).with_capacity(grown_capacity(length)))
        });
    }
    for name in ["prepend", "mustPrepend"] {
        functions.add(name, |list: Value, item: Value| {
            let items = items(&list, "prepend on type")?;
            let length = items.len();
            let items = std::iter::once(item).chain(items).collect();
            Ok::<_, FuncError>(List::new(items).with_capacity(if length == 0 {
                1
            } else {
                append_capacity(1, length + 1)
            }))
        });
    }
    for name in ["first", "mustFirst"] {
        functions.add(name, |list: Value| {
            items(&list, "find first on type").map(|mut items| items.next().unwrap_or_default())
        });
    }
    for name in ["last", "mustLast"] {
        functions.add(name, |list: Value| {
            items(&list, "find last on type").map(|items| items.last().unwrap_or_default())
        });
    }
    for name in ["rest", "mustRest"] {
        functions.add(name, |list: Value| {
            let mut items = items(&list, "find rest on type")?;
            Ok::<_, FuncError>(if items.next().is_some() {
                items.collect()
            } else {
                List::nil()
            })
        });
    }
    for name in ["initial", "mustInitial"] {
        functions.add(name, |list: Value| {
            let items = items(&list, "find initial on type")?;
            let length = items.len();
            Ok::<_, FuncError>(if length == 0 {
                List::nil()
            } else {
                items.take(length - 1).collect()
            })
        });
    }
    for name in ["reverse", "mustReverse"] {
        functions.add(name, |list: Value| {
            let mut items = copy(&list, "find reverse on type")?;
            items.reverse();
            Ok::<_, FuncError>(List::new(items))
        });
    }
    for name in ["compact", "mustCompact"] {
        functions.add(name, |list: Value| {
            Ok::<_, FuncError>(appended(
                items(&list, "compact on type")?
                    .filter(|item| !is_empty(item))
                    .collect(),
            ))
        });
    }
    for name in ["uniq", "mustUniq"] {
        functions.add(name, |cx: &mut Context<'_>, list: Value| {
            let mut kept: Vec<Value> = Vec::new();
            for item in items(&list, "find uniq on type")? {
                if !contains(cx, &kept, &item)? {
                    kept.push(item);
                }
            }
            Ok::<_, FuncError>(appended(kept))
        });
    }
    for name in ["without", "mustWithout"] {
        functions.add(name, |cx: &mut Context<'_>, list: Value, omit: Rest<Value>| {
            let mut kept = Vec::new();
            for item in items(&list, "find without on type")? {
                if !contains(cx, &omit.0, &item)? {
                    kept.push(item);
                }
            }
            Ok::<_, FuncError>(appended(kept))
        });
    }
    for name in ["has", "mustHas"] {
        functions.add(name, |cx: &mut Context<'_>, needle: Value, list: Value| {
            if list.is_nil() {
                return Ok(false);
            }
            for item in items(&list, "find has on type")? {
                if deep_equal(cx, &needle, &item)? {
                    return Ok::<_, FuncError>(true);
                }
            }
            Ok(false)
        });
    }
    for name in ["slice", "mustSlice"] {
        functions.add(name, slice);
    }
    for name in ["chunk", "mustChunk"] {
        functions.add(name, |cx: &mut Context<'_>, size: isize, list: Value| {
            chunk(cx, size, &list)
        });
    }
    functions
        .add("concat", |cx: &mut Context<'_>, lists: Rest<Value>| {
            concat(cx, &lists.0)
        })
        .add("sortAlpha", |cx: &mut Context<'_>, list: Value| {
            if !matches!(list, Value::List(_)) {
                return Ok(List::strings([text(cx, &list)?]));
            }
            let strings = strings_of(cx, &list)?;
            charge_sort(cx, &strings)?;
            strings.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            Ok::<_, FuncError>(strings)
        });
}

/// Counts what sorting texts takes at worst: each is compared with others up to its end.
fn charge_sort(cx: &mut Context<'_>, strings: &List) -> Result<(), FuncError> {
    const BYTES_PER_STEP: u64 = 128;
    let bytes: usize = strings
        .items()
        .map(|item| 64 + item.as_str().map_or(0, |text| text.len()))
        .sum();
    let rounds = u64::from(strings.len().max(2).ilog2());
    cx.charge(bytes as u64 * rounds / BYTES_PER_STEP)
}

/// The items of a list argument; `complaint` is the middle of the error about anything else.
fn items(value: &Value, complaint: &str) -> Result<Items, FuncError> {
    match value {
        Value::List(list) => Ok(list.items()),
        Value::Nil => Err(nil_dereference()),
        other => Err(FuncError::new(format!("Cannot {complaint} {}", other.kind()))),
    }
}

fn copy(value: &Value, complaint: &str) -> Result<Vec<Value>, FuncError> {
    items(value, complaint).map(Iterator::collect)
}

fn contains(cx: &mut Context<'_>, list: &[Value], needle: &Value) -> Result<bool, FuncError> {
    for item in list {
        if deep_equal(cx, needle, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A list that Go built by appending to an empty one, item by item; its capacity shows in `slice`.
fn appended(items: Vec<Value>) -> List {
    let mut capacity = 0;
    while capacity < items.len() {
        capacity = grown_capacity(capacity);
    }
    List::new(items).with_capacity(capacity)
}

/// The capacity that Go gives to a full slice of `length` items when one is appended.
fn grown_capacity(length: usize) -> usize {
    append_capacity(length, length + 1)
}

/// Go's growth rule for slices of 16-byte items: from capacity `old` to at least `needed`, rounded up to an allocation size.
fn append_capacity(old: usize, needed: usize) -> usize {
    const SIZES: [usize; 67] = [
        8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384,
        416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688,
        3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288,
        13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
    ];
    const PAGE: usize = 8192;
    let mut capacity = if needed > 2 * old {
        needed
    } else if old < 256 {
        2 * old
    } else {
        let mut grown = old;
        while grown < needed {
            grown += (grown + 3 * 256) / 4;
        }
        grown
    };
    capacity = capacity.max(needed);
    let bytes = capacity.saturating_mul(16);
    let rounded = SIZES
        .iter()
        .copied()
        .find(|&size| size >= bytes)
        .unwrap_or_else(|| bytes.div_ceil(PAGE).saturating_mul(PAGE));
    rounded / 16
}

/// A window on the same array; its end may lie beyond the length, up to the capacity, as in Go.
fn slice(list: Value, indices: Rest<Value>) -> Result<Value, FuncError> {
    let list = match list {
        Value::List(list) => list,
        Value::Nil => return Err(nil_dereference()),
        other => {
            return Err(FuncError::new(format!(
                "list should be type of slice or array but {}",
                other.kind()
            )));
        }
    };
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let start = indices.0.first().map_or(0, to_i64);
    let end = indices.0.get(1).map_or(list.len() as i64, to_i64);
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    bounds
        .and_then(|(start, end)| list.reslice(start, end))
        .map(Value::List)
        .ok_or_else(|| FuncError::new("reflect.Value.Slice: slice index out of bounds"))
}

fn chunk(cx: &mut Context<'_>, size: isize, list: &Value) -> Result<List, FuncError> {
    let items: Vec<Value> = copy(list, "chunk type")?;
    // Each chunk may be a list of one.
    cx.charge_items(items.len().saturating_mul(2))?;
    // A negative size makes a negative number of chunks, unless it rounds to none, or there is just one item.
    let size = match (size, items.len()) {
        (1.., _) | (..=-2, 1) => size.unsigned_abs(),
        (..=-1, length @ 2..) if length - 1 <= size.unsigned_abs() => {
            return Ok(List::typed(Type::LISTS, Vec::new()));
        }
        _ => return Err(FuncError::new("runtime error: makeslice: len out of range")),
    };
    let chunks = items
        .chunks(size)
        .map(|chunk| Value::List(List::new(chunk.to_vec())));
    Ok(List::typed(Type::LISTS, chunks.collect()))
}

fn concat(cx: &mut Context<'_>, lists: &[Value]) -> Result<Value, FuncError> {
    let mut all = Vec::new();
    let mut capacity = 0;
    for list in lists {
        let items = match list {
            Value::List(list) => list.items(),
            Value::Nil => return Err(nil_dereference()),
            other => {
                return Err(FuncError::new(format!(
                    "Cannot concat type {} as list",
                    other.kind()
                )));
            }
        };
        cx.charge(items.len() as u64)?;
        all.extend(items);
    }
    if all.is_empty() {
        return Ok(Value::List(List::nil()));
    }
    while capacity < all.len() {
        capacity = grown_capacity(capacity);
    }
    Ok(Value::List(List::new(all).with_capacity(capacity)))
}
