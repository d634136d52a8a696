//! Random primes for RSA keys, looked for on all processors.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crypto_bigint::{BoxedUint, U1024, U2048};
use crypto_primes::{Flavor, is_prime};

use super::fermat::may_be_prime;
use crate::environment::Environment;

/// How many odd numbers from a random one on are looked at. Of those with 2048 bits, one in 710 is prime.
const WINDOW: usize = 1 << 13;
/// Numbers with a factor below this are sorted out first. Beyond it, looking for a factor costs more than it saves.
const SMALL: usize = 1 << 16;
/// Most threads that look for one prime: it takes about forty tests.
const MAX_THREADS: usize = 8;
/// Tries after which the environment is not random.
const MAX_TRIES: usize = 32;

/// Two random primes for an RSA modulus of 2048 or 4096 bits; nothing if the environment repeats itself.
///
/// The same bytes from the environment make the same primes, however many threads look for them.
pub(super) fn rsa_primes(environment: &dyn Environment, bits: usize) -> Option<[BoxedUint; 2]> {
    match bits {
        2048 => pair::<16>(environment, |n| is_prime(Flavor::Any, &U1024::from_le_slice(n))),
        4096 => pair::<32>(environment, |n| is_prime(Flavor::Any, &U2048::from_le_slice(n))),
        _ => None,
    }
}

/// Two primes of `64 * LIMBS` bits. `is_prime` gets what is very likely a prime, as bytes with the lowest first.
fn pair<const LIMBS: usize>(
    environment: &dyn Environment,
    is_prime: impl Fn(&[u8]) -> bool + Sync,
) -> Option<[BoxedUint; 2]> {
    let mut likely = (0..MAX_TRIES).filter_map(|_| likely_prime::<LIMBS>(environment));
    while let (Some(p), Some(q)) = (likely.next(), likely.next()) {
        if too_close(&p, &q) {
            continue;
        }
        let [p, q] = [p, q].map(|n| n.map(u64::to_le_bytes).as_flattened().to_vec());
        let both = thread::scope(|scope| {
            let p = thread::Builder::new().spawn_scoped(scope, || is_prime(&p));
            is_prime(&q) && p.is_ok_and(|p| p.join().unwrap_or(false))
        });
        if both {
            return Some([p, q].map(|n| BoxedUint::from_le_slice_vartime(&n)));
        }
    }
    None
}

/// Whether two primes differ by no more than FIPS 186-5 asks of the factors of a modulus: in the upper 100 bits.
fn too_close(p: &[u64], q: &[u64]) -> bool {
    let top = |n: &[u64]| match n {
        [.., next, top] => u128::from(*top) << 64 | u128::from(*next),
        _ => 0,
    };
    top(p).abs_diff(top(q)) <= 1 << 28
}

/// The first number from a random one on that passes Fermat's test; nothing if that is too far away.
///
/// Its two top bits are set, so that a product of two has exactly twice the bits.
fn likely_prime<const LIMBS: usize>(environment: &dyn Environment) -> Option<[u64; LIMBS]> {
    let mut bytes = [[0; 8]; LIMBS];
    environment.fill_random(bytes.as_flattened_mut());
    let mut start = bytes.map(u64::from_le_bytes);
    *start.first_mut()? |= 1;
    *start.last_mut()? |= 3 << 62;
    let candidates: Vec<_> = without_small_factors(&start)
        .filter_map(|distance| add(start, distance))
        .collect();
    let found = first(&candidates, |n| may_be_prime(*n))?;
    candidates.get(found).copied()
}

/// The even distances to numbers that no small prime divides.
fn without_small_factors(start: &[u64]) -> impl Iterator<Item = u64> + use<> {
    let mut composite = vec![false; WINDOW];
    for primes in small_primes().chunks(4) {
        // Four of them fit into a word, and dividing long numbers by words is what takes the time.
        let product: u64 = primes.iter().map(|prime| u64::from(*prime)).product();
        let rest = start.iter().rev().fold(0, |rest, limb| {
            ((u128::from(rest) << 64 | u128::from(*limb)) % u128::from(product)) as u64
        });
        for prime in primes {
            let (prime, rest) = (usize::from(*prime), (rest % u64::from(*prime)) as usize);
            // The first multiple is as far away as `prime - rest`, or a prime further if that is odd.
            let distance = (prime - rest) % prime;
            let first = if distance % 2 == 0 {
                distance
            } else {
                distance + prime
            } / 2;
            for multiple in composite.iter_mut().skip(first).step_by(prime) {
                *multiple = true;
            }
        }
    }
    let distances = (0_u64..).step_by(2).zip(composite);
    distances.filter_map(|(distance, composite)| (!composite).then_some(distance))
}

/// The odd primes below [`SMALL`].
fn small_primes() -> &'static [u16] {
    static PRIMES: OnceLock<Vec<u16>> = OnceLock::new();
    PRIMES.get_or_init(|| {
        let mut composite = vec![false; SMALL];
        let mut primes = Vec::new();
        for n in (3..SMALL).step_by(2) {
            if composite.get(n) == Some(&false) {
                primes.push(n as u16);
                for multiple in composite.iter_mut().skip(n * n).step_by(2 * n) {
                    *multiple = true;
                }
            }
        }
        primes
    })
}

/// The sum, unless it has more bits.
fn add<const LIMBS: usize>(mut n: [u64; LIMBS], distance: u64) -> Option<[u64; LIMBS]> {
    let mut carry = distance;
    for limb in &mut n {
        let (sum, over) = limb.overflowing_add(carry);
        (*limb, carry) = (sum, u64::from(over));
    }
    (carry == 0).then_some(n)
}

/// The place of the first item that passes a test. Threads take one item after the other.
fn first<T: Sync>(items: &[T], test: impl Fn(&T) -> bool + Sync) -> Option<usize> {
    let (next, found) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            // What comes before the item found is being tested by somebody, who will say so.
            if place > found.load(Ordering::Relaxed) {
                break;
            }
            if test(item) {
                found.fetch_min(place, Ordering::Relaxed);
                break;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..threads.min(MAX_THREADS) {
            // One that cannot be started is not missed.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let found = found.into_inner();
    (found != usize::MAX).then_some(found)
}

#[cfg(test)]
mod tests {
    use crypto_bigint::U256;
    use jiff::Timestamp;

    use super::*;
    use crate::environment::FixedEnvironment;

    fn small_pair(seed: u64) -> Option<[BoxedUint; 2]> {
        let environment = FixedEnvironment::new(Timestamp::UNIX_EPOCH, seed);
        pair::<4>(&environment, |n| is_prime(Flavor::Any, &U256::from_le_slice(n)))
    }

    #[test]
    fn pairs_are_prime_and_follow_from_the_randomness() {
        for seed in 0..20 {
            let [p, q] = small_pair(seed).expect("primes");
            for n in [&p, &q] {
                assert!(is_prime(Flavor::Any, n));
                assert_eq!(n.shr(254_u32), BoxedUint::from(3_u64));
            }
            assert_ne!(p, q);
            assert_eq!(small_pair(seed), Some([p, q]));
        }
    }

    #[test]
    fn candidates_are_those_without_small_factors() {
        let start = [0x1234_5678_9abc_def1, 99];
        let kept: Vec<u64> = without_small_factors(&start).collect();
        let wide = |distance| (u128::from(start[1]) << 64 | u128::from(start[0])) + u128::from(distance);
        let expected: Vec<u64> = (0..2 * WINDOW as u64)
            .step_by(2)
            .filter(|distance| {
                small_primes()
                    .iter()
                    .all(|prime| wide(*distance) % u128::from(*prime) != 0)
            })
            .collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn the_first_of_many_wins() {
        let items: Vec<u32> = (0..1000).collect();
        for bound in [0, 1, 7, 500, 999] {
            assert_eq!(first(&items, |n| *n >= bound), Some(bound as usize));
        }
        assert_eq!(first(&items, |_| false), None);
        assert_eq!(first(&[] as &[u32], |_| true), None);
    }

    #[test]
    fn a_source_that_repeats_itself_makes_no_key() {
        struct Stuck;
        impl Environment for Stuck {
            fn now(&self) -> Timestamp {
                Timestamp::UNIX_EPOCH
            }

            fn fill_random(&self, bytes: &mut [u8]) {
                bytes.fill(7);
            }
        }
        let made = pair::<4>(&Stuck, |n| is_prime(Flavor::Any, &U256::from_le_slice(n)));
        assert!(made.is_none());
    }
}
