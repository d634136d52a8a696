//! The grammar of `--set` and its relatives.

use std::iter::Peekable;
use std::str::Chars;

use crate::{go, values};
use gotmpl::{IntType, List, Map, Value};

/// The largest index that a path may name, as in Helm.
const MAX_INDEX: usize = 65_536;
/// How many names, and apart from that how many indexes, a path may nest; the former as in Helm.
const MAX_NESTED: usize = 30;
/// How many list elements one argument may create; Helm has no such bound.
const MAX_ELEMENTS: usize = 1 << 20;

/// An argument that breaks the grammar, or that does not fit the values it is written into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrvalsError {
    /// A key is not followed by a value.
    #[error("key {0} has no value")]
    NoValue(String),
    /// A key is followed by a comma.
    #[error("key {0} has no value (cannot end with ,)")]
    Comma(String),
    /// A key of a table leads to nothing.
    #[error("key map {0} has no value")]
    NoMapValue(String),
    /// A path nests too many names.
    #[error("value name nested level is greater than maximum supported nested level of {MAX_NESTED}")]
    TooManyNames,
    /// A path nests too many indexes; a limit that Helm does not have.
    #[error("value index nested level is greater than maximum supported nested level of {MAX_NESTED}")]
    TooManyIndexes,
    /// The lists grow beyond a limit that Helm does not have.
    #[error("lists of more than {MAX_ELEMENTS} elements in one argument are not supported")]
    TooManyElements,
    /// An index is not a number.
    #[error("error parsing index: {0}")]
    Index(String),
    /// An index is below zero.
    #[error("negative {0} index not allowed")]
    NegativeIndex(i64),
    /// An index is too large.
    #[error("index of {0} is greater than maximum supported index of {MAX_INDEX}")]
    LargeIndex(i64),
    /// Text stands between `]` and what must follow it.
    #[error("unexpected data at end of array index: {0}")]
    AfterIndex(String),
    /// A list in braces does not end.
    #[error("list must terminate with '}}'")]
    OpenList,
    /// The path leads through a value of another type.
    #[error("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")]
    Type {
        /// The Go type of the value.
        found: String,
        /// The Go type that the path needs.
        wanted: &'static str,
    },
    /// A JSON value is malformed.
    #[error("{0}")]
    Json(String),
    /// The file that a value names cannot be read.
    #[error("{0}")]
    File(String),
}

/// Writes `--set` pairs into values: text that reads as a boolean, null or a decimal integer gets that type.
pub fn set(argument: &str, values: &Map) -> Result<(), StrvalsError> {
    Parser::new(argument, Reader::Typed).run(values)
}

/// Writes `--set-string` pairs into values: everything stays text.
pub fn set_string(argument: &str, values: &Map) -> Result<(), StrvalsError> {
    Parser::new(argument, Reader::Text).run(values)
}

/// Writes `--set-json` pairs into values: each value is JSON.
pub fn set_json(argument: &str, values: &Map) -> Result<(), StrvalsError> {
    Parser::new(argument, Reader::Json).run(values)
}

/// Writes the one `--set-literal` pair into values: all that follows the `=` is text, without escapes.
pub fn set_literal(argument: &str, values: &Map) -> Result<(), StrvalsError> {
    Parser::new(argument, Reader::Literal).run(values)
}

/// Writes `--set-file` pairs into values: `read` turns each value, a file name, into the file's content.
pub fn set_file(
    argument: &str,
    values: &Map,
    read: &mut dyn FnMut(&str) -> Result<Value, String>,
) -> Result<(), StrvalsError> {
    Parser::new(argument, Reader::File(read)).run(values)
}

/// How the text after a `=` becomes a value.
enum Reader<'r> {
    Typed,
    Text,
    Json,
    Literal,
    File(&'r mut dyn FnMut(&str) -> Result<Value, String>),
}

/// Why a step of the parser ended early.
enum Stop {
    /// The argument is used up, which is no error wherever it happens.
    End,
    Error(StrvalsError),
}

impl From<StrvalsError> for Stop {
    fn from(error: StrvalsError) -> Self {
        Self::Error(error)
    }
}

struct Parser<'a, 'r> {
    rest: Peekable<Chars<'a>>,
    reader: Reader<'r>,
    elements: usize,
}

/// Text up to a stop character, and that character unless the argument ended.
struct Token {
    text: String,
    stop: Option<char>,
}

impl<'a, 'r> Parser<'a, 'r> {
    fn new(argument: &'a str, reader: Reader<'r>) -> Self {
        Self {
            rest: argument.chars().peekable(),
            reader,
            elements: 0,
        }
    }

    fn run(mut self, values: &Map) -> Result<(), StrvalsError> {
        loop {
            match self.key(values, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Error(error)) => return Err(error),
            }
        }
    }

    fn token(&mut self, stops: &[char]) -> Token {
        let escapes = !matches!(self.reader, Reader::Literal);
        let mut text = String::new();
        while let Some(c) = self.rest.next() {
            if stops.contains(&c) {
                return Token { text, stop: Some(c) };
            }
            if c == '\\' && escapes {
                text.extend(self.rest.next());
            } else {
                text.push(c);
            }
        }
        Token { text, stop: None }
    }

    /// Reads one `path=value` pair into a table.
    fn key(&mut self, table: &Map, level: usize) -> Result<(), Stop> {
        let stops: &[char] = match self.reader {
            Reader::Literal => &['=', '[', '.'],
            _ => &['=', '[', ',', '.'],
        };
        let Token { text: key, stop } = self.token(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Err(StrvalsError::NoValue(go_std::quote(&key)).into()),
            Some('=') => self.pair(table, &key),
            Some('[') => {
                let index = self.index()?;
                let list = match table.get(&key) {
                    None => List::default(),
                    Some(value) => expect_list(&value)?,
                };
                let (list, result) = self.item(&list, index, level, 0);
                // The list is there even if the argument ends before its value.
                put(table, &key, list.into());
                result
            }
            Some('.') => {
                if level == MAX_NESTED {
                    return Err(StrvalsError::TooManyNames.into());
                }
                let inner = match table.get(&key) {
                    None => Map::new(),
                    Some(value) => expect_table(&value)?,
                };
                let result = self.key(&inner, level + 1);
                if !inner.is_empty() {
                    put(table, &key, inner.into());
                } else if result.is_ok() {
                    return Err(StrvalsError::NoMapValue(go_std::quote(&key)).into());
                }
                result
            }
            Some(_) => Err(StrvalsError::Comma(go_std::quote(&key)).into()),
        }
    }

    fn pair(&mut self, table: &Map, key: &str) -> Result<(), Stop> {
        if self.rest.peek().is_none() && matches!(self.reader, Reader::Typed | Reader::Text | Reader::File(_))
        {
            put(table, key, Value::from(""));
            return Err(Stop::End);
        }
        let value = self.value()?;
        put(table, key, value);
        Ok(())
    }

    /// Reads the value after a `=` and the comma after it.
    fn value(&mut self) -> Result<Value, Stop> {
        match self.reader {
            Reader::Literal => Ok(Value::from(self.rest.by_ref().collect::<String>())),
            Reader::Json => self.json(),
            _ if self.rest.peek() == Some(&'{') => self.braces(),
            _ => {
                let text = self.token(&[',']).text;
                self.scalar(text)
            }
        }
    }

    fn scalar(&mut self, text: String) -> Result<Value, Stop> {
        match &mut self.reader {
            Reader::Typed => Ok(typed(text)),
            Reader::File(read) => read(&text).map_err(|error| StrvalsError::File(error).into()),
            _ => Ok(Value::from(text)),
        }
    }

    /// Reads a list in braces: `{a,b}`.
    fn braces(&mut self) -> Result<Value, Stop> {
        self.rest.next();
        let mut items = Vec::new();
        loop {
            let Token { text, stop } = self.token(&[',', '}']);
            if stop.is_none() {
                return Err(StrvalsError::OpenList.into());
            }
            items.push(self.scalar(text)?);
            if stop == Some('}') {
                self.rest.next_if_eq(&',');
                return Ok(List::new(items).into());
            }
        }
    }

    fn json(&mut self) -> Result<Value, Stop> {
        if self.skip_blanks() {
            return Ok(Value::Nil);
        }
        let text: String = self.rest.clone().collect();
        let (value, end) = sprig::from_json_prefix(text.as_bytes()).map_err(StrvalsError::Json)?;
        let used = text.get(..end).map_or(0, |used| used.chars().count());
        self.rest.by_ref().take(used).for_each(drop);
        self.skip_blanks();
        Ok(value)
    }

    /// Skips blanks and a comma; returns whether there is no value before the comma or the end.
    fn skip_blanks(&mut self) -> bool {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
        self.rest.peek().is_none() || self.rest.next_if_eq(&',').is_some()
    }

    /// Reads the rest of an index: its number and the `]`.
    fn index(&mut self) -> Result<i64, Stop> {
        let Token { text, stop } = self.token(&[']']);
        if stop.is_none() {
            return Err(Stop::End);
        }
        Ok(go_std::atoi(&text).map_err(|error| StrvalsError::Index(error.of_call("Atoi", &text)))?)
    }

    /// Reads what follows the `]` of an index; returns the list with that element set.
    ///
    /// As in Helm, an element that exists is set in place, which everybody sees who shares the list; a list that has to
    /// grow becomes another one. If reading fails, the list is as far as it was changed by then.
    fn item(&mut self, list: &List, index: i64, level: usize, depth: usize) -> (List, Result<(), Stop>) {
        match self.element(list, index, level, depth) {
            Ok(list) => (list, Ok(())),
            Err(stop) => (list.clone(), Err(stop)),
        }
    }

    fn element(&mut self, list: &List, index: i64, level: usize, depth: usize) -> Result<List, Stop> {
        if depth == MAX_NESTED {
            return Err(StrvalsError::TooManyIndexes.into());
        }
        let at = usize::try_from(index).map_err(|_| StrvalsError::NegativeIndex(index))?;
        let Token { text, stop } = self.token(&['[', '.', '=']);
        if !text.is_empty() {
            let runes: Vec<String> = text.chars().map(go_std::quote_rune).collect();
            return Err(StrvalsError::AfterIndex(format!("[{}]", runes.join(" "))).into());
        }
        let value = match stop {
            None => return Err(Stop::End),
            Some('=') if self.rest.peek().is_none() => match self.reader {
                Reader::Json => Value::Nil,
                _ => Value::from(""),
            },
            Some('=') => self.value()?,
            Some('[') => {
                let next = self.index()?;
                let inner = match list.get(at) {
                    None | Some(Value::Nil) => List::default(),
                    Some(value) => expect_list(&value)?,
                };
                let (inner, result) = self.item(&inner, next, level, depth + 1);
                result?;
                inner.into()
            }
            Some(_) => {
                let inner = match list.get(at) {
                    Some(Value::Map(table)) => table,
                    Some(_) => {
                        let inner = Map::new();
                        list.set(at, inner.clone().into());
                        inner
                    }
                    None => Map::new(),
                };
                self.key(&inner, level)?;
                inner.into()
            }
        };
        self.set_item(list, at, value).map_err(Stop::Error)
    }

    fn set_item(&mut self, list: &List, at: usize, value: Value) -> Result<List, StrvalsError> {
        if at > MAX_INDEX {
            return Err(StrvalsError::LargeIndex(at as i64));
        }
        if at < list.len() {
            list.set(at, value);
            return Ok(list.clone());
        }
        self.elements += at + 1;
        if self.elements > MAX_ELEMENTS {
            return Err(StrvalsError::TooManyElements);
        }
        let mut items: Vec<Value> = list.items().collect();
        items.resize(at, Value::Nil);
        items.push(value);
        Ok(List::new(items))
    }
}

/// Sets an entry; an empty key is dropped, as in Helm.
fn put(table: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        values::insert(table, key, value);
    }
}

fn expect_list(value: &Value) -> Result<List, StrvalsError> {
    match value {
        Value::List(list) => Ok(list.clone()),
        other => Err(StrvalsError::Type {
            found: go::type_name(other),
            wanted: "[]interface {}",
        }),
    }
}

fn expect_table(value: &Value) -> Result<Map, StrvalsError> {
    match value {
        Value::Map(table) => Ok(table.clone()),
        other => Err(StrvalsError::Type {
            found: go::type_name(other),
            wanted: "map[string]interface {}",
        }),
    }
}

/// Gives text the type that `--set` sees in it.
fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    if text == "0" {
        return Value::Int(0, IntType::Int64);
    }
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::Int(number, IntType::Int64),
        _ => Value::from(text),
    }
}
