//! JSON as Go's encoding/json reads it, into values of any type.
//!
//! The reader follows Go where libraries differ: invalid UTF-8 and lone surrogates become U+FFFD, the last of equal keys
//! counts, and the errors have Go's words. What untrusted text can cost is bounded by [`Limits`].

use crate::build::{Build, Room};

/// Bounds on what a text may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nested lists and maps. Go stops at 10,000, with the error `exceeded max depth`.
    pub depth: usize,
    /// Bytes of memory, about, that the values take; see [`Room`].
    pub bytes: usize,
}

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not JSON, in the words of encoding/json.
    #[error("{0}")]
    Syntax(String),
    /// The values nest more deeply than the limit.
    #[error("nested more than {0} levels deep")]
    Depth(usize),
    /// The values take more memory than the limit.
    #[error("values of more than {0} bytes")]
    Bytes(usize),
}

/// A value that was read from a text.
#[derive(Debug)]
pub struct Read<V> {
    /// The value; a number that no float can hold is null in it.
    pub value: V,
    /// What encoding/json complains about after it has read everything: such a number.
    pub misfit: Option<String>,
    /// Where in the text the value ends.
    pub end: usize,
    /// Bytes of memory, about, that the value takes.
    pub bytes: usize,
}

/// Reads a text that is one JSON value (`json.Unmarshal`).
///
/// ```
/// # struct Count(usize);
/// # impl go_std::Build for Count {
/// #     type Value = ();
/// #     type Key = ();
/// #     fn null(&mut self) {}
/// #     fn bool(&mut self, _: bool) {}
/// #     fn int(&mut self, _: i64) { self.0 += 1; }
/// #     fn uint(&mut self, _: u64) {}
/// #     fn float(&mut self, _: f64) {}
/// #     fn string(&mut self, _: &str) {}
/// #     fn key(&mut self, _: &str) {}
/// #     fn list(&mut self, _: Vec<()>) {}
/// #     fn map(&mut self, _: Vec<((), ())>) {}
/// # }
/// use go_std::json::{Limits, read};
///
/// let limits = Limits { depth: 10, bytes: 1000 };
/// let mut count = Count(0);
/// assert!(read(br#"{"a": [1, 2]}"#, &limits, &mut count).is_ok());
/// assert_eq!(count.0, 2);
/// let error = read(b"[1, ]", &limits, &mut count).unwrap_err();
/// assert_eq!(error.to_string(), "invalid character ']' looking for beginning of value");
/// ```
pub fn read<B: Build>(text: &[u8], limits: &Limits, builder: &mut B) -> Result<Read<B::Value>, Error> {
    let mut reader = Reader::new(text, limits, builder);
    let read = reader.document()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.unexpected("after top-level value"));
    }
    Ok(read)
}

/// Reads the JSON value that a text begins with, whatever follows it (`json.Decoder`).
pub fn read_prefix<B: Build>(text: &[u8], limits: &Limits, builder: &mut B) -> Result<Read<B::Value>, Error> {
    Reader::new(text, limits, builder).document()
}

struct Reader<'t, 'b, B> {
    text: &'t [u8],
    at: usize,
    limits: Limits,
    depth: usize,
    room: Room,
    misfit: Option<String>,
    builder: &'b mut B,
}

impl<'t, 'b, B: Build> Reader<'t, 'b, B> {
    fn new(text: &'t [u8], limits: &Limits, builder: &'b mut B) -> Self {
        Self {
            text,
            at: 0,
            limits: *limits,
            depth: 0,
            room: Room::new(limits.bytes),
            misfit: None,
            builder,
        }
    }

    fn document(&mut self) -> Result<Read<B::Value>, Error> {
        self.skip_space();
        let value = self.value()?;
        Ok(Read {
            value,
            misfit: self.misfit.take(),
            end: self.at,
            bytes: self.room.taken(),
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error about the current byte, or about the end of the text.
    fn unexpected(&self, context: &str) -> Error {
        if self.peek().is_none() {
            return Error::Syntax("unexpected end of JSON input".to_owned());
        }
        self.unexpected_inside(context)
    }

    /// The error about the current byte inside of a token, where the end of the text counts as a blank.
    fn unexpected_inside(&self, context: &str) -> Error {
        let byte = self.peek().unwrap_or(b' ');
        let quoted = crate::quote_rune(char::from(byte));
        Error::Syntax(format!("invalid character {quoted} {context}"))
    }

    fn make(&mut self, bytes: usize) -> Result<(), Error> {
        let max = self.limits.bytes;
        self.room.take(bytes).ok_or(Error::Bytes(max))
    }

    fn value(&mut self) -> Result<B::Value, Error> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => {
                let text = self.string()?;
                self.make(Room::of_text(text.len()))?;
                Ok(self.builder.string(&text))
            }
            Some(b't') => {
                self.literal("true")?;
                Ok(self.builder.bool(true))
            }
            Some(b'f') => {
                self.literal("false")?;
                Ok(self.builder.bool(false))
            }
            Some(b'n') => {
                self.literal("null")?;
                Ok(self.builder.null())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<B::Value, Error>) -> Result<B::Value, Error> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Error::Depth(self.limits.depth));
        }
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<B::Value, Error> {
        let mut pairs = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(self.builder.map(pairs));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            // Counted before it is there, since a map takes most with its first pair.
            self.make(Room::of_text(key.len()) + Room::of_pair(pairs.len()))?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value()?;
            pairs.push((self.builder.key(&key), value));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(self.builder.map(pairs));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            self.skip_space();
        }
    }

    fn array(&mut self) -> Result<B::Value, Error> {
        let mut items = Vec::new();
        self.make(Room::VALUE)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(self.builder.list(items));
        }
        loop {
            self.make(Room::VALUE)?;
            let value = self.value()?;
            items.push(value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(self.builder.list(items));
                }
                _ => return Err(self.unexpected("after array element")),
            }
            self.skip_space();
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Error> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expecting = char::from(expected);
                return Err(self.unexpected_inside(&format!("in literal {word} (expecting '{expecting}')")));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<B::Value, Error> {
        let start = self.at;
        let mut is_whole = true;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected_inside("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            is_whole = false;
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        // Minus zero is a float.
        if is_whole && text != "-0" {
            if let Ok(value) = text.parse() {
                return Ok(self.builder.int(value));
            }
            if let Ok(value) = text.parse() {
                return Ok(self.builder.uint(value));
            }
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(self.builder.float(float)),
            _ => {
                self.misfit.get_or_insert_with(|| {
                    format!("json: cannot unmarshal number {text} into Go value of type float64")
                });
                Ok(self.builder.null())
            }
        }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &str) -> Result<(), Error> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected_inside(context));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, Error> {
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

    fn escape(&mut self) -> Result<char, Error> {
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

    fn unicode_escape(&mut self) -> Result<char, Error> {
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

    fn hex4(&mut self) -> Result<u32, Error> {
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
