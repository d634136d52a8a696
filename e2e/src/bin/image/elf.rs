//! What the head of a program file says about it.

use anyhow::{Result, bail};

/// Gives the architecture of a static Linux program, as OCI names it.
///
/// # Errors
/// The file is no 64 bit ELF program of a known architecture, or it needs a dynamic linker, which an image without an
/// operating system does not have.
pub(crate) fn static_architecture(file: &[u8]) -> Result<&'static str> {
    if !file.starts_with(b"\x7fELF\x02\x01") {
        bail!("it is not a 64 bit little-endian ELF program");
    }
    let architecture = match number(file, 18, 2) {
        Some(0x3e) => "amd64",
        Some(0xb7) => "arm64",
        Some(0xf3) => "riscv64",
        machine => bail!("its machine ({machine:?}) has no name here"),
    };
    let (Some(table), Some(size), Some(count)) =
        (number(file, 32, 8), number(file, 54, 2), number(file, 56, 2))
    else {
        bail!("it ends within its header");
    };
    for index in 0..count {
        let Some(kind) = usize::try_from(table + index * size)
            .ok()
            .and_then(|at| number(file, at, 4))
        else {
            bail!("its program headers are cut off");
        };
        if kind == INTERPRETER {
            bail!(
                "it is linked dynamically; build it for a musl target, or with -C target-feature=+crt-static"
            );
        }
    }
    Ok(architecture)
}

/// The program header that names a dynamic linker.
const INTERPRETER: u64 = 3;

/// Reads a little-endian number of `width` bytes.
fn number(file: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(width)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_need_a_linker_are_told_apart() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = static_architecture(&own).unwrap_err();
        assert!(error.to_string().contains("linked dynamically"), "{error}");
        for cut in [0, 5, 20, 57, 70] {
            static_architecture(&own[..cut]).unwrap_err();
        }
    }
}
