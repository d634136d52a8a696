//! One record of CSV, as Go's `encoding/csv` reads it: the values of pflag's list flags.

/// What is wrong with a record, and where: lines and bytes of a line are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CsvError {
    /// There are only line breaks.
    #[error("EOF")]
    Empty,
    /// A quote stands in a field that does not start with one.
    #[error("parse error on line {line}, column {column}: bare \" in non-quoted-field")]
    BareQuote {
        /// The line.
        line: usize,
        /// The byte.
        column: usize,
    },
    /// A quoted field does not end, or something follows its end.
    #[error("{}parse error on line {line}, column {column}: extraneous or missing \" in quoted-field",
        if start == line { String::new() } else { format!("record on line {start}; ") })]
    Quote {
        /// The line on which the record starts.
        start: usize,
        /// The line.
        line: usize,
        /// The byte.
        column: usize,
    },
}

/// Reads the items of a list flag; only the first record of its value counts, and no text is no item.
pub(crate) fn items(text: &str) -> Result<Vec<String>, CsvError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = Lines {
        rest: text,
        number: 0,
    };
    loop {
        match lines.next() {
            None => return Err(CsvError::Empty),
            Some(line) if line == "\n" || line.is_empty() => {}
            Some(line) => return record(line, &mut lines),
        }
    }
}

/// The lines of a text, each with the line feed at its end, if there is one; carriage returns before it are gone.
struct Lines<'t> {
    rest: &'t str,
    /// How many there were so far.
    number: usize,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match line.strip_suffix("\r\n") {
            Some(line) => format!("{line}\n"),
            None => line.strip_suffix('\r').unwrap_or(line).to_owned(),
        })
    }
}

fn record(mut line: String, lines: &mut Lines<'_>) -> Result<Vec<String>, CsvError> {
    let start = lines.number;
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        let rest = line.get(at..).unwrap_or_default();
        let Some(quoted) = rest.strip_prefix('"') else {
            let comma = rest.find(',');
            let field = rest.get(..comma.unwrap_or(rest.len())).unwrap_or_default();
            let field = if comma.is_none() {
                field.strip_suffix('\n').unwrap_or(field)
            } else {
                field
            };
            if let Some(quote) = field.find('"') {
                let (line, column) = (lines.number, at + quote + 1);
                return Err(CsvError::BareQuote { line, column });
            }
            fields.push(field.to_owned());
            match comma {
                Some(comma) => at += comma + 1,
                None => return Ok(fields),
            }
            continue;
        };
        let (mut field, mut rest) = (String::new(), quoted.to_owned());
        at += 1;
        loop {
            let Some((before, after)) = rest.split_once('"') else {
                field.push_str(&rest);
                at += rest.len();
                let Some(next) = lines.next() else {
                    let (line, column) = (lines.number, at + 1);
                    return Err(CsvError::Quote { start, line, column });
                };
                (line, at) = (next, 0);
                rest.clone_from(&line);
                continue;
            };
            field.push_str(before);
            at += before.len() + 1;
            match after.as_bytes().first() {
                Some(b'"') => {
                    field.push('"');
                    at += 1;
                    rest = after.get(1..).unwrap_or_default().to_owned();
                }
                Some(b',') => {
                    at += 1;
                    break;
                }
                None => {
                    fields.push(field);
                    return Ok(fields);
                }
                Some(b'\n') if after.len() == 1 => {
                    fields.push(field);
                    return Ok(fields);
                }
                Some(_) => {
                    let (line, column) = (lines.number, at);
                    return Err(CsvError::Quote { start, line, column });
                }
            }
        }
        fields.push(field);
    }
}

#[cfg(test)]
mod tests {
    use super::items;

    /// What `csv.NewReader(strings.NewReader(value)).Read()` gives, and pflag nothing for nothing.
    #[test]
    fn items_are_those_of_go() {
        for (text, expected) in [
            ("", &[][..]),
            ("a", &["a"]),
            ("a,b,", &["a", "b", ""]),
            (",", &["", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("\"\"", &[""]),
            ("a\nb", &["a"]),
            ("\n\r\na\r\n", &["a"]),
            ("\"a\r\nb\",c", &["a\nb", "c"]),
            ("\"a\"\n", &["a"]),
            (" a , b", &[" a ", " b"]),
            ("ä,\"ö\"", &["ä", "ö"]),
            ("a\r", &["a"]),
            ("\"x\n\"\"\ny\",z", &["x\n\"\ny", "z"]),
        ] {
            assert_eq!(items(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        for (text, expected) in [
            ("\n", "EOF"),
            (
                "a\"b",
                "parse error on line 1, column 2: bare \" in non-quoted-field",
            ),
            (
                "x,a\"b",
                "parse error on line 1, column 4: bare \" in non-quoted-field",
            ),
            (
                "\"a\"b",
                "parse error on line 1, column 3: extraneous or missing \" in quoted-field",
            ),
            (
                "\"a",
                "parse error on line 1, column 3: extraneous or missing \" in quoted-field",
            ),
            (
                "\n\"a\nb",
                "record on line 2; parse error on line 3, column 2: extraneous or missing \" in quoted-field",
            ),
        ] {
            assert_eq!(items(text).unwrap_err().to_string(), expected, "{text:?}");
        }
    }
}
