//! Any template executes within its limits.
#![no_main]

use std::sync::Arc;

use gotmpl::{Context, Env, FuncMap, Limits, List, Map, Options, Rest, Str, TemplateSet, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut funcs = FuncMap::new();
    funcs
        .add("include", |cx: &mut Context<'_>, name: Str, dot: Value| cx.execute(&name, dot))
        .add("list", |items: Rest<Value>| List::new(items.0))
        .add("dict", Map::new)
        .add("set", |map: Map, key: Str, value: Value| map.insert(key, value).map(|()| map));
    let mut set = TemplateSet::new(Arc::new(funcs), Options::default());
    if set.parse("t", text).is_err() {
        return;
    }
    let limits = Limits {
        depth: 50,
        steps: 20_000,
        output_bytes: 1 << 20,
        string_bytes: 1 << 20,
        ..Limits::default()
    };
    let data: Map = [("a", Value::from(1.5)), ("l", List::ints([1, 2, 3]).into()), ("s", Value::from("text"))]
        .into_iter()
        .collect();
    let _ = set.execute("t", data.into(), &Env { limits, ..Env::default() }, &mut Vec::new());
});
