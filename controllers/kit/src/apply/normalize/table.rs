//! The Go types of the built-in kinds, read from a generated table.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Written by `cargo xtask generate go-types`.
const TABLE: &str = include_str!("go-types.txt");

static TYPES: LazyLock<Types> = LazyLock::new(|| Types::read(TABLE));

/// Gives the fields of a built-in kind.
pub(super) fn fields_of_kind(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    let types: &'static Types = &TYPES;
    let name = types.kinds.get(&(api_version, kind))?;
    Some(types.fields(name))
}

/// Gives the fields of a struct that a [`Shape::Struct`] names.
pub(super) fn fields_of_struct(name: &'static str) -> &'static [Field] {
    TYPES.fields(name)
}

/// A field of a Go struct, or of one that lies inline in it.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// Whether its zero value is not written.
    pub(super) omitted: bool,
    pub(super) shape: Shape,
}

/// What a Go type is to JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    String,
    Bool,
    Int32,
    Int64,
    /// Base64.
    Bytes,
    /// RFC 3339 with seconds.
    Time,
    /// RFC 3339 with microseconds.
    MicroTime,
    Quantity,
    IntOrString,
    /// Anything.
    Raw,
    Pointer(Box<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>),
    Struct(&'static str),
}

struct Types {
    kinds: HashMap<(&'static str, &'static str), &'static str>,
    structs: HashMap<&'static str, Vec<Field>>,
}

impl Types {
    fn read(table: &'static str) -> Self {
        let mut types = Self {
            kinds: HashMap::new(),
            structs: HashMap::new(),
        };
        let mut current = None;
        for line in table.lines() {
            let mut words = line.split_ascii_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            match first {
                "#" => {}
                "kind" if !line.starts_with(' ') => {
                    let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    types.kinds.insert((second, kind), name);
                }
                "type" if !line.starts_with(' ') => current = Some(types.structs.entry(second).or_default()),
                name => {
                    if let Some(fields) = &mut current {
                        let bare = name.strip_suffix('?');
                        fields.push(Field {
                            name: bare.unwrap_or(name),
                            omitted: bare.is_some(),
                            shape: Shape::read(second),
                        });
                    }
                }
            }
        }
        types
    }

    fn fields(&self, name: &str) -> &[Field] {
        self.structs.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Shape {
    fn read(text: &'static str) -> Self {
        let inner = |after: &'static str| Box::new(Self::read(after));
        match text {
            "string" => Self::String,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "bytes" => Self::Bytes,
            "time" => Self::Time,
            "microtime" => Self::MicroTime,
            "quantity" => Self::Quantity,
            "intorstring" => Self::IntOrString,
            "raw" => Self::Raw,
            _ => {
                if let Some(to) = text.strip_prefix('*') {
                    Self::Pointer(inner(to))
                } else if let Some(of) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    Self::List(inner(of))
                } else if let Some(of) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                    Self::Map(inner(of))
                } else {
                    Self::Struct(text)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_structs(shape: &Shape) {
        match shape {
            Shape::Struct(name) => assert!(TYPES.structs.contains_key(name), "{name}"),
            Shape::Pointer(inner) | Shape::List(inner) | Shape::Map(inner) => check_structs(inner),
            _ => {}
        }
    }

    #[test]
    fn every_struct_that_the_table_names_is_in_it() {
        assert!(TYPES.kinds.values().all(|name| TYPES.structs.contains_key(name)));
        for field in TYPES.structs.values().flatten() {
            check_structs(&field.shape);
        }
    }

    #[test]
    fn fields_have_names_marks_and_shapes() {
        let fields = fields_of_kind("v1", "Service").unwrap();
        let spec = fields.iter().find(|field| field.name == "spec").unwrap();
        assert_eq!(spec.shape, Shape::Struct("core/v1.ServiceSpec"));
        let ports = &fields_of_struct("core/v1.ServiceSpec")[0];
        assert_eq!((ports.name, ports.omitted), ("ports", true));
        assert_eq!(
            ports.shape,
            Shape::List(Box::new(Shape::Struct("core/v1.ServicePort")))
        );
        assert!(fields_of_kind("example.org/v1", "Service").is_none());
    }
}
