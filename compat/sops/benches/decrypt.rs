//! `cargo bench --package sops --bench decrypt -- FILE COUNT KEY...`: decrypts a file that often and tells the time of each
//! in nanoseconds, as `decrypt-oracle bench` does of the real kustomize-controller. `cargo xtask bench sops` runs both.

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use sops::{Format, Limits, LocalKeys, decrypt_file};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // Cargo adds a flag of its own.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|text| text != "--bench")
        .collect();
    let [file, count, keys @ ..] = arguments.as_slice() else {
        return Ok(());
    };
    let mut local = LocalKeys::default();
    for key in keys {
        let bytes = fs::read(key)?;
        if Path::new(key).extension().is_some_and(|end| end == "asc") {
            local.add_pgp_keys(&bytes)?;
        } else {
            local.add_age_identities(std::str::from_utf8(&bytes)?)?;
        }
    }
    let (bytes, format) = (fs::read(file)?, Format::of_path(file));
    let (count, limits): (u32, _) = (count.parse()?, Limits::default());
    let start = Instant::now();
    for _ in 0..count {
        black_box(decrypt_file(black_box(&bytes), format, format, &local, &limits)?);
    }
    let each = start.elapsed().as_nanos() / u128::from(count);
    Ok(writeln!(std::io::stdout(), "{each}")?)
}
