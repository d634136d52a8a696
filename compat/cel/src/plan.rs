//! From a tree to what is evaluated, with what is constant evaluated once.
//!
//! Names and selections become attributes, which are resolved as a whole: `a.b` may name a variable or a field of one. That
//! follows cel-go's planner, whose messages show which reading of a name failed.

use std::sync::Arc;

use go_regexp::Regexp;

use crate::ast::{Comprehension, Entry, Fold, Kind, Node, operator};
use crate::check::{Checked, Name};
use crate::eval;
use crate::functions::{self, CONVERSIONS};
use crate::limits::Budget;
use crate::program::{Attribute, Base, Call, FoldPlan, Key, Plan, Qualifier};
use crate::value::{List, Value};

/// Plans an expression; the error is that of a part that is constant.
pub(crate) fn plan(root: &Node, checked: Option<&Checked>, budget: &Budget) -> Result<Plan, String> {
    Planner { checked, budget }.plan(root)
}

struct Planner<'p> {
    checked: Option<&'p Checked>,
    budget: &'p Budget,
}

impl Planner<'_> {
    fn plan(&self, node: &Node) -> Result<Plan, String> {
        stacker::maybe_grow(crate::RED_ZONE, crate::MORE_STACK, || match &node.kind {
            Kind::Literal(value) => Ok(Plan::Constant(value.clone())),
            Kind::Ident(name) => Ok(self.named(node).unwrap_or_else(|| maybe(name))),
            Kind::Select { operand, field, test } => self.select(node, operand, field, *test),
            Kind::Call {
                target,
                function,
                args,
            } => self.call(node, target.as_deref(), function, args),
            Kind::List { items, optional } => self.list(items, optional),
            Kind::Map(entries) => self.map(entries),
            Kind::Message(name) => Err(format!("unknown type: {name}")),
            Kind::Comprehension(comprehension) => self.comprehension(comprehension),
        })
    }

    /// What the checker says that a name stands for.
    fn named(&self, node: &Node) -> Option<Plan> {
        Some(match self.checked?.name(node)? {
            Name::Variable(name) => Plan::Attribute(Attribute {
                base: Base::Named(vec![(name.clone(), 0)]),
                qualifiers: Vec::new(),
                test: false,
            }),
            Name::Type(name) => Plan::Constant(Value::Type(name)),
        })
    }

    fn select(&self, node: &Node, operand: &Node, field: &str, test: bool) -> Result<Plan, String> {
        if let Some(named) = self.named(node) {
            return Ok(named);
        }
        let mut attribute = attribute(self.plan(operand)?);
        let test = test || attribute.test;
        attribute.test = test;
        self.qualify(
            &mut attribute,
            Qualifier {
                key: Key::Known(Value::from(field)),
                optional: false,
                test,
            },
        );
        Ok(Plan::Attribute(attribute))
    }

    fn qualify(&self, attribute: &mut Attribute, qualifier: Qualifier) {
        push(attribute, &Arc::new(qualifier), self.checked.is_some());
    }

    fn index(&self, operand: &Node, index: &Node, optional: bool) -> Result<Plan, String> {
        let mut attribute = attribute(self.plan(operand)?);
        let key = match self.plan(index)? {
            Plan::Constant(
                value @ (Value::String(_)
                | Value::Int(_)
                | Value::Uint(_)
                | Value::Bool(_)
                | Value::Double(_)),
            ) => Key::Known(value),
            Plan::Constant(other) => {
                return Err(format!("invalid qualifier type: {}", other.go_type_name()));
            }
            _ if attribute.test => {
                return Err("test only expressions must have constant qualifiers".to_owned());
            }
            other => Key::Attribute(self::attribute(other)),
        };
        let test = attribute.test;
        self.qualify(&mut attribute, Qualifier { key, optional, test });
        Ok(Plan::Attribute(attribute))
    }

    fn call(
        &self,
        node: &Node,
        target: Option<&Node>,
        function: &str,
        args: &[Node],
    ) -> Result<Plan, String> {
        let (target, name) = self.resolve(node, target, function);
        match (name.as_str(), target, args) {
            (operator::INDEX, None, [operand, index]) => return self.index(operand, index, false),
            (operator::OPT_INDEX | operator::OPT_SELECT, None, [operand, index]) => {
                return self.index(operand, index, true);
            }
            _ => {}
        }
        let mut plans = Vec::with_capacity(args.len() + 1);
        for arg in target.into_iter().chain(args) {
            plans.push(self.plan(arg)?);
        }
        let pair = |plans: Vec<Plan>| {
            <[Plan; 2]>::try_from(plans)
                .map(Box::new)
                .map_err(|_| "no such overload".to_owned())
        };
        match name.as_str() {
            operator::AND => return Ok(Plan::And(pair(plans)?)),
            operator::OR => return Ok(Plan::Or(pair(plans)?)),
            operator::EQUALS => {
                return Ok(Plan::Equals {
                    sides: pair(plans)?,
                    negate: false,
                });
            }
            operator::NOT_EQUALS => {
                return Ok(Plan::Equals {
                    sides: pair(plans)?,
                    negate: true,
                });
            }
            operator::CONDITIONAL => {
                let [condition, truthy, falsy] =
                    <[Plan; 3]>::try_from(plans).map_err(|_| "no such overload".to_owned())?;
                return Ok(Plan::Attribute(Attribute {
                    base: Base::Conditional {
                        condition: Box::new(condition),
                        truthy: Box::new(attribute(truthy)),
                        falsy: Box::new(attribute(falsy)),
                    },
                    qualifiers: Vec::new(),
                    test: false,
                }));
            }
            "or" | "orValue" if plans.len() == 2 => {
                return Ok(Plan::OrElse {
                    sides: pair(plans)?,
                    inner: name == "orValue",
                });
            }
            _ => {}
        }
        let function = functions::find(&name).filter(|function| !matches!(function.name, "or" | "orValue"));
        let fits = function.map_or(!plans.is_empty(), |function| function.accepts_count(plans.len()));
        if !fits {
            let args = match plans.len() {
                0 => "",
                1 => "arg",
                2 => "lhs, rhs",
                _ => "...",
            };
            return Err(format!("no such overload: {name}({args})"));
        }
        self.shortcut(
            node,
            Call {
                id: node.id,
                name,
                function,
                args: plans,
            },
        )
    }

    /// What is evaluated in advance, and what is known of constants.
    fn shortcut(&self, node: &Node, mut call: Call) -> Result<Plan, String> {
        if let ([Plan::Constant(arg)], Some(function)) = (call.args.as_slice(), call.function)
            && CONVERSIONS.contains(&call.name.as_str())
        {
            let value = function.call(self.budget, std::slice::from_ref(arg));
            return value.map(Plan::Constant).map_err(|failure| failure.message);
        }
        if let ("matches", [_, Plan::Constant(Value::String(pattern))]) =
            (call.name.as_str(), call.args.as_slice())
        {
            let regexp = Regexp::new(pattern.as_str()).map_err(|error| error.to_string())?;
            let args =
                <[Plan; 2]>::try_from(call.args).map_err(|_| "no such overload: matches(...)".to_owned())?;
            return Ok(Plan::Matches {
                args: Box::new(args),
                regexp: Box::new(regexp),
            });
        }
        let is_in_list = || {
            self.checked
                .is_some_and(|checked| checked.is_only(node, "in_list"))
        };
        if let (operator::IN, [_, Plan::Constant(Value::List(list))]) =
            (call.name.as_str(), call.args.as_slice())
            && is_in_list()
        {
            if list.len() == 0 {
                return Ok(Plan::Constant(Value::Bool(false)));
            }
            if let Some(set) = set(list) {
                let value = Box::new(call.args.swap_remove(0));
                return Ok(Plan::Member { value, set });
            }
        }
        Ok(Plan::Call(call))
    }

    /// The target and the name of a call: what looks like a target may be part of the name.
    fn resolve<'n>(
        &self,
        node: &Node,
        target: Option<&'n Node>,
        function: &str,
    ) -> (Option<&'n Node>, String) {
        let strip = |name: &str| name.strip_prefix('.').unwrap_or(name).to_owned();
        let Some(target) = target else {
            return (None, strip(function));
        };
        if let Some(checked) = self.checked {
            return match checked.qualified(node) {
                Some(name) => (None, name.to_owned()),
                None => (Some(target), function.to_owned()),
            };
        }
        if let Some(prefix) = target.qualified_name() {
            let name = strip(&format!("{prefix}.{function}"));
            if functions::find(&name).is_some() {
                return (None, name);
            }
        }
        (Some(target), function.to_owned())
    }

    fn list(&self, items: &[Node], optional: &[bool]) -> Result<Plan, String> {
        let items = items
            .iter()
            .map(|item| self.plan(item))
            .collect::<Result<Vec<_>, _>>()?;
        let constant = items.iter().all(|item| matches!(item, Plan::Constant(_)));
        let plan = Plan::List {
            items,
            optional: optional.to_vec(),
        };
        Ok(if constant { self.advance(plan) } else { plan })
    }

    fn map(&self, entries: &[Entry]) -> Result<Plan, String> {
        let mut plans = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.plan(&entry.key)?;
            if matches!(key, Plan::Constant(Value::Bytes(_))) {
                return Err("bytes cannot be keys of a map".to_owned());
            }
            plans.push((key, self.plan(&entry.value)?, entry.optional));
        }
        let constant = plans
            .iter()
            .all(|(key, value, _)| matches!((key, value), (Plan::Constant(_), Plan::Constant(_))));
        let plan = Plan::Map(plans);
        Ok(if constant { self.advance(plan) } else { plan })
    }

    /// The value of a list or map of constants; a mistake in it is one of the evaluation.
    fn advance(&self, plan: Plan) -> Plan {
        match eval::constant(&plan, self.budget) {
            Ok(value) => Plan::Constant(value),
            Err(_) => plan,
        }
    }

    fn comprehension(&self, comprehension: &Comprehension) -> Result<Plan, String> {
        let Comprehension {
            kind,
            range,
            variable,
            accumulator,
            init,
            step,
            result,
            ..
        } = comprehension;
        let variable = variable.clone();
        let Kind::Call { args, .. } = &step.kind else {
            return Ok(Plan::Fold(Box::new(FoldPlan::Bind {
                variable: accumulator.clone(),
                value: self.plan(init)?,
                result: self.plan(result)?,
            })));
        };
        let range = self.plan(range)?;
        let fold = match (kind, args.as_slice()) {
            (Fold::All, [_, predicate]) => FoldPlan::All {
                range,
                variable,
                predicate: self.plan(predicate)?,
            },
            (Fold::Exists, [_, predicate]) => FoldPlan::Exists {
                range,
                variable,
                predicate: self.plan(predicate)?,
            },
            (Fold::ExistsOne, [predicate, ..]) => FoldPlan::ExistsOne {
                range,
                variable,
                predicate: self.plan(predicate)?,
            },
            (Fold::Collect, [filter, grow, _]) => FoldPlan::Collect {
                range,
                variable,
                filter: Some(self.plan(filter)?),
                item: self.plan(only_item(grow)?)?,
            },
            (Fold::Collect, _) => FoldPlan::Collect {
                range,
                variable,
                filter: None,
                item: self.plan(only_item(step)?)?,
            },
            _ => return Err("unexpected comprehension".to_owned()),
        };
        Ok(Plan::Fold(Box::new(fold)))
    }
}

/// The item that a step adds to a list.
fn only_item(step: &Node) -> Result<&Node, String> {
    if let Kind::Call { args, .. } = &step.kind
        && let [_, one] = args.as_slice()
        && let Kind::List { items, .. } = &one.kind
        && let [item] = items.as_slice()
    {
        return Ok(item);
    }
    Err("unexpected comprehension".to_owned())
}

/// A name that the checker does not know of: a variable, or the start of a longer name.
fn maybe(name: &str) -> Plan {
    let name = name.strip_prefix('.').unwrap_or(name);
    Plan::Attribute(Attribute {
        base: Base::Named(vec![(name.to_owned(), 0)]),
        qualifiers: Vec::new(),
        test: false,
    })
}

/// What more can be selected from.
fn attribute(plan: Plan) -> Attribute {
    match plan {
        Plan::Attribute(attribute) => attribute,
        other => Attribute {
            base: Base::Value(Box::new(other)),
            qualifiers: Vec::new(),
            test: false,
        },
    }
}

/// Selects more from an attribute; a field may turn out to be a part of a longer name.
fn push(attribute: &mut Attribute, qualifier: &Arc<Qualifier>, checked: bool) {
    match &mut attribute.base {
        Base::Conditional { truthy, falsy, .. } => {
            push(truthy, qualifier, checked);
            push(falsy, qualifier, checked);
            return;
        }
        Base::Named(names) if !checked => {
            let longest = names
                .first()
                .filter(|(_, parts)| *parts == attribute.qualifiers.len());
            if let (Some((name, parts)), Key::Known(Value::String(field))) = (longest, &qualifier.key) {
                let longer = (format!("{name}.{}", field.as_str()), parts + 1);
                names.insert(0, longer);
            }
        }
        Base::Named(_) | Base::Value(_) => {}
    }
    attribute.qualifiers.push(Arc::clone(qualifier));
}

/// The items of a list, and the same numbers of other types; nothing where some are not simple.
fn set(list: &List<'static>) -> Option<Vec<Value<'static>>> {
    let mut set = Vec::new();
    for item in list.iter() {
        match &item {
            Value::Bool(_) | Value::String(_) => {}
            Value::Int(number) => {
                set.push(Value::Double(*number as f64));
                set.extend(u64::try_from(*number).ok().map(Value::Uint));
            }
            Value::Uint(number) => {
                set.push(Value::Double(*number as f64));
                set.extend(i64::try_from(*number).ok().map(Value::Int));
            }
            Value::Double(number) => {
                set.extend(crate::value::lossless_int(*number).map(Value::Int));
                set.extend(crate::value::lossless_uint(*number).map(Value::Uint));
            }
            _ => return None,
        }
        set.push(item);
    }
    Some(set)
}
