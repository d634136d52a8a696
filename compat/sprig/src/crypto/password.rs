//! `bcrypt`, `htpasswd` and `derivePassword`.

use std::sync::Arc;

use gotmpl::{Context, FromArg, FuncError, FuncMap, Str, Type, UintType, Value};
use hmac::{KeyInit as _, Mac as _};

use super::STEPS_PER_MS;
use crate::environment::Environment;

/// Go's default cost.
const BCRYPT_COST: u32 = 10;
/// bcrypt sees no more of a password.
const BCRYPT_MAX: usize = 72;
const BCRYPT_MS: u64 = 52;
const SCRYPT_MS: u64 = 200;

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    let source = Arc::clone(environment);
    functions.add("bcrypt", move |cx: &mut Context<'_>, password: Str| {
        cx.charge(BCRYPT_MS * STEPS_PER_MS)?;
        Ok::<_, FuncError>(bcrypt_text(&*source, &password))
    });
    let source = Arc::clone(environment);
    functions.add(
        "htpasswd",
        move |cx: &mut Context<'_>, user: Str, password: Str| {
            cx.charge(BCRYPT_MS * STEPS_PER_MS)?;
            if user.contains(&b':') {
                return Ok::<_, FuncError>(Str::from([b"invalid username: ", &*user].concat()));
            }
            Ok([&*user, b":", bcrypt_text(&*source, &password).as_bytes()]
                .concat()
                .into())
        },
    );
    functions.add(
        "derivePassword",
        |cx: &mut Context<'_>, counter: Uint32, kind: Str, password: Str, user: Str, site: Str| {
            cx.charge(SCRYPT_MS * STEPS_PER_MS)?;
            derive(counter.0, &kind, &password, &user, &site)
        },
    );
}

/// The hash, or what Sprig puts into the manifest instead.
fn bcrypt_text(environment: &dyn Environment, password: &[u8]) -> String {
    if password.len() > BCRYPT_MAX {
        return format!(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds {BCRYPT_MAX} bytes"
        );
    }
    let mut salt = [0; 16];
    environment.fill_random(&mut salt);
    match bcrypt::hash_with_salt(password, BCRYPT_COST, salt) {
        Ok(parts) => parts.format_for_version(bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: bcrypt: {error}"),
    }
}

struct Uint32(u32);

impl FromArg for Uint32 {
    const TYPE: Type = Type::Uint(UintType::Uint32);

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        Ok(Self(match value {
            // Constants are not checked for their range.
            Value::Uint(n, _) => *n as u32,
            Value::Int(n, _) => *n as u32,
            _ => 0,
        }))
    }
}

const SEED: &[u8] = b"com.lyndir.masterpassword";

/// The Master Password algorithm: the same password for the same site, every time.
fn derive(counter: u32, kind: &[u8], password: &[u8], user: &[u8], site: &[u8]) -> Result<Str, FuncError> {
    let Some(templates) = templates(kind) else {
        return Ok([b"cannot find password template ", kind].concat().into());
    };
    let length = |text: &[u8]| (text.len() as u32).to_be_bytes();
    let failed = |error: String| FuncError::new(format!("failed to derive password: {error}"));
    let salt = [SEED, &length(user), user].concat();
    let params = scrypt::Params::new(15, 8, 2).map_err(|error| failed(error.to_string()))?;
    let mut key = [0; 64];
    scrypt::scrypt(password, &salt, &params, &mut key).map_err(|error| failed(error.to_string()))?;
    let mut mac =
        hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).map_err(|error| failed(error.to_string()))?;
    mac.update(&[SEED, &length(site), site, &counter.to_be_bytes()].concat());
    let seed = mac.finalize().into_bytes();
    let pick = |choices: usize, seed: Option<&u8>| usize::from(seed.copied().unwrap_or(0)) % choices.max(1);
    let template = templates
        .get(pick(templates.len(), seed.first()))
        .copied()
        .unwrap_or_default();
    let letters = template
        .bytes()
        .zip(seed.iter().skip(1))
        .filter_map(|(class, seed)| {
            let letters = letters(class);
            letters.as_bytes().get(pick(letters.len(), Some(seed))).copied()
        });
    Ok(letters.collect::<Vec<u8>>().into())
}

/// The shapes that a kind of password can have; each letter stands for a class of characters.
fn templates(kind: &[u8]) -> Option<&'static [&'static str]> {
    Some(match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => return None,
    })
}

fn letters(class: u8) -> &'static str {
    match class {
        b'V' => "AEIOU",
        b'C' => "BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => "aeiou",
        b'c' => "bcdfghjklmnpqrstvwxyz",
        b'A' => "AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => "0123456789",
        b'o' => "@&%?,=[]_:-+*$#!'^~;()/.",
        _ => "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}
