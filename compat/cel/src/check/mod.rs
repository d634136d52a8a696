//! The types of an expression, found out before it is evaluated, as cel-go's checker does.

mod validate;

use std::collections::HashMap;

use crate::ast::{Comprehension, Kind, Node, operator};
use crate::functions::{self, Function};
use crate::source::{Issues, Source};
use crate::types::{Mapping, Type, most_general};
use crate::value::Value;

/// What the checker found out about the parts of an expression.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    types: HashMap<u64, Type>,
    /// The parts that name a variable or a type, and what they name.
    names: HashMap<u64, Name>,
    /// The signatures that a call may mean.
    overloads: HashMap<u64, Vec<&'static str>>,
    /// The calls whose target is part of the name of the function.
    qualified: HashMap<u64, String>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Variable(String),
    Type(&'static str),
}

impl Checked {
    pub(crate) fn type_of(&self, node: &Node) -> &Type {
        self.types.get(&node.id).unwrap_or(&Type::Dyn)
    }

    pub(crate) fn name(&self, node: &Node) -> Option<&Name> {
        self.names.get(&node.id)
    }

    /// Whether a call can only mean one signature.
    pub(crate) fn is_only(&self, node: &Node, overload: &str) -> bool {
        self.overloads
            .get(&node.id)
            .is_some_and(|ids| ids.as_slice() == [overload])
    }

    pub(crate) fn qualified(&self, node: &Node) -> Option<&str> {
        self.qualified.get(&node.id).map(String::as_str)
    }
}

/// Checks an expression over variables that are objects of any form.
pub(crate) fn check(root: &Node, variables: &[&str], source: &Source, issues: &mut Issues) -> Checked {
    let object = Type::map(Type::String, Type::Dyn);
    let variables = variables
        .iter()
        .map(|name| ((*name).to_owned(), object.clone()))
        .collect();
    let mut checker = Checker {
        source,
        issues,
        mapping: Mapping::default(),
        checked: Checked::default(),
        scopes: vec![variables],
        params: 0,
    };
    checker.check(root);
    let Checker {
        mapping, mut checked, ..
    } = checker;
    for of in checked.types.values_mut() {
        *of = mapping.substitute(of, true);
    }
    if issues.is_empty() {
        validate::validate(root, &checked, source, issues);
    }
    checked
}

/// The type that a name stands for where no variable has it.
pub(crate) fn named_type(name: &str) -> Option<(&'static str, Type)> {
    Some(match name {
        "bool" => ("bool", Type::Bool),
        "bytes" => ("bytes", Type::Bytes),
        "double" => ("double", Type::Double),
        "google.protobuf.Duration" => ("google.protobuf.Duration", Type::Duration),
        "google.protobuf.Timestamp" => ("google.protobuf.Timestamp", Type::Timestamp),
        "int" => ("int", Type::Int),
        "list" => ("list", Type::list(Type::param("A"))),
        "map" => ("map", Type::map(Type::param("A"), Type::param("B"))),
        "null_type" => ("null_type", Type::Null),
        "optional_type" => ("optional_type", Type::optional(Type::param("V"))),
        "string" => ("string", Type::String),
        "type" => ("type", Type::Meta(None)),
        "uint" => ("uint", Type::Uint),
        _ => return None,
    })
}

struct Checker<'c> {
    source: &'c Source,
    issues: &'c mut Issues,
    mapping: Mapping,
    checked: Checked,
    scopes: Vec<HashMap<String, Type>>,
    /// How many parameters were made up.
    params: usize,
}

impl Checker<'_> {
    fn check(&mut self, node: &Node) {
        stacker::maybe_grow(crate::RED_ZONE, crate::MORE_STACK, || match &node.kind {
            Kind::Literal(value) => {
                let of = literal(value);
                self.set(node, of);
            }
            Kind::Ident(name) => {
                if !self.refer(node, name) {
                    self.undeclared(node, name);
                }
            }
            Kind::Select { operand, test, .. } => self.select(node, operand, *test),
            Kind::Call {
                target,
                function,
                args,
            } => self.call(node, target.as_deref(), function, args),
            Kind::List { items, optional } => self.list(node, items, optional),
            Kind::Map(_) => self.map(node),
            Kind::Message(name) => self.message(node, name),
            Kind::Comprehension(comprehension) => self.comprehension(node, comprehension),
        });
    }

    fn set(&mut self, node: &Node, of: Type) {
        self.checked.types.insert(node.id, of);
    }

    fn get(&self, node: &Node) -> Type {
        self.checked.types.get(&node.id).cloned().unwrap_or(Type::Error)
    }

    fn issue(&mut self, node: &Node, message: String) {
        self.issues.add(self.source.location(node.id), message);
    }

    fn undeclared(&mut self, node: &Node, name: &str) {
        self.set(node, Type::Error);
        self.issue(
            node,
            format!("undeclared reference to '{name}' (in container '')"),
        );
    }

    fn mismatch(&mut self, node: &Node, expected: &Type, actual: &Type) {
        self.issue(node, format!("expected type '{expected}' but found '{actual}'"));
    }

    fn param(&mut self) -> Type {
        self.params += 1;
        Type::Param(format!("_var{}", self.params - 1))
    }

    /// Whether a name stands for something, which the part then refers to.
    fn refer(&mut self, node: &Node, name: &str) -> bool {
        let name = name.strip_prefix('.').unwrap_or(name);
        if let Some(of) = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(name))
            .cloned()
        {
            self.set(node, of);
            self.checked
                .names
                .insert(node.id, Name::Variable(name.to_owned()));
            return true;
        }
        if let Some((name, of)) = named_type(name) {
            self.set(node, Type::Meta(Some(Box::new(of))));
            self.checked.names.insert(node.id, Name::Type(name));
            return true;
        }
        false
    }

    fn select(&mut self, node: &Node, operand: &Node, test: bool) {
        if let Some(name) = node.qualified_name()
            && self.refer(node, &name)
        {
            return;
        }
        let of = self.field(node, operand, false);
        let of = if test { Type::Bool } else { of };
        let of = self.mapping.substitute(&of, false);
        self.set(node, of);
    }

    /// The type of a field of an operand.
    fn field(&mut self, node: &Node, operand: &Node, optional: bool) -> Type {
        self.check(operand);
        let of = self.mapping.substitute(&self.get(operand), false);
        let (target, is_optional) = of.unwrap_optional();
        let result = match target {
            Type::Map(_, value) => value.as_ref().clone(),
            Type::Param(_) => {
                self.mapping.is_assignable(&Type::Dyn, target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                let message = format!("type '{other}' does not support field selection");
                self.issue(node, message);
                Type::Dyn
            }
        };
        if is_optional || optional {
            Type::optional(result)
        } else {
            result
        }
    }

    fn call(&mut self, node: &Node, target: Option<&Node>, function: &str, args: &[Node]) {
        if let (operator::OPT_SELECT, [operand, _]) = (function, args) {
            let of = self.field(node, operand, true);
            let of = self.mapping.substitute(&of, false);
            self.set(node, of);
            self.checked
                .overloads
                .insert(node.id, vec!["select_optional_field"]);
            return;
        }
        for arg in args {
            self.check(arg);
        }
        let Some(target) = target else {
            let name = function.strip_prefix('.').unwrap_or(function);
            match functions::find(name) {
                Some(found) => self.resolve(node, found, None, args),
                None => self.undeclared(node, function),
            }
            return;
        };
        if let Some(prefix) = target.qualified_name() {
            let name = format!("{prefix}.{function}");
            let name = name.strip_prefix('.').unwrap_or(&name);
            if let Some(found) = functions::find(name) {
                self.checked.qualified.insert(node.id, name.to_owned());
                self.resolve(node, found, None, args);
                return;
            }
        }
        self.check(target);
        match functions::find(function) {
            Some(found) => self.resolve(node, found, Some(target), args),
            None => self.undeclared(node, function),
        }
    }

    fn resolve(&mut self, node: &Node, function: &'static Function, target: Option<&Node>, args: &[Node]) {
        let mut types: Vec<Type> = target.into_iter().chain(args).map(|arg| self.get(arg)).collect();
        let mut result: Option<Type> = None;
        let mut ids = Vec::new();
        for overload in function
            .overloads
            .iter()
            .filter(|overload| overload.member == target.is_some())
        {
            if matches!(function.name, operator::AND | operator::OR) {
                let mut fits = true;
                for (arg, of) in args.iter().zip(&types) {
                    if !self.mapping.is_assignable(of, &Type::Bool) {
                        self.mismatch(arg, &Type::Bool, of);
                        fits = false;
                    }
                }
                self.set(node, if fits { Type::Bool } else { Type::Error });
                return;
            }
            let (wanted, gives) = self.instance(&overload.args, &overload.result);
            if self.mapping.are_assignable(&types, &wanted) {
                ids.push(overload.id);
                let of = self.mapping.substitute(&gives, false);
                result = Some(match result {
                    None => of,
                    Some(before) if before.is_dyn() || before == of => before,
                    Some(_) => Type::Dyn,
                });
            }
        }
        let Some(result) = result else {
            for of in &mut types {
                *of = self.mapping.substitute(of, true);
            }
            let message = format!(
                "found no matching overload for '{}' applied to '{}'",
                function.name,
                signature(&types, target.is_some())
            );
            self.issue(node, message);
            self.set(node, Type::Error);
            return;
        };
        self.set(node, result);
        self.checked.overloads.insert(node.id, ids);
    }

    /// A signature with parameters of its own.
    fn instance(&mut self, args: &[Type], result: &Type) -> (Vec<Type>, Type) {
        let mut names = Vec::new();
        for of in args.iter().chain([result]) {
            of.params(&mut names);
        }
        let made: HashMap<&str, Type> = names.into_iter().map(|name| (name, self.param())).collect();
        (
            args.iter().map(|of| rename(of, &made)).collect(),
            rename(result, &made),
        )
    }

    fn join(&mut self, before: Option<Type>, current: Type) -> Type {
        match before {
            None => current,
            Some(before) if self.mapping.is_assignable(&before, &current) => most_general(&before, &current),
            Some(_) => Type::Dyn,
        }
    }

    /// The type of an item, which must be an optional where it is marked as one.
    fn item(&mut self, node: &Node, optional: bool) -> Type {
        let of = self.get(node);
        if !optional {
            return of;
        }
        let (inner, is_optional) = of.unwrap_optional();
        let inner = inner.clone();
        if !is_optional && !inner.is_dyn() {
            self.mismatch(node, &Type::optional(inner.clone()), &inner);
        }
        inner
    }

    fn list(&mut self, node: &Node, items: &[Node], optional: &[bool]) {
        let mut all = None;
        for (item, optional) in items.iter().zip(optional) {
            self.check(item);
            let of = self.item(item, *optional);
            all = Some(self.join(all, of));
        }
        let all = all.unwrap_or_else(|| self.param());
        self.set(node, Type::list(all));
    }

    fn map(&mut self, node: &Node) {
        let Kind::Map(entries) = &node.kind else { return };
        let (mut keys, mut values) = (None, None);
        for entry in entries {
            self.check(&entry.key);
            let of = self.get(&entry.key);
            keys = Some(self.join(keys, of));
            self.check(&entry.value);
            let of = self.item(&entry.value, entry.optional);
            values = Some(self.join(values, of));
        }
        let keys = keys.unwrap_or_else(|| self.param());
        let values = values.unwrap_or_else(|| self.param());
        self.set(node, Type::map(keys, values));
    }

    fn message(&mut self, node: &Node, name: &str) {
        if !self.refer(node, name) {
            self.undeclared(node, name);
            return;
        }
        let message = match self.get(node) {
            Type::Meta(Some(of)) => format!("'{}' is not a message type", of.runtime_name()),
            of => format!("'{}' is not a type", of.runtime_name()),
        };
        self.issue(node, message);
        self.set(node, Type::Error);
    }

    fn comprehension(&mut self, node: &Node, comprehension: &Comprehension) {
        self.check(&comprehension.range);
        self.check(&comprehension.init);
        let range = self.mapping.substitute(&self.get(&comprehension.range), false);
        let accumulator = self.get(&comprehension.init);
        let variable = match &range {
            Type::List(item) => item.as_ref().clone(),
            Type::Map(key, _) => key.as_ref().clone(),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.mapping.is_assignable(&Type::Dyn, &range);
                Type::Dyn
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.issue(&comprehension.range, message);
                Type::Error
            }
        };
        self.scopes.push(HashMap::from([(
            comprehension.accumulator.clone(),
            accumulator.clone(),
        )]));
        self.scopes
            .push(HashMap::from([(comprehension.variable.clone(), variable)]));
        self.check(&comprehension.condition);
        self.assert(&comprehension.condition, &Type::Bool);
        self.check(&comprehension.step);
        self.assert(&comprehension.step, &accumulator);
        self.scopes.pop();
        self.check(&comprehension.result);
        self.scopes.pop();
        let of = self.mapping.substitute(&self.get(&comprehension.result), false);
        self.set(node, of);
    }

    fn assert(&mut self, node: &Node, expected: &Type) {
        let actual = self.get(node);
        if !self.mapping.is_assignable(expected, &actual) {
            self.mismatch(node, expected, &actual);
        }
    }
}

fn literal(value: &Value<'_>) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Bytes(_) => Type::Bytes,
        Value::Double(_) => Type::Double,
        Value::Int(_) => Type::Int,
        Value::String(_) => Type::String,
        Value::Uint(_) => Type::Uint,
        _ => Type::Null,
    }
}

fn rename(of: &Type, names: &HashMap<&str, Type>) -> Type {
    let inner = |of: &Type| Box::new(rename(of, names));
    match of {
        Type::Param(name) => names.get(name.as_str()).cloned().unwrap_or_else(|| of.clone()),
        Type::List(item) => Type::List(inner(item)),
        Type::Optional(item) => Type::Optional(inner(item)),
        Type::Map(key, value) => Type::Map(inner(key), inner(value)),
        Type::Meta(Some(item)) => Type::Meta(Some(inner(item))),
        _ => of.clone(),
    }
}

/// The types of the arguments of a call, as messages show them.
fn signature(types: &[Type], member: bool) -> String {
    let (target, args) = match types.split_first() {
        Some((target, args)) if member => (format!("{target}."), args),
        _ => (String::new(), types),
    };
    let args: Vec<_> = args.iter().map(Type::to_string).collect();
    format!("{target}({})", args.join(", "))
}
