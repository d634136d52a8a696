//! A quick test that nearly every composite number fails.
//!
//! Nine tenths of making a key go into showing that numbers are not prime. Fermat's test to base 2 needs nothing but
//! squares and doublings, so it is done here in plain arithmetic on arrays. What passes is put to a real test in
//! [`super::prime`]; a fault here would cost time, not keys. No step depends on the bits of the number.

/// An odd number with its top bit set, as 64-bit limbs with the lowest first, to compute modulo.
struct Modulus<const LIMBS: usize> {
    limbs: [u64; LIMBS],
    /// Minus the inverse of the number modulo 2^64: makes the lowest limb of a product vanish.
    inverse: u64,
}

/// Whether 2 to the power of `n - 1` is 1 modulo `n`, for an odd `n` with its top bit set.
pub(super) fn may_be_prime<const LIMBS: usize>(n: [u64; LIMBS]) -> bool {
    let modulus = Modulus::new(n);
    let one = modulus.one();
    // The exponent is `n` without its lowest bit; its top bit has been dealt with.
    let bits = n.iter().enumerate().rev().flat_map(|(i, limb)| {
        let limb = if i == 0 { limb & !1 } else { *limb };
        (0..64).rev().map(move |bit| limb >> bit & 1)
    });
    let power = bits.skip(1).fold(modulus.double_if(&one, 1), |power, bit| {
        modulus.double_if(&modulus.square(&power), bit)
    });
    power == one
}

/// `sum + a * b + carry`: the low and the high half, which cannot overflow.
#[inline]
fn multiply_add(sum: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let result = u128::from(sum) + u128::from(a) * u128::from(b) + u128::from(carry);
    (result as u64, (result >> 64) as u64)
}

impl<const LIMBS: usize> Modulus<LIMBS> {
    fn new(limbs: [u64; LIMBS]) -> Self {
        let lowest = limbs.first().copied().unwrap_or(1);
        // Newton's iteration: each step doubles the number of right bits, and 1 is right in the lowest.
        let inverse = (0..6).fold(1_u64, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse)))
        });
        Self {
            limbs,
            inverse: inverse.wrapping_neg(),
        }
    }

    /// 1 in Montgomery form: 2^(64 * LIMBS) modulo the number, which is one subtraction away since its top bit is set.
    fn one(&self) -> [u64; LIMBS] {
        self.subtract_once(&[0; LIMBS], 1)
    }

    /// The Montgomery square of a reduced number.
    #[inline(never)]
    fn square(&self, a: &[u64; LIMBS]) -> [u64; LIMBS] {
        let mut product = [[0; LIMBS]; 2];
        let limbs = product.as_flattened_mut();
        // The products of different limbs, once each ...
        for (i, x) in a.iter().enumerate() {
            let others = a.get(i + 1..).unwrap_or_default();
            let row = limbs.get_mut(2 * i + 1..).unwrap_or_default();
            let Some((row, rest)) = row.split_at_mut_checked(others.len()) else {
                continue;
            };
            let mut carry = 0;
            for (limb, y) in row.iter_mut().zip(others) {
                (*limb, carry) = multiply_add(*limb, *x, *y, carry);
            }
            if let Some(limb) = rest.first_mut() {
                *limb = carry;
            }
        }
        // ... doubled, and the square of each limb.
        let (pairs, _) = limbs.as_chunks_mut::<2>();
        let (mut shifted, mut carry) = (0, 0);
        for ([low, high], x) in pairs.iter_mut().zip(a) {
            let pair = u128::from(*high) << 64 | u128::from(*low);
            let (sum, over) = (pair << 1 | shifted).overflowing_add(u128::from(*x) * u128::from(*x));
            let (sum, over_again) = sum.overflowing_add(carry);
            (shifted, carry) = (pair >> 127, u128::from(over | over_again));
            (*low, *high) = (sum as u64, (sum >> 64) as u64);
        }
        self.reduce(&mut product)
    }

    /// Divides a product by 2^(64 * LIMBS), modulo the number.
    #[inline]
    fn reduce(&self, product: &mut [[u64; LIMBS]; 2]) -> [u64; LIMBS] {
        let mut carry_out = 0;
        for i in 0..LIMBS {
            let limbs = product.as_flattened_mut().get_mut(i..).unwrap_or_default();
            let Some((row, [next, ..])) = limbs.split_at_mut_checked(LIMBS) else {
                break;
            };
            let factor = row.first().map_or(0, |lowest| lowest.wrapping_mul(self.inverse));
            let mut carry = 0;
            for (limb, n) in row.iter_mut().zip(&self.limbs) {
                (*limb, carry) = multiply_add(*limb, factor, *n, carry);
            }
            let sum = u128::from(*next) + u128::from(carry) + u128::from(carry_out);
            (*next, carry_out) = (sum as u64, (sum >> 64) as u64);
        }
        self.subtract_once(&product[1], carry_out)
    }

    /// Twice a reduced number if `bit` is 1, the number itself if it is 0.
    #[inline]
    fn double_if(&self, a: &[u64; LIMBS], bit: u64) -> [u64; LIMBS] {
        let mask = bit.wrapping_neg();
        let (mut doubled, mut carry) = ([0; LIMBS], 0);
        for (limb, a) in doubled.iter_mut().zip(a) {
            *limb = a.wrapping_add(a & mask) | carry;
            carry = a >> 63 & mask;
        }
        self.subtract_once(&doubled, carry)
    }

    /// Reduces a number with a carry on top that is below twice the modulus.
    #[inline]
    fn subtract_once(&self, a: &[u64; LIMBS], carry: u64) -> [u64; LIMBS] {
        let (mut difference, mut borrow) = ([0; LIMBS], false);
        for ((limb, a), n) in difference.iter_mut().zip(a).zip(&self.limbs) {
            let (value, under) = a.overflowing_sub(*n);
            let (value, under_again) = value.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (value, under | under_again);
        }
        // It was below the modulus if the subtraction borrows more than the carry.
        let keep = (u64::from(borrow) & !carry).wrapping_neg();
        for (limb, a) in difference.iter_mut().zip(a) {
            *limb ^= (*limb ^ a) & keep;
        }
        difference
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    fn number(limbs: &[u64]) -> BigUint {
        BigUint::from_bytes_le(
            &limbs
                .iter()
                .flat_map(|limb| limb.to_le_bytes())
                .collect::<Vec<u8>>(),
        )
    }

    /// Odd numbers with the top bit set, extremes among them.
    fn samples() -> impl Iterator<Item = [u64; 4]> {
        let mut state = 1_u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match state >> 60 {
                0 => 0,
                1 => u64::MAX,
                _ => state ^ state >> 29,
            }
        };
        std::iter::repeat_with(move || [next() | 1, next(), next(), next() | 1 << 63]).take(20_000)
    }

    #[test]
    fn squares_and_doubles_as_plain_division_does() {
        let mut last = [5; 4];
        for n in samples() {
            let modulus = Modulus::new(n);
            let a = modulus.subtract_once(&last, 0);
            let (m, big) = (number(&n), number(&a));
            // A square comes divided by 2^256.
            assert_eq!((number(&modulus.square(&a)) << 256_u32) % &m, &big * &big % &m);
            assert_eq!(number(&modulus.double_if(&a, 1)), (&big << 1_u32) % &m);
            assert_eq!(number(&modulus.double_if(&a, 0)), big % &m);
            last = n;
        }
    }

    #[test]
    fn says_what_fermat_says() {
        let mut primes = 0;
        for n in samples().take(2_000) {
            let big = number(&n);
            let expected = BigUint::from(2_u32).modpow(&(&big - 1_u32), &big) == BigUint::from(1_u32);
            assert_eq!(may_be_prime(n), expected, "{n:x?}");
            primes += usize::from(expected);
        }
        assert!(primes > 10);
    }
}
