//! A copy of the stock controller's module with two packages of tests: its own, and the same tests on ours.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::StatusCode;
use axum::routing::get;
use e2e::testbed::HttpServer;
use e2e::tools::{self, Tool};

use crate::say::say;

const MODULE: &str = "github.com/fluxcd/kustomize-controller";
const DOCKERTEST: &str = "github.com/ory/dockertest/v3";
/// Where a test has a remote base from, and the file that says so.
const ORIGIN: &str = "https://raw.githubusercontent.com/fluxcd/kustomize-controller/refs/heads/main";
const REMOTE: &str = "testdata/sops/remote/kustomization.yaml";
/// Files with tests of functions that only stock has: what they test is not there to be run.
pub(crate) const UNITS: [&str; 2] = ["kustomization_prune_survivors_test.go", "tmpdir_test.go"];

/// Whose reconciler the tests are run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Stock's own.
    Stock,
    /// Our program.
    Ours,
}

impl Side {
    /// The name of the package, and of whatever is about it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stock => "controller",
            Self::Ours => "openflux",
        }
    }
}

/// The copy.
pub(crate) struct Suite {
    folder: PathBuf,
    bases: HttpServer,
    /// Held as long as the copy is used.
    _lock: File,
}

impl Suite {
    /// Makes the copy, in a folder of the cache; nobody else uses it meanwhile.
    pub(crate) fn prepare() -> Result<Self> {
        let folder = tools::cache_dir()?.join("suites/kustomize-controller");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let lock = File::create(folder.join("lock"))?;
        if lock.try_lock().is_err() {
            say("waiting for another run of the suite ...");
            lock.lock()?;
        }
        let root = folder.join("module");
        let served = move |UrlPath(path): UrlPath<String>| {
            // Only what the tests name is ever asked for.
            let file = root.join(path);
            async move { fs::read(file).map_err(|_| StatusCode::NOT_FOUND) }
        };
        let router = Router::new().route("/{*path}", get(served));
        let suite = Self {
            folder,
            bases: HttpServer::start(router)?,
            _lock: lock,
        };
        suite.copy()?;
        Ok(suite)
    }

    /// Where everything is, logs too.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a package, in which its tests are run.
    pub(crate) fn package(&self, side: Side) -> PathBuf {
        self.module().join("internal").join(side.name())
    }

    /// The program with the tests of a package.
    pub(crate) fn program(&self, side: Side) -> PathBuf {
        self.folder.join(format!("{}.test", side.name()))
    }

    /// Builds the tests of a package.
    pub(crate) fn build(&self, side: Side) -> Result<()> {
        say(&format!("building the tests of {} ...", side.name()));
        let package = format!("./internal/{}", side.name());
        let mut build = tools::go(&self.module());
        // As the stock tools are built, so that most of it has been compiled for them.
        build.args(["test", "-c", "-trimpath", "-ldflags", "-s -w", "-o"]);
        succeed(build.arg(self.program(side)).arg(package))
    }

    fn module(&self) -> PathBuf {
        self.folder.join("module")
    }

    fn copy(&self) -> Result<()> {
        let (module, own) = (self.module(), own_folder());
        if module.exists() {
            // The tests change their own data.
            fs::remove_dir_all(&module)?;
        }
        tools::copy_tree(&tools::module(Tool::KustomizeController)?, &module)?;
        let (stock, ours) = (self.package(Side::Stock), self.package(Side::Ours));
        tools::copy_tree(&stock.join("testdata"), &ours.join("testdata"))?;
        for name in files(&stock)? {
            if name.ends_with("_test.go") && !UNITS.contains(&&*name) {
                fs::copy(stock.join(&name), ours.join(&name))?;
            }
        }
        let reconciler = own.join("kustomize");
        for name in files(&reconciler)? {
            fs::copy(reconciler.join(&name), ours.join(&name))?;
        }
        tools::copy_tree(&own.join("dockertest"), &module.join("dockertest"))?;
        let definitions = module.join("config/crd/bases");
        tools::copy_tree(&tools::asset(Tool::SourceController, "crds")?, &definitions)?;
        fs::write(definitions.join("artifacts.yaml"), artifact_crd::CRD_YAML)?;
        self.bring_bases_here(&[&stock, &ours])?;
        self.edit_requirements()
    }

    /// Has remote bases of the tests served from the copy, since whoever runs them need not reach them.
    fn bring_bases_here(&self, packages: &[&Path]) -> Result<()> {
        for package in packages {
            let file = package.join(REMOTE);
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            ensure!(text.contains(ORIGIN), "{} names no {ORIGIN}", file.display());
            fs::write(
                &file,
                text.replace(ORIGIN, self.bases.url("").trim_end_matches('/')),
            )?;
        }
        Ok(())
    }

    /// Takes the module's API from where everybody has it, and a Vault without containers.
    fn edit_requirements(&self) -> Result<()> {
        let module = self.module();
        let drop = format!("-dropreplace={MODULE}/api");
        let replace = format!("-replace={DOCKERTEST}=./dockertest");
        succeed(tools::go(&module).args(["mod", "edit", &drop, &replace]))?;
        let sums = module.join("go.sum");
        let known = tools::recipe(Tool::KustomizeController).join("go.sum");
        let mut text = fs::read_to_string(&sums)?;
        text += &fs::read_to_string(known)?;
        Ok(fs::write(&sums, text)?)
    }
}

/// What the repository has for the suites.
fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suites")
}

/// The names of the files of a folder.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
