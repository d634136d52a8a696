//! Quantities in the form in which Kubernetes writes them.
//!
//! A quantity that is canonical by its looks is kept as it is written, even with a plus sign. All others are put into
//! canonical form: no fraction, and the largest suffix that loses nothing. What is below a billionth is rounded up.

/// Passes a quantity through `resource.Quantity`.
pub(super) fn canonical(text: &str) -> Option<String> {
    // Upstream trims the text as it is in JSON, so that what is escaped there stays, and is refused.
    let escaped = |c: char| c < ' ' || matches!(c, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    let text = Some(text).filter(|text| !text.contains(escaped))?.trim();
    if text.is_empty() {
        return None;
    }
    let parts = Parts::split(text)?;
    let scale = Scale::read(parts.suffix)?;
    match parts.short(scale) {
        Some(value) if parts.looks_canonical(scale, value) => Some(text.to_owned()),
        // Long numbers need a digit, short ones do not.
        None if !parts.has_digits => None,
        _ => Some(parts.amount(scale).canonical(scale, parts.negative)),
    }
}

/// A quantity, taken apart.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point without leading zeros, `0` if there are none.
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    suffix: &'a str,
    has_digits: bool,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let exponent = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = whole.trim_start_matches('0');
        Some(Self {
            negative: text.starts_with('-'),
            whole: if significant.is_empty() { "0" } else { significant },
            fraction,
            suffix,
            has_digits: !(whole.is_empty() && fraction.is_empty()),
        })
    }

    fn digits(&self) -> String {
        format!("{}{}", self.whole, self.fraction)
    }

    /// The digits as a number, where the whole amount surely fits into 64 bits.
    fn short(&self, scale: Scale) -> Option<i64> {
        let digits = self.whole.len() + self.fraction.len();
        let (fits, factor) = match scale {
            Scale::Decimal(exponent) | Scale::Exponent(exponent) => {
                let lowest = i64::from(exponent) - i64::try_from(self.fraction.len()).ok()?;
                (digits <= 18 && lowest >= LOWEST, 1)
            }
            Scale::Binary(tens) => {
                let fits = self.fraction.is_empty() && digits + 3 * tens as usize <= 14;
                (fits, 1_i64 << (10 * tens))
            }
        };
        let value = fits.then(|| self.digits().parse::<i64>().ok())??;
        value.checked_mul(factor).map(|_| value)
    }

    fn looks_canonical(&self, scale: Scale, value: i64) -> bool {
        match scale {
            Scale::Binary(_) => value & 7 != 0,
            Scale::Decimal(exponent) | Scale::Exponent(exponent) => {
                let digits = self.digits();
                let whole_steps = i64::try_from(self.fraction.len())
                    .is_ok_and(|fraction| (i64::from(exponent) - fraction) % 3 == 0);
                whole_steps && !digits.ends_with("000") && !digits.starts_with('0')
            }
        }
    }

    fn amount(&self, scale: Scale) -> Amount {
        let digits = self.digits().bytes().map(|digit| digit - b'0').collect();
        let mut amount = Amount {
            digits,
            exponent: -i64::try_from(self.fraction.len()).unwrap_or(i64::MAX),
        };
        match scale {
            Scale::Decimal(exponent) | Scale::Exponent(exponent) => amount.exponent += i64::from(exponent),
            Scale::Binary(tens) => (0..tens).for_each(|_| amount.multiply_by_1024()),
        }
        amount.round_up();
        amount
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The power of ten below which nothing is kept.
const LOWEST: i64 = -9;

/// What a suffix says, and how the amount is to be written.
#[derive(Clone, Copy)]
enum Scale {
    /// A power of ten, by a letter.
    Decimal(i32),
    /// A power of 1024.
    Binary(u32),
    /// A power of ten, by a number.
    Exponent(i32),
}

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Scale {
    fn read(suffix: &str) -> Option<Self> {
        if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Some(Self::Decimal(*exponent));
        }
        if let Some(tens) = BINARY.iter().position(|name| *name == suffix) {
            return u32::try_from(tens).ok().map(Self::Binary);
        }
        let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i64>().ok()?;
        Some(Self::Exponent(wrapped(exponent)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "Go's conversion wraps too")]
fn wrapped(exponent: i64) -> i32 {
    exponent as i32
}

/// A number of any length, without its sign.
struct Amount {
    /// The most significant first.
    digits: Vec<u8>,
    /// The power of ten of the last digit.
    exponent: i64,
}

impl Amount {
    fn multiply_by_1024(&mut self) {
        let mut carry = 0;
        for digit in self.digits.iter_mut().rev() {
            let product = u32::from(*digit) * 1024 + carry;
            *digit = last_digit(product);
            carry = product / 10;
        }
        while carry > 0 {
            self.digits.insert(0, last_digit(carry));
            carry /= 10;
        }
    }

    /// Leaves nothing below [`LOWEST`].
    fn round_up(&mut self) {
        let Some(excess) = usize::try_from(LOWEST - self.exponent)
            .ok()
            .filter(|excess| *excess > 0)
        else {
            return;
        };
        let kept = self.digits.len().saturating_sub(excess);
        let inexact = self.digits.split_off(kept).iter().any(|digit| *digit != 0);
        self.exponent = LOWEST;
        if inexact {
            for digit in self.digits.iter_mut().rev() {
                *digit = (*digit + 1) % 10;
                if *digit != 0 {
                    return;
                }
            }
            self.digits.insert(0, 1);
        }
    }

    fn canonical(mut self, scale: Scale, negative: bool) -> String {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let sign = if negative { "-" } else { "" };
        match scale {
            Scale::Binary(_) => match self.whole_and_capped() {
                Some(whole) if whole >= 1024 => sign.to_owned() + &binary(whole),
                Some(whole) => {
                    self.digits = whole.to_string().bytes().map(|digit| digit - b'0').collect();
                    self.exponent = 0;
                    sign.to_owned() + &self.decimal(false)
                }
                None => sign.to_owned() + &self.decimal(false),
            },
            Scale::Decimal(_) => sign.to_owned() + &self.decimal(false),
            Scale::Exponent(_) => sign.to_owned() + &self.decimal(true),
        }
    }

    /// The amount if it has no fraction, and at most the largest that upstream knows.
    fn whole_and_capped(&self) -> Option<u64> {
        const MOST: u64 = i64::MAX.unsigned_abs();
        let fraction = usize::try_from(-self.exponent).unwrap_or_default();
        let (whole, fraction) = self.digits.split_at(self.digits.len().saturating_sub(fraction));
        let value = whole.iter().try_fold(0_u64, |value, digit| {
            value
                .checked_mul(10)?
                .checked_add(u64::from(*digit))
                .filter(|value| *value <= MOST)
        });
        let is_whole = fraction.iter().all(|digit| *digit == 0);
        match value {
            None => Some(MOST),
            Some(MOST) => Some(MOST),
            Some(value) => is_whole.then_some(value),
        }
    }

    /// Writes the digits with a power of ten that is a multiple of three.
    fn decimal(mut self, as_exponent: bool) -> String {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        while self.exponent % 3 != 0 {
            self.digits.push(0);
            self.exponent -= 1;
        }
        let suffix = match self.exponent {
            0 => String::new(),
            exponent if as_exponent => format!("e{exponent}"),
            // Upstream writes no suffix where it has no letter.
            exponent => DECIMAL
                .iter()
                .find(|(_, known)| i64::from(*known) == exponent)
                .map(|(name, _)| (*name).to_owned())
                .unwrap_or_default(),
        };
        let mut text: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        text.push_str(&suffix);
        text
    }
}

fn last_digit(number: u32) -> u8 {
    u8::try_from(number % 10).unwrap_or_default()
}

fn binary(mut whole: u64) -> String {
    let mut tens = 0;
    while whole >= 1024 && whole.is_multiple_of(1024) {
        whole /= 1024;
        tens += 1;
    }
    format!("{whole}{}", BINARY[tens])
}
