//! The cache and the builds into it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::recipe::Recipe;
use super::{Tool, progress};

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

const RECIPE_FILES: [&str; 3] = ["go.mod", "go.sum", "tools.go"];

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
        let target = self.path(tool);
        let _lock = lock(folder, &format!("{name} ({number} of {of})"))?;
        if target.exists() {
            return Ok(());
        }
        say(&format!(
            "building {name} ({number} of {of}; about {} s on two cores when Go's cache is empty) ...",
            tool.typical_seconds()
        ));
        let start = Instant::now();
        let module = copy_recipe(recipe, folder)?;
        let bin = folder.join("bin");
        at(&bin, fs::create_dir_all(&bin))?;
        let scratch = bin.join(format!("{name}.partial"));
        if let Some(embed) = recipe.missing_embed {
            patch_module(recipe, embed, &module, folder)?;
        }
        let ldflags = format!("-s -w {}", recipe.ldflags);
        let mut build = go(&module);
        build
            .args(["build", "-v", "-trimpath", "-ldflags", &ldflags, "-o"])
            .arg(&scratch)
            .arg(tool.package());
        progress::run(build, name)?;
        at(&target, fs::rename(&scratch, &target))?;
        say(&format!("built {name} in {:.0?}", start.elapsed()));
        Ok(())
    }

    /// Returns the folder of the tool's module in Go's cache.
    pub(super) fn module(&self, tool: Tool) -> Result<PathBuf, ToolError> {
        let recipe = tool.recipe();
        let folder = self.folder(recipe);
        let _lock = lock(folder, recipe.folder)?;
        module_dir(&copy_recipe(recipe, folder)?, recipe.module)
    }

    /// Copies a folder out of the tool's module, unless that was done before.
    pub(super) fn asset(&self, tool: Tool, name: &str) -> Result<PathBuf, ToolError> {
        let recipe = tool.recipe();
        let folder = self.folder(recipe);
        let target = folder.join("assets").join(name);
        let _lock = lock(folder, recipe.folder)?;
        if let Some(asset) = recipe
            .assets
            .iter()
            .find(|asset| asset.name == name && !target.exists())
        {
            let module = copy_recipe(recipe, folder)?;
            let scratch = folder.join(format!("{name}.partial"));
            copy_tree(&module_dir(&module, recipe.module)?.join(asset.path), &scratch)?;
            at(&target, fs::create_dir_all(folder.join("assets")))?;
            at(&target, fs::rename(&scratch, &target))?;
        }
        Ok(target)
    }
}

/// Makes the folder, and waits until no other process works in it.
fn lock(folder: &Path, purpose: &str) -> Result<File, ToolError> {
    at(folder, fs::create_dir_all(folder))?;
    let path = folder.join("lock");
    let lock = at(&path, File::create(&path))?;
    if lock.try_lock().is_err() {
        say(&format!("waiting for another process that builds {purpose} ..."));
        at(&path, lock.lock())?;
    }
    Ok(lock)
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

pub(super) fn say(line: &str) {
    // Progress is a courtesy: a closed stderr must not fail a build.
    let _ = writeln!(io::stderr(), "{line}");
}

pub(super) fn go(dir: &Path) -> Command {
    let mut go = Command::new("go");
    // The cache key covers the recipe only, so nothing of the caller's Go settings may change the result.
    go.current_dir(dir)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    go
}

fn run(command: &mut Command, tool: &'static str) -> Result<String, ToolError> {
    let output = command.output().map_err(|error| cannot_start(&error, tool))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(ToolError::Build {
        tool,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

pub(super) fn cannot_start(error: &io::Error, tool: &'static str) -> ToolError {
    match error.kind() {
        io::ErrorKind::NotFound => ToolError::NoGo,
        _ => ToolError::Build {
            tool,
            output: error.to_string(),
        },
    }
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
        hash.update(format!("{}/{}={}\0", recipe.module, asset.path, asset.name));
    }
    for file in RECIPE_FILES {
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

/// Builds happen in a copy of the recipe, so that a checkout of another branch does not pull it away from under them.
fn copy_recipe(recipe: &Recipe, folder: &Path) -> Result<PathBuf, ToolError> {
    let copy = folder.join("recipe");
    at(&copy, fs::create_dir_all(&copy))?;
    for file in RECIPE_FILES {
        let (from, to) = (recipe.dir().join(file), copy.join(file));
        at(&from, fs::copy(&from, &to))?;
    }
    Ok(copy)
}

fn module_dir(recipe: &Path, module: &'static str) -> Result<PathBuf, ToolError> {
    run(go(recipe).args(["mod", "download", module]), module)?;
    run(go(recipe).args(["list", "-m", "-f", "{{.Dir}}", module]), module).map(PathBuf::from)
}

/// Copies the tool's module, adds the file that it embeds but does not carry, and points the recipe's copy at it.
///
/// Go refuses overlays below its module cache, so a copy is the only way.
fn patch_module(recipe: &Recipe, embed: &str, module: &Path, folder: &Path) -> Result<(), ToolError> {
    let copy = folder.join("module");
    if !copy.exists() {
        let scratch = folder.join("module.partial");
        copy_tree(&module_dir(module, recipe.module)?, &scratch)?;
        let placeholder = scratch.join(embed);
        at(
            &placeholder,
            fs::create_dir_all(placeholder.parent().unwrap_or(&scratch)),
        )?;
        at(&placeholder, fs::write(&placeholder, "# placeholder\n"))?;
        at(&copy, fs::rename(&scratch, &copy))?;
    }
    let replace = format!("{}={}", recipe.module, copy.display());
    run(
        go(module).args(["mod", "edit", "-replace", &replace]),
        recipe.folder,
    )?;
    Ok(())
}

/// Copies a folder, leaving out the read-only mode that Go gives its module cache.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), ToolError> {
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
