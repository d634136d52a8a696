//! Digests, random bytes and UUIDs.

use std::fmt::Write as _;
use std::sync::Arc;

use gotmpl::{Context, FuncError, FuncMap, Str};
use sha2::Digest as _;

use crate::environment::{Environment, Random};

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    functions
        .add("sha1sum", |s: Str| hex(&sha1::Sha1::digest(&*s)))
        .add("sha256sum", |s: Str| hex(&sha2::Sha256::digest(&*s)))
        .add("sha512sum", |s: Str| hex(&sha2::Sha512::digest(&*s)))
        .add("adler32sum", |s: Str| adler32(&s).to_string());
    let source = Arc::clone(environment);
    functions.add("randBytes", move |cx: &mut Context<'_>, count: isize| {
        let count = usize::try_from(count)
            .map_err(|_| FuncError::new("runtime error: makeslice: len out of range"))?;
        cx.check_string(count.saturating_mul(2))?;
        cx.charge(Random::STEPS)?;
        let mut bytes = vec![0; count];
        source.fill_random(&mut bytes);
        Ok::<_, FuncError>(go_std::base64::encode(&bytes))
    });
    let source = Arc::clone(environment);
    functions.add("uuidv4", move |cx: &mut Context<'_>| {
        cx.charge(Random::STEPS)?;
        let mut bytes = [0; 16];
        source.fill_random(&mut bytes);
        let random = u128::from_be_bytes(bytes);
        // Version 4, variant 10.
        let uuid = random & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
        let text = format!("{uuid:032x}");
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        Ok::<_, FuncError>([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
    });
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut low, mut high) = (1_u32, 0_u32);
    // The sums of 5552 bytes fit into 32 bits.
    for chunk in bytes.chunks(5552) {
        for &byte in chunk {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}
