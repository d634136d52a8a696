//! Values that may be missing.

use super::{Library, Outcome, display, list_of, map_of};
use crate::ast::operator;
use crate::error::Failure;
use crate::limits::Budget;
use crate::types::Type;
use crate::value::Value;

pub(super) fn declare(library: &mut Library) {
    let value = Type::param("V");
    let optional = Type::optional(value.clone());
    let list_of_optionals = Type::list(optional.clone());
    library.function("optional.of").overload(
        "optional_of",
        std::slice::from_ref(&value),
        optional.clone(),
        |_, args| match args {
            [value] => Ok(Value::optional(value.clone())),
            _ => Err(Failure::no_overload()),
        },
    );
    library.function("optional.ofNonZeroValue").overload(
        "optional_ofNonZeroValue",
        std::slice::from_ref(&value),
        optional.clone(),
        |_, args| match args {
            [value] if value.is_zero() => Ok(Value::Optional(None)),
            [value] => Ok(Value::optional(value.clone())),
            _ => Err(Failure::no_overload()),
        },
    );
    library
        .function("optional.none")
        .overload("optional_none", &[], optional.clone(), |_, _| {
            Ok(Value::Optional(None))
        })
        .variadic = true;
    library.function("value").member(
        "optional_value",
        std::slice::from_ref(&optional),
        value.clone(),
        |_, args| match args {
            [Value::Optional(Some(value))] => Ok(value.as_ref().clone()),
            [Value::Optional(None)] => Err(Failure::new("optional.none() dereference")),
            _ => Err(Failure::no_overload()),
        },
    );
    library.function("hasValue").member(
        "optional_hasValue",
        std::slice::from_ref(&optional),
        Type::Bool,
        |_, args| match args {
            [Value::Optional(value)] => Ok(Value::Bool(value.is_some())),
            _ => Err(Failure::no_overload()),
        },
    );
    library.special("or").member_signature(
        "optional_or_optional",
        &[optional.clone(), optional.clone()],
        optional.clone(),
    );
    library.special("orValue").member_signature(
        "optional_orValue_value",
        &[optional.clone(), value.clone()],
        value.clone(),
    );
    library.special(operator::OPT_SELECT).signature(
        "select_optional_field",
        &[Type::Dyn, Type::String],
        optional.clone(),
    );
    let (list, map) = (list_of("V"), map_of("K", "V"));
    let (optional_list, optional_map) = (Type::optional(list.clone()), Type::optional(map.clone()));
    let key = Type::param("K");
    library
        .special(operator::OPT_INDEX)
        .signature(
            "list_optindex_optional_int",
            &[list.clone(), Type::Int],
            optional.clone(),
        )
        .signature(
            "optional_list_optindex_optional_int",
            &[optional_list.clone(), Type::Int],
            optional.clone(),
        )
        .signature(
            "map_optindex_optional_value",
            &[map, key.clone()],
            optional.clone(),
        )
        .signature(
            "optional_map_optindex_optional_value",
            &[optional_map.clone(), key.clone()],
            optional.clone(),
        );
    library
        .special(operator::INDEX)
        .signature(
            "optional_list_index_int",
            &[optional_list, Type::Int],
            optional.clone(),
        )
        .signature("optional_map_index_value", &[optional_map, key], optional.clone());
    library.function("last").member(
        "list_last",
        std::slice::from_ref(&list),
        optional.clone(),
        |_, args| match args {
            [Value::List(list)] => Ok(maybe(list.len().checked_sub(1).and_then(|last| list.get(last)))),
            _ => Err(Failure::no_overload()),
        },
    );
    library.function("first").member(
        "list_first",
        std::slice::from_ref(&list),
        optional,
        |_, args| match args {
            [Value::List(list)] => Ok(maybe(list.get(0))),
            _ => Err(Failure::no_overload()),
        },
    );
    library.function("optional.unwrap").overload(
        "optional_unwrap",
        std::slice::from_ref(&list_of_optionals),
        list.clone(),
        unwrap,
    );
    library
        .function("unwrapOpt")
        .member("optional_unwrapOpt", &[list_of_optionals], list, unwrap);
}

fn maybe(value: Option<Value<'_>>) -> Value<'_> {
    value.map_or(Value::Optional(None), Value::optional)
}

fn unwrap<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list)] = args else {
        return Err(Failure::no_overload());
    };
    budget.bytes(list.len() * size_of::<Value<'_>>())?;
    let mut items = Vec::new();
    for item in list.iter() {
        match item {
            Value::Optional(Some(value)) => items.push(value.as_ref().clone()),
            Value::Optional(None) => {}
            other => return Err(Failure::new(format!("value {} is not optional", display(&other)))),
        }
    }
    Ok(Value::list(items))
}
