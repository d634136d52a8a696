//! A secret from its shares (Shamir, over the field of AES), as HashiCorp's Vault splits it.

/// Why there is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShamirError {
    #[error("less than two parts cannot be used to reconstruct the secret")]
    TooFew,
    #[error("parts must be at least two bytes")]
    TooShort,
    #[error("all parts must be the same length")]
    Lengths,
    #[error("duplicate part detected")]
    Duplicate,
}

/// Puts shares together; the last byte of each is where it lies.
pub(crate) fn combine(parts: &[&[u8]]) -> Result<Vec<u8>, ShamirError> {
    let [first, rest @ ..] = parts else {
        return Err(ShamirError::TooFew);
    };
    if rest.is_empty() {
        return Err(ShamirError::TooFew);
    }
    let length = first.len();
    if length < 2 {
        return Err(ShamirError::TooShort);
    }
    if rest.iter().any(|part| part.len() != length) {
        return Err(ShamirError::Lengths);
    }
    let places: Vec<u8> = parts.iter().filter_map(|part| part.last().copied()).collect();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.get(1)) {
        return Err(ShamirError::Duplicate);
    }
    let weights: Vec<u8> = places.iter().map(|place| weight(*place, &places)).collect();
    let byte = |at: usize| {
        let terms = parts.iter().zip(&weights);
        terms.fold(0, |sum, (part, weight)| {
            sum ^ multiply(part.get(at).copied().unwrap_or_default(), *weight)
        })
    };
    Ok((0..length - 1).map(byte).collect())
}

/// What a share counts for the value at zero.
fn weight(place: u8, places: &[u8]) -> u8 {
    let others = places.iter().filter(|other| **other != place);
    others.fold(1, |product, other| {
        multiply(product, multiply(*other, inverse(place ^ other)))
    })
}

/// Multiplies without a branch on the values.
fn multiply(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut shifted = a;
    for bit in 0..8 {
        product ^= shifted & 0_u8.wrapping_sub((b >> bit) & 1);
        shifted = (shifted << 1) ^ (0x1B & 0_u8.wrapping_sub(shifted >> 7));
    }
    product
}

/// The inverse, which is the 254th power.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        power = multiply(multiply(power, power), a);
    }
    multiply(power, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_but_zero_has_its_inverse() {
        for value in 1..=255 {
            assert_eq!(multiply(value, inverse(value)), 1, "{value}");
        }
    }

    #[test]
    fn a_secret_comes_out_of_any_of_its_shares() {
        // y = 0x2A + 7 x + 200 x^2
        let share = |x: u8| [0x2A ^ multiply(7, x) ^ multiply(200, multiply(x, x)), x];
        let (a, b, c, d) = (share(3), share(77), share(200), share(9));
        assert_eq!(combine(&[&a, &b, &c]), Ok(vec![0x2A]));
        assert_eq!(combine(&[&d, &c, &a, &b]), Ok(vec![0x2A]));
        assert_eq!(combine(&[&a]), Err(ShamirError::TooFew));
        assert_eq!(combine(&[&a, &a]), Err(ShamirError::Duplicate));
        assert_eq!(combine(&[&a, &[1, 2, 3]]), Err(ShamirError::Lengths));
        assert_eq!(combine(&[&[1], &[2]]), Err(ShamirError::TooShort));
    }
}
