//! Runs cases in the notation of `e2e/tools/gotmpl-oracle`, with the same functions.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a wrong case should end the run; functions take what templates give"
)]

use std::sync::Arc;

use gotmpl::{
    Context, Env, FuncError, FuncMap, IntType, Limits, List, Map, MissingKey, Options, Rest, Str,
    TemplateSet, Type, UintType, Value, sprint,
};
use serde_json::Value as Json;

/// Runs one case and returns its result, both as JSON.
pub(crate) fn run(case: &Json) -> Json {
    let mut out = Vec::new();
    let error = execute(case, &mut out).err();
    let mut result = serde_json::Map::new();
    result.insert("output".to_owned(), to_latin(&out).into());
    if let Some(error) = error {
        result.insert("error".to_owned(), to_latin(error.to_string().as_bytes()).into());
    }
    Json::Object(result)
}

/// Returns whether two results are the same, given that our errors are text and Go's are bytes.
pub(crate) fn same(got: &Json, want: &Json) -> bool {
    let error = |result: &Json| {
        result["error"]
            .as_str()
            .map(|error| from_latin(error).to_string())
    };
    got["output"] == want["output"] && error(got) == error(want)
}

fn execute(case: &Json, out: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let options = Options {
        name: "set".to_owned(),
        missing_key: match text("missingkey") {
            "zero" => MissingKey::Zero,
            "error" => MissingKey::Error,
            _ => MissingKey::Default,
        },
        delims: (text("left").to_owned(), text("right").to_owned()),
        limits: Limits::default(),
    };
    let mut set = TemplateSet::new(Arc::new(funcs()), options);
    let files = case["files"].as_array().ok_or("no files")?;
    for file in files {
        set.parse(string(&file[0]), string(&file[1]))?;
    }
    let name = match text("execute") {
        "" => string(&files[0][0]),
        _ => string(&case["execute"]),
    };
    // Random widths and precisions make long texts.
    let limits = Limits {
        string_bytes: 256 << 20,
        ..Limits::default()
    };
    let env = Env {
        limits,
        ..Env::default()
    };
    set.execute(&name, decode(&case["data"]), &env, out)?;
    Ok(())
}

/// Turns every byte into the character of that number.
fn to_latin(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn string(json: &Json) -> Str {
    from_latin(json.as_str().unwrap_or_default())
}

fn from_latin(text: &str) -> Str {
    text.chars().map(|c| c as u8).collect::<Vec<_>>().into()
}

fn decode(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::Float(n.as_f64().unwrap()),
        Json::String(s) => Value::Str(from_latin(s)),
        Json::Array(items) => items.iter().map(decode).collect::<List>().into(),
        Json::Object(entries) => match entries.get("$type").and_then(Json::as_str) {
            Some(ty) => typed(ty, &entries["value"]),
            None => entries
                .iter()
                .map(|(key, item)| (from_latin(key), decode(item)))
                .collect::<Map>()
                .into(),
        },
    }
}

fn typed(ty: &str, json: &Json) -> Value {
    let text = json.as_str().unwrap_or_default();
    let int = |ty| Value::Int(text.parse().unwrap(), ty);
    let uint = |ty| Value::Uint(text.parse().unwrap(), ty);
    match ty {
        "int" => int(IntType::Int),
        "int8" => int(IntType::Int8),
        "int16" => int(IntType::Int16),
        "int32" => int(IntType::Int32),
        "int64" => int(IntType::Int64),
        "uint" => uint(UintType::Uint),
        "uint8" => uint(UintType::Uint8),
        "uint16" => uint(UintType::Uint16),
        "uint32" => uint(UintType::Uint32),
        "uint64" => uint(UintType::Uint64),
        "float64" => Value::Float(text.parse().unwrap()),
        "complex128" => {
            let (re, im) = text.trim_end_matches('i').rsplit_once('+').unwrap();
            Value::Complex(re.parse().unwrap(), im.parse().unwrap())
        }
        "[]string" => List::strings(json.as_array().unwrap().iter().map(string)).into(),
        "[]int" => List::ints(json.as_array().unwrap().iter().map(|n| n.as_i64().unwrap())).into(),
        "[]byte" => Value::bytes(from_latin(text)),
        "map[string]string" => {
            let entries = json.as_object().unwrap().iter();
            Map::typed(
                Type::STRING_MAP,
                entries.map(|(k, v)| (from_latin(k), string(v).into())).collect(),
            )
            .into()
        }
        "nil []any" => List::nil().into(),
        "nil map" => Map::nil().into(),
        "nil []string" => List::nil_of(Type::STRINGS).into(),
        other => panic!("unknown type {other}"),
    }
}

fn funcs() -> FuncMap {
    let mut funcs = FuncMap::new();
    funcs
        .add("upper", |s: Str| s.to_string().to_uppercase())
        .add("repeat", repeat)
        .add("add", |numbers: Rest<i64>| {
            numbers.into_iter().fold(0_i64, i64::wrapping_add)
        })
        .add("half", |f: f64| f / 2.0)
        .add("uint", |n: u64| n)
        .add("flip", |b: bool| !b)
        .add("list", |items: Rest<Value>| List::new(items.0))
        .add("same", |v: Value| v)
        .add("keys", |m: Map| m.len() as isize)
        .add("count", |l: List| l.len() as isize)
        .add("join", |sep: Str, parts: Rest<Str>| {
            Str::from(
                parts
                    .0
                    .iter()
                    .map(|part| part.to_vec())
                    .collect::<Vec<_>>()
                    .join(&sep[..]),
            )
        })
        .add("seven", || 7_isize)
        .add("typeOf", |v: Value| v.type_name())
        .add("fail", |message: Str| {
            Err::<Str, _>(FuncError::new(message.to_string()))
        })
        .add("set", |m: Map, key: Str, v: Value| m.insert(key, v).map(|()| m))
        .add("dict", dict)
        .add("include", |cx: &mut Context<'_>, name: Str, dot: Value| {
            cx.execute(&name, dot)
        });
    funcs
}

fn repeat(cx: &mut Context<'_>, n: isize, s: Str) -> Result<Str, FuncError> {
    let n = usize::try_from(n).map_err(|_| FuncError::new("strings: negative Repeat count"))?;
    cx.check_string(n.saturating_mul(s.len()))?;
    Ok(s.repeat(n).into())
}

fn dict(items: Rest<Value>) -> Result<Map, FuncError> {
    let map = Map::new();
    for pair in items.0.chunks_exact(2) {
        map.insert(sprint(&pair[..1], usize::MAX)?, pair[1].clone())?;
    }
    Ok(map)
}
