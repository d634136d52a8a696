//! The tree of an expression, with its macros expanded.

use crate::value::Value;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// By which the part is found in the source.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Value<'static>),
    Ident(String),
    Select {
        operand: Box<Node>,
        field: String,
        /// Whether it only asks for the presence of the field: `has(a.b)`.
        test: bool,
    },
    Call {
        target: Option<Box<Node>>,
        function: String,
        args: Vec<Node>,
    },
    List {
        items: Vec<Node>,
        /// For each item whether it is an optional that adds nothing when it has no value.
        optional: Vec<bool>,
    },
    Map(Vec<Entry>),
    /// A message of a type that there is not.
    Message(String),
    Comprehension(Box<Comprehension>),
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// A loop over a list or over the keys of a map, which a macro makes.
#[derive(Clone, Debug)]
pub(crate) struct Comprehension {
    pub(crate) kind: Fold,
    pub(crate) range: Node,
    pub(crate) variable: String,
    pub(crate) accumulator: String,
    pub(crate) init: Node,
    pub(crate) condition: Node,
    pub(crate) step: Node,
    pub(crate) result: Node,
}

/// Which macro made a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    All,
    Exists,
    ExistsOne,
    /// `map` and `filter`: a list grows, for some of the items.
    Collect,
    /// `optMap` and `optFlatMap`: a name for a value.
    Bind,
}

/// The names of operators, as functions.
pub(crate) mod operator {
    pub(crate) const CONDITIONAL: &str = "_?_:_";
    pub(crate) const AND: &str = "_&&_";
    pub(crate) const OR: &str = "_||_";
    pub(crate) const NOT: &str = "!_";
    pub(crate) const ADD: &str = "_+_";
    pub(crate) const SUBTRACT: &str = "_-_";
    pub(crate) const MULTIPLY: &str = "_*_";
    pub(crate) const DIVIDE: &str = "_/_";
    pub(crate) const MODULO: &str = "_%_";
    pub(crate) const NEGATE: &str = "-_";
    pub(crate) const EQUALS: &str = "_==_";
    pub(crate) const NOT_EQUALS: &str = "_!=_";
    pub(crate) const LESS: &str = "_<_";
    pub(crate) const LESS_EQUALS: &str = "_<=_";
    pub(crate) const GREATER: &str = "_>_";
    pub(crate) const GREATER_EQUALS: &str = "_>=_";
    pub(crate) const IN: &str = "@in";
    pub(crate) const INDEX: &str = "_[_]";
    pub(crate) const OPT_INDEX: &str = "_[?_]";
    pub(crate) const OPT_SELECT: &str = "_?._";
    pub(crate) const NOT_STRICTLY_FALSE: &str = "@not_strictly_false";
}

impl Node {
    /// The name that identifiers and selections spell, such as `a.b.c`.
    pub(crate) fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.clone()),
            Kind::Select {
                operand,
                field,
                test: false,
            } => Some(format!("{}.{field}", operand.qualified_name()?)),
            _ => None,
        }
    }

    /// Calls a function for this part and for all below it, parents first.
    pub(crate) fn visit<'n>(
        &'n self,
        inside: &mut Vec<&'n str>,
        each: &mut impl FnMut(&'n Node, &[&'n str]),
    ) {
        each(self, inside);
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) | Kind::Message(_) => {}
            Kind::Select { operand, .. } => operand.visit(inside, each),
            Kind::Call {
                target,
                function,
                args,
            } => {
                inside.push(function);
                for node in target.as_deref().into_iter().chain(args) {
                    node.visit(inside, each);
                }
                inside.pop();
            }
            Kind::List { items, .. } => {
                for item in items {
                    item.visit(inside, each);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    entry.key.visit(inside, each);
                    entry.value.visit(inside, each);
                }
            }
            Kind::Comprehension(comprehension) => {
                let Comprehension {
                    range,
                    init,
                    condition,
                    step,
                    result,
                    ..
                } = comprehension.as_ref();
                for node in [range, init, condition, step, result] {
                    node.visit(inside, each);
                }
            }
        }
    }
}
