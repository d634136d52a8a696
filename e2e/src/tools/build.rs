//! The cache and the builds into it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::Tool;
use super::recipe::Recipe;

/// Why a tool could not be had.
#[derive(Debug, Error)]
pub enum ToolError {
    /// There is no `go` command.
    #[error(
        "the go command was not found: install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH"
    )]
    NoGo,
    /// The `go` command cannot build the tools.
    #[error(
        "Go 1.26 or newer is needed to build the test tools (https://go.dev/dl); `go env GOVERSION` says: {0}"
    )]
    OldGo(String),
    /// Neither `OPENFLUX_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("nowhere to keep the test tools: set OPENFLUX_CACHE to a folder outside the work tree")]
    NoCacheDir,
    /// The Go build of a tool failed; the text is what it printed.
    #[error("building {tool} failed: {output}")]
    Build {
        /// The executable.
        tool: &'static str,
        /// What the go command printed.
        output: String,
    },
    /// Reading or writing the cache failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, ToolError> {
    result.map_err(|source| ToolError::Io {
        path: path.to_owned(),
        source,
    })
}

/// One folder per recipe, named by the recipe's hash.
pub(super) struct Cache {
    folders: BTreeMap<&'static str, PathBuf>,
}

impl Cache {
    pub(super) fn open(tools: &[Tool]) -> Result<Self, ToolError> {
        let root = cache_dir()?.join("tools");
        let mut folders = BTreeMap::new();
        let mut go_version = None;
        for tool in tools {
            let recipe = tool.recipe();
            if folders.contains_key(recipe.folder) {
                continue;
            }
            let version = match &go_version {
                Some(version) => version,
                None => go_version.insert(checked_go_version(&recipe.dir())?),
            };
            let hash = recipe_hash(recipe, version)?;
            folders.insert(recipe.folder, root.join(format!("{}-{hash}", recipe.folder)));
        }
        Ok(Self { folders })
    }

    pub(super) fn path(&self, tool: Tool) -> PathBuf {
        self.folder(tool.recipe()).join("bin").join(tool.name())
    }

    fn folder(&self, recipe: &Recipe) -> &Path {
        self.folders
            .get(recipe.folder)
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// Builds one tool, or waits for the process that already does.
    pub(super) fn build(&self, tool: Tool, number: usize, of: usize) -> Result<(), ToolError> {
        let (name, recipe) = (tool.name(), tool.recipe());
        let folder = self.folder(recipe);
        let bin = folder.join("bin");
        at(&bin, fs::create_dir_all(&bin))?;
        let lock_path = folder.join("lock");
        let lock = at(&lock_path, File::create(&lock_path))?;
        if lock.try_lock().is_err() {
            say(&format!(
                "waiting for another process that builds {name} ({number} of {of}) ..."
            ));
            at(&lock_path, lock.lock())?;
        }
        let target = self.path(tool);
        if target.exists() {
            return Ok(());
        }
        say(&format!("building {name} ({number} of {of}) ..."));
        let start = Instant::now();
        copy_assets(recipe, folder)?;
        let scratch = bin.join(format!("{name}.partial"));
        let mut go = go(&recipe.dir());
        go.args([
            "build",
            "-trimpath",
            "-ldflags",
            &format!("-s -w {}", recipe.ldflags),
            "-o",
        ])
        .arg(&scratch);
        if let Some(embed) = recipe.missing_embed {
            go.arg("-modfile").arg(patched_module(recipe, embed, folder)?);
        }
        run(go.arg(tool.package()), name)?;
        at(&target, fs::rename(&scratch, &target))?;
        say(&format!("built {name} in {:.0?}", start.elapsed()));
        Ok(())
    }
}

pub(super) fn cache_dir() -> Result<PathBuf, ToolError> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("OPENFLUX_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("openflux")))
        .or_else(|| Some(variable("HOME")?.join(".cache/openflux")))
        .ok_or(ToolError::NoCacheDir)
}

fn say(line: &str) {
    // Progress is a courtesy: a closed stderr must not fail a build.
    let _ = writeln!(io::stderr(), "{line}");
}

fn go(dir: &Path) -> Command {
    let mut go = Command::new("go");
    // The cache key covers the recipe only, so nothing of the caller's Go settings may change the result.
    go.current_dir(dir)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    go
}

fn run(command: &mut Command, tool: &'static str) -> Result<String, ToolError> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ToolError::NoGo,
        _ => ToolError::Build {
            tool,
            output: error.to_string(),
        },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(ToolError::Build {
        tool,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn checked_go_version(dir: &Path) -> Result<String, ToolError> {
    // Asked in the recipe's folder, so that a Go that may fetch newer toolchains answers with the one it will use.
    let version = match run(go(dir).args(["env", "GOVERSION"]), "go") {
        Err(ToolError::Build { output, .. }) => return Err(ToolError::OldGo(output)),
        other => other?,
    };
    let minor = version
        .strip_prefix("go1.")
        .and_then(|rest| rest.split(['.', 'r', 'b', '-']).next());
    match minor.and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor < 26 => Err(ToolError::OldGo(version)),
        _ => Ok(version),
    }
}

fn recipe_hash(recipe: &Recipe, go_version: &str) -> Result<String, ToolError> {
    let mut hash = Sha256::new();
    for part in [
        go_version,
        std::env::consts::OS,
        std::env::consts::ARCH,
        recipe.ldflags,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    for asset in recipe.assets {
        hash.update(format!("{}/{}={}\0", asset.module, asset.path, asset.name));
    }
    for file in ["go.mod", "go.sum", "tools.go"] {
        let path = recipe.dir().join(file);
        hash.update(at(&path, fs::read(&path))?);
        hash.update([0]);
    }
    let digest = hash.finalize();
    let short = digest
        .iter()
        .take(6)
        .fold(0_u64, |short, byte| short << 8 | u64::from(*byte));
    Ok(format!("{short:012x}"))
}

fn module_dir(recipe: &Recipe, module: &str) -> Result<PathBuf, ToolError> {
    run(go(&recipe.dir()).args(["mod", "download", module]), recipe.folder)?;
    run(
        go(&recipe.dir()).args(["list", "-m", "-f", "{{.Dir}}", module]),
        recipe.folder,
    )
    .map(PathBuf::from)
}

fn copy_assets(recipe: &Recipe, folder: &Path) -> Result<(), ToolError> {
    for asset in recipe.assets {
        let target = folder.join("assets").join(asset.name);
        if !target.exists() {
            let scratch = folder.join(format!("{}.partial", asset.name));
            copy_tree(&module_dir(recipe, asset.module)?.join(asset.path), &scratch)?;
            at(&target, fs::create_dir_all(folder.join("assets")))?;
            at(&target, fs::rename(&scratch, &target))?;
        }
    }
    Ok(())
}

/// Copies the module, adds the file that it embeds but does not carry, and returns a `go.mod` that points at the copy.
///
/// Go refuses overlays below its module cache, so a copy is the only way.
fn patched_module(recipe: &Recipe, embed: &str, folder: &Path) -> Result<PathBuf, ToolError> {
    let copy = folder.join("module");
    if !copy.exists() {
        let scratch = folder.join("module.partial");
        copy_tree(&module_dir(recipe, recipe.module)?, &scratch)?;
        let placeholder = scratch.join(embed);
        at(
            &placeholder,
            fs::create_dir_all(placeholder.parent().unwrap_or(&scratch)),
        )?;
        at(&placeholder, fs::write(&placeholder, "# placeholder\n"))?;
        at(&copy, fs::rename(&scratch, &copy))?;
    }
    let (mod_file, sum_file) = (folder.join("patched.mod"), folder.join("patched.sum"));
    at(&mod_file, fs::copy(recipe.dir().join("go.mod"), &mod_file))?;
    at(&sum_file, fs::copy(recipe.dir().join("go.sum"), &sum_file))?;
    let replace = format!("{}={}", recipe.module, copy.display());
    run(
        go(&recipe.dir())
            .args(["mod", "edit", "-replace", &replace])
            .arg(&mod_file),
        recipe.folder,
    )?;
    Ok(mod_file)
}

/// Copies a folder, leaving out the read-only mode that Go gives its module cache.
fn copy_tree(from: &Path, to: &Path) -> Result<(), ToolError> {
    at(to, fs::create_dir_all(to))?;
    for entry in at(from, fs::read_dir(from))? {
        let entry = at(from, entry)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if at(&source, entry.file_type())?.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            at(&target, fs::write(&target, at(&source, fs::read(&source))?))?;
        }
    }
    Ok(())
}
