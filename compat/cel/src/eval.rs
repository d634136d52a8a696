//! The evaluation of a plan.
//!
//! Errors are values in CEL: `&&` and `||` absorb them when the other side decides, and loops carry them along.

use std::sync::Arc;

use crate::check::named_type;
use crate::error::Failure;
use crate::functions::{Outcome, display, no_such_call};
use crate::limits::Budget;
use crate::program::{Attribute, Base, Call, FoldPlan, Key, Plan, Qualifier};
use crate::value::{List, Map, Value, lossless_int};

/// The variables that an expression may name.
#[derive(Clone, Copy, Debug)]
pub enum Variables<'v> {
    /// The fields of an object.
    Fields(&'v serde_json::Map<String, serde_json::Value>),
    /// Objects by name.
    Named(&'v [(&'v str, &'v serde_json::Value)]),
}

impl<'v> Variables<'v> {
    fn get(self, name: &str) -> Option<Value<'v>> {
        match self {
            Variables::Fields(fields) => fields.get(name).map(Value::from),
            Variables::Named(objects) => objects
                .iter()
                .find(|(own, _)| *own == name)
                .map(|(_, value)| Value::from(*value)),
        }
    }
}

/// Evaluates a plan.
pub(crate) fn evaluate<'a>(plan: &'a Plan, variables: Variables<'a>, budget: &'a Budget) -> Outcome<'a> {
    Evaluation {
        variables,
        budget,
        scopes: Vec::new(),
    }
    .eval(plan)
}

/// Evaluates a plan that names nothing.
pub(crate) fn constant(plan: &Plan, budget: &Budget) -> Outcome<'static> {
    match plan {
        Plan::Constant(value) => Ok(value.clone()),
        Plan::List { items, optional } if !optional.contains(&true) => {
            let items = items
                .iter()
                .map(|item| constant(item, budget))
                .collect::<Result<_, _>>()?;
            Ok(Value::list(items))
        }
        Plan::Map(entries) => {
            let mut made = Vec::new();
            for (key, value, optional) in entries {
                if *optional {
                    return Err(Failure::no_overload());
                }
                insert(
                    &mut made,
                    constant(key, budget)?,
                    constant(value, budget)?,
                    budget,
                )?;
            }
            Ok(Value::Map(Map::Made(Arc::new(made))))
        }
        _ => Err(Failure::no_overload()),
    }
}

struct Evaluation<'a> {
    variables: Variables<'a>,
    budget: &'a Budget,
    /// The variables of the loops around, the innermost last.
    scopes: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Evaluation<'a> {
    fn eval(&mut self, plan: &'a Plan) -> Outcome<'a> {
        self.budget.steps(1)?;
        stacker::maybe_grow(crate::RED_ZONE, crate::MORE_STACK, || match plan {
            Plan::Constant(value) => Ok(value.clone()),
            Plan::Attribute(attribute) => self.attribute(attribute),
            Plan::And(terms) => self.logic(terms, false),
            Plan::Or(terms) => self.logic(terms, true),
            Plan::Equals { sides, negate } => {
                let (left, right) = self.both(sides)?;
                self.budget.steps(left.weight().min(right.weight()) / 8)?;
                Ok(Value::Bool(left.equals(&right) != *negate))
            }
            Plan::Call(call) => self.call(call),
            Plan::Matches { args, regexp } => {
                let (text, _) = self.both(args)?;
                let text = match &text {
                    Value::String(text) => text.as_str(),
                    Value::Type(name) => name,
                    _ => return Err(Failure::no_overload()),
                };
                self.budget.steps(text.len() / 8)?;
                Ok(Value::Bool(regexp.is_match(text)))
            }
            Plan::Member { value, set } => {
                let value = self.eval(value)?;
                if matches!(value, Value::Bytes(_)) {
                    let words = "internal error: runtime error: hash of unhashable type types.Bytes";
                    return Err(Failure::new(words));
                }
                self.budget.steps(set.len() / 8)?;
                Ok(Value::Bool(set.iter().any(|item| item.is_same_key(&value))))
            }
            Plan::OrElse { sides, inner } => match self.eval(&sides[0])? {
                Value::Optional(Some(value)) if *inner => Ok(value.as_ref().clone()),
                Value::Optional(None) => self.eval(&sides[1]),
                other => Ok(other),
            },
            Plan::List { items, optional } => self.list(items, optional),
            Plan::Map(entries) => self.map(entries),
            Plan::Fold(fold) => self.fold(fold),
        })
    }

    fn both(&mut self, sides: &'a [Plan; 2]) -> Result<(Value<'a>, Value<'a>), Failure> {
        let left = self.eval(&sides[0]);
        if left.as_ref().is_err_and(|failure| failure.stop) {
            return Err(left.err().unwrap_or_else(Failure::no_overload));
        }
        let right = self.eval(&sides[1]);
        Ok((left?, right?))
    }

    /// `||` and `&&`: the deciding truth wins over errors, the first error over the other truth.
    fn logic(&mut self, terms: &'a [Plan; 2], decides: bool) -> Outcome<'a> {
        let mut failure = None;
        for term in terms {
            match self.eval(term) {
                Ok(Value::Bool(truth)) if truth == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => failure = failure.or_else(|| Some(Failure::no_overload())),
                Err(stop) if stop.stop => return Err(stop),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn call(&mut self, call: &'a Call) -> Outcome<'a> {
        let mut args = Vec::with_capacity(call.args.len());
        if let [left, right] = call.args.as_slice() {
            // Both sides are evaluated before the first error counts.
            let left = self.eval(left);
            if left.as_ref().is_err_and(|failure| failure.stop) {
                return left;
            }
            let right = self.eval(right);
            args.extend([left?, right?]);
        } else {
            for arg in &call.args {
                args.push(self.eval(arg)?);
            }
        }
        match call.function {
            Some(function) => function.call(self.budget, &args),
            None => Err(no_such_call(&call.name, call.id, &args)),
        }
    }

    fn list(&mut self, items: &'a [Plan], optional: &[bool]) -> Outcome<'a> {
        self.budget.bytes(items.len() * size_of::<Value<'_>>())?;
        let mut made = Vec::with_capacity(items.len());
        for (item, optional) in items.iter().zip(optional) {
            match (self.eval(item)?, optional) {
                (Value::Optional(None), true) => {}
                (Value::Optional(Some(value)), true) => made.push(value.as_ref().clone()),
                (other, true) => {
                    return Err(Failure::new(format!(
                        "cannot initialize optional list element from non-optional value {}",
                        display(&other)
                    )));
                }
                (value, false) => made.push(value),
            }
        }
        Ok(Value::List(List::Made(Arc::new(made))))
    }

    fn map(&mut self, entries: &'a [(Plan, Plan, bool)]) -> Outcome<'a> {
        self.budget.bytes(entries.len() * 2 * size_of::<Value<'_>>())?;
        let mut made: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
        for (key, value, optional) in entries {
            let key = self.eval(key)?;
            match (self.eval(value)?, optional) {
                (Value::Optional(None), true) => made.retain(|(own, _)| !own.is_same_key(&key)),
                (Value::Optional(Some(value)), true) => {
                    insert(&mut made, key, value.as_ref().clone(), self.budget)?;
                }
                (other, true) => {
                    return Err(Failure::new(format!(
                        "cannot initialize optional entry '{}' from non-optional value {}",
                        display(&key),
                        display(&other)
                    )));
                }
                (value, false) => insert(&mut made, key, value, self.budget)?,
            }
        }
        Ok(Value::Map(Map::Made(Arc::new(made))))
    }

    fn variable(&self, name: &str) -> Option<Value<'a>> {
        self.scopes
            .iter()
            .rev()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.clone())
            .or_else(|| self.variables.get(name))
    }

    fn attribute(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        let resolved = self.resolve(attribute);
        let value = resolved.map_err(|failure| Failure {
            missing_name: false,
            ..failure
        })?;
        match value {
            Value::Optional(value) if attribute.test => Ok(Value::Bool(value.is_some())),
            value => Ok(value),
        }
    }

    fn resolve(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        match &attribute.base {
            Base::Named(names) => {
                let mut first = None;
                for (name, parts) in names {
                    let qualifiers = &attribute.qualifiers[*parts..];
                    let resolved = match self.variable(name) {
                        Some(value) => self.qualify(value, qualifiers),
                        None => match named_type(name) {
                            Some((name, _)) if qualifiers.is_empty() => Ok(Value::Type(name)),
                            _ => Err(Failure::missing_name(name)),
                        },
                    };
                    match resolved {
                        Err(failure) if failure.missing_name => first = first.or(Some(failure)),
                        other => return other,
                    }
                }
                Err(first.unwrap_or_else(Failure::no_overload))
            }
            Base::Value(plan) => {
                let value = self.eval(plan)?;
                self.qualify(value, &attribute.qualifiers)
            }
            Base::Conditional {
                condition,
                truthy,
                falsy,
            } => match self.eval(condition)? {
                Value::Bool(true) => self.resolve(truthy),
                Value::Bool(false) => self.resolve(falsy),
                _ => Err(Failure::no_overload()),
            },
        }
    }

    /// What is selected from a value; once something was optional, the result is.
    fn qualify(&mut self, value: Value<'a>, qualifiers: &'a [Arc<Qualifier>]) -> Outcome<'a> {
        let (mut value, mut optional) = match value {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => (inner.as_ref().clone(), true),
            other => (other, false),
        };
        for qualifier in qualifiers {
            self.budget.steps(1)?;
            optional |= qualifier.optional;
            let key = match &qualifier.key {
                Key::Known(key) => key.clone(),
                Key::Attribute(attribute) => match self.resolve(attribute)? {
                    key @ (Value::String(_)
                    | Value::Int(_)
                    | Value::Uint(_)
                    | Value::Bool(_)
                    | Value::Double(_)) => key,
                    other => {
                        let name = other.native_type_name();
                        return Err(Failure::new(format!("invalid qualifier type: {name}")));
                    }
                },
            };
            if let Value::Map(Map::Made(entries)) = &value {
                self.budget.steps(entries.len() / 8)?;
            }
            let found = select(&value, &key, optional || qualifier.test)?;
            value = match found {
                Some(found) if qualifier.test && !optional => {
                    drop(found);
                    Value::Bool(true)
                }
                None if qualifier.test && !optional => Value::Bool(false),
                Some(found) => found,
                None => return Ok(Value::Optional(None)),
            };
        }
        Ok(if optional { Value::optional(value) } else { value })
    }

    fn range(&mut self, plan: &'a Plan) -> Result<Vec<Value<'a>>, Failure> {
        let range = self.eval(plan)?;
        self.budget.bytes(range.weight() * size_of::<Value<'_>>())?;
        match range {
            Value::List(list) => Ok(list.iter().collect()),
            Value::Map(map) => Ok(map.keys()),
            other => {
                let name = other.go_type_name();
                Err(Failure::new(format!("got '{name}', expected iterable type")))
            }
        }
    }

    /// Evaluates with a variable of a loop.
    fn with(&mut self, name: &'a str, value: Value<'a>, plan: &'a Plan) -> Outcome<'a> {
        self.scopes.push((name, value));
        let result = self.eval(plan);
        self.scopes.pop();
        result
    }

    fn fold(&mut self, fold: &'a FoldPlan) -> Outcome<'a> {
        match fold {
            FoldPlan::All {
                range,
                variable,
                predicate,
            } => self.quantify(range, variable, predicate, false),
            FoldPlan::Exists {
                range,
                variable,
                predicate,
            } => self.quantify(range, variable, predicate, true),
            FoldPlan::ExistsOne {
                range,
                variable,
                predicate,
            } => {
                let mut count: Result<usize, Failure> = Ok(0);
                for item in self.range(range)? {
                    match self.with(variable, item, predicate) {
                        Ok(Value::Bool(true)) => count = count.map(|count| count + 1),
                        Ok(Value::Bool(false)) => {}
                        Ok(_) => count = Err(Failure::no_overload()),
                        Err(stop) if stop.stop => return Err(stop),
                        // The last error is the one that is seen.
                        Err(failure) => count = Err(failure),
                    }
                }
                count.map(|count| Value::Bool(count == 1))
            }
            FoldPlan::Collect {
                range,
                variable,
                filter,
                item,
            } => {
                let mut made: Result<Vec<Value<'a>>, Failure> = Ok(Vec::new());
                for value in self.range(range)? {
                    if let Some(filter) = filter {
                        match self.with(variable, value.clone(), filter) {
                            Ok(Value::Bool(true)) => {}
                            Ok(Value::Bool(false)) => continue,
                            Ok(_) => {
                                made = Err(Failure::no_overload());
                                continue;
                            }
                            Err(stop) if stop.stop => return Err(stop),
                            Err(failure) => {
                                made = Err(failure);
                                continue;
                            }
                        }
                    }
                    let result = self.with(variable, value, item);
                    if result.as_ref().is_err_and(|failure| failure.stop) {
                        return result;
                    }
                    if let Ok(items) = &mut made {
                        match result {
                            Ok(value) => {
                                self.budget.bytes(size_of::<Value<'_>>())?;
                                items.push(value);
                            }
                            Err(failure) => made = Err(failure),
                        }
                    }
                }
                made.map(Value::list)
            }
            FoldPlan::Bind {
                variable,
                value,
                result,
            } => {
                let value = self.eval(value)?;
                self.with(variable, value, result)
            }
        }
    }

    /// `all` and `exists`: like a row of `&&` or `||`, up to what decides.
    fn quantify(
        &mut self,
        range: &'a Plan,
        variable: &'a str,
        predicate: &'a Plan,
        decides: bool,
    ) -> Outcome<'a> {
        let mut failure = None;
        for item in self.range(range)? {
            match self.with(variable, item, predicate) {
                Ok(Value::Bool(truth)) if truth == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => failure = failure.or_else(|| Some(Failure::no_overload())),
                Err(stop) if stop.stop => return Err(stop),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!decides)), Err)
    }
}

/// Adds an entry to a map; the last one of a key counts.
fn insert<'a>(
    made: &mut Vec<(Value<'a>, Value<'a>)>,
    key: Value<'a>,
    value: Value<'a>,
    budget: &Budget,
) -> Result<(), Failure> {
    budget.steps(made.len() / 8)?;
    if matches!(key, Value::Bytes(_)) {
        let words = "internal error: runtime error: hash of unhashable type types.Bytes";
        return Err(Failure::new(words));
    }
    match made.iter_mut().find(|(own, _)| own.is_same_key(&key)) {
        Some(entry) => entry.1 = value,
        None => made.push((key, value)),
    }
    Ok(())
}

/// The part of a value under a key; what is not there is an error unless one may ask for it.
fn select<'a>(value: &Value<'a>, key: &Value<'_>, may_ask: bool) -> Result<Option<Value<'a>>, Failure> {
    let missing = |words: &str| {
        if may_ask {
            Ok(None)
        } else {
            Err(Failure::new(format!("{words}: {}", display(key))))
        }
    };
    match value {
        Value::Map(map) => match map.get(key) {
            Some(found) => Ok(Some(found)),
            None => missing("no such key"),
        },
        Value::List(list) => {
            let unsupported = || Failure::new(format!("unsupported index value {} in list", display(key)));
            let index = match key {
                Value::Int(index) => *index,
                Value::Uint(index) => i64::try_from(*index).map_err(|_| unsupported())?,
                Value::Double(index) => lossless_int(*index).ok_or_else(unsupported)?,
                _ => {
                    let name = key.type_name();
                    return Err(Failure::new(format!("unsupported index type '{name}' in list")));
                }
            };
            match usize::try_from(index).ok().and_then(|index| list.get(index)) {
                Some(found) => Ok(Some(found)),
                None => missing("index out of bounds"),
            }
        }
        _ => missing("no such key"),
    }
}
