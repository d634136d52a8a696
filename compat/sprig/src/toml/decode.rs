use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gotmpl::{List, Map, NumError, Str, Type, Value, parse_float, parse_int, quote};

use crate::dates::{Time, Zone};

/// Deepest nesting of arrays and inline tables; the Go library has no such bound.
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

#[derive(Default)]
struct Table {
    entries: BTreeMap<String, Node>,
    /// Whether a header has defined it, so that no other can.
    defined: bool,
}

enum Node {
    Value(Value),
    Table(Table),
    Tables(Vec<Table>),
}

impl Table {
    fn into_map(self) -> Map {
        let entries = self
            .entries
            .into_iter()
            .map(|(key, node)| (Str::from(key), node.into_value()));
        Map::typed(Type::MAP, entries.collect())
    }
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Node::Value(value) => value,
            Node::Table(table) => Value::Map(table.into_map()),
            Node::Tables(tables) => {
                let tables = tables
                    .into_iter()
                    .map(|table| Value::Map(table.into_map()))
                    .collect();
                Value::List(List::typed(Type::Slice(&Type::MAP), tables))
            }
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// The path of the table that is being filled.
    context: Vec<String>,
    /// The key whose value is being read.
    current: Option<String>,
    root: Table,
}

type Parsed<T> = Result<T, DecodeError>;

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn quoted(c: char) -> String {
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
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
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

    fn at_newline(&self) -> bool {
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

    fn control<T>(&self, c: char) -> Parsed<T> {
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
        let value = self.value_of(&key, 0)?;
        let Some((last, parents)) = key.split_last() else {
            return Ok(());
        };
        let path: Vec<String> = self.context.iter().chain(&key).cloned().collect();
        let outcome = descend(&mut self.root, &self.context)
            .map_err(|_| already_defined(&path))
            .and_then(|table| descend_dotted(table, parents))
            .and_then(|table| insert(table, last, value, &path));
        outcome.or_else(|problem| {
            self.context = path;
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
        let value = self.value(depth)?;
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

    fn value(&mut self, depth: usize) -> Parsed<Node> {
        if depth > MAX_DEPTH {
            return self.error("value is nested too deeply");
        }
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
            _ if gotmpl::is_letter(c) => self.boolean()?,
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
            .find(|c| !gotmpl::is_letter(c))
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
                    let path: Vec<String> = self.context.iter().chain(&key).cloned().collect();
                    if let Some((last, parents)) = key.split_last() {
                        self.current = Some(last.clone());
                        let outcome = descend_dotted(&mut table, parents)
                            .and_then(|table| insert(table, last, value, &path));
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

    /// Reads up to the closing quote of a string on one line.
    fn basic_string(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        loop {
            match self.peek() {
                None => return self.error("unexpected EOF; expected '\"'"),
                Some(_) if self.at_newline() => return self.error("strings cannot contain newlines"),
                Some('"') => {
                    self.next();
                    return Ok(out);
                }
                Some('\\') => {
                    self.next();
                    self.escape(&mut out, start)?;
                }
                Some(c) if c != '\t' && c.is_ascii_control() => return self.control(c),
                Some(c) => {
                    self.next();
                    out.push(c);
                }
            }
        }
    }

    fn literal_string(&mut self) -> Parsed<String> {
        let start = self.at;
        loop {
            match self.peek() {
                None => return self.error("unexpected EOF; expected \"'\""),
                Some(_) if self.at_newline() => return self.error("strings cannot contain newlines"),
                Some('\'') => {
                    let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
                    self.next();
                    return Ok(text);
                }
                Some(c) if c != '\t' && c.is_ascii_control() => return self.control(c),
                Some(_) => drop(self.next()),
            }
        }
    }

    /// A newline right behind the opening quotes does not count.
    fn skip_first_newline(&mut self) {
        if !self.accept("\n") {
            self.accept("\r\n");
        }
    }

    fn multiline_basic(&mut self) -> Parsed<String> {
        self.skip_first_newline();
        let start = self.at;
        let mut out = String::new();
        loop {
            if self.accept("\"\"\"") {
                // Up to two quotes may stand before the closing ones.
                for _ in 0..2 {
                    if self.accept("\"") {
                        out.push('"');
                    }
                }
                return Ok(out);
            }
            match self.next() {
                None => return self.error("unexpected EOF; expected '\"\"\"'"),
                Some('\\') => {
                    // A backslash at the end of a line joins it with the next text.
                    let ahead = self.rest().trim_start_matches([' ', '\t']);
                    if ahead.starts_with('\n') || ahead.starts_with("\r\n") {
                        let trimmed = ahead.trim_start_matches([' ', '\t', '\r', '\n']);
                        self.at = self.text.len() - trimmed.len();
                    } else {
                        self.escape(&mut out, start)?;
                    }
                }
                Some('\r') if self.rest().starts_with('\n') => {}
                Some(c) if !matches!(c, '\t' | '\n') && c.is_ascii_control() => return self.control(c),
                Some(c) => out.push(c),
            }
        }
    }

    fn multiline_literal(&mut self) -> Parsed<String> {
        self.skip_first_newline();
        let mut out = String::new();
        loop {
            if self.accept("'''") {
                for _ in 0..2 {
                    if self.accept("'") {
                        out.push('\'');
                    }
                }
                return Ok(out);
            }
            match self.next() {
                None => return self.error("unexpected EOF; expected \"'''\""),
                Some('\r') if self.rest().starts_with('\n') => {}
                Some(c) if !matches!(c, '\t' | '\n') && c.is_ascii_control() => return self.control(c),
                Some(c) => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String, start: usize) -> Parsed<()> {
        let Some(c) = self.next() else {
            return self.error("unexpected EOF; expected '\"'");
        };
        let (digits, name) = match c {
            'x' => (2, "two hexadecimal digits after '\\x'"),
            'u' => (4, "four hexadecimal digits after '\\u'"),
            'U' => (8, "eight hexadecimal digits after '\\U'"),
            _ => {
                out.push(match c {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'f' => '\u{c}',
                    'r' => '\r',
                    'e' => '\u{1b}',
                    '"' | '\\' => c,
                    _ => {
                        return self.error(format!("invalid escape in string '\\{c}'"));
                    }
                });
                return Ok(());
            }
        };
        let valid = self
            .rest()
            .bytes()
            .take(digits)
            .take_while(u8::is_ascii_hexdigit)
            .count();
        if valid < digits {
            self.at += valid;
            self.next();
            let read = self.text.get(start..self.at).unwrap_or_default();
            return self.error(format!(
                "expected {name}, but got {} instead",
                quote(read.as_bytes())
            ));
        }
        let text = self.rest().get(..digits).unwrap_or_default();
        let code = u32::from_str_radix(text, 16).unwrap_or(u32::MAX);
        self.at += digits;
        match char::from_u32(code) {
            Some(c) => out.push(c),
            None => return self.error(format!("Escaped character '\\u{text}' is not valid UTF-8.")),
        }
        Ok(())
    }

    fn number_or_date(&mut self) -> Parsed<Value> {
        let text = self.rest();
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let sign = text.len() - unsigned.len();
        if sign == 1 {
            for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
                if unsigned.starts_with(word) {
                    self.at += 1 + word.len();
                    return Ok(Value::Float(if text.starts_with('-') { -value } else { value }));
                }
            }
        }
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        if sign == 0 && digits > 0 && matches!(unsigned.as_bytes().get(digits), Some(b'-' | b':')) {
            return self.date();
        }
        let base = unsigned
            .as_bytes()
            .get(1)
            .copied()
            .filter(|_| unsigned.starts_with('0'));
        if let Some(base @ (b'x' | b'o' | b'b')) = base {
            return self.prefixed_integer(sign, base);
        }
        if digits == 0 {
            self.at += sign;
            let found = self.next();
            if found == Some('.') {
                return self.error("floats must start with a digit, not '.'");
            }
            return self.error(format!(
                "expected a digit but got {}",
                quoted(found.unwrap_or('\0'))
            ));
        }
        let is_float = |c: char| c.is_ascii_digit() || "_.-+eE".contains(c);
        let whole = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(unsigned.len());
        let float = unsigned
            .get(whole..)
            .is_some_and(|rest| rest.starts_with(['.', 'e', 'E']));
        let length = if float {
            unsigned.find(|c| !is_float(c)).unwrap_or(unsigned.len())
        } else {
            whole
        };
        let number = text.get(..sign + length).unwrap_or_default();
        self.at += number.len();
        if float {
            self.float(number)
        } else {
            self.integer(number, false)
        }
    }

    /// Reads `0x1F`, `0o17` or `0b101`, of which a sign must not stand in front.
    fn prefixed_integer(&mut self, sign: usize, base: u8) -> Parsed<Value> {
        let text = self.rest();
        if sign > 0 {
            let shown = text.get(..3).unwrap_or_default();
            return self.error(format!("cannot use sign with non-decimal numbers: '{shown}'"));
        }
        let (radix, name) = match base {
            b'x' => (16, "a hexadecimal"),
            b'o' => (8, "an octal"),
            _ => (2, "a binary"),
        };
        let digits = text.get(2..).unwrap_or_default();
        let first = digits.chars().next();
        if !first.is_some_and(|c| c.is_digit(radix)) {
            let base = char::from(base);
            let first = first.unwrap_or('\0');
            return self.error(format!("not {name} number: '0{base}{first}'"));
        }
        let length = digits
            .find(|c: char| !c.is_digit(radix) && c != '_')
            .unwrap_or(digits.len());
        let number = text.get(..2 + length).unwrap_or_default();
        self.at += number.len();
        self.integer(number, true)
    }

    fn integer(&self, number: &str, prefixed: bool) -> Parsed<Value> {
        let shown = quote(number.as_bytes());
        if !underscores_are_fine(number) {
            return self.error(format!(
                "Invalid integer {shown}: underscores must be surrounded by digits"
            ));
        }
        if !prefixed && has_leading_zero(number) {
            return self.error(format!("Invalid integer {shown}: cannot have leading zeroes"));
        }
        match parse_int(number.as_bytes(), 0) {
            Ok(value) => Ok(Value::int64(value)),
            Err(_) => self.error(format!("{number} is out of range for int64")),
        }
    }

    fn float(&self, number: &str) -> Parsed<Value> {
        let shown = quote(number.as_bytes());
        let parts: Vec<&str> = number
            .split(['.', 'e', 'E'])
            .filter(|part| !part.is_empty())
            .collect();
        if !parts.iter().all(|part| underscores_are_fine(part)) {
            return self.error(format!(
                "Invalid float {shown}: underscores must be surrounded by digits"
            ));
        }
        let dangling_exponent = number.ends_with(['+', '-']);
        if dangling_exponent {
            return self.error(format!(
                "Invalid float {shown}: underscores must be surrounded by digits"
            ));
        }
        if parts.first().is_some_and(|part| has_leading_zero(part)) {
            return self.error(format!("Invalid float {shown}: cannot have leading zeroes"));
        }
        let dangling = number
            .find('.')
            .is_some_and(|dot| !number.as_bytes().get(dot + 1).is_some_and(u8::is_ascii_digit));
        if dangling {
            return self.error(format!(
                "Invalid float {shown}: '.' must be followed by one or more digits"
            ));
        }
        match parse_float(number.replace('_', "").as_bytes()) {
            Ok(value) => Ok(Value::Float(value)),
            Err(NumError::Range) => self.error(format!("{number} is out of range for float64")),
            Err(NumError::Syntax) => self.error(format!("Invalid float value: {shown}")),
        }
    }

    fn date(&mut self) -> Parsed<Value> {
        const LAYOUTS: [(&str, &str); 7] = [
            ("2006-01-02T15:04:05.999999999Z07:00", ""),
            ("2006-01-02T15:04:05.999999999", "datetime-local"),
            ("2006-01-02", "date-local"),
            ("15:04:05.999999999", "time-local"),
            ("2006-01-02T15:04Z07:00", ""),
            ("2006-01-02T15:04", "datetime-local"),
            ("15:04", "time-local"),
        ];
        let text = self.rest();
        let belongs = |c: char| c.is_ascii_digit() || "-:Tt .Zz+".contains(c);
        let length = text.find(|c| !belongs(c)).unwrap_or(text.len());
        let text = text.get(..length).unwrap_or_default().trim_end_matches(' ');
        self.at += text.len();
        let plain = text.replace(['t', ' '], "T").replace('z', "Z");
        for (layout, zone) in LAYOUTS {
            let zone = if zone.is_empty() {
                Zone::Utc
            } else {
                Zone::Fixed(zone.to_owned(), 0)
            };
            if let Ok(time) = Time::parse(layout, &plain, &zone) {
                // Go reads numbers without their leading zeros, TOML does not.
                let fixed = layout.find(['.', 'Z']).unwrap_or(layout.len());
                let same_places = layout.bytes().zip(plain.bytes()).take(fixed);
                if same_places.clone().count() == fixed
                    && same_places.clone().all(|(l, d)| l.is_ascii_digit() || l == d)
                {
                    return Ok(Value::object(time));
                }
                break;
            }
        }
        self.error(format!("invalid datetime: {}", quote(plain.as_bytes())))
    }
}

fn underscores_are_fine(number: &str) -> bool {
    let bytes = number.as_bytes();
    let is_digit = |index: Option<usize>| {
        index
            .and_then(|index| bytes.get(index))
            .is_some_and(u8::is_ascii_hexdigit)
    };
    bytes
        .iter()
        .enumerate()
        .all(|(index, &b)| b != b'_' || (is_digit(index.checked_sub(1)) && is_digit(Some(index + 1))))
}

fn has_leading_zero(number: &str) -> bool {
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    digits.len() > 1 && digits.starts_with('0')
}

/// The table at a path of headers, made if it is not there; the last element of lists of tables.
///
/// Fails with the index of the key that holds something else.
fn descend<'r>(mut table: &'r mut Table, path: &[String]) -> Result<&'r mut Table, usize> {
    for (index, key) in path.iter().enumerate() {
        let node = table
            .entries
            .entry(key.clone())
            .or_insert_with(|| Node::Table(Table::default()));
        table = match node {
            Node::Table(table) => table,
            // A header makes a list together with its first table.
            Node::Tables(tables) => tables.last_mut().ok_or(index)?,
            Node::Value(_) => return Err(index),
        };
    }
    Ok(table)
}

/// The table at the path of a dotted key, which cannot lead through lists of tables.
fn descend_dotted<'r>(mut table: &'r mut Table, path: &[String]) -> Result<&'r mut Table, String> {
    for (index, key) in path.iter().enumerate() {
        let node = table
            .entries
            .entry(key.clone())
            .or_insert_with(|| Node::Table(Table::default()));
        table = match node {
            Node::Table(table) => table,
            _ => return Err(already_defined(path.get(..=index).unwrap_or_default())),
        };
    }
    Ok(table)
}

fn already_defined(path: &[String]) -> String {
    format!("Key '{}' has already been defined.", path.join("."))
}

fn insert(table: &mut Table, key: &str, node: Node, path: &[String]) -> Result<(), String> {
    match table.entries.entry(key.to_owned()) {
        Entry::Vacant(entry) => {
            entry.insert(node);
            Ok(())
        }
        Entry::Occupied(_) => Err(already_defined(path)),
    }
}

fn define_table(parent: &mut Table, key: &str, path: &[String]) -> Result<(), String> {
    let node = parent
        .entries
        .entry(key.to_owned())
        .or_insert_with(|| Node::Table(Table::default()));
    match node {
        Node::Table(table) if !table.defined => {
            table.defined = true;
            Ok(())
        }
        _ => Err(already_defined(path)),
    }
}

fn add_to_tables(parent: &mut Table, key: &str, path: &[String]) -> Result<(), String> {
    match parent
        .entries
        .entry(key.to_owned())
        .or_insert_with(|| Node::Tables(Vec::new()))
    {
        Node::Tables(tables) => {
            tables.push(Table {
                defined: true,
                ..Table::default()
            });
            Ok(())
        }
        _ => Err(format!(
            "Key '{}' was already created and cannot be used as an array.",
            path.join(".")
        )),
    }
}
