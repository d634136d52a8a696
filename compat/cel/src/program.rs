//! What is evaluated: the parts of an expression with names, fields and constants told apart.

use std::sync::Arc;

use go_regexp::Regexp;

use crate::functions::Function;
use crate::value::Value;

/// What is evaluated.
#[derive(Debug)]
pub(crate) enum Plan {
    Constant(Value<'static>),
    Attribute(Attribute),
    And(Box<[Plan; 2]>),
    Or(Box<[Plan; 2]>),
    Equals {
        sides: Box<[Plan; 2]>,
        negate: bool,
    },
    Call(Call),
    /// `matches` with a pattern that is known.
    Matches {
        args: Box<[Plan; 2]>,
        regexp: Box<Regexp>,
    },
    /// `in` with a list that is known.
    Member {
        value: Box<Plan>,
        set: Vec<Value<'static>>,
    },
    /// The first side where it has a value, the optional or what is in it.
    OrElse {
        sides: Box<[Plan; 2]>,
        inner: bool,
    },
    List {
        items: Vec<Plan>,
        optional: Vec<bool>,
    },
    Map(Vec<(Plan, Plan, bool)>),
    Fold(Box<FoldPlan>),
}

/// A call of a function, known or not.
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) function: Option<&'static Function>,
    pub(crate) args: Vec<Plan>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.name)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// A name or a value, and what is selected from it.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) base: Base,
    pub(crate) qualifiers: Vec<Arc<Qualifier>>,
    /// Whether the result is that something is there.
    pub(crate) test: bool,
}

/// Where an attribute begins.
#[derive(Debug)]
pub(crate) enum Base {
    /// Names with the number of qualifiers that are part of them; the longest first.
    Named(Vec<(String, usize)>),
    Value(Box<Plan>),
    Conditional {
        condition: Box<Plan>,
        truthy: Box<Attribute>,
        falsy: Box<Attribute>,
    },
}

/// What is selected.
#[derive(Debug)]
pub(crate) struct Qualifier {
    pub(crate) key: Key,
    /// Whether nothing comes of it where it is not there, instead of an error.
    pub(crate) optional: bool,
    /// Whether only its presence matters.
    pub(crate) test: bool,
}

/// A field or an index, known or to be found out.
#[derive(Debug)]
pub(crate) enum Key {
    Known(Value<'static>),
    Attribute(Attribute),
}

/// A loop.
#[derive(Debug)]
pub(crate) enum FoldPlan {
    All {
        range: Plan,
        variable: String,
        predicate: Plan,
    },
    Exists {
        range: Plan,
        variable: String,
        predicate: Plan,
    },
    ExistsOne {
        range: Plan,
        variable: String,
        predicate: Plan,
    },
    Collect {
        range: Plan,
        variable: String,
        filter: Option<Plan>,
        item: Plan,
    },
    Bind {
        variable: String,
        value: Plan,
        result: Plan,
    },
}
