//! The domain parameters of DSA keys.
//!
//! Finding them takes seconds, sometimes many, and their point is that keys can share them (FIPS 186-4, 4.3). So they were
//! made once, by `openssl genpkey -genparam -algorithm DSA` with 2048 and 256 bits, which follows that standard.

use dsa::{BoxedUint, Components, signature};

const P: &str = "\
    f60993f097b089e99f7fa5c11a82dd73c6568159988f4aa73f73c06344997f456e0a9478b38ba98b2404b628d6148282\
    c6963a2811411830a57b05c6862299ef87e6dc3d79a41804132bb9eb67c08b177a66b706c5a03b0b6c9683421986cfd1\
    c964dcaca3d9ae43744d951864058f7f841aae445a2481a2f3824b1773f0a9078f3c916c9213f8e1e169f98b8b986c5b\
    3b0b80b02d2b643f49f90d93e8156ea77c11b54cfc6a69da40fffdb9c6e9aff5652134ef0206fbc3fe1497f2b749d234\
    a95099b3b2649daf742fc4d966a3a0136f2eb3034a1a7468da889200819cb3a14d8c050b0c999a158afbca83d353bd74\
    49572188db8095137f3b82317c26f677";
const Q: &str = "\
    b5529ce4d8e997672e9a587b3ca1d9d93fe2fd0f154f18452143ecaa6a749625";
const G: &str = "\
    0f1d79fdee0b03c3406e6486d32d4bed3ab08cad7d3f7909f0ddaf399330f5aa2269022f6ff0c5159f4f09739d580928\
    6a2b4d0a9444d9095636f2ffa04d0c6519b3d2332d35196f47a5ba22390dec11061a97ab11415a5a79ff83f3821acfcf\
    f5127c26fd92bc1e49df6251cdd4e248889aad642b00688c4dc272b2104343acb650c733eba164b80ae5de040e6453b4\
    b654bed5d2367e1f84fa4648d0d7449b53b06b0a1457d466d61d930a7d3eb441b609dd39628e90cfb5e301f34d218a24\
    cbbdd689e70d956fe6032139ed7636a997fd61c303991e49ec870fa5950e4f097ebd4047c692da391522d124e0506142\
    996a671332f63b7932db181427dc0c61";

/// The parameters that all keys share.
pub(super) fn domain_parameters() -> signature::Result<Components> {
    let number = |hex: &str, bits: u32| {
        let number = BoxedUint::from_be_hex(hex, bits);
        number.into_option().ok_or_else(signature::Error::new)
    };
    Components::from_components(number(P, 2048)?, number(Q, 256)?, number(G, 2048)?)
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    #[test]
    fn the_parameters_are_those_of_a_group() {
        let number = |hex: &str| BigUint::parse_bytes(hex.as_bytes(), 16).unwrap();
        let (p, q, g, one) = (number(P), number(Q), number(G), BigUint::from(1_u8));
        assert_eq!((p.bits(), q.bits()), (2048, 256));
        assert_eq!((&p - &one) % &q, BigUint::ZERO);
        assert!(g > one && g.modpow(&q, &p) == one);
        // Fermat's test, which no composite passes that was not made to.
        for prime in [&p, &q] {
            for base in [2_u8, 3, 5, 7, 11] {
                assert_eq!(BigUint::from(base).modpow(&(prime - &one), prime), one);
            }
        }
        assert!(domain_parameters().is_ok());
    }
}
