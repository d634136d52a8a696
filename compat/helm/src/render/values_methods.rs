//! The methods of Helm's `common.Values`, which templates can call on `.` and `.Values`.

use gotmpl::{Func, FuncError, Map, Signature, Str, Type, Value};

use crate::prepare::instance::table_at;

/// Finds a method; they shadow keys of the same name.
pub(crate) fn find(receiver: &Value, name: &str) -> Option<Func> {
    let Value::Map(values) = receiver else { return None };
    let values = values.clone();
    Some(match name {
        "AsMap" => Func::new(move || {
            if values.is_empty() {
                Map::new()
            } else {
                values.with_type(Type::MAP)
            }
        }),
        "YAML" => Func::new(move || {
            let text = go_yaml::sigs::to_string(&Value::from(values.clone()));
            text.map_err(|error| FuncError::new(error.to_string()))
        }),
        "Table" => {
            let returns = values.ty();
            let signature = Signature {
                params: vec![Type::String],
                variadic: false,
                returns,
            };
            Func::with_signature(signature, move |_, args| table(&values, args).map(Value::from))
        }
        "PathValue" => Func::new(move |path: Str| path_value(&values, &path.to_string_lossy())),
        // Its parameter is an io.Writer, which no template has.
        "Encode" => Func::with_signature(
            Signature {
                params: vec![Type::Pointer],
                variadic: false,
                returns: Type::Any,
            },
            |_, _| Err(FuncError::new("Encode needs an io.Writer")),
        ),
        _ => return None,
    })
}

fn table(values: &Map, args: &[Value]) -> Result<Map, FuncError> {
    let path = args
        .first()
        .and_then(Value::as_str)
        .map(|path| path.to_string_lossy().into_owned());
    let path = path.unwrap_or_default();
    if let Some(table) = table_at(values, &path) {
        return Ok(table.with_type(values.ty()));
    }
    let mut reached = values.clone();
    let missing = path.split('.').find(|key| match reached.get(key) {
        Some(Value::Map(inner)) => {
            reached = inner;
            false
        }
        _ => true,
    });
    Err(FuncError::new(format!(
        "{} is not a table",
        go_std::quote(missing.unwrap_or_default())
    )))
}

fn path_value(values: &Map, path: &str) -> Result<Value, FuncError> {
    if path.is_empty() {
        return Err(FuncError::new("YAML path cannot be empty"));
    }
    let (tables, key) = path
        .rsplit_once('.')
        .map_or((None, path), |(tables, key)| (Some(tables), key));
    let table = match tables {
        None => Some(values.clone()),
        Some(tables) => table_at(values, tables),
    };
    match table.and_then(|table| table.get(key)) {
        Some(value) if !matches!(value, Value::Map(_)) => Ok(value),
        _ => Err(FuncError::new(format!("{} is not a value", go_std::quote(key)))),
    }
}
