//! JSON, YAML, TOML, base64 and base32.

use gotmpl::{Context, FuncError, FuncMap, List, Map, Str, Value};

use crate::bounds::{charge_document, charge_maps, check_size};
use crate::decoded::{Decoded, misfit};
use crate::json::{self, Style};
use crate::{toml, yaml};

const COMPACT: Style = Style {
    escape_html: true,
    pretty: false,
};
const PRETTY: Style = Style {
    escape_html: true,
    pretty: true,
};
const RAW: Style = Style {
    escape_html: false,
    pretty: false,
};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("toJson", |cx: &mut Context<'_>, value: Value| {
            or_empty(to_json(cx, &value, COMPACT))
        })
        .add("mustToJson", |cx: &mut Context<'_>, value: Value| {
            to_json(cx, &value, COMPACT)
        })
        .add("toPrettyJson", |cx: &mut Context<'_>, value: Value| {
            or_empty(to_json(cx, &value, PRETTY))
        })
        .add("mustToPrettyJson", |cx: &mut Context<'_>, value: Value| {
            to_json(cx, &value, PRETTY)
        })
        .add("toRawJson", |cx: &mut Context<'_>, value: Value| {
            to_json(cx, &value, RAW)
        })
        .add("mustToRawJson", |cx: &mut Context<'_>, value: Value| {
            to_json(cx, &value, RAW)
        })
        // A null leaves Go's JSON decoder with a nil map, on which `set` fails; by way of YAML the map stays empty.
        .add("fromJson", |cx: &mut Context<'_>, text: Str| {
            charge_json(cx, &text)?;
            Ok::<_, FuncError>(or_error_map(from_json(&text), misfit, Map::nil()))
        })
        .add("fromJsonArray", |cx: &mut Context<'_>, text: Str| {
            charge_json(cx, &text)?;
            Ok::<_, FuncError>(or_error_list(from_json(&text), misfit, List::nil()))
        })
        .add("mustFromJson", |cx: &mut Context<'_>, text: Str| {
            charge_json(cx, &text)?;
            from_json(&text).map_err(|(message, _)| FuncError::new(message))
        })
        .add("toYaml", |cx: &mut Context<'_>, value: Value| {
            let text = yaml::encode(cx, &value);
            or_empty(to_yaml(cx, text))
        })
        .add("mustToYaml", |cx: &mut Context<'_>, value: Value| {
            let text = yaml::encode(cx, &value);
            to_yaml(cx, text)
        })
        .add("toYamlPretty", |cx: &mut Context<'_>, value: Value| {
            let text = yaml::encode_pretty(cx, &value);
            to_yaml(cx, text)
        })
        .add("fromYaml", |cx: &mut Context<'_>, text: Str| {
            charge_document(cx, &text, b",\n")?;
            cx.charge(text.len() as u64 * STEPS_PER_YAML_BYTE)?;
            Ok::<_, FuncError>(or_error_map(
                yaml::decode(cx, &text)?,
                yaml::document_misfit,
                Map::new(),
            ))
        })
        .add("fromYamlArray", |cx: &mut Context<'_>, text: Str| {
            charge_document(cx, &text, b",\n")?;
            cx.charge(text.len() as u64 * STEPS_PER_YAML_BYTE)?;
            Ok::<_, FuncError>(or_error_list(
                yaml::decode(cx, &text)?,
                yaml::document_misfit,
                List::default(),
            ))
        })
        .add("toToml", |cx: &mut Context<'_>, value: Value| {
            toml_text(cx, &value)
        })
        .add("mustToToml", |cx: &mut Context<'_>, value: Value| {
            must_toml_text(cx, &value)
        })
        .add("fromToml", |cx: &mut Context<'_>, text: Str| {
            charge_document(cx, &text, b",\n.")?;
            charge_maps(cx, &text, b"{[.")?;
            cx.charge(text.len() as u64 * STEPS_PER_YAML_BYTE)?;
            let decoded = toml::decode(&text);
            Ok::<_, FuncError>(decoded.unwrap_or_else(|error| error_map(&Map::new(), &error.to_string())))
        })
        .add("b64enc", |s: Str| go_std::base64::encode(&*s))
        .add("b64dec", |s: Str| {
            decode_padded(&s, &BASE64).unwrap_or_else(std::convert::Into::into)
        })
        .add("b32enc", |s: Str| encode_padded(&s, &BASE32))
        .add("b32dec", |s: Str| {
            decode_padded(&s, &BASE32).unwrap_or_else(std::convert::Into::into)
        });
}

/// How many bytes of JSON are read or written in one step.
const JSON_BYTES_PER_STEP: u64 = 4;
/// How many steps it takes to read or write a byte of YAML.
const STEPS_PER_YAML_BYTE: u64 = 2;

/// Counts what a text of JSON takes to read, and what it may become.
fn charge_json(cx: &mut Context<'_>, text: &[u8]) -> Result<(), FuncError> {
    cx.charge(text.len() as u64 / JSON_BYTES_PER_STEP)?;
    charge_document(cx, text, b",[[")?;
    charge_maps(cx, text, b"{")
}

fn to_json(cx: &mut Context<'_>, value: &Value, style: Style) -> Result<String, FuncError> {
    let text = json::encode(cx, value, style)?;
    cx.charge(text.len() as u64 / JSON_BYTES_PER_STEP)?;
    Ok(text)
}

/// Counts the work behind a text of YAML, which its size is a measure of.
fn to_yaml(cx: &mut Context<'_>, text: Result<String, FuncError>) -> Result<String, FuncError> {
    let text = text?;
    cx.charge(text.len() as u64 * STEPS_PER_YAML_BYTE)?;
    Ok(text)
}

const MAP_TYPE: &str = "map[string]interface {}";
const LIST_TYPE: &str = "[]interface {}";

/// The text of the complaint about a value that is not of the wanted Go type.
type Misfit = fn(&Value, &str) -> String;

fn from_json(text: &[u8]) -> Decoded {
    match json::decode(text) {
        Err(message) => Err((message, None)),
        Ok(json::Decoded {
            value,
            misfit: Some(message),
        }) => Err((message, Some(value))),
        Ok(json::Decoded { value, misfit: None }) => Ok(value),
    }
}

/// Swallows an error, unless a limit is used up.
fn or_empty(encoded: Result<String, FuncError>) -> Result<String, FuncError> {
    match encoded {
        Err(error) if !error.is_limit() => Ok(String::new()),
        other => other,
    }
}

/// A map, or one with the error under `Error`; `null` is what a null becomes.
fn or_error_map(decoded: Decoded, misfit: Misfit, null: Map) -> Map {
    match decoded {
        Ok(Value::Map(map)) => map,
        Ok(Value::Nil) => null,
        Err((message, Some(Value::Map(partial)))) => error_map(&partial, &message),
        Err((message, None)) => error_map(&Map::new(), &message),
        Ok(other) | Err((_, Some(other))) => error_map(&Map::new(), &misfit(&other, MAP_TYPE)),
    }
}

fn error_map(map: &Map, message: &str) -> Map {
    let entries = map.entries();
    let partial = entries.iter().map(|(key, value)| (key.clone(), value.clone()));
    partial
        .chain(std::iter::once((Str::from("Error"), Value::from(message))))
        .collect()
}

/// A list, or one that holds only the error.
fn or_error_list(decoded: Decoded, misfit: Misfit, null: List) -> List {
    let message = match decoded {
        Ok(Value::List(list)) => return list,
        Ok(Value::Nil) => return null,
        Err((message, Some(Value::List(_)) | None)) => message,
        Ok(other) | Err((_, Some(other))) => misfit(&other, LIST_TYPE),
    };
    List::new(vec![Value::from(message)])
}

/// The text of a value, or of the error that there is none.
fn toml_text(cx: &mut Context<'_>, value: &Value) -> Result<Str, FuncError> {
    match must_toml_text(cx, value) {
        Err(error) if !value.is_nil() && !error.is_limit() => Ok(error.to_string().into()),
        other => other,
    }
}

fn must_toml_text(cx: &mut Context<'_>, value: &Value) -> Result<Str, FuncError> {
    if value.is_nil() {
        return Err(FuncError::new(
            "reflect: call of reflect.Value.Type on zero Value",
        ));
    }
    check_size(cx, value)?;
    let text = toml::encode(value).map_err(|error| match error {
        toml::EncodeError::Size => FuncError::limit(error.to_string()),
        error => FuncError::new(error.to_string()),
    })?;
    cx.charge(text.len() as u64 / JSON_BYTES_PER_STEP)?;
    Ok(text.into())
}

/// An alphabet whose letters stand for `bits` bits each; `block` letters make whole bytes.
struct Alphabet {
    name: &'static str,
    letters: &'static [u8],
    bits: u32,
    block: usize,
}

const BASE64: Alphabet = Alphabet {
    name: "base64",
    letters: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    bits: 6,
    block: 4,
};

const BASE32: Alphabet = Alphabet {
    name: "base32",
    letters: b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    bits: 5,
    block: 8,
};

/// Reads standard padded base64; line breaks are skipped.
pub(crate) fn base64_decode(text: &[u8]) -> Result<Vec<u8>, String> {
    decode_padded(text, &BASE64).map(|s| s.to_vec())
}

fn encode_padded(bytes: &[u8], alphabet: &Alphabet) -> String {
    let bytes_per_block = alphabet.block * alphabet.bits as usize / 8;
    let mut out = String::with_capacity(bytes.len().div_ceil(bytes_per_block) * alphabet.block);
    for chunk in bytes.chunks(bytes_per_block) {
        let mut word = chunk
            .iter()
            .fold(0_u64, |word, &byte| word << 8 | u64::from(byte));
        word <<= 8 * (bytes_per_block - chunk.len());
        let letters = (chunk.len() * 8).div_ceil(alphabet.bits as usize);
        for index in 0..alphabet.block {
            let shift = alphabet.bits as usize * (alphabet.block - 1 - index);
            let digit = (word >> shift) as usize & ((1 << alphabet.bits) - 1);
            let letter = alphabet.letters.get(digit).copied().unwrap_or(b'=');
            out.push(if index < letters { char::from(letter) } else { '=' });
        }
    }
    out
}

/// Decodes with the error positions of Go's packages, which are those in the text with its line breaks for base64 and without them for
/// base32.
fn decode_padded(text: &[u8], alphabet: &Alphabet) -> Result<Str, String> {
    let corrupt = |at: usize| format!("illegal {} data at input byte {at}", alphabet.name);
    let is_base32 = alphabet.bits == 5;
    let stripped: Vec<(usize, u8)> = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, b)| !matches!(b, b'\r' | b'\n'))
        .enumerate()
        .map(|(index, (at, byte))| (if is_base32 { index } else { at }, byte))
        .collect();
    let mut values = [0xff_u8; 256];
    for (value, &letter) in alphabet.letters.iter().enumerate() {
        if let Some(slot) = values.get_mut(usize::from(letter)) {
            *slot = value as u8;
        }
    }
    let end_position = if is_base32 { stripped.len() } else { text.len() };
    let mut out = Vec::with_capacity(text.len() * alphabet.bits as usize / 8);
    let mut at = 0;
    while at < stripped.len() {
        let mut word = 0_u64;
        let mut letters = 0;
        let mut finished = false;
        while letters < alphabet.block {
            let Some(&(position, byte)) = stripped.get(at) else {
                // The block is not complete.
                return Err(corrupt(end_position - letters));
            };
            at += 1;
            let value = values.get(usize::from(byte)).copied().unwrap_or(0xff);
            if value != 0xff {
                word = word << alphabet.bits | u64::from(value);
                letters += 1;
                continue;
            }
            if byte != b'=' {
                return Err(corrupt(position));
            }
            padding(&stripped, at, letters, position, alphabet, end_position).map_err(corrupt)?;
            finished = true;
            break;
        }
        let bits = letters as u32 * alphabet.bits;
        for index in 0..bits / 8 {
            out.push((word >> (bits - 8 * (index + 1))) as u8);
        }
        if finished {
            return Ok(out.into());
        }
    }
    Ok(out.into())
}

/// Checks what follows the first `=` (which stood at `position`, before index `at`) of a block with `letters` letters.
fn padding(
    text: &[(usize, u8)],
    at: usize,
    letters: usize,
    position: usize,
    alphabet: &Alphabet,
    end: usize,
) -> Result<(), usize> {
    let rest = text.get(at..).unwrap_or_default();
    if alphabet.bits == 6 {
        let behind = match (letters, rest) {
            (0 | 1, _) => return Err(position),
            (2, []) => return Err(end),
            (2, [(position, byte), ..]) if *byte != b'=' => return Err(position - 1),
            (2, [_, behind @ ..]) | (_, behind) => behind,
        };
        return behind.first().map_or(Ok(()), |&(position, _)| Err(position));
    }
    if letters < 2 || rest.len() >= 8 {
        return Err(position);
    }
    if letters + rest.len() < 7 {
        return Err(end);
    }
    if let Some(wrong) = rest.iter().take(7 - letters).position(|&(_, byte)| byte != b'=') {
        return Err(position + wrong);
    }
    if matches!(letters, 3 | 6) {
        Err(position)
    } else {
        Ok(())
    }
}
