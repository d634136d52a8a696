//! ini files as the Go library ini.v1 reads and writes them.

use super::{Budget, plain_text, utf8};
use crate::error::{EmitError, LoadError};
use crate::limits::Limits;
use crate::tree::{Branch, Item, Key, Value};

const DEFAULT: &str = "DEFAULT";
const DELIMITERS: [char; 2] = ['=', ':'];

#[derive(Default)]
struct Section {
    name: String,
    comment: String,
    keys: Vec<Entry>,
}

struct Entry {
    name: String,
    value: String,
    comment: String,
}

/// Reads sections of keys.
pub(crate) fn load(bytes: &[u8], limits: &Limits) -> Result<Branch, LoadError> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(text).map_err(|_| syntax("the file is not UTF-8"))?;
    let mut budget = Budget::new(limits);
    let sections = Parser {
        rest: text,
        comment: String::new(),
    }
    .sections(&mut budget)?;
    let items = sections.into_iter().map(|section| {
        let mut items = Vec::new();
        if !section.comment.is_empty() {
            items.push(Item::comment(without_sign(&section.comment), false));
        }
        for entry in section.keys {
            items.push(Item::new(entry.name, Value::text(entry.value)));
            if !entry.comment.is_empty() {
                items.push(Item::comment(without_sign(&entry.comment), false));
            }
        }
        Item::new(section.name, Value::Branch(items))
    });
    Ok(items.collect())
}

fn syntax(why: &str) -> LoadError {
    LoadError::Syntax(format!("Could not unmarshal input data: {why}"))
}

/// A comment without what begins its first line.
fn without_sign(comment: &str) -> &str {
    match comment.chars().next() {
        Some(sign @ (';' | '#')) => comment.trim_start_matches([sign, ' ']),
        _ => comment,
    }
}

struct Parser<'t> {
    rest: &'t str,
    /// The comments that wait for a section or a key.
    comment: String,
}

impl<'t> Parser<'t> {
    /// The next line, with its end.
    fn line(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(line)
    }

    fn take_comment(&mut self) -> String {
        std::mem::take(&mut self.comment).trim().to_owned()
    }

    fn sections(mut self, budget: &mut Budget) -> Result<Vec<Section>, LoadError> {
        let mut sections = Vec::new();
        let mut section = Section {
            name: DEFAULT.to_owned(),
            ..Section::default()
        };
        let mut unnamed = 1;
        while let Some(line) = self.line() {
            budget.take(1)?;
            let line = line.trim_start();
            match line.chars().next() {
                None => {}
                Some('#' | ';') => self.comment.push_str(line),
                Some('[') => {
                    let end = line.rfind(']').ok_or_else(|| syntax("unclosed section"))?;
                    let name = line.get(1..end).unwrap_or_default().to_owned();
                    if name.is_empty() {
                        return Err(syntax("empty section name"));
                    }
                    self.note(line.get(end + 1..).unwrap_or_default(), false);
                    let next = Section {
                        name,
                        comment: self.take_comment(),
                        keys: Vec::new(),
                    };
                    sections.push(std::mem::replace(&mut section, next));
                    unnamed = 1;
                }
                Some(_) => {
                    let (mut name, after) = key_name(line)?;
                    if name == "-" {
                        name = format!("#{unnamed}");
                        unnamed += 1;
                    }
                    let value = self.value(line.get(after..).unwrap_or_default())?;
                    if name.is_empty() {
                        return Err(syntax("error creating new key: empty key name"));
                    }
                    let comment = self.take_comment();
                    let known = section.keys.iter_mut().find(|entry| entry.name == name);
                    if let Some(known) = known {
                        (known.value, known.comment) = (value, comment);
                    } else {
                        section.keys.push(Entry { name, value, comment });
                    }
                }
            }
        }
        sections.push(section);
        Ok(sections)
    }

    /// Keeps the comment at the end of a line.
    fn note(&mut self, text: &str, trimmed: bool) {
        if let Some(at) = text.find(['#', ';']) {
            let comment = text.get(at..).unwrap_or_default();
            self.comment
                .push_str(if trimmed { comment.trim() } else { comment });
        }
    }

    /// The value behind a delimiter, which may go on in further lines.
    fn value(&mut self, text: &str) -> Result<String, LoadError> {
        let line = text.trim_start();
        let quote = match line {
            "" => return Ok(String::new()),
            _ if line.len() > 3 && line.starts_with("\"\"\"") => "\"\"\"",
            _ if line.starts_with('`') => "`",
            _ => "",
        };
        if !quote.is_empty() {
            let inner = line.get(quote.len()..).unwrap_or_default();
            return match inner.rfind(quote) {
                Some(end) => Ok(inner.get(..end).unwrap_or_default().to_owned()),
                None => self.quoted_lines(inner, quote),
            };
        }
        let line = line.trim();
        if let Some(start) = line.strip_suffix('\\') {
            return Ok(self.continued_lines(start));
        }
        let end = line.find(['#', ';']);
        if let Some(end) = end {
            self.comment.push_str(line.get(end..).unwrap_or_default());
        }
        let value = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        let value = if end.is_some() { value.trim() } else { value };
        let unquoted = ['\'', '"'].into_iter().find_map(|quote| {
            let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.contains(quote)).then_some(inner)
        });
        Ok(unquoted.unwrap_or(value).to_owned())
    }

    fn quoted_lines(&mut self, first: &str, quote: &str) -> Result<String, LoadError> {
        let mut value = first.to_owned();
        loop {
            let next = self.line().ok_or_else(|| syntax("missing closing key quote"))?;
            if let Some(end) = next.rfind(quote) {
                let behind = next.get(end + quote.len()..).unwrap_or_default();
                if !behind.trim().ends_with('\\') {
                    value.push_str(next.get(..end).unwrap_or_default());
                    self.note(next.get(end..).unwrap_or_default(), true);
                    return Ok(value);
                }
            }
            value.push_str(next);
        }
    }

    fn continued_lines(&mut self, first: &str) -> String {
        let mut value = first.to_owned();
        while let Some(next) = self.line() {
            let next = next.trim();
            value.push_str(next.strip_suffix('\\').unwrap_or(next));
            if !next.ends_with('\\') {
                break;
            }
        }
        value
    }
}

/// The name of a key, and where its value begins.
fn key_name(line: &str) -> Result<(String, usize), LoadError> {
    let no_delimiter = || syntax("key-value delimiter not found");
    let quote = match line {
        _ if line.starts_with("\"\"\"") && line.len() > 6 => "\"\"\"",
        _ if line.starts_with('"') => "\"",
        _ if line.starts_with('`') => "`",
        _ => "",
    };
    if quote.is_empty() {
        let end = line.find(DELIMITERS).ok_or_else(no_delimiter)?;
        if end == 0 {
            return Err(syntax("empty key name"));
        }
        return Ok((line.get(..end).unwrap_or_default().trim().to_owned(), end + 1));
    }
    let start = quote.len();
    let inner = line.get(start..).unwrap_or_default();
    let end = start
        + inner
            .find(quote)
            .ok_or_else(|| syntax("missing closing key quote"))?;
    let behind = line.get(end + start..).unwrap_or_default();
    let delimiter = behind.find(DELIMITERS).ok_or_else(no_delimiter)?;
    let name = line.get(start..end).unwrap_or_default().trim().to_owned();
    Ok((name, end + delimiter + start + 1))
}

/// Prints sections of keys.
pub(crate) fn emit(documents: &[Branch]) -> Result<Vec<u8>, EmitError> {
    let mut sections = Vec::new();
    for item in documents.iter().flatten() {
        let Key::Text(name) = &item.key else { continue };
        sections.push(section(utf8(name)?, &item.value)?);
    }
    let mut out = String::new();
    let last = sections.len().saturating_sub(1);
    for (at, section) in sections.iter().enumerate() {
        write_comment(&mut out, &section.comment, false)?;
        if at > 0 || section.name.to_uppercase() != DEFAULT {
            out.push('[');
            out.push_str(&section.name);
            out.push_str("]\n");
        } else if section.keys.is_empty() {
            continue;
        }
        let width = section
            .keys
            .iter()
            .map(|entry| quoted_name(&entry.name).len())
            .max();
        for entry in &section.keys {
            write_comment(&mut out, &entry.comment, true)?;
            let name = quoted_name(&entry.name);
            out.push_str(&name);
            out.extend(std::iter::repeat_n(' ', width.unwrap_or_default() - name.len()));
            out.push_str(" = ");
            write_quoted(&mut out, &entry.value);
            out.push('\n');
        }
        if at < last {
            out.push('\n');
        }
    }
    Ok(out.into_bytes())
}

fn section(name: &str, value: &Value) -> Result<Section, EmitError> {
    let wrong = |why: &str| EmitError::Ini(why.to_owned());
    if name.is_empty() {
        return Err(wrong("Error encoding section : empty section name"));
    }
    let Value::Branch(items) = value else {
        return Err(wrong(
            "Error encoding section: Section values should always be TreeBranches",
        ));
    };
    let mut section = Section {
        name: name.to_owned(),
        ..Section::default()
    };
    let mut last: Option<usize> = None;
    for (at, item) in items.iter().enumerate() {
        match &item.key {
            Key::Comment(comment) => {
                let text = utf8(&comment.text)?.to_owned();
                match last.and_then(|last| section.keys.get_mut(last)) {
                    Some(entry) => entry.comment = text,
                    None if at == 0 => section.comment = text,
                    None => {}
                }
            }
            Key::Text(key) => {
                let name = utf8(key)?.to_owned();
                if name.is_empty() {
                    return Err(wrong(
                        "Error encoding key: error creating new key: empty key name",
                    ));
                }
                let value =
                    plain_text(&item.value).ok_or_else(|| wrong("values of keys cannot hold others"))?;
                let value = utf8(&value)?.to_owned();
                let known = section.keys.iter().position(|entry| entry.name == name);
                if let Some(entry) = known.and_then(|known| section.keys.get_mut(known)) {
                    entry.value = value;
                    last = known;
                } else {
                    last = Some(section.keys.len());
                    section.keys.push(Entry {
                        name,
                        value,
                        comment: String::new(),
                    });
                }
            }
            Key::Other(..) => {}
        }
    }
    Ok(section)
}

fn write_comment(out: &mut String, comment: &str, trimmed: bool) -> Result<(), EmitError> {
    if comment.is_empty() {
        return Ok(());
    }
    for line in comment.split('\n') {
        let mut rest = line.chars();
        match rest.next() {
            // The text of the panic that ends upstream here.
            None => {
                return Err(EmitError::Ini(
                    "runtime error: index out of range [0] with length 0".to_owned(),
                ));
            }
            Some(sign @ ('#' | ';')) => {
                out.push(sign);
                out.push(' ');
                out.push_str(rest.as_str().trim());
            }
            Some(_) => {
                out.push_str("; ");
                out.push_str(if trimmed { line.trim() } else { line });
            }
        }
        out.push('\n');
    }
    Ok(())
}

fn quoted_name(name: &str) -> String {
    if name.contains(['"', '=', ':']) {
        format!("`{name}`")
    } else if name.contains('`') {
        format!("\"\"\"{name}\"\"\"")
    } else {
        name.to_owned()
    }
}

fn write_quoted(out: &mut String, value: &str) {
    let quote = if value.contains(['\n', '`']) {
        "\"\"\""
    } else if value.contains(['#', ';']) {
        "`"
    } else if value.trim().len() != value.len() {
        "\""
    } else {
        ""
    };
    out.push_str(quote);
    out.push_str(value);
    out.push_str(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Result<String, String> {
        let branch = load(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())?;
        let out = emit(&[branch]).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn files_are_printed_as_the_library_prints_them() {
        assert_eq!(
            again("a=1\n[s] ; why\nlong key : \"x\" # note\nb=`y#`\nc = one \\\n  two\n- = z\n[s]\nb=\n")
                .unwrap(),
            "a = 1\n\n; why\n[s]\n; note\nlong key = x\nb        = `y#`\nc        = one two\n#1       = z\n\n[s]\nb = \n"
        );
        assert_eq!(
            again("[a]\nk = \"\"\"two\nlines\"\"\"\n").unwrap(),
            "[a]\nk = \"\"\"two\nlines\"\"\"\n"
        );
    }

    #[test]
    fn mistakes_are_told_without_the_line() {
        for (text, why) in [
            ("secret", "key-value delimiter not found"),
            ("=x", "empty key name"),
            ("[x", "unclosed section"),
            ("[]", "empty section name"),
            ("k=`x", "missing closing key quote"),
        ] {
            assert_eq!(
                again(text).unwrap_err(),
                format!("Could not unmarshal input data: {why}")
            );
        }
    }
}
