//! One encrypted value.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U12, U32};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use crate::error::CipherError;
use crate::numbers::{parse_bool, parse_float, parse_int};
use crate::time::Time;
use crate::tree::{Comment, Value};

/// The alphabet with padding; as in Go, bits behind the last byte do not count.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decrypts a text `ENC[...]` that stands at a place. The empty text is never encrypted.
pub(crate) fn decrypt(text: &[u8], key: &[u8], place: &[u8]) -> Result<Value, CipherError> {
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    let parts = Parts::read(text).ok_or(CipherError::Format)?;
    let mut data = decode("data", parts.data)?;
    let vector = decode("iv", parts.vector)?;
    data.extend(decode("tag", parts.tag)?);
    if key.len() != 32 {
        return Err(CipherError::KeySize(key.len()));
    }
    let payload = Payload {
        msg: &data,
        aad: place,
    };
    let opened = match vector.len() {
        32 => open::<AesGcm<Aes256, U32>>(key, &vector, payload),
        12 => open::<AesGcm<Aes256, U12>>(key, &vector, payload),
        length => return Err(CipherError::VectorSize(length)),
    };
    let plain = opened.ok_or(CipherError::Authentication)?;
    typed(parts.datatype, plain)
}

fn open<C: Aead + KeyInit>(key: &[u8], vector: &[u8], payload: Payload<'_, '_>) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    cipher.decrypt(vector.try_into().ok()?, payload).ok()
}

fn typed(datatype: &[u8], plain: Vec<u8>) -> Result<Value, CipherError> {
    let text = || std::str::from_utf8(&plain).unwrap_or_default();
    match datatype {
        b"str" => Ok(Value::Text(plain)),
        b"int" => parse_int(text()).map(Value::Int).ok_or(CipherError::Text("int")),
        b"float" => parse_float(text())
            .map(Value::Float)
            .ok_or(CipherError::Text("float")),
        b"bool" => parse_bool(text())
            .map(Value::Bool)
            .ok_or(CipherError::Text("bool")),
        b"time" => Time::parse(text())
            .map(Value::Time)
            .ok_or(CipherError::Text("time")),
        b"comment" => Ok(Value::Comment(Comment {
            text: plain,
            inline: false,
        })),
        other => Err(CipherError::Datatype(String::from_utf8_lossy(other).into_owned())),
    }
}

fn decode(part: &'static str, text: &[u8]) -> Result<Vec<u8>, CipherError> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\r').collect();
    BASE64.decode(&text).map_err(|error| CipherError::Base64 {
        part,
        at: match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len(),
        },
    })
}

/// The parts of `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`.
struct Parts<'t> {
    data: &'t [u8],
    vector: &'t [u8],
    tag: &'t [u8],
    datatype: &'t [u8],
}

impl<'t> Parts<'t> {
    /// Takes the first line apart at the last of each mark, as a greedy expression does. Behind the last bracket
    /// anything may follow.
    fn read(text: &'t [u8]) -> Option<Self> {
        let line = text.split(|byte| *byte == b'\n').next()?;
        let rest = line.strip_prefix(b"ENC[AES256_GCM,data:")?;
        let (rest, _) = split_last(rest, b"]")?;
        let (rest, datatype) = split_last(rest, b",type:")?;
        let (rest, tag) = split_last(rest, b",tag:")?;
        let (data, vector) = split_last(rest, b",iv:")?;
        (!data.is_empty()).then_some(Self {
            data,
            vector,
            tag,
            datatype,
        })
    }
}

/// Splits at the last mark that something follows; behind the bracket nothing need.
fn split_last<'t>(text: &'t [u8], mark: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let behind = usize::from(mark != b"]");
    let at = (0..=text.len().checked_sub(mark.len() + behind)?)
        .rev()
        .find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(mark)))?;
    let (before, after) = text.split_at(at);
    Some((before, after.get(mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_apart_at_the_last_marks() {
        let parts = |text: &'static str| {
            let parts = Parts::read(text.as_bytes())?;
            let text = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap();
            Some([
                text(parts.data),
                text(parts.vector),
                text(parts.tag),
                text(parts.datatype),
            ])
        };
        let four = |parts: [&str; 4]| Some(parts.map(str::to_owned));
        let start = "ENC[AES256_GCM,data:";
        assert_eq!(start.len(), 20);
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]"),
            four(["a", "b", "c", "str"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]x\r\n]"),
            four(["a", "b", "c", "str"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]x]"),
            four(["a", "b", "c", "str]x"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:x,iv:b,tag:c,type:str]"),
            four(["a,iv:x", "b", "c", "str"])
        );
        for wrong in [
            " ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]",
            "ENC[AES256_GCM,data:,iv:b,tag:c,type:str]",
            "ENC[AES256_GCM,data:a,iv:b,tag:c,type:]",
            "ENC[AES256_GCM,data:a\n,iv:b,tag:c,type:str]",
            "plain",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_decrypted_is_told_without_its_value() {
        let told = |text: &str, key: &[u8]| decrypt(text.as_bytes(), key, b"a:").unwrap_err().to_string();
        let key = [0; 32];
        assert_eq!(
            told("secret", &key),
            "Input string <redacted> does not match sops' data format"
        );
        assert_eq!(
            told("ENC[AES256_GCM,data:a!==,iv:b,tag:c,type:str]", &key),
            "Error base64-decoding data: illegal base64 data at input byte 1"
        );
        let sized = "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]";
        assert!(told(sized, &key).contains("1 bytes is not supported"));
        assert_eq!(told(sized, &[0; 16]), "crypto/aes: invalid key size 16");
        assert_eq!(decrypt(b"", &key, b"a:"), Ok(Value::text("")));
    }
}
