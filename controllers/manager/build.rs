//! How the program is linked.

use std::io::{Write as _, stdout};

fn main() -> std::io::Result<()> {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    let mut out = stdout();
    writeln!(out, "cargo::rerun-if-changed=build.rs")?;
    // What is read of a program when it is loaded counts as memory of each process that runs it. A twentieth of this one were
    // the addresses that depend on where it is loaded; packed, they take next to nothing.
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is("PROFILE", "release") {
        writeln!(out, "cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs")?;
    }
    Ok(())
}
