//! Operators that are not arithmetic, and the functions of the standard library about texts, sizes and types.

use std::cmp::Ordering;

use go_regexp::Regexp;

use super::{Dispatch, Library, Native, list_of, map_of};
use crate::ast::operator;
use crate::error::Failure;
use crate::types::Type;
use crate::value::Value;

pub(super) fn declare(library: &mut Library) {
    let (a, b) = (Type::param("A"), Type::param("B"));
    library.special(operator::CONDITIONAL).signature(
        "conditional",
        &[Type::Bool, a.clone(), a.clone()],
        a.clone(),
    );
    library
        .special(operator::AND)
        .signature("logical_and", &[Type::Bool, Type::Bool], Type::Bool);
    library
        .special(operator::OR)
        .signature("logical_or", &[Type::Bool, Type::Bool], Type::Bool);
    library
        .single(
            operator::NOT,
            1,
            |_| true,
            |_, args| match args {
                [Value::Bool(truth)] => Ok(Value::Bool(!truth)),
                _ => Err(Failure::no_overload()),
            },
        )
        .signature("logical_not", &[Type::Bool], Type::Bool);
    library
        .single(
            operator::NOT_STRICTLY_FALSE,
            1,
            |_| true,
            |_, args| match args {
                [Value::Bool(truth)] => Ok(Value::Bool(*truth)),
                _ => Ok(Value::Bool(true)),
            },
        )
        .signature("not_strictly_false", &[Type::Bool], Type::Bool);
    library
        .special(operator::EQUALS)
        .signature("equals", &[a.clone(), a.clone()], Type::Bool);
    library
        .special(operator::NOT_EQUALS)
        .signature("not_equals", &[a.clone(), a.clone()], Type::Bool);
    relations(library);
    library
        .special(operator::INDEX)
        .signature("index_list", &[list_of("A"), Type::Int], a.clone())
        .signature("index_map", &[map_of("A", "B"), a.clone()], b);
    library
        .single(
            operator::IN,
            2,
            |_| true,
            |budget, args| match args {
                [value, Value::List(list)] => {
                    budget.steps(list.len())?;
                    Ok(Value::Bool(list.contains(value)))
                }
                [key, Value::Map(map)] => {
                    budget.steps(map.len())?;
                    Ok(Value::Bool(map.get(key).is_some()))
                }
                _ => Err(Failure::no_overload()),
            },
        )
        .signature("in_list", &[a.clone(), list_of("A")], Type::Bool)
        .signature("in_map", &[a.clone(), map_of("A", "B")], Type::Bool);
    sizes(library);
    library
        .single(
            "type",
            1,
            |_| true,
            |_, args| match args {
                [value] => Ok(Value::Type(value.type_name())),
                _ => Err(Failure::no_overload()),
            },
        )
        .signature(
            "type",
            std::slice::from_ref(&a),
            Type::Meta(Some(Box::new(a.clone()))),
        );
    texts(library);
}

fn sizes(library: &mut Library) {
    let is_sized = |value: &Value<'_>| {
        matches!(
            value,
            Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::String(_)
        )
    };
    library
        .single("size", 1, is_sized, |budget, args| {
            let size = match args {
                [Value::Bytes(bytes)] => bytes.len(),
                [Value::List(list)] => list.len(),
                [Value::Map(map)] => map.len(),
                [Value::String(text)] => {
                    budget.steps(text.as_str().len() / 64)?;
                    text.as_str().chars().count()
                }
                _ => return Err(Failure::no_overload()),
            };
            Ok(Value::Int(size as i64))
        })
        .signature("size_bytes", &[Type::Bytes], Type::Int)
        .member_signature("bytes_size", &[Type::Bytes], Type::Int)
        .signature("size_list", &[list_of("A")], Type::Int)
        .member_signature("list_size", &[list_of("A")], Type::Int)
        .signature("size_map", &[map_of("A", "B")], Type::Int)
        .member_signature("map_size", &[map_of("A", "B")], Type::Int)
        .signature("size_string", &[Type::String], Type::Int)
        .member_signature("string_size", &[Type::String], Type::Int);
}

fn texts(library: &mut Library) {
    let two = [Type::String, Type::String];
    let tests: [(&'static str, &'static str, Native); 3] = [
        ("contains", "contains_string", |_, args| {
            text_test(args, |text, part| text.contains(part))
        }),
        ("endsWith", "ends_with_string", |_, args| {
            text_test(args, |text, part| text.ends_with(part))
        }),
        ("startsWith", "starts_with_string", |_, args| {
            text_test(args, |text, part| text.starts_with(part))
        }),
    ];
    for (name, id, native) in tests {
        library
            .function(name)
            .member(id, &two, Type::Bool, native)
            .unguarded = true;
    }
    library
        .single(
            "matches",
            2,
            |value| matches!(value, Value::String(_)),
            |budget, args| match args {
                [Value::String(text), Value::String(pattern)] => {
                    let (text, pattern) = (text.as_str(), pattern.as_str());
                    budget.steps(pattern.len() + text.len() / 8)?;
                    let regexp = Regexp::new(pattern).map_err(|error| Failure::new(error.to_string()))?;
                    Ok(Value::Bool(regexp.is_match(text)))
                }
                _ => Err(Failure::no_overload()),
            },
        )
        .signature("matches", &two, Type::Bool)
        .member_signature("matches_string", &two, Type::Bool);
}

fn text_test<'a>(args: &[Value<'a>], test: fn(&str, &str) -> bool) -> super::Outcome<'a> {
    match args {
        [Value::String(text), Value::String(part)] => Ok(Value::Bool(test(text.as_str(), part.as_str()))),
        _ => Err(Failure::no_overload()),
    }
}

/// Both sides of an order, with the names of the signatures: those of the same type, and those of numbers.
const ORDERED: [(Type, Type, &str); 14] = [
    (Type::Bool, Type::Bool, "bool"),
    (Type::Int, Type::Int, "int64"),
    (Type::Int, Type::Double, "int64_double"),
    (Type::Int, Type::Uint, "int64_uint64"),
    (Type::Uint, Type::Uint, "uint64"),
    (Type::Uint, Type::Double, "uint64_double"),
    (Type::Uint, Type::Int, "uint64_int64"),
    (Type::Double, Type::Double, "double"),
    (Type::Double, Type::Int, "double_int64"),
    (Type::Double, Type::Uint, "double_uint64"),
    (Type::String, Type::String, "string"),
    (Type::Bytes, Type::Bytes, "bytes"),
    (Type::Timestamp, Type::Timestamp, "timestamp"),
    (Type::Duration, Type::Duration, "duration"),
];

fn relations(library: &mut Library) {
    let operators: [(&'static str, Native); 4] = [
        (operator::LESS, |_, args| relation(args, Ordering::is_lt)),
        (operator::LESS_EQUALS, |_, args| relation(args, Ordering::is_le)),
        (operator::GREATER, |_, args| relation(args, Ordering::is_gt)),
        (operator::GREATER_EQUALS, |_, args| {
            relation(args, Ordering::is_ge)
        }),
    ];
    for (name, native) in operators {
        let function = library.function(name);
        function.dispatch = Dispatch::Single {
            arity: 2,
            native,
            takes: is_ordered,
        };
        for (left, right, id) in ORDERED {
            function.signature(id, &[left, right], Type::Bool);
        }
    }
}

fn is_ordered(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Timestamp(_)
            | Value::Duration(_)
    )
}

fn relation<'a>(args: &[Value<'a>], test: fn(Ordering) -> bool) -> super::Outcome<'a> {
    match args {
        [left, right] => Ok(Value::Bool(test(left.compare(right)?))),
        _ => Err(Failure::no_overload()),
    }
}
