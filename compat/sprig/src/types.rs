//! Questions about types.

use gotmpl::{Context, FuncMap, Str, Value};

use crate::equality::deep_equal;

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("typeOf", |value: Value| value.type_name())
        .add("typeIs", |name: Str, value: Value| {
            name == value.type_name().as_str()
        })
        .add("typeIsLike", |name: Str, value: Value| {
            let actual = value.type_name();
            let actual = actual.as_bytes();
            actual == &*name || actual.strip_prefix(b"*") == Some(&*name)
        })
        .add("kindOf", |value: Value| value.kind().name())
        .add("kindIs", |name: Str, value: Value| name == value.kind().name())
        .add("deepEqual", |cx: &mut Context<'_>, a: Value, b: Value| {
            deep_equal(cx, &a, &b)
        });
}
