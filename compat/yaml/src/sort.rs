//! The key order of Go's YAML printers.

use std::cmp::Ordering;

use crate::scanner::Flavor;

/// Sorts pairs, given in bytewise order, as the printer of the flavour does: letters and digits apart, numbers by value.
///
/// The `yaml.v2` comparison is not transitive (`v10 < v1beta1 < v2 < v10`), so upstream's own order of such keys changes
/// from run to run; what comes out here is upstream's most likely order. The sorts of the standard library may panic on
/// such a comparison, hence our own.
pub(crate) fn natural_order<T>(flavor: Flavor, mut pairs: Vec<(&str, T)>) -> Vec<(&str, T)> {
    /// As many keys are sorted by insertion in Go.
    const SHORT: usize = 12;
    let less = |a: &(&str, T), b: &(&str, T)| compare(flavor, a.0, b.0) == Ordering::Less;
    if pairs.len() <= SHORT {
        for end in 1..pairs.len() {
            for at in (1..=end).rev() {
                match (pairs.get(at - 1), pairs.get(at)) {
                    (Some(left), Some(right)) if less(right, left) => pairs.swap(at - 1, at),
                    _ => break,
                }
            }
        }
        return pairs;
    }
    let right = pairs.split_off(pairs.len() / 2);
    let mut left = natural_order(flavor, pairs).into_iter().peekable();
    let mut right = natural_order(flavor, right).into_iter().peekable();
    let mut merged = Vec::with_capacity(left.len() + right.len());
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if less(b, a) => right.next(),
            (None, _) => right.next(),
            (Some(_), _) => left.next(),
        };
        match next {
            Some(pair) => merged.push(pair),
            None => return merged,
        }
    }
}

fn compare(flavor: Flavor, a: &str, b: &str) -> Ordering {
    let mut at = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !a.is_char_boundary(at) {
        at -= 1;
    }
    let (common, rest_a) = a.split_at(at);
    let rest_b = b.get(at..).unwrap_or_default();
    let (Some(x), Some(y)) = (rest_a.chars().next(), rest_b.chars().next()) else {
        return a.len().cmp(&b.len());
    };
    let letters_first = flavor == Flavor::V3 && common.ends_with(is_digit);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => x.cmp(&y),
        (true, false) if letters_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if letters_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            // A zero inside a number is not a leading zero.
            let inside = (x == '0' || y == '0')
                && common
                    .chars()
                    .rev()
                    .take_while(|&c| is_digit(c))
                    .any(|digit| digit != '0');
            let (value_a, length_a) = number(rest_a, inside);
            let (value_b, length_b) = number(rest_b, inside);
            value_a
                .cmp(&value_b)
                .then(length_a.cmp(&length_b))
                .then(x.cmp(&y))
        }
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The value and length of the digits at the start; `inside` puts a 1 before them.
fn number(text: &str, inside: bool) -> (i64, usize) {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    digits.fold((i64::from(inside), 0), |(value, length), digit| {
        (
            value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')),
            length + 1,
        )
    })
}
