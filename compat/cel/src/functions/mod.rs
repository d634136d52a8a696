//! The functions that expressions can call: how they are declared, and which one a call means.
//!
//! Those of cel-go's standard library and of the extensions that Flux enables: optionals, strings, sets and encoders.

mod arithmetic;
mod conversion;
mod encoders;
mod format;
mod optional;
mod sets;
mod standard;
mod strings;
mod temporal;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use conversion::NAMES as CONVERSIONS;
pub(crate) use format::{Clause, Formatter, display, interpolate};

use crate::error::Failure;
use crate::limits::Budget;
use crate::types::Type;
use crate::value::Value;

/// The result of an evaluation.
pub(crate) type Outcome<'a> = Result<Value<'a>, Failure>;

/// What a function does with its arguments.
pub(crate) type Native = for<'a> fn(&Budget, &[Value<'a>]) -> Outcome<'a>;

/// One of the signatures of a function.
pub(crate) struct Overload {
    pub(crate) id: &'static str,
    /// Whether the first argument is written before the name.
    pub(crate) member: bool,
    pub(crate) args: Vec<Type>,
    pub(crate) result: Type,
    native: Option<Native>,
}

/// How the function of a call is found.
enum Dispatch {
    /// One function for all signatures, for first arguments that have what it takes.
    Single {
        arity: usize,
        native: Native,
        takes: fn(&Value<'_>) -> bool,
    },
    /// The first signature that the arguments have.
    Signatures,
    /// By the planner, which knows the function.
    Special,
}

/// A function with all of its signatures.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) overloads: Vec<Overload>,
    dispatch: Dispatch,
    /// Whether arguments of other types reach the function, which has its own words for them.
    unguarded: bool,
    /// Whether the function of the only signature takes any number of arguments.
    variadic: bool,
}

/// All functions by name.
pub(crate) struct Library {
    functions: HashMap<&'static str, Function>,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let mut library = Library {
        functions: HashMap::new(),
    };
    standard::declare(&mut library);
    arithmetic::declare(&mut library);
    conversion::declare(&mut library);
    temporal::declare(&mut library);
    strings::declare(&mut library);
    format::declare(&mut library);
    sets::declare(&mut library);
    encoders::declare(&mut library);
    optional::declare(&mut library);
    library
});

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    LIBRARY.functions.get(name)
}

impl Library {
    fn function(&mut self, name: &'static str) -> &mut Function {
        self.functions.entry(name).or_insert_with(|| Function {
            name,
            overloads: Vec::new(),
            dispatch: Dispatch::Signatures,
            unguarded: false,
            variadic: false,
        })
    }

    /// A function that only the planner knows.
    fn special(&mut self, name: &'static str) -> &mut Function {
        let function = self.function(name);
        function.dispatch = Dispatch::Special;
        function
    }

    /// A function that is the same for all signatures.
    fn single(
        &mut self,
        name: &'static str,
        arity: usize,
        takes: fn(&Value<'_>) -> bool,
        native: Native,
    ) -> &mut Function {
        let function = self.function(name);
        function.dispatch = Dispatch::Single { arity, native, takes };
        function
    }
}

impl Function {
    fn add(
        &mut self,
        id: &'static str,
        member: bool,
        args: &[Type],
        result: Type,
        native: Option<Native>,
    ) -> &mut Self {
        self.overloads.push(Overload {
            id,
            member,
            args: args.to_vec(),
            result,
            native,
        });
        self
    }

    /// A signature that has no function of its own.
    fn signature(&mut self, id: &'static str, args: &[Type], result: Type) -> &mut Self {
        self.add(id, false, args, result, None)
    }

    /// The same, with its first argument before the name.
    fn member_signature(&mut self, id: &'static str, args: &[Type], result: Type) -> &mut Self {
        self.add(id, true, args, result, None)
    }

    /// A signature with its function.
    fn overload(&mut self, id: &'static str, args: &[Type], result: Type, native: Native) -> &mut Self {
        self.add(id, false, args, result, Some(native))
    }

    /// The same, with its first argument before the name.
    fn member(&mut self, id: &'static str, args: &[Type], result: Type, native: Native) -> &mut Self {
        self.add(id, true, args, result, Some(native))
    }

    /// Whether a call with so many arguments can be planned at all.
    pub(crate) fn accepts_count(&self, count: usize) -> bool {
        match &self.dispatch {
            Dispatch::Special => true,
            Dispatch::Single { arity, .. } => *arity == count,
            Dispatch::Signatures => match self.overloads.as_slice() {
                [only] => self.variadic || only.args.len() == count,
                _ => true,
            },
        }
    }

    /// Calls the function; the arguments have values.
    pub(crate) fn call<'a>(&self, budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
        match &self.dispatch {
            Dispatch::Single { native, takes, .. } if args.first().is_none_or(takes) => native(budget, args),
            Dispatch::Signatures => {
                let fitting = self.overloads.iter().find(|overload| {
                    overload.args.len() == args.len()
                        && (self.unguarded
                            || overload
                                .args
                                .iter()
                                .zip(args)
                                .all(|(wanted, arg)| accepts(wanted, arg)))
                });
                match fitting.and_then(|overload| overload.native) {
                    Some(native) => native(budget, args),
                    None => Err(no_such_overload(self.name, args)),
                }
            }
            Dispatch::Single { .. } | Dispatch::Special => Err(receive(self.name, args)),
        }
    }
}

/// What comes of a call that nobody takes: some values have words of their own for it.
fn receive(name: &str, args: &[Value<'_>]) -> Failure {
    match args.first() {
        Some(Value::String(_) | Value::Timestamp(_) | Value::Duration(_)) => Failure::no_overload(),
        _ => Failure::new(format!("no such overload: {name}")),
    }
}

/// What comes of a call of a function that there is not.
pub(crate) fn no_such_call(name: &str, id: u64, args: &[Value<'_>]) -> Failure {
    let failure = receive(name, args);
    if args.len() > 2 && failure != Failure::no_overload() {
        return Failure::new(format!("no such overload: {name} {id}"));
    }
    failure
}

/// That no signature fits the arguments.
fn no_such_overload(name: &str, args: &[Value<'_>]) -> Failure {
    let types: Vec<_> = args.iter().map(Value::type_name).collect();
    Failure::new(format!("no such overload: {name}({})", types.join(", ")))
}

/// Whether a value is of a type, as far as its first part tells.
fn accepts(wanted: &Type, value: &Value<'_>) -> bool {
    match (wanted, value) {
        (Type::Dyn | Type::Param(_), _) => true,
        (Type::List(item), Value::List(list)) => list.get(0).is_none_or(|first| accepts(item, &first)),
        (Type::Map(key, item), Value::Map(map)) => map
            .entries()
            .first()
            .is_none_or(|(own, value)| accepts(key, own) && accepts(item, value)),
        _ => wanted.runtime_name() == value.type_name(),
    }
}

fn list_of(name: &str) -> Type {
    Type::list(Type::param(name))
}

fn map_of(key: &str, value: &str) -> Type {
    Type::map(Type::param(key), Type::param(value))
}
