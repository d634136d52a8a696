//! JSON as Go's encoding/json writes and reads it, straight from and to template values.

use gotmpl::{FuncError, Limits, List, Map, Object, Str, Type, Value};

use crate::bounds::{Budget, check_size, check_text};

/// How JSON is written.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Whether `<`, `>` and `&` are escaped.
    pub(crate) escape_html: bool,
    /// Whether values stand on lines of their own, indented by two blanks per level.
    pub(crate) pretty: bool,
}

/// `json.Marshal`, or one of its variants.
pub(crate) fn encode(value: &Value, style: Style) -> Result<String, FuncError> {
    check_size(value)?;
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out)
}

/// Whether [`encode`] could write the value, and its error if not.
pub(crate) fn check(value: &Value) -> Result<(), FuncError> {
    check_nested(value, 0, &mut Budget::default())
}

fn check_nested(value: &Value, level: usize, budget: &mut Budget) -> Result<(), FuncError> {
    budget.spend()?;
    match value {
        Value::List(list) => {
            too_deep(value, level)?;
            list.items()
                .try_for_each(|item| check_nested(&item, level + 1, budget))
        }
        Value::Map(map) => {
            too_deep(value, level)?;
            let entries = map.entries();
            budget.spend_map(entries.len())?;
            entries
                .values()
                .try_for_each(|value| check_nested(value, level + 1, budget))
        }
        Value::Float(f) if !f.is_finite() => Err(not_finite(*f)),
        Value::Complex(..) | Value::Func(_) => Err(unsupported(value)),
        _ => Ok(()),
    }
}

fn too_deep(value: &Value, level: usize) -> Result<(), FuncError> {
    if level <= Limits::VALUE_DEPTH {
        return Ok(());
    }
    let via = value.type_name();
    Err(FuncError::new(format!(
        "json: unsupported value: encountered a cycle via {via}"
    )))
}

fn not_finite(f: f64) -> FuncError {
    let name = if f.is_nan() {
        "NaN"
    } else if f > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    FuncError::new(format!("json: unsupported value: {name}"))
}

fn unsupported(value: &Value) -> FuncError {
    FuncError::new(format!("json: unsupported type: {}", value.type_name()))
}

fn write(out: &mut String, value: &Value, style: Style, level: usize) -> Result<(), FuncError> {
    too_deep(value, level)?;
    check_text(out.len())?;
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, _) => out.push_str(&n.to_string()),
        Value::Uint(n, _) => out.push_str(&n.to_string()),
        Value::Float(f) => {
            let text = go_yaml::float::format_json(*f).ok_or_else(|| not_finite(*f))?;
            out.push_str(&text);
        }
        Value::Str(s) => write_string(out, s, style),
        Value::List(list) if list.is_nil() => out.push_str("null"),
        Value::List(list) => match list.as_bytes() {
            Some(bytes) => {
                out.push('"');
                out.push_str(&crate::encoding::base64(&bytes));
                out.push('"');
            }
            None => write_items(out, '[', ']', list.items(), style, level, |out, item| {
                write(out, &item, style, level + 1)
            })?,
        },
        Value::Map(map) if map.is_nil() => out.push_str("null"),
        Value::Map(map) => {
            let entries = map.entries();
            write_items(
                out,
                '{',
                '}',
                entries.iter(),
                style,
                level,
                |out, (key, value)| {
                    write_string(out, key, style);
                    out.push_str(if style.pretty { ": " } else { ":" });
                    write(out, value, style, level + 1)
                },
            )?;
        }
        Value::Object(object) => write_object(out, object.as_ref(), style, level)?,
        Value::Complex(..) | Value::Func(_) => return Err(unsupported(value)),
    }
    Ok(())
}

/// Structs keep the order of their fields; other objects say themselves what they are.
fn write_object(out: &mut String, object: &dyn Object, style: Style, level: usize) -> Result<(), FuncError> {
    let plain = object.to_plain();
    if !matches!(plain, Value::Map(_)) {
        return write(out, &plain, style, level + 1);
    }
    if object.basic().is_some() {
        return write(out, &plain, style, level);
    }
    write_items(
        out,
        '{',
        '}',
        object.json_fields().into_iter(),
        style,
        level,
        |out, (key, value)| {
            write_string(out, key.as_bytes(), style);
            out.push_str(if style.pretty { ": " } else { ":" });
            write(out, &value, style, level + 1)
        },
    )
}

fn write_items<I: ExactSizeIterator>(
    out: &mut String,
    open: char,
    close: char,
    items: I,
    style: Style,
    level: usize,
    mut each: impl FnMut(&mut String, I::Item) -> Result<(), FuncError>,
) -> Result<(), FuncError> {
    out.push(open);
    if items.len() > 0 {
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(',');
            }
            new_line(out, style, level + 1);
            each(out, item)?;
        }
        new_line(out, style, level);
    }
    out.push(close);
    Ok(())
}

fn new_line(out: &mut String, style: Style, level: usize) {
    if style.pretty {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}

fn write_string(out: &mut String, text: &[u8], style: Style) {
    if let Ok(text) = std::str::from_utf8(text) {
        go_yaml::gojson::write_string(out, text, style.escape_html);
    } else {
        // Each invalid byte becomes the escape of U+FFFD, a valid U+FFFD stays.
        out.push('"');
        for chunk in text.utf8_chunks() {
            let mut part = String::new();
            go_yaml::gojson::write_string(&mut part, chunk.valid(), style.escape_html);
            out.push_str(part.get(1..part.len() - 1).unwrap_or_default());
            out.extend(chunk.invalid().iter().map(|_| "\\ufffd"));
        }
        out.push('"');
    }
}

/// What was read, and the first complaint about a value that does not fit its Go type.
pub(crate) struct Decoded {
    pub(crate) value: Value,
    pub(crate) misfit: Option<String>,
}

/// `json.Unmarshal` into `any`: numbers become floats. An error is one of syntax.
pub(crate) fn decode(text: &[u8]) -> Result<Decoded, String> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.unexpected("after top-level value"));
    }
    Ok(Decoded {
        value,
        misfit: reader.misfit,
    })
}

/// Reads the JSON value that a text begins with, whatever follows it, and tells where it ends; numbers become floats.
pub fn from_json_prefix(text: &[u8]) -> Result<(Value, usize), String> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let value = reader.value()?;
    reader.misfit.map_or(Ok((value, reader.at)), Err)
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    misfit: Option<String>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            misfit: None,
        }
    }
    /// Go's own bound.
    const MAX_DEPTH: usize = 10_000;
    /// Deeper values could not be printed or compared anyway.
    const MAX_VALUE_DEPTH: usize = Limits::VALUE_DEPTH;

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error about the current byte, or about the end of the text.
    fn unexpected(&self, context: &str) -> String {
        if self.peek().is_none() {
            return "unexpected end of JSON input".to_owned();
        }
        self.unexpected_inside(context)
    }

    /// The error about the current byte inside of a token, where the end of the text counts as a blank.
    fn unexpected_inside(&self, context: &str) -> String {
        let byte = self.peek().unwrap_or(b' ');
        let quoted = match byte {
            b'\'' => "'\\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            _ => {
                let quoted = gotmpl::quote(char::from(byte).to_string().as_bytes());
                format!("'{}'", quoted.get(1..quoted.len() - 1).unwrap_or_default())
            }
        };
        format!("invalid character {quoted} {context}")
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::from),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > Self::MAX_DEPTH.min(Self::MAX_VALUE_DEPTH) {
            return Err("exceeded max depth".to_owned());
        }
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, String> {
        let mut entries = std::collections::BTreeMap::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::new()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value()?;
            entries.insert(Str::from(key), value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(Map::typed(Type::MAP, entries)));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            self.skip_space();
        }
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(List::new(items)));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(List::new(items)));
                }
                _ => return Err(self.unexpected("after array element")),
            }
            self.skip_space();
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expecting = char::from(expected);
                return Err(self.unexpected_inside(&format!("in literal {word} (expecting '{expecting}')")));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected_inside("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Value::Float(float)),
            _ => {
                self.misfit.get_or_insert_with(|| {
                    format!("json: cannot unmarshal number {text} into Go value of type float64")
                });
                Ok(Value::Nil)
            }
        }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &str) -> Result<(), String> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected_inside(context));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|b| b >= b' ' && b != b'"' && b != b'\\') {
                self.at += 1;
            }
            // Each invalid byte is one U+FFFD.
            for chunk in self.text.get(start..self.at).unwrap_or_default().utf8_chunks() {
                out.push_str(chunk.valid());
                out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.unexpected_inside("in string escape code")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode_escape(&mut self) -> Result<char, String> {
        let first = self.hex4()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        // A high surrogate needs a low one behind it; anything else stands for itself afterwards.
        let after_first = self.at;
        if (0xd800..0xdc00).contains(&first) && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_first;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected_inside("in \\u hexadecimal character escape"));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}
