//! Values with one verb: fmt's printArg and printValue.

use crate::error::FuncError;
use crate::limits::Limits;
use crate::value::Value;
use crate::value::object::Object;
use crate::value::types::{Kind, Type};
use go_std::unicode::{rune_count, runes};
use go_std::{append_quote, append_quote_ascii, can_backquote};

use super::number::Integer;

/// The flags of one verb.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub width: Option<usize>,
    pub precision: Option<usize>,
    pub minus: bool,
    pub plus: bool,
    pub sharp: bool,
    pub space: bool,
    pub zero: bool,
    /// `%+v`
    pub plus_v: bool,
    /// `%#v`
    pub sharp_v: bool,
}

/// A bounded output with the state of printing.
pub(crate) struct Printer {
    out: Vec<u8>,
    limit: usize,
    failure: Option<&'static str>,
    pub(super) flags: Flags,
    /// Inside `%!verb(type=value)`, where methods are not called.
    erroring: bool,
    /// The value at the top loses its `&`.
    dereferenced: bool,
}

impl Printer {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            out: Vec::new(),
            limit,
            failure: None,
            flags: Flags::default(),
            erroring: false,
            dereferenced: false,
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, FuncError> {
        match self.failure {
            Some(failure) => Err(FuncError::limit(failure)),
            None => Ok(self.out),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > self.limit {
            self.failure = Some("printed text is too long");
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    pub(super) fn padding(&mut self, count: usize) {
        if self.out.len() + count > self.limit {
            self.failure = Some("printed text is too long");
        } else {
            let fill = if self.flags.zero && !self.flags.minus {
                b'0'
            } else {
                b' '
            };
            self.out.resize(self.out.len() + count, fill);
        }
    }

    pub(super) fn pad(&mut self, text: &[u8]) {
        let padding = self
            .flags
            .width
            .map_or(0, |width| width.saturating_sub(rune_count(text)));
        if padding == 0 {
            self.write(text);
        } else if self.flags.minus {
            self.write(text);
            self.padding(padding);
        } else {
            self.padding(padding);
            self.write(text);
        }
    }

    pub(super) fn without_zero(&mut self, print: impl FnOnce(&mut Self)) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        print(self);
        self.flags.zero = zero;
    }

    /// Prints an argument of `printf`.
    pub(crate) fn print(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (_, 'T') => self.string(value.type_name().as_bytes(), 's'),
            (_, 'p') => self.pointer(value, 'p'),
            _ => self.value(value, verb, 0),
        }
    }

    /// Prints the value of an action: a pointer to a struct as the struct.
    pub(crate) fn print_dereferenced(&mut self, value: &Value) {
        self.dereferenced = matches!(value.kind(), Kind::Pointer);
        self.print(value, 'v');
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.erroring = true;
        self.write(b"%!");
        self.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.write(b"(");
        if value.is_nil() {
            self.write(b"<nil>");
        } else {
            self.write(value.type_name().as_bytes());
            self.write(b"=");
            self.value(value, 'v', 0);
        }
        self.write(b")");
        self.erroring = false;
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.failure.is_some() {
            return;
        }
        if depth > Limits::VALUE_DEPTH {
            self.failure = Some("value is nested too deeply to be printed, or contains itself");
            return;
        }
        let known = match value {
            Value::Nil => false,
            Value::Bool(b) => {
                let known = matches!(verb, 't' | 'v');
                if known {
                    self.pad(if *b { b"true" } else { b"false" });
                }
                known
            }
            Value::Int(n, _) => self.integer(
                Integer {
                    bits: *n as u64,
                    signed: true,
                },
                verb,
            ),
            Value::Uint(n, _) => self.integer(
                Integer {
                    bits: *n,
                    signed: false,
                },
                verb,
            ),
            Value::Float(f) => self.float(*f, verb),
            Value::Complex(re, im) => self.complex(*re, *im, verb),
            Value::Str(s) => {
                let known = matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
                if known {
                    self.string(s, verb);
                }
                known
            }
            // fmt takes a plain []byte apart before it looks for %w.
            Value::List(list) if verb == 'w' && !self.erroring && list.ty() != Type::BYTES => false,
            Value::Map(_) if verb == 'w' && !self.erroring => false,
            Value::List(list) => {
                self.list(list, verb, depth);
                true
            }
            Value::Map(map) => {
                self.map(map, verb, depth);
                true
            }
            Value::Object(object) => {
                let verb_for_text = matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
                if !self.erroring
                    && !self.flags.sharp_v
                    && verb_for_text
                    && let Some(text) = object.text()
                {
                    self.string(&text, verb);
                } else if verb == 'w' && !self.erroring {
                    self.bad_verb(value, verb);
                } else if let Some(basic) = object.basic() {
                    self.value(&basic, verb, depth);
                } else {
                    self.structure(object.as_ref(), value, verb, depth);
                }
                true
            }
            Value::Func(_) => {
                self.pointer(value, verb);
                true
            }
        };
        if !known {
            self.bad_verb(value, verb);
        }
    }

    /// Prints an element, whose static type decides how nil looks.
    fn element(&mut self, value: &Value, static_type: Type, verb: char, depth: usize) {
        if !value.is_nil() {
            return stacker::maybe_grow(64 << 10, 1 << 20, || self.value(value, verb, depth));
        }
        if self.flags.sharp_v {
            self.write(static_type.to_string().as_bytes());
            self.write(b"(nil)");
        } else {
            self.write(b"<nil>");
        }
    }

    fn list(&mut self, list: &crate::value::list::List, verb: char, depth: usize) {
        let byte_verb = matches!(verb, 's' | 'q' | 'x' | 'X');
        if byte_verb && let Some(bytes) = list.as_bytes() {
            return self.string(&bytes, verb);
        }
        let sharp = self.flags.sharp_v;
        let elem = list.elem_type();
        if sharp {
            // fmt knows []byte by its alias when it is an argument of its own.
            let plain_bytes = depth == 0 && matches!(verb, 'v' | 'd') && list.ty() == Type::BYTES;
            self.write(
                if plain_bytes {
                    "[]byte".to_owned()
                } else {
                    list.ty().to_string()
                }
                .as_bytes(),
            );
            if list.is_nil() {
                return self.write(b"(nil)");
            }
        }
        self.write(if sharp { b"{" } else { b"[" });
        for (at, item) in list.items().enumerate() {
            if at > 0 {
                self.write(if sharp { b", " } else { b" " });
            }
            self.element(&item, elem, verb, depth + 1);
            if self.failure.is_some() {
                return;
            }
        }
        self.write(if sharp { b"}" } else { b"]" });
    }

    fn map(&mut self, map: &crate::value::map::Map, verb: char, depth: usize) {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.write(map.ty().to_string().as_bytes());
            if map.is_nil() {
                return self.write(b"(nil)");
            }
            self.write(b"{");
        } else {
            self.write(b"map[");
        }
        let elem = map.elem_type();
        for (at, (key, item)) in map.entries().iter().enumerate() {
            if at > 0 {
                self.write(if sharp { b", " } else { b" " });
            }
            self.value(&Value::Str(key.clone()), verb, depth + 1);
            self.write(b":");
            self.element(item, elem, verb, depth + 1);
            if self.failure.is_some() {
                return;
            }
        }
        self.write(if sharp { b"}" } else { b"]" });
    }

    fn structure(&mut self, object: &dyn Object, value: &Value, verb: char, depth: usize) {
        let info = object.type_info();
        let sharp = self.flags.sharp_v;
        let pointer = Type::Named(info).kind() == Kind::Pointer;
        if pointer && depth > 0 {
            return self.pointer(value, verb);
        }
        if pointer && !self.dereferenced {
            self.write(b"&");
        }
        if sharp {
            self.write(info.name.trim_start_matches('*').as_bytes());
        }
        self.write(b"{");
        for (at, (name, field)) in object.fields().iter().enumerate() {
            if at > 0 {
                self.write(if sharp { b", " } else { b" " });
            }
            if sharp || self.flags.plus_v {
                self.write(name.as_bytes());
                self.write(b":");
            }
            self.element(field, Type::Any, verb, depth + 1);
        }
        self.write(b"}");
    }

    fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::List(list) => list.address(),
            Value::Map(map) => map.address(),
            Value::Func(func) => func.address(),
            Value::Object(object) if Type::Named(object.type_info()).kind() == Kind::Pointer => {
                std::sync::Arc::as_ptr(object).cast::<u8>() as usize
            }
            _ => return self.bad_verb(value, verb),
        } as u64;
        match verb {
            'v' if self.flags.sharp_v => {
                self.write(b"(");
                self.write(value.type_name().as_bytes());
                self.write(b")(");
                if address == 0 {
                    self.write(b"nil");
                } else {
                    self.hex_pointer(address, true);
                }
                self.write(b")");
            }
            'v' if address == 0 => self.pad(b"<nil>"),
            'v' | 'p' => self.hex_pointer(address, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => {
                self.integer(
                    Integer {
                        bits: address,
                        signed: false,
                    },
                    verb,
                );
            }
            _ => self.bad_verb(value, verb),
        }
    }

    fn string(&mut self, text: &[u8], verb: char) {
        match verb {
            'x' | 'X' => self.hex_string(text, verb),
            'q' => self.quoted(text),
            'v' if self.flags.sharp_v => self.quoted(text),
            _ => {
                let text = self.cut(text);
                self.pad(text);
            }
        }
    }

    /// Cuts to the precision, which counts runes.
    fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let end = self
            .flags
            .precision
            .and_then(|n| runes(text).nth(n))
            .map_or(text.len(), |(at, ..)| at);
        text.get(..end).unwrap_or(text)
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.cut(text);
        let mut out = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && can_backquote(text) {
            out.push(b'`');
            out.extend_from_slice(text);
            out.push(b'`');
        } else if self.flags.plus {
            append_quote_ascii(&mut out, text);
        } else {
            append_quote(&mut out, text);
        }
        self.pad(&out);
    }

    fn hex_string(&mut self, text: &[u8], verb: char) {
        let flags = self.flags;
        let text = flags.precision.and_then(|n| text.get(..n)).unwrap_or(text);
        let (alphabet, prefix): (&[u8; 16], &[u8]) = if verb == 'X' {
            (b"0123456789ABCDEF", b"0X")
        } else {
            (b"0123456789abcdef", b"0x")
        };
        let mut out = Vec::with_capacity(text.len() * 2);
        for (at, byte) in text.iter().enumerate() {
            if at > 0 && flags.space {
                out.push(b' ');
            }
            if flags.sharp && (at == 0 || flags.space) {
                out.extend_from_slice(prefix);
            }
            out.extend_from_slice(&[alphabet[usize::from(byte >> 4)], alphabet[usize::from(byte & 15)]]);
        }
        self.pad(&out);
    }
}
