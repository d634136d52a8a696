//! Makes the container image of `openflux-controller` without Docker: `cargo xtask image`.
//!
//! The archive is an OCI image layout that `docker load`, `ctr image import`, `podman load` and `crane push` take. In it
//! are one static program and the certificate authorities of Mozilla, nothing else. The same commit makes the same
//! archive, byte for byte. Next to it lie a bill of materials (CycloneDX) and a statement of provenance (SLSA).

mod archive;
mod bill;
mod build;
mod elf;
mod provenance;
mod root;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use archive::{Archive, Platform};

#[derive(Parser)]
#[command(
    name = "cargo xtask image",
    about = "Make the container image of openflux-controller, as an OCI archive, without Docker."
)]
struct Arguments {
    /// Rust target to build for, such as aarch64-unknown-linux-musl; this machine's by default. Repeat it for an image
    /// of several architectures. The target and a linker for it have to be installed.
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// Where to put the archive; `target/image/openflux-controller-VERSION.tar` by default.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name and tag that the image has after it was loaded.
    #[arg(long, default_value = concat!("openflux-controller:", env!("CARGO_PKG_VERSION")))]
    tag: String,
    /// Pack this static program instead of building one.
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    program: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Err(error) = run(&Arguments::parse()) else {
        return ExitCode::SUCCESS;
    };
    explain(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.tag.contains(':') {
        bail!(
            "--tag {}: a name and a tag are needed, such as openflux-controller:1.0.0",
            arguments.tag
        );
    }
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => build::target_folder().join(format!(
            "image/openflux-controller-{}.tar",
            env!("CARGO_PKG_VERSION")
        )),
    };
    let source = provenance::Source::of_checkout()?;
    let mut archive = Archive::new(&arguments.tag, &source);
    let mut targets = Vec::new();
    for (target, program) in programs(arguments)? {
        let bytes = std::fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
        let architecture = elf::static_architecture(&bytes)
            .with_context(|| format!("{} cannot be the only program of an image", program.display()))?;
        archive.add(&Platform { architecture }, root::layer(&bytes)?)?;
        targets.push(target);
    }
    write(&output, &archive.finish()?)?;
    let digest = build::sha256(&std::fs::read(&output)?);
    let bill = beside(&output, "cdx.json");
    write(&bill, &bill::of_controller(&targets, &source)?)?;
    let statement = beside(&output, "provenance.json");
    write(
        &statement,
        &provenance::statement(&output, &digest, &targets, &source)?,
    )?;
    for file in [&output, &bill, &statement] {
        say(&file.display().to_string());
    }
    Ok(())
}

/// The programs to pack, by target.
fn programs(arguments: &Arguments) -> Result<Vec<(String, PathBuf)>> {
    if let Some(program) = &arguments.program {
        return Ok(vec![(build::host()?, program.clone())]);
    }
    let targets = match arguments.targets.as_slice() {
        [] => vec![build::host()?],
        named => named.to_vec(),
    };
    targets
        .into_iter()
        .map(|target| {
            explain(&format!("building openflux-controller for {target} ..."));
            let program = build::controller(&target)?;
            Ok((target, program))
        })
        .collect()
}

/// The file that goes with an archive.
fn beside(output: &Path, extension: &str) -> PathBuf {
    output.with_extension(extension)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn explain(text: &str) {
    use std::io::Write as _;
    // Progress is a courtesy: a closed stderr must not fail the task.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn say(text: &str) {
    use std::io::Write as _;
    // A closed stdout is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{text}");
}
