//! An order of functions for the linker: those that builds enter, the most entered first.
//!
//! The kernel maps 64 KiB around each page of a program that is touched. The few functions that a build needs are
//! scattered over the whole program, so that every run maps most of it, which is more than the memory of a small build.
//! How often a function is entered is counted while the cases of `compat/kustomize` are built.
//!
//! The program is linked twice only when its functions have changed: the file with the order is named after them.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};

use super::trace;
use crate::{record, workspace};

const ORDER: &str = "--symbol-ordering-file=";

/// The functions at each address: their names, several if equal functions became one.
type Functions = BTreeMap<u64, Vec<String>>;

/// Whether rustc links with lld. For this target it brings lld along, but a rustc may have been built without it.
pub(super) fn linker_takes_one(target: &str, folder: &Path) -> Result<bool> {
    if target != "x86_64-unknown-linux-gnu" {
        return Ok(false);
    }
    let mut rustc = super::rustc()
        .args(["-", "--crate-type=bin", "--crate-name=takes_an_order"])
        .arg(format!("-Clink-arg=-Wl,{ORDER}/dev/null"))
        .args(std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace())
        .arg("--out-dir")
        .arg(folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run rustc")?;
    if let Some(mut source) = rustc.stdin.take() {
        source.write_all(b"fn main() {}")?;
    }
    Ok(rustc.wait()?.success())
}

/// Builds the program with its functions in order, by a function that takes options for the linker.
pub(super) fn build(program: &Path, link: impl Fn(&[String]) -> Result<()>) -> Result<()> {
    let map = program.with_extension("map");
    let link = |order: &Path| {
        link(&[
            format!("{ORDER}{}", order.display()),
            "--no-warn-symbol-ordering".to_owned(),
            format!("-Map={}", map.display()),
            "--no-demangle".to_owned(),
        ])
    };
    let current = current(program)?;
    link(&current)?;
    let functions = functions(&map)?;
    let wanted = program.with_extension(format!("{:016x}.order", fingerprint(&functions)));
    if wanted == current {
        return Ok(());
    }
    match order(program, &functions) {
        Ok(order) => fs::write(&wanted, order)?,
        Err(error) => {
            workspace::say(&format!("openflux stays larger than it could be: {error:#}"));
            return Ok(());
        }
    }
    fs::remove_file(&current)?;
    link(&wanted)
}

/// The order in which the program was linked the last time, or an empty one.
fn current(program: &Path) -> Result<PathBuf> {
    let folder = program.parent().context("a program is in a folder")?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "order") {
            return Ok(path);
        }
    }
    let none = program.with_extension("none.order");
    fs::write(&none, "")?;
    Ok(none)
}

/// Reads the linker's map. A line has four numbers (the first is the address, the third the size) and the name of an
/// output section, or indented the name of an input section, or indented twice the name of a symbol.
fn functions(map: &Path) -> Result<Functions> {
    const WIDTH_OF_NUMBERS: usize = 49;
    const INDENTATION_OF_SYMBOLS: &str = "                ";
    let text = fs::read_to_string(map).with_context(|| format!("cannot read {}", map.display()))?;
    let mut functions = Functions::new();
    let mut in_text = false;
    for line in text.lines() {
        let Some((numbers, name)) = line.split_at_checked(WIDTH_OF_NUMBERS) else {
            continue;
        };
        if !name.starts_with(' ') {
            in_text = name == ".text";
        }
        let numbers: Vec<&str> = numbers.split_whitespace().collect();
        if let (true, Some(symbol), [address, _, size, _]) = (
            in_text,
            name.strip_prefix(INDENTATION_OF_SYMBOLS),
            numbers.as_slice(),
        ) && *size != "0"
        {
            let address = u64::from_str_radix(address, 16)?;
            functions.entry(address).or_default().push(symbol.to_owned());
        }
    }
    Ok(functions)
}

/// Names the functions of a program, wherever they are.
fn fingerprint(functions: &Functions) -> u64 {
    let mut names: Vec<&String> = functions.values().flatten().collect();
    names.sort_unstable();
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}

/// The names of the functions that builds enter, one a line: first those that most builds enter, then those of few, which
/// stand together with others that the same build was the first to enter.
fn order(program: &Path, functions: &Functions) -> Result<String> {
    let addresses: Vec<u64> = functions.keys().copied().collect();
    let cases = record::kustomize::cases(&workspace::root())?;
    let (often, mut entered) = (cases.len() / 8, BTreeMap::new());
    for (number, case) in cases.into_iter().enumerate() {
        let mut arguments = vec!["kustomize".into(), "build".into()];
        arguments.extend(case.flags.into_iter().map(OsString::from));
        arguments.push(case.directory.into_os_string());
        for address in trace::entered(program, &arguments, &addresses)? {
            let (count, _first) = entered.entry(address).or_insert((0, number));
            *count += 1;
        }
    }
    let mut sorted: Vec<(u64, (usize, usize))> = entered.into_iter().collect();
    sorted.sort_by_key(|&(address, (count, first))| {
        if count > often {
            (0, usize::MAX - count, address)
        } else {
            (1, first, address)
        }
    });
    let mut order = String::new();
    for name in sorted
        .iter()
        .filter_map(|(address, _)| functions.get(address))
        .flatten()
    {
        order.push_str(name);
        order.push('\n');
    }
    Ok(order)
}
