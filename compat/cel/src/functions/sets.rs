//! The extension for lists as sets.

use super::{Library, Native, Outcome, list_of};
use crate::error::Failure;
use crate::limits::Budget;
use crate::types::Type;
use crate::value::{List, Value};

pub(super) fn declare(library: &mut Library) {
    let functions: [(&'static str, &'static str, Native); 3] = [
        ("sets.contains", "list_sets_contains_list", |budget, args| {
            both(budget, args, |all, some| {
                some.iter().all(|item| all.contains(&item))
            })
        }),
        ("sets.equivalent", "list_sets_equivalent_list", |budget, args| {
            both(budget, args, |a, b| {
                b.iter().all(|item| a.contains(&item)) && a.iter().all(|item| b.contains(&item))
            })
        }),
        ("sets.intersects", "list_sets_intersects_list", |budget, args| {
            both(budget, args, |a, b| a.iter().any(|item| b.contains(&item)))
        }),
    ];
    for (name, id, native) in functions {
        library
            .function(name)
            .overload(id, &[list_of("T"), list_of("T")], Type::Bool, native);
    }
}

fn both<'a>(budget: &Budget, args: &[Value<'a>], test: fn(&List<'a>, &List<'a>) -> bool) -> Outcome<'a> {
    match args {
        [Value::List(a), Value::List(b)] => {
            budget.steps(a.len().saturating_mul(b.len()))?;
            Ok(Value::Bool(test(a, b)))
        }
        _ => Err(Failure::no_overload()),
    }
}
