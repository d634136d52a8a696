//! Decimal arithmetic for `addf` and its like: the rules of the Go library shopspring/decimal.

use gotmpl::FuncError;
use num_bigint::{BigInt, Sign};

/// Digits behind the point that a quotient keeps.
const DIVISION_PRECISION: i64 = 16;

/// A number `coefficient * 10^exponent`.
#[derive(Clone)]
pub(crate) struct Decimal {
    coefficient: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as the float.
    pub(crate) fn from_f64(float: f64) -> Result<Self, FuncError> {
        if !float.is_finite() {
            let name = if float.is_nan() {
                "NaN"
            } else if float > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(FuncError::new(format!("Cannot create a Decimal from {name}")));
        }
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = mantissa.split_once('.').map_or("", |(_, fraction)| fraction);
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let coefficient = mantissa.replace('.', "").parse().unwrap_or_default();
        Ok(Self {
            coefficient,
            exponent: exponent - fraction.len() as i64,
        })
    }

    /// The nearest float.
    pub(crate) fn to_f64(&self) -> f64 {
        format!("{}e{}", self.coefficient, self.exponent)
            .parse()
            .unwrap_or(0.0)
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self {
            coefficient: self.scaled_to(exponent) + other.scaled_to(exponent),
            exponent,
        }
    }

    pub(crate) fn sub(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self {
            coefficient: self.scaled_to(exponent) - other.scaled_to(exponent),
            exponent,
        }
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        Self {
            coefficient: &self.coefficient * &other.coefficient,
            exponent: self.exponent + other.exponent,
        }
    }

    /// The quotient, rounded half away from zero behind [`DIVISION_PRECISION`] places.
    pub(crate) fn div(&self, other: &Self) -> Result<Self, FuncError> {
        if other.coefficient.sign() == Sign::NoSign {
            return Err(FuncError::new("decimal division by 0"));
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let (dividend, divisor) = if shift < 0 {
            (
                self.coefficient.clone(),
                &other.coefficient * power_of_ten(-shift),
            )
        } else {
            (&self.coefficient * power_of_ten(shift), other.coefficient.clone())
        };
        let mut quotient = &dividend / &divisor;
        let remainder = &dividend % &divisor;
        if (remainder * 2_u8).magnitude() >= divisor.magnitude() {
            let negative = (dividend.sign() == Sign::Minus) != (divisor.sign() == Sign::Minus);
            quotient += if negative { -1 } else { 1 };
        }
        Ok(Self {
            coefficient: quotient,
            exponent: -DIVISION_PRECISION,
        })
    }

    fn scaled_to(&self, exponent: i64) -> BigInt {
        &self.coefficient * power_of_ten(self.exponent - exponent)
    }
}

fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}
