use go_std::quote;
use gotmpl::{List, Map, Value};

use super::tree::{
    Node, Table, add_to_tables, already_defined, define_table, descend, descend_dotted, insert,
};

/// Deepest nesting by headers, dotted keys, arrays and inline tables; the Go library has no such bound.
const MAX_DEPTH: usize = 500;

/// A TOML text that could not be read; displays as the Go library prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    line: usize,
    last_key: String,
    message: String,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "toml: line {}", self.line)?;
        if !self.last_key.is_empty() {
            write!(f, " (last key {})", quote(self.last_key.as_bytes()))?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a document: integers become `int64`, dates `time.Time`, lists of tables `[]map[string]interface {}`.
pub fn decode(text: &[u8]) -> Result<Map, DecodeError> {
    let lines_to = |end: usize| 1 + text.iter().take(end).filter(|&&b| b == b'\n').count();
    let at_line = |line, message: String| DecodeError {
        line,
        last_key: String::new(),
        message,
    };
    if text.iter().take(6).any(|&b| b == 0) {
        let message = "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8";
        return Err(at_line(1, message.to_owned()));
    }
    let text = std::str::from_utf8(text).map_err(|invalid| {
        let byte = text.get(invalid.valid_up_to()).copied().unwrap_or(0);
        at_line(
            lines_to(invalid.valid_up_to()),
            format!("invalid UTF-8 byte: 0x{byte:02x}"),
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser {
        text,
        at: 0,
        context: Vec::new(),
        current: None,
        root: Table::default(),
    };
    parser.document()?;
    Ok(parser.root.into_map())
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    /// The path of the table that is being filled.
    context: Vec<String>,
    /// The key whose value is being read.
    current: Option<String>,
    root: Table,
}

pub(super) type Parsed<T> = Result<T, DecodeError>;

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

pub(super) fn quoted(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => {
            let text = quote(c.to_string().as_bytes());
            format!("'{}'", text.get(1..text.len() - 1).unwrap_or_default())
        }
    }
}

fn or_end(c: Option<char>) -> String {
    c.map_or_else(|| "end of file".to_owned(), |c| format!("'{c}'"))
}

impl<'t> Parser<'t> {
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(super) fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let before = self.text.get(..self.at).unwrap_or_default();
        let mut line = 1 + before.bytes().filter(|&b| b == b'\n').count();
        if before.ends_with('\n') && line > 1 {
            line -= 1;
        }
        Err(DecodeError {
            line,
            last_key: self.path().join("."),
            message: message.into(),
        })
    }

    fn path(&self) -> Vec<String> {
        self.context.iter().chain(&self.current).cloned().collect()
    }

    fn skip_blanks(&mut self) {
        self.at += self
            .rest()
            .bytes()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
    }

    pub(super) fn at_newline(&self) -> bool {
        self.rest().starts_with('\n') || self.rest().starts_with("\r\n")
    }

    /// Skips a comment up to the end of its line.
    fn skip_comment(&mut self) -> Parsed<()> {
        while let Some(c) = self.peek() {
            if self.at_newline() {
                break;
            }
            if c != '\t' && c.is_ascii_control() {
                return self.control(c);
            }
            self.next();
        }
        Ok(())
    }

    pub(super) fn control<T>(&self, c: char) -> Parsed<T> {
        let code = u32::from(c);
        self.error(format!(
            "TOML files cannot contain control characters: '0x{code:02x}'"
        ))
    }

    /// Skips blanks, line ends and comments.
    fn skip_lines(&mut self) -> Parsed<()> {
        loop {
            self.skip_blanks();
            if self.at_newline() {
                self.accept("\r");
                self.accept("\n");
            } else if self.peek() == Some('#') {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn document(&mut self) -> Parsed<()> {
        loop {
            self.skip_lines()?;
            match self.peek() {
                None => return Ok(()),
                Some('[') => self.header()?,
                Some(_) => self.key_value()?,
            }
            self.skip_blanks();
            if self.peek() == Some('#') {
                self.skip_comment()?;
            }
            if self.at_newline() || self.peek().is_none() {
                continue;
            }
            let found = self.next().map(quoted).unwrap_or_default();
            return self.error(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {found} instead"
            ));
        }
    }

    fn header(&mut self) -> Parsed<()> {
        self.next();
        let is_array = self.accept("[");
        self.context.clear();
        let mut path = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(']') | None => {
                    return self.error("unexpected end of table name (table names cannot be empty)");
                }
                Some('.') => return self.error("unexpected table separator (table names cannot be empty)"),
                Some(_) => path.push(self.simple_key()?),
            }
            self.skip_blanks();
            match self.next() {
                Some('.') => {}
                Some(']') => break,
                other => {
                    let found = quoted(other.unwrap_or('\0'));
                    return self.error(format!(
                        "expected '.' or ']' to end table name, but got {found} instead"
                    ));
                }
            }
        }
        if is_array && !self.accept("]") {
            let found = quoted(self.next().unwrap_or('\0'));
            return self.error(format!(
                "expected end of table array name delimiter ']', but got {found} instead"
            ));
        }
        self.check_depth(path.len())?;
        let Some((last, parents)) = path.split_last() else {
            return Ok(());
        };
        self.context = parents.to_vec();
        let outcome = match descend(&mut self.root, parents) {
            Err(blocked) => {
                self.context.truncate(blocked);
                let blocked = path.get(..=blocked).unwrap_or_default().join(".");
                Err(format!("Key '{blocked}' was already created as a hash."))
            }
            Ok(parent) if is_array => add_to_tables(parent, last, &path),
            Ok(parent) => define_table(parent, last, &path),
        };
        outcome.or_else(|problem| self.error(problem))?;
        self.context = path;
        Ok(())
    }

    /// Reads `a.b = value` into the table at the context.
    fn key_value(&mut self) -> Parsed<()> {
        let key = self.dotted_key()?;
        let value = self.value_of(&key, self.context.len())?;
        let Some((last, parents)) = key.split_last() else {
            return Ok(());
        };
        let path = || self.context.iter().chain(&key).cloned().collect::<Vec<_>>();
        let outcome = descend(&mut self.root, &self.context)
            .map_err(|_| already_defined(&path()))
            .and_then(|table| descend_dotted(table, parents))
            .and_then(|table| insert(table, last, value, path));
        outcome.or_else(|problem| {
            self.context.extend(key);
            self.error(problem)
        })
    }

    /// Reads the value of a key, which error messages name meanwhile.
    fn value_of(&mut self, key: &[String], depth: usize) -> Parsed<Node> {
        let outer = self.context.len();
        let outer_key = self.current.take();
        if let Some((last, parents)) = key.split_last() {
            self.context.extend(parents.iter().cloned());
            self.current = Some(last.clone());
        }
        self.skip_blanks();
        let value = self.value(depth + key.len())?;
        self.context.truncate(outer);
        self.current = outer_key;
        Ok(value)
    }

    fn dotted_key(&mut self) -> Parsed<Vec<String>> {
        let mut key = Vec::new();
        self.skip_blanks();
        match self.peek() {
            Some('=') | None => return self.error("unexpected '=': key name appears blank"),
            Some('.') => return self.error("unexpected '.': keys cannot start with a '.'"),
            Some(_) => {}
        }
        loop {
            self.skip_blanks();
            match self.peek() {
                Some('=') => return self.error("unexpected '='"),
                Some('.') => return self.error("unexpected '.'"),
                _ => key.push(self.simple_key()?),
            }
            self.skip_blanks();
            match self.next() {
                Some('.') => {}
                Some('=') => return Ok(key),
                None => return self.error("unexpected EOF; expected key separator '='"),
                Some(other) => {
                    let found = quoted(other);
                    return self.error(format!("expected '.' or '=', but got {found} instead"));
                }
            }
        }
    }

    fn simple_key(&mut self) -> Parsed<String> {
        match self.peek() {
            Some('"') => {
                self.next();
                self.basic_string()
            }
            Some('\'') => {
                self.next();
                self.literal_string()
            }
            _ => {
                let length = self.rest().find(|c| !is_bare(c)).unwrap_or(self.rest().len());
                let name = self.rest().get(..length).unwrap_or_default().to_owned();
                self.at += length;
                Ok(name)
            }
        }
    }

    fn check_depth(&self, depth: usize) -> Parsed<()> {
        if depth > MAX_DEPTH {
            return self.error("value is nested too deeply");
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Parsed<Node> {
        self.check_depth(depth)?;
        let Some(c) = self.peek() else {
            return self.error("unexpected EOF; expected value");
        };
        let value = match c {
            '[' => self.array(depth)?,
            '{' => return self.inline_table(depth),
            '"' => {
                let text = if self.accept("\"\"\"") {
                    self.multiline_basic()?
                } else {
                    self.basic_value()?
                };
                Value::from(text)
            }
            '\'' => {
                let text = if self.accept("'''") {
                    self.multiline_literal()?
                } else {
                    self.next();
                    self.literal_string()?
                };
                Value::from(text)
            }
            '.' => {
                self.next();
                return self.error("floats must start with a digit, not '.'");
            }
            '0'..='9' | '+' | '-' => self.number_or_date()?,
            _ if self.accept("inf") => Value::Float(f64::INFINITY),
            _ if self.accept("nan") => Value::Float(f64::NAN),
            _ if go_std::unicode::is_letter(c) => self.boolean()?,
            _ => {
                self.next();
                let found = quoted(c);
                return self.error(format!("expected value but found {found} instead"));
            }
        };
        Ok(Node::Value(value))
    }

    fn basic_value(&mut self) -> Parsed<String> {
        self.next();
        self.basic_string()
    }

    fn boolean(&mut self) -> Parsed<Value> {
        let length = self
            .rest()
            .find(|c| !go_std::unicode::is_letter(c))
            .unwrap_or(self.rest().len());
        let word = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            other => self.error(format!(
                "expected value but found {} instead",
                quote(other.as_bytes())
            )),
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<Value> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.skip_lines()?;
            match self.peek() {
                Some(',') => {
                    self.next();
                    return self.error("unexpected comma");
                }
                Some(']') => break,
                _ => items.push(self.value(depth + 1)?.into_value()),
            }
            self.skip_lines()?;
            match self.peek() {
                Some(',') => drop(self.next()),
                Some(']') => break,
                other => {
                    self.next();
                    let found = or_end(other);
                    return self.error(format!(
                        "expected a comma (',') or array terminator (']'), but got {found}"
                    ));
                }
            }
        }
        self.next();
        Ok(Value::List(List::new(items)))
    }

    fn inline_table(&mut self, depth: usize) -> Parsed<Node> {
        self.next();
        let mut table = Table {
            defined: true,
            ..Table::default()
        };
        let outer = self.context.len();
        let outer_key = self.current.take();
        self.context.extend(outer_key.clone());
        loop {
            self.skip_lines()?;
            match self.peek() {
                Some(',') => {
                    self.next();
                    return self.error("unexpected comma");
                }
                Some('}') => break,
                _ => {
                    let key = self.dotted_key()?;
                    let value = self.value_of(&key, depth + 1)?;
                    if let Some((last, parents)) = key.split_last() {
                        self.current = Some(last.clone());
                        let path = || self.context.iter().chain(&key).cloned().collect::<Vec<_>>();
                        let outcome = descend_dotted(&mut table, parents)
                            .and_then(|table| insert(table, last, value, path));
                        outcome.or_else(|problem| self.error(problem))?;
                    }
                }
            }
            self.skip_lines()?;
            match self.peek() {
                Some(',') => drop(self.next()),
                Some('}') => break,
                other => {
                    self.next();
                    let found = or_end(other);
                    return self.error(format!(
                        "expected a comma or an inline table terminator '}}', but got {found} instead"
                    ));
                }
            }
        }
        self.next();
        self.context.truncate(outer);
        self.current = outer_key;
        Ok(Node::Table(table))
    }
}
