//! JSON objects, and the binary files that are written as such.

use super::Budget;
use crate::error::{EmitError, LoadError};
use crate::limits::Limits;
use crate::numbers;
use crate::tree::{Branch, Item, Key, Value};

/// Reads an object. Keys keep their order and may be there twice. What is cut off, or followed by more, is refused.
pub(crate) fn load(bytes: &[u8], limits: &Limits) -> Result<Branch, LoadError> {
    let mut reader = Reader {
        bytes,
        at: 0,
        budget: Budget::new(limits),
    };
    reader.skip_blanks();
    match reader.peek() {
        Some(b'{') => {}
        Some(b'[') => {
            return Err(syntax(
                "SOPS only supports JSON files with a top-level object (starting with '{'), not arrays or other types. \
                 Got delimiter [ instead. To encrypt this file, wrap it in an object, e.g., {\"data\": [...]}",
            ));
        }
        None => return Err(syntax("EOF")),
        Some(_) => {
            return Err(syntax(
                "SOPS only supports JSON files with a top-level object (starting with '{'), not other JSON types.",
            ));
        }
    }
    let branch = reader.object(1)?;
    reader.skip_blanks();
    if reader.peek().is_some() {
        return Err(syntax("there is more behind the object"));
    }
    Ok(branch)
}

fn syntax(why: &str) -> LoadError {
    LoadError::Syntax(format!("Could not unmarshal input data: {why}"))
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> LoadError {
        match self.peek() {
            None => syntax("unexpected end of JSON input"),
            Some(_) => syntax(&format!("invalid character at byte {}", self.at)),
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), LoadError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn object(&mut self, depth: usize) -> Result<Branch, LoadError> {
        self.budget.take(depth)?;
        self.expect(b'{')?;
        let mut branch = Vec::new();
        if self.eat(b'}') {
            return Ok(branch);
        }
        loop {
            self.skip_blanks();
            let key = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            branch.push(Item::new(key, value));
            if !self.eat(b',') {
                self.expect(b'}')?;
                return Ok(branch);
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, LoadError> {
        self.expect(b'[')?;
        let mut list = Vec::new();
        if self.eat(b']') {
            return Ok(list);
        }
        loop {
            list.push(self.value(depth + 1)?);
            if !self.eat(b',') {
                self.expect(b']')?;
                return Ok(list);
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, LoadError> {
        self.skip_blanks();
        self.budget.take(depth)?;
        match self.peek() {
            Some(b'{') => self.object(depth).map(Value::Branch),
            Some(b'[') => self.list(depth).map(Value::List),
            Some(b'"') => self.string().map(Value::Text),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, LoadError> {
        let is_there = self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if !is_there {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, LoadError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        // The library knows the grammar.
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            self.at = start;
            return Err(self.unexpected());
        }
        if let Some(value) = numbers::parse_int(text) {
            return Ok(Value::Int(value));
        }
        let value = numbers::parse_float(text);
        value.map(Value::Float).ok_or_else(|| {
            syntax(&format!(
                "strconv.ParseFloat: parsing {text:?}: value out of range"
            ))
        })
    }

    /// A string; what is no UTF-8, and half of a pair of surrogates, becomes U+FFFD.
    fn string(&mut self) -> Result<Vec<u8>, LoadError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let byte = self.peek().ok_or_else(|| self.unexpected())?;
            match byte {
                b'"' => {
                    self.at += 1;
                    break;
                }
                b'\\' => self.escape(&mut out)?,
                0..0x20 => return Err(self.unexpected()),
                _ => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
        if std::str::from_utf8(&out).is_ok() {
            return Ok(out);
        }
        let mut valid = String::new();
        for chunk in out.utf8_chunks() {
            valid.push_str(chunk.valid());
            valid.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
        }
        Ok(valid.into_bytes())
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), LoadError> {
        self.at += 1;
        let byte = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let first = self.unit()?;
                let mut found = char::from_u32(first);
                if (0xD800..0xDC00).contains(&first) && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
                    let before = self.at;
                    self.at += 1;
                    let second = self.unit()?;
                    if (0xDC00..0xE000).contains(&second) {
                        found = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
                    } else {
                        self.at = before;
                    }
                }
                let c = found.unwrap_or('\u{FFFD}');
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.unexpected()),
        };
        out.push(byte);
        self.at += 1;
        Ok(())
    }

    /// The four digits behind `u`.
    fn unit(&mut self) -> Result<u32, LoadError> {
        let digits = self.bytes.get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.unexpected())?;
        self.at += 5;
        Ok(unit)
    }
}

/// Prints an object with tabs and without comments.
pub(crate) fn emit(branch: &[Item]) -> Result<Vec<u8>, EmitError> {
    let mut out = String::new();
    write_object(&mut out, branch, 1)?;
    out.push('\n');
    Ok(out.into_bytes())
}

fn write_object(out: &mut String, branch: &[Item], level: usize) -> Result<(), EmitError> {
    let items = branch.iter().filter_map(|item| match &item.key {
        Key::Text(key) => Some((key, &item.value)),
        _ => None,
    });
    let mut is_empty = true;
    out.push('{');
    for (key, value) in items {
        new_line(out, !is_empty, level);
        is_empty = false;
        write_string(out, key);
        out.push_str(": ");
        write_value(out, value, level)?;
    }
    if !is_empty {
        new_line(out, false, level - 1);
    }
    out.push('}');
    Ok(())
}

fn write_list(out: &mut String, list: &[Value], level: usize) -> Result<(), EmitError> {
    let mut is_empty = true;
    out.push('[');
    for value in list.iter().filter(|value| !matches!(value, Value::Comment(_))) {
        new_line(out, !is_empty, level);
        is_empty = false;
        write_value(out, value, level)?;
    }
    if !is_empty {
        new_line(out, false, level - 1);
    }
    out.push(']');
    Ok(())
}

fn new_line(out: &mut String, comma: bool, level: usize) {
    out.push_str(if comma { ",\n" } else { "\n" });
    out.extend(std::iter::repeat_n('\t', level));
}

fn write_value(out: &mut String, value: &Value, level: usize) -> Result<(), EmitError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Uint(value) => out.push_str(&value.to_string()),
        Value::Float(value) => {
            let text = go_std::float::format_json(*value);
            out.push_str(&text.ok_or_else(|| {
                let value = numbers::plain(*value);
                EmitError::Json(format!("Error encoding value : json: unsupported value: {value}"))
            })?);
        }
        Value::Text(text) => write_string(out, text),
        Value::Time(time) => write_string(out, time.exact().as_bytes()),
        Value::Branch(branch) => write_object(out, branch, level + 1)?,
        Value::List(list) => write_list(out, list, level + 1)?,
        Value::Comment(comment) => {
            let fields = [
                Item::new("Value", Value::Text(comment.text.clone())),
                Item::new("Inline", Value::Bool(comment.inline)),
            ];
            write_object(out, &fields, level + 1)?;
        }
    }
    Ok(())
}

/// A string as encoding/json writes it; a byte that is no UTF-8 becomes an escape.
fn write_string(out: &mut String, text: &[u8]) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        let mut quoted = String::new();
        go_yaml::gojson::write_string(&mut quoted, chunk.valid(), true);
        out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
        for _ in chunk.invalid() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

/// The bytes of a binary file.
pub(crate) fn emit_binary(branch: &[Item]) -> Result<Vec<u8>, EmitError> {
    let data = branch.iter().find(|item| item.key_text() == Some(b"data"));
    match data.map(|item| &item.value) {
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(_) => Err(EmitError::Binary(
            "'data' key in tree does not have a string value",
        )),
        None => Err(EmitError::Binary("no binary data found in tree")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Result<String, String> {
        let branch = load(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())?;
        let out = emit(&branch).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn objects_are_printed_as_sops_prints_them() {
        assert_eq!(
            again(r#" {"b": [1, {}, []], "a<": "é\u00e9\ud83d\ude00\ud800x\/\u0007", "a<": 1.0, "n": null, "e": 1e21} "#).unwrap(),
            "{\n\t\"b\": [\n\t\t1,\n\t\t{},\n\t\t[]\n\t],\n\t\"a\\u003c\": \"éé😀\u{fffd}x/\\u0007\",\n\t\"a\\u003c\": 1,\n\t\"n\": null,\n\t\"e\": 1e+21\n}\n"
        );
        assert_eq!(again("{}").unwrap(), "{}\n");
    }

    #[test]
    fn other_things_than_one_object_are_refused() {
        for wrong in [
            "",
            "[]",
            "1",
            "{",
            "{}x",
            "{}{}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":\"\\x\"}",
            "{\"a\":1e999}",
            "{a:1}",
            "{\"a\":tru}",
            "{\"a\":\"\\ud8\"}",
        ] {
            assert!(
                again(wrong)
                    .unwrap_err()
                    .starts_with("Could not unmarshal input data: "),
                "{wrong}"
            );
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(600), "]".repeat(600));
        assert_eq!(again(&deep).unwrap_err(), "the file has more than 512 levels");
    }
}
