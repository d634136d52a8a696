//! Bech32 (BIP 173), without its limit of 90 characters.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Reads a text: what stands before its last `1`, and the bytes behind it.
pub(super) fn decode(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), String> {
    if text.to_lowercase() != text && text.to_uppercase() != text {
        return Err("mixed case".to_owned());
    }
    let at = text.rfind('1').filter(|at| *at > 0 && at + 7 <= text.len());
    let Some(at) = at else {
        let at = text.rfind('1').map_or(-1, |at| at as i64);
        let length = text.len();
        return Err(format!(
            "separator '1' at invalid position: pos={at}, len={length}"
        ));
    };
    let (name, rest) = text.split_at(at);
    if let Some((at, c)) = name.char_indices().find(|(_, c)| !('!'..='~').contains(c)) {
        let c = u32::from(c);
        return Err(format!("invalid character human-readable part: s[{at}]={c}"));
    }
    let rest = rest.get(1..).unwrap_or_default().to_lowercase();
    let mut values = Zeroizing::new(Vec::with_capacity(rest.len()));
    for (at, c) in rest.char_indices() {
        let value = ALPHABET.iter().position(|known| char::from(*known) == c);
        let Some(value) = value else {
            let c = u32::from(c);
            return Err(format!("invalid character data part: s[{at}]={c}"));
        };
        values.push(value as u8);
    }
    if checksum(name, &values) != 1 {
        return Err("invalid checksum".to_owned());
    }
    let length = values.len() - 6;
    values.truncate(length);
    Ok((name, bytes(&values)?))
}

fn checksum(name: &str, values: &[u8]) -> u32 {
    let lower = name.to_lowercase();
    let high = lower.bytes().map(|byte| byte >> 5);
    let low = lower.bytes().map(|byte| byte & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    all.fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = ((sum & 0x1FF_FFFF) << 5) ^ u32::from(value);
        let generators = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
        let bits = generators.iter().enumerate();
        bits.fold(shifted, |sum, (bit, generator)| {
            sum ^ (generator * ((top >> bit) & 1))
        })
    })
}

/// Bytes of groups of five bits.
fn bytes(values: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut out = Zeroizing::new(Vec::with_capacity(values.len() * 5 / 8));
    let (mut bits, mut count) = (0_u32, 0);
    for value in values {
        bits = (bits << 5) | u32::from(*value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    if count >= 5 {
        return Err("illegal zero padding".to_owned());
    }
    if bits & ((1 << count) - 1) != 0 {
        return Err("non-zero padding".to_owned());
    }
    Ok(out)
}
