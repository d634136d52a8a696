//! JSON files of a chart.

use serde_json::{Map, Value as Json};

/// How deeply a JSON file may nest: as deep as the YAML files of a chart.
const MAX_DEPTH: usize = 512;

/// Reads the first value of a file; what follows it does not count, as for Go's decoder. No text is null.
pub(crate) fn first_value(file: &str, text: &[u8]) -> Result<Json, String> {
    let first = serde_json::Deserializer::from_slice(text)
        .into_iter::<Json>()
        .next();
    match first.unwrap_or(Ok(Json::Null)) {
        Ok(value) => Ok(value),
        // The library stops at a depth of its own, which is a fourth of that.
        Err(error) if error.to_string().starts_with("recursion limit exceeded") => {
            match (Reader { text, at: 0 }).value() {
                Ok(value) => Ok(value),
                Err(Stop::Depth) => Err(format!("{file} nests more than {MAX_DEPTH} levels deep")),
                Err(Stop::Syntax(error)) => Err(error),
            }
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Reads values one in another without recursion; the library reads those that hold no others.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

enum Stop {
    Depth,
    Syntax(String),
}

/// A list or an object that is not complete, and the key that the next value of an object has.
enum Open {
    List(Vec<Json>),
    Object(Map<String, Json>, String),
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, Stop> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            if open.len() > MAX_DEPTH {
                return Err(Stop::Depth);
            }
            let mut done = match self.peek() {
                Some(b'[') => {
                    self.at += 1;
                    if self.skip(b']') {
                        Json::Array(Vec::new())
                    } else {
                        open.push(Open::List(Vec::new()));
                        continue;
                    }
                }
                Some(b'{') => {
                    self.at += 1;
                    if self.skip(b'}') {
                        Json::Object(Map::new())
                    } else {
                        let key = self.key()?;
                        open.push(Open::Object(Map::new(), key));
                        continue;
                    }
                }
                _ => self.scalar()?,
            };
            // What is complete goes into what it is in, which may be complete then.
            loop {
                match open.pop() {
                    None => return Ok(done),
                    Some(Open::List(mut items)) => {
                        items.push(done);
                        if self.skip(b',') {
                            open.push(Open::List(items));
                            break;
                        }
                        self.expect(b']')?;
                        done = Json::Array(items);
                    }
                    Some(Open::Object(mut entries, key)) => {
                        entries.insert(key, done);
                        if self.skip(b',') {
                            let key = self.key()?;
                            open.push(Open::Object(entries, key));
                            break;
                        }
                        self.expect(b'}')?;
                        done = Json::Object(entries);
                    }
                }
            }
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.skip(byte) {
            return Ok(());
        }
        let (wanted, at) = (char::from(byte), self.at);
        Err(Stop::Syntax(format!("expected `{wanted}` at byte {at}")))
    }

    fn key(&mut self) -> Result<String, Stop> {
        self.peek();
        let key = self.read()?;
        self.expect(b':')?;
        Ok(key)
    }

    fn scalar(&mut self) -> Result<Json, Stop> {
        self.read()
    }

    /// Has the library read what ends at the next sign, or a text up to its quote.
    fn read<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = if rest.first() == Some(&b'"') {
            let mut escaped = false;
            let end = rest.iter().skip(1).position(|byte| {
                let is_end = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                is_end
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",:[]{}\"".contains(byte);
            rest.iter().position(is_end).unwrap_or(rest.len())
        };
        let text = rest.get(..length).unwrap_or_default();
        let value = serde_json::from_slice(text);
        self.at += length;
        value.map_err(|error| Stop::Syntax(format!("{error} of the text at byte {}", self.at - length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(depth: usize, inner: &str) -> String {
        format!("{}{inner}{}", "{\"a\": [".repeat(depth), "]}".repeat(depth))
    }

    #[test]
    fn what_is_deep_is_read_as_what_is_flat() {
        let inner = r#" 1.5e3 , "x\"]\\" , [], {} , {"b":null , "c" : [true]} "#;
        let flat: Json = serde_json::from_str(&format!("[{inner}]")).unwrap();
        let value = first_value("f", deep(200, inner).as_bytes()).unwrap();
        let found = (0..199).try_fold(&value, |value, _| value.get("a")?.get(0));
        assert_eq!(found.and_then(|value| value.get("a")), Some(&flat));
    }

    #[test]
    fn mistakes_and_depth_are_told() {
        let error = |text: &str| first_value("f", text.as_bytes()).unwrap_err();
        assert_eq!(error(&deep(300, "1")), "f nests more than 512 levels deep");
        for inner in ["1 2", "x", "\"a", "{1: 2}", "[1,]", "", "{\"a\"}", "{\"a\": 1"] {
            let text = deep(200, inner);
            // The empty list is no mistake.
            assert_eq!(
                first_value("f", text.as_bytes()).is_ok(),
                inner.is_empty(),
                "{inner}"
            );
        }
        assert_eq!(first_value("f", b" "), Ok(Json::Null));
        assert_eq!(first_value("f", b"{} x"), Ok(Json::Object(Map::new())));
    }
}
