//! Types, as the checker reasons about them.

use std::collections::HashMap;
use std::fmt;

/// A type of an expression before it is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Known only when the expression is evaluated.
    Dyn,
    /// Of something that was found to be wrong already.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// The type of types.
    Meta(Option<Box<Type>>),
    /// A type that is found out by what it is used with.
    Param(String),
}

/// What parameters were found to be.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    known: HashMap<String, Type>,
    /// What was known before each change, to take changes back.
    log: Vec<(String, Option<Type>)>,
}

impl Mapping {
    fn add(&mut self, name: &str, to: Type) {
        let before = self.known.insert(name.to_owned(), to);
        self.log.push((name.to_owned(), before));
    }

    fn find(&self, name: &str) -> Option<&Type> {
        self.known.get(name)
    }

    fn take_back(&mut self, mark: usize) {
        while self.log.len() > mark {
            if let Some((name, before)) = self.log.pop() {
                match before {
                    Some(before) => self.known.insert(name, before),
                    None => self.known.remove(&name),
                };
            }
        }
    }

    /// Whether a value of one type may stand where the other is wanted; parameters are found out on the way.
    pub(crate) fn is_assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.are_assignable(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// Like [`Self::is_assignable`] for all of a list; nothing is found out when one does not fit.
    pub(crate) fn are_assignable(&mut self, from: &[Type], to: &[Type]) -> bool {
        let mark = self.log.len();
        let fit = self.all(from, to);
        if fit {
            self.log.clear();
        } else {
            self.take_back(mark);
        }
        fit
    }

    fn all(&mut self, from: &[Type], to: &[Type]) -> bool {
        from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.fits(from, to))
    }

    fn fits(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Param(name) = to {
            match self.substitutes(from, name) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if let Type::Param(name) = from {
            return self.substitutes(to, name).0;
        }
        match (from, to) {
            (Type::Dyn | Type::Error, _) | (_, Type::Dyn | Type::Error) => true,
            (Type::Null, other) | (other, Type::Null) => matches!(
                other,
                Type::Null | Type::Optional(_) | Type::Duration | Type::Timestamp
            ),
            (Type::Meta(_), Type::Meta(_)) => true,
            (Type::List(from), Type::List(to)) | (Type::Optional(from), Type::Optional(to)) => {
                self.fits(from, to)
            }
            (Type::Map(key, value), Type::Map(to_key, to_value)) => {
                self.fits(key, to_key) && self.fits(value, to_value)
            }
            _ => from == to,
        }
    }

    /// Whether a parameter may be a type, and whether it was known before.
    fn substitutes(&mut self, candidate: &Type, name: &str) -> (bool, bool) {
        if matches!(candidate, Type::Param(own) if own == name) {
            return (true, true);
        }
        if let Some(known) = self.find(name).cloned() {
            if *candidate == known {
                return (true, true);
            }
            if self.fits(candidate, &known) {
                let general = most_general(candidate, &known);
                if self.is_not_within(name, &general) {
                    self.add(name, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.is_not_within(name, candidate) {
            self.add(name, candidate.clone());
            return (true, false);
        }
        (false, false)
    }

    fn is_not_within(&self, name: &str, within: &Type) -> bool {
        match within {
            Type::Param(own) if own == name => false,
            Type::Param(own) => self.find(own).is_none_or(|known| self.is_not_within(name, known)),
            Type::List(item) | Type::Optional(item) => self.is_not_within(name, item),
            Type::Meta(Some(item)) => self.is_not_within(name, item),
            Type::Map(key, value) => self.is_not_within(name, key) && self.is_not_within(name, value),
            _ => true,
        }
    }

    /// The type with what is known in the place of parameters, and perhaps `dyn` in the place of the rest.
    pub(crate) fn substitute(&self, of: &Type, rest_is_dyn: bool) -> Type {
        let inner = |of: &Type| Box::new(self.substitute(of, rest_is_dyn));
        match of {
            Type::Param(name) => match self.find(name) {
                Some(known) => self.substitute(known, rest_is_dyn),
                None if rest_is_dyn => Type::Dyn,
                None => of.clone(),
            },
            Type::List(item) => Type::List(inner(item)),
            Type::Optional(item) => Type::Optional(inner(item)),
            Type::Map(key, value) => Type::Map(inner(key), inner(value)),
            Type::Meta(Some(item)) => Type::Meta(Some(inner(item))),
            _ => of.clone(),
        }
    }
}

pub(crate) fn most_general(one: &Type, other: &Type) -> Type {
    if is_no_more_specific(one, other) {
        one.clone()
    } else {
        other.clone()
    }
}

fn is_no_more_specific(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
            is_no_more_specific(one, other)
        }
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            is_no_more_specific(key, other_key) && is_no_more_specific(value, other_value)
        }
        (Type::Meta(_), Type::Meta(_)) => true,
        _ => one == other,
    }
}

impl Type {
    pub(crate) fn list(item: Type) -> Self {
        Type::List(Box::new(item))
    }

    pub(crate) fn map(key: Type, value: Type) -> Self {
        Type::Map(Box::new(key), Box::new(value))
    }

    pub(crate) fn optional(item: Type) -> Self {
        Type::Optional(Box::new(item))
    }

    pub(crate) fn param(name: &str) -> Self {
        Type::Param(name.to_owned())
    }

    pub(crate) fn is_dyn(&self) -> bool {
        matches!(self, Type::Dyn)
    }

    /// The type without the optional around it, and whether there was one.
    pub(crate) fn unwrap_optional(&self) -> (&Type, bool) {
        match self {
            Type::Optional(item) => (item, true),
            _ => (self, false),
        }
    }

    /// The parameters in it, each once.
    pub(crate) fn params<'t>(&'t self, names: &mut Vec<&'t str>) {
        match self {
            Type::Param(name) if !names.contains(&name.as_str()) => names.push(name),
            Type::List(item) | Type::Optional(item) | Type::Meta(Some(item)) => item.params(names),
            Type::Map(key, value) => {
                key.params(names);
                value.params(names);
            }
            _ => {}
        }
    }

    /// The name that the type has at run time.
    pub(crate) fn runtime_name(&self) -> &str {
        match self {
            Type::Dyn => "dyn",
            Type::Error => "error",
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Timestamp => "google.protobuf.Timestamp",
            Type::Duration => "google.protobuf.Duration",
            Type::List(_) => "list",
            Type::Map(..) => "map",
            Type::Optional(_) => "optional_type",
            Type::Meta(_) => "type",
            Type::Param(name) => name,
        }
    }

    fn inner(&self) -> Vec<&Type> {
        match self {
            Type::List(item) | Type::Optional(item) | Type::Meta(Some(item)) => vec![item],
            Type::Map(key, value) => vec![key, value],
            _ => Vec::new(),
        }
    }

    /// As the message about the type of the result shows it, which has names of its own for some.
    pub(crate) fn result_text(&self) -> String {
        if let Type::Param(name) = self {
            return format!("<{name}>");
        }
        let inner: Vec<_> = self.inner().into_iter().map(Type::result_text).collect();
        if inner.is_empty() {
            self.runtime_name().to_owned()
        } else {
            format!("{}({})", self.runtime_name(), inner.join(", "))
        }
    }
}

/// As the messages of the checker show it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Duration => "duration",
            Type::Timestamp => "timestamp",
            Type::Error => "!error!",
            Type::Null => "null",
            _ => self.runtime_name(),
        };
        f.write_str(name)?;
        let inner = self.inner();
        if inner.is_empty() {
            return Ok(());
        }
        f.write_str("(")?;
        for (at, item) in inner.into_iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{item}")?;
        }
        f.write_str(")")
    }
}
