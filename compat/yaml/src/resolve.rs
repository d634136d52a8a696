//! The type of a scalar from its text.

use std::borrow::Cow;

use crate::Error;
use crate::node::{LONG_TAG_PREFIX, Tag};
use crate::scanner::Flavor;
use crate::timestamp::Timestamp;

/// A scalar as a Go value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Str(Cow<'a, str>),
    Time(Timestamp),
}

impl Scalar<'_> {
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Bool(_) => Tag::Bool,
            Self::Int(_) | Self::Uint(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Str(_) => Tag::Str,
            Self::Time(_) => Tag::Timestamp,
        }
    }
}

/// Resolves a plain scalar without a tag.
pub(crate) fn resolve_plain(flavor: Flavor, text: &str) -> Scalar<'_> {
    resolve_hinted(flavor, text, true)
}

/// Resolves text that carries the tag `tag`, short or long.
pub(crate) fn resolve_tagged<'a>(flavor: Flavor, tag: &str, text: &'a str) -> Result<Scalar<'a>, Error> {
    let string = || Scalar::Str(Cow::Borrowed(text));
    let wanted = match Tag::parse(tag) {
        Some(Tag::Str) => return Ok(string()),
        Some(wanted @ (Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Timestamp)) => wanted,
        Some(Tag::Binary) => return decode_binary(text).map(|text| Scalar::Str(Cow::Owned(text))),
        Some(Tag::Merge | Tag::Map | Tag::Seq) | None => return Ok(string()),
    };
    let found = match resolve_hinted(flavor, text, wanted == Tag::Timestamp) {
        Scalar::Int(value) if wanted == Tag::Float => Scalar::Float(value as f64),
        found => found,
    };
    if found.tag() == wanted {
        return Ok(found);
    }
    let (found, wanted) = (found.tag().as_str(), wanted.as_str());
    Err(Error::decode(format!(
        "cannot decode {found} `{text}` as a {wanted}"
    )))
}

/// The short form of a tag, also for names that are not core types.
pub(crate) fn short_tag(tag: &str) -> Cow<'_, str> {
    match tag.strip_prefix(LONG_TAG_PREFIX) {
        Some(name) => Cow::Owned(format!("!!{name}")),
        None => Cow::Borrowed(tag),
    }
}

fn resolve_hinted(flavor: Flavor, text: &str, timestamps: bool) -> Scalar<'_> {
    let found = match text.as_bytes().first() {
        None => Some(Scalar::Null),
        Some(b'+' | b'-' | b'0'..=b'9') => resolve_number(flavor, text, timestamps),
        Some(b'.') => resolve_dot(text),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            resolve_word(flavor, text)
        }
        Some(_) => None,
    };
    found.unwrap_or(Scalar::Str(Cow::Borrowed(text)))
}

fn resolve_word(flavor: Flavor, text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ if flavor == Flavor::V2 => Scalar::Bool(yaml11_bool(text)?),
        _ => return None,
    })
}

/// The booleans that only YAML 1.1 knows.
pub(crate) fn yaml11_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn resolve_dot(text: &str) -> Option<Scalar<'static>> {
    Some(Scalar::Float(match text {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        _ => parse_float(&remove_separators(text)?)?,
    }))
}

/// Removes underscores that separate digits; `None` if one does not.
fn remove_separators(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let separates = |at: usize| digit(at.checked_sub(1)) && digit(Some(at + 1));
    let all = bytes
        .iter()
        .enumerate()
        .all(|(at, &byte)| byte != b'_' || separates(at));
    all.then(|| Cow::Owned(text.replace('_', "")))
}

fn resolve_number(flavor: Flavor, text: &str, timestamps: bool) -> Option<Scalar<'_>> {
    if let Some(value) = small_decimal(text) {
        return Some(Scalar::Int(value));
    }
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Some(Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if timestamps && let Some(time) = Timestamp::parse(text) {
        return Some(Scalar::Time(time));
    }
    let plain = if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    let plain = plain.as_ref();
    if let Some(value) = parse_int(plain, 0) {
        return Some(Scalar::Int(value));
    }
    if let Some(value) = parse_uint(plain, 0) {
        return Some(Scalar::Uint(value));
    }
    if let Some(value) = parse_float(plain) {
        return Some(Scalar::Float(value));
    }
    // Go lets a second sign follow these prefixes.
    let prefixes: &[(&str, u32)] = match flavor {
        Flavor::V2 => &[("0b", 2)],
        Flavor::V3 => &[("0b", 2), ("0o", 8)],
    };
    for &(prefix, radix) in prefixes {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return parse_int(digits, radix)
                .map(Scalar::Int)
                .or_else(|| parse_uint(digits, radix).map(Scalar::Uint));
        }
        if let Some(digits) = plain.strip_prefix('-').and_then(|rest| rest.strip_prefix(prefix)) {
            return parse_int(&format!("-{digits}"), radix).map(Scalar::Int);
        }
    }
    None
}

/// The common case: up to 18 decimal digits without a leading zero.
fn small_decimal(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() > 18 || (bytes.len() > 1 && bytes.first() == Some(&b'0')) {
        return None;
    }
    bytes.iter().try_fold(0, |value: i64, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// Go's `strconv.ParseInt`; radix 0 reads it from the prefix.
fn parse_int(text: &str, radix: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let value = parse_uint(digits, radix)?;
    if negative {
        0_i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

/// Go's `strconv.ParseUint`; radix 0 reads it from the prefix.
fn parse_uint(text: &str, radix: u32) -> Option<u64> {
    let bytes = text.as_bytes();
    let (radix, digits) = match (radix, bytes) {
        (0, [b'0', b'x' | b'X', _, ..]) => (16, bytes.get(2..)?),
        (0, [b'0', b'o' | b'O', _, ..]) => (8, bytes.get(2..)?),
        (0, [b'0', b'b' | b'B', _, ..]) => (2, bytes.get(2..)?),
        (0, [b'0', rest @ ..]) => (8, rest),
        (0, _) => (10, bytes),
        (radix, _) => (radix, bytes),
    };
    if bytes.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

/// A decimal float in range: `1`, `1.`, `.5`, `1e3`, with a sign.
fn parse_float(text: &str) -> Option<f64> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(unsigned);
    let mut rest = unsigned.get(whole..)?;
    let mut mantissa = whole;
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        mantissa += count;
        rest = fraction.get(count..)?;
    }
    if mantissa == 0 {
        return None;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if exponent.is_empty() || digits(exponent) != exponent.len() {
            return None;
        }
    } else if !rest.is_empty() {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Decodes `!!binary` text; bytes that are not UTF-8 become U+FFFD, as they do on the way to JSON.
fn decode_binary(text: &str) -> Result<String, Error> {
    let bytes = go_std::base64::decode(text)
        .ok_or_else(|| Error::decode("!!binary value contains invalid base64 data"))?;
    Ok(replace_bad_bytes(&bytes))
}

/// Replaces every byte that is not part of UTF-8 by itself, as encoding/json does.
pub(crate) fn replace_bad_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    text
}
