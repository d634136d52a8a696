use go_std::format_float;
use gotmpl::{Limits, List, Map, Object, Str, Value};

use crate::bounds::MAX_TEXT;

/// Why a value has no TOML form; displays with the words of the Go library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A list of tables without a key to put them under.
    #[error("toml: top-level values must be Go maps or structs")]
    NoKey,
    /// TOML has no null.
    #[error("toml: cannot encode array with nil element")]
    NilElement,
    /// A function or a complex number.
    #[error("unsupported type: {0}")]
    Unsupported(String),
    /// A function or a complex number in place of a document.
    #[error("unsupported type for key '': {0}")]
    UnsupportedDocument(String),
    /// Nested too deeply, or a value that contains itself.
    #[error("toml: value is nested too deeply, or contains itself")]
    Depth,
    /// Longer than a text may be: each table repeats the names of those that it is in.
    #[error("exceeded maximum string size ({MAX_TEXT} bytes)")]
    Size,
}

/// Lays a value out: scalars and lists first, then tables and lists of tables, each group in byte order of the keys.
///
/// Null entries of maps are left out. Bytes that are not UTF-8 stay as they are.
pub fn encode(value: &Value) -> Result<Vec<u8>, EncodeError> {
    if matches!(value, Value::Complex(..) | Value::Func(_)) {
        return Err(EncodeError::UnsupportedDocument(value.kind().name().to_owned()));
    }
    let mut encoder = Encoder { out: Vec::new() };
    encoder.value(&[], value)?;
    Ok(encoder.out)
}

/// What TOML makes of a value.
#[derive(PartialEq, Eq)]
enum Shape {
    Nothing,
    Scalar,
    Array,
    Table,
    TableArray,
}

struct Encoder {
    out: Vec<u8>,
}

/// The entries of a map or the fields of a struct; structs keep their order.
struct Table {
    entries: Vec<(Str, Value)>,
}

impl Encoder {
    fn value(&mut self, key: &[&[u8]], value: &Value) -> Result<(), EncodeError> {
        if key.len() > Limits::VALUE_DEPTH {
            return Err(EncodeError::Depth);
        }
        self.check_length()?;
        match shape(value, 0)? {
            // Only entries of tables are left out; a nil list that is the document is an empty array.
            Shape::Nothing if !(key.is_empty() && matches!(value, Value::List(_))) => Ok(()),
            Shape::Nothing | Shape::Scalar | Shape::Array => self.key_value(key, value, false),
            Shape::Table => self.table(key, value),
            Shape::TableArray => self.table_array(key, value),
        }
    }

    fn check_length(&self) -> Result<(), EncodeError> {
        if self.out.len() > MAX_TEXT {
            return Err(EncodeError::Size);
        }
        Ok(())
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self, key: &[&[u8]]) {
        self.out
            .extend(std::iter::repeat_n(b' ', 2 * key.len().saturating_sub(1)));
    }

    fn key_value(&mut self, key: &[&[u8]], value: &Value, inline: bool) -> Result<(), EncodeError> {
        let Some(name) = key.last() else {
            return self.element(value, 0);
        };
        self.indent(key);
        write_key(&mut self.out, name);
        self.out.extend_from_slice(b" = ");
        self.element(value, key.len())?;
        if !inline {
            self.newline();
        }
        Ok(())
    }

    fn table(&mut self, key: &[&[u8]], value: &Value) -> Result<(), EncodeError> {
        if key.len() == 1 {
            self.newline();
        }
        if !key.is_empty() {
            self.header(key, "[", "]");
        }
        self.entries(key, &Table::of(value))
    }

    fn table_array(&mut self, key: &[&[u8]], value: &Value) -> Result<(), EncodeError> {
        if key.is_empty() {
            return Err(EncodeError::NoKey);
        }
        for item in value.as_list().map(List::items).into_iter().flatten() {
            self.newline();
            self.header(key, "[[", "]]");
            self.entries(key, &Table::of(&item))?;
        }
        Ok(())
    }

    fn header(&mut self, key: &[&[u8]], open: &str, close: &str) {
        self.indent(key);
        self.out.extend_from_slice(open.as_bytes());
        for (index, name) in key.iter().enumerate() {
            if index > 0 {
                self.out.push(b'.');
            }
            write_key(&mut self.out, name);
        }
        self.out.extend_from_slice(close.as_bytes());
        self.newline();
    }

    fn entries(&mut self, key: &[&[u8]], table: &Table) -> Result<(), EncodeError> {
        let (direct, tables) = table.split()?;
        for (name, value) in direct.into_iter().chain(tables) {
            let mut path = key.to_vec();
            path.push(name);
            self.value(&path, value)?;
        }
        Ok(())
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), EncodeError> {
        self.check_length()?;
        if depth > Limits::VALUE_DEPTH {
            return Err(EncodeError::Depth);
        }
        match value {
            Value::Nil => return Err(EncodeError::NilElement),
            Value::Bool(b) => self.out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Int(n, _) => self.out.extend_from_slice(n.to_string().as_bytes()),
            Value::Uint(n, _) => self.out.extend_from_slice(n.to_string().as_bytes()),
            Value::Float(f) => self.out.extend_from_slice(float(*f).as_bytes()),
            Value::Str(s) => write_quoted(&mut self.out, s),
            Value::List(list) => {
                self.out.push(b'[');
                for (index, item) in list.items().enumerate() {
                    if index > 0 {
                        self.out.extend_from_slice(b", ");
                    }
                    self.element(&item, depth + 1)?;
                }
                self.out.push(b']');
            }
            Value::Map(_) => self.inline_table(&Table::of(value), depth)?,
            Value::Object(object) => self.object(object.as_ref(), value, depth)?,
            Value::Complex(..) | Value::Func(_) => {
                return Err(EncodeError::Unsupported(value.kind().name().to_owned()));
            }
        }
        Ok(())
    }

    fn object(&mut self, object: &dyn Object, value: &Value, depth: usize) -> Result<(), EncodeError> {
        if let Some(text) = crate::dates::toml_text(value) {
            self.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        match object.to_plain() {
            Value::Map(_) => self.inline_table(&Table::of(value), depth),
            plain => self.element(&plain, depth + 1),
        }
    }

    fn inline_table(&mut self, table: &Table, depth: usize) -> Result<(), EncodeError> {
        let (direct, tables) = table.split()?;
        self.out.push(b'{');
        for (group, comma_at_end) in [(&direct, !tables.is_empty()), (&tables, false)] {
            for (index, (name, value)) in group.iter().enumerate() {
                // Left out with its comma in front, as the Go library does.
                if shape(value, depth)? == Shape::Nothing {
                    continue;
                }
                write_key(&mut self.out, name);
                self.out.extend_from_slice(b" = ");
                self.element(value, depth + 1)?;
                if comma_at_end || index + 1 != group.len() {
                    self.out.extend_from_slice(b", ");
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

type Entries<'t> = Vec<(&'t Str, &'t Value)>;

impl Table {
    fn of(value: &Value) -> Self {
        let from_map = |map: &Map| {
            map.entries()
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        };
        let entries = match value {
            Value::Map(map) => from_map(map),
            Value::Object(object) => object
                .fields()
                .into_iter()
                .filter(|(name, _)| name.starts_with(char::is_uppercase))
                .map(|(name, value)| (Str::from(name), value))
                .collect(),
            _ => Vec::new(),
        };
        Self { entries }
    }

    /// What goes on lines of its own table, and what becomes tables.
    fn split(&self) -> Result<(Entries<'_>, Entries<'_>), EncodeError> {
        let (mut direct, mut tables) = (Vec::new(), Vec::new());
        for (key, value) in &self.entries {
            match shape(value, 0)? {
                Shape::Table | Shape::TableArray => tables.push((key, value)),
                _ => direct.push((key, value)),
            }
        }
        Ok((direct, tables))
    }
}

fn shape(value: &Value, depth: usize) -> Result<Shape, EncodeError> {
    if depth > Limits::VALUE_DEPTH {
        return Err(EncodeError::Depth);
    }
    Ok(match value {
        Value::Nil => Shape::Nothing,
        Value::Bool(_) | Value::Int(..) | Value::Uint(..) | Value::Float(_) | Value::Str(_) => Shape::Scalar,
        Value::Map(map) if map.is_nil() => Shape::Nothing,
        Value::Map(_) => Shape::Table,
        Value::List(list) if list.is_nil() => Shape::Nothing,
        Value::List(list) => list_shape(list, depth)?,
        Value::Object(object) if object.basic().is_some() => Shape::Scalar,
        Value::Object(object) => match object.to_plain() {
            Value::Map(_) => Shape::Table,
            _ => Shape::Scalar,
        },
        Value::Complex(..) | Value::Func(_) => {
            return Err(EncodeError::Unsupported(value.kind().name().to_owned()));
        }
    })
}

fn list_shape(list: &List, depth: usize) -> Result<Shape, EncodeError> {
    let mut only_tables = !list.is_empty();
    for item in list.items() {
        match shape(&item, depth + 1)? {
            Shape::Nothing => return Err(EncodeError::NilElement),
            Shape::Table => {}
            _ => only_tables = false,
        }
    }
    Ok(if only_tables {
        Shape::TableArray
    } else {
        Shape::Array
    })
}

fn float(f: f64) -> String {
    if f.is_nan() {
        return (if f.is_sign_negative() { "-nan" } else { "nan" }).to_owned();
    }
    if f.is_infinite() {
        return (if f < 0.0 { "-inf" } else { "inf" }).to_owned();
    }
    let mut text = format_float(f, b'g', None);
    if !text.contains(['e', '.']) {
        text.push_str(".0");
    }
    text
}

fn write_key(out: &mut Vec<u8>, key: &[u8]) {
    let bare = !key.is_empty()
        && key
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare {
        out.extend_from_slice(key);
    } else {
        write_quoted(out, key);
    }
}

fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            0x08 => b"\\b",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            0x0c => b"\\f",
            b'\r' => b"\\r",
            0x00..0x20 | 0x7f => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(short);
    }
    out.push(b'"');
}
