//! Versions as templates see them: `*semver.Version`, and `semver.Version` as its methods return it.

use gotmpl::{
    Context, FromArg, Func, FuncError, FuncMap, IntoReturn, NamedType, Object, Str, Type, UintType, Value,
};

use super::{Constraints, Version};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("semver", |cx: &mut Context<'_>, text: Str| {
            charge(cx, text.len())?;
            parse(&text).map(Pointer)
        })
        .add(
            "semverCompare",
            |cx: &mut Context<'_>, constraint: Str, version: Str| {
                charge(cx, constraint.len() + version.len())?;
                if let Some(group) = constraint
                    .split(|&b| b == b'|')
                    .find(|group| std::str::from_utf8(group).is_err())
                {
                    return Err(FuncError::new(format!(
                        "improper constraint: {}",
                        go_std::quote(group)
                    )));
                }
                let constraint = Constraints::parse(&constraint.to_string_lossy())
                    .map_err(|e| FuncError::new(e.to_string()))?;
                Ok::<_, FuncError>(constraint.check(&parse(&version)?))
            },
        );
}

/// Counts what it takes to read a version or a constraint.
fn charge(cx: &mut Context<'_>, bytes: usize) -> Result<(), FuncError> {
    const STEPS: u64 = 64;
    cx.charge(STEPS + 4 * bytes as u64)
}

/// What Sprig's `deepCopy` makes of a version: one without its fields, which are not exported.
pub(crate) fn deep_copy(value: &Value) -> Option<Value> {
    let nothing = || Version {
        original: String::new(),
        ..Version::new(0, 0, 0)
    };
    if value.downcast::<Pointer>().is_some() {
        return Some(Value::object(Pointer(nothing())));
    }
    value.downcast::<Plain>().map(|_| Value::object(Plain(nothing())))
}

fn parse(text: &Str) -> Result<Version, FuncError> {
    Version::parse(&text.to_string_lossy()).map_err(|error| FuncError::new(error.to_string()))
}

static POINTER: NamedType = NamedType::new("*semver.Version", Type::Pointer);
static STRUCT: NamedType = NamedType::new("semver.Version", Type::Struct);

/// A `*semver.Version`.
#[derive(Debug, Clone)]
struct Pointer(Version);

/// A `semver.Version`.
#[derive(Debug, Clone)]
struct Plain(Version);

fn fields(version: &Version) -> Vec<(&'static str, Value)> {
    let number = |n| Value::Uint(n, UintType::Uint64);
    vec![
        ("major", number(version.major)),
        ("minor", number(version.minor)),
        ("patch", number(version.patch)),
        ("pre", Value::from(version.prerelease.as_str())),
        ("metadata", Value::from(version.metadata.as_str())),
        ("original", Value::from(version.original.as_str())),
    ]
}

impl Object for Pointer {
    fn type_info(&self) -> &'static NamedType {
        &POINTER
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        fields(&self.0)
    }

    fn method(&self, name: &str) -> Option<Func> {
        pointer_method(&self.0, name).or_else(|| method(&self.0, name))
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.to_string().into())
    }

    fn to_plain(&self) -> Value {
        Value::from(self.0.to_string())
    }
}

impl Object for Plain {
    fn type_info(&self) -> &'static NamedType {
        &STRUCT
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        fields(&self.0)
    }

    fn method(&self, name: &str) -> Option<Func> {
        method(&self.0, name)
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.to_string().into())
    }

    fn to_plain(&self) -> Value {
        Value::from(self.0.to_string())
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = (other as &dyn std::any::Any).downcast_ref::<Self>()?;
        Some(self.0.original == other.0.original && self.0.to_string() == other.0.to_string())
    }
}

/// Methods that are there for values and pointers.
fn method(version: &Version, name: &str) -> Option<Func> {
    let version = version.clone();
    Some(match name {
        "Major" => Func::new(move || version.major),
        "Minor" => Func::new(move || version.minor),
        "Patch" => Func::new(move || version.patch),
        "Prerelease" => Func::new(move || version.prerelease.clone()),
        "Metadata" => Func::new(move || version.metadata.clone()),
        "String" => Func::new(move || version.to_string()),
        "IncMajor" => Func::new(move || Plain(version.next_major())),
        "IncMinor" => Func::new(move || Plain(version.next_minor())),
        "IncPatch" => Func::new(move || Plain(version.next_patch())),
        "SetPrerelease" => Func::new(move |text: Str| {
            let changed = version.with_prerelease(&text.to_string_lossy());
            changed
                .map(Plain)
                .map_err(|error| FuncError::new(error.to_string()))
        }),
        "SetMetadata" => Func::new(move |text: Str| {
            let changed = version.with_metadata(&text.to_string_lossy());
            changed
                .map(Plain)
                .map_err(|error| FuncError::new(error.to_string()))
        }),
        _ => return None,
    })
}

/// Methods that are there for pointers only.
fn pointer_method(version: &Version, name: &str) -> Option<Func> {
    let version = version.clone();
    Some(match name {
        "Original" => Func::new(move || version.original.clone()),
        "Compare" => Func::new(move |other: Pointer| version.cmp(&other.0) as isize),
        "Equal" => Func::new(move |other: Pointer| version == other.0),
        "LessThan" => Func::new(move |other: Pointer| version < other.0),
        "LessThanEqual" => Func::new(move |other: Pointer| version <= other.0),
        "GreaterThan" => Func::new(move |other: Pointer| version > other.0),
        "GreaterThanEqual" => Func::new(move |other: Pointer| version >= other.0),
        _ => return None,
    })
}

impl FromArg for Pointer {
    const TYPE: Type = Type::Named(&POINTER);

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        value
            .downcast::<Self>()
            .cloned()
            .ok_or_else(crate::nil_dereference)
    }
}

impl IntoReturn for Pointer {
    const TYPE: Type = Type::Named(&POINTER);

    fn into_return(self) -> Result<Value, FuncError> {
        Ok(Value::object(self))
    }
}

impl IntoReturn for Plain {
    const TYPE: Type = Type::Named(&STRUCT);

    fn into_return(self) -> Result<Value, FuncError> {
        Ok(Value::object(self))
    }
}
