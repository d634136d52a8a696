//! `openflux kustomize build`: the command line of `kustomize build`, flag by flag.

mod remote;
mod write;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kustomize::{
    DiskTree, FileTree, Limits, LoadRestrictions, Notice, Options, Reorder, RepoSpec, build_with_notices,
};
use thiserror::Error;

use self::remote::RemoteArgs;
use crate::go_flags::parse_bool;
use crate::go_message::go_message;

/// Builds a kustomization and prints its objects.
#[derive(Debug, Args)]
pub struct KustomizeBuildArgs {
    /// Directory with the kustomization file.
    #[arg(value_name = "DIR")]
    paths: Vec<String>,

    /// Write to this file, or one file per object to this directory, instead of standard output.
    #[arg(short, long, value_name = "PATH", value_parser = go_path)]
    output: Option<PathBuf>,

    /// LoadRestrictionsRootOnly (files below their kustomization only) or LoadRestrictionsNone.
    #[arg(long, value_name = "NAME", default_value = ROOT_ONLY)]
    load_restrictor: String,

    /// Order of the output: legacy or none. Deprecated upstream in favour of `sortOptions`.
    #[arg(long, value_name = "ORDER", hide = true)]
    reorder: Vec<String>,

    /// Add the managed-by label. Deprecated upstream in favour of `buildMetadata`.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool)]
    enable_managedby_label: Vec<bool>,

    /// Confine the build to this directory: nothing outside of it is read, symbolic links included.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// Whose defaults to use: those of the command or those of kustomize-controller.
    #[arg(long, value_enum, default_value_t = Profile::Command)]
    profile: Profile,

    #[command(flatten)]
    remote: RemoteArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    inert: InertArgs,
}

/// Whose defaults a build has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    Command,
    Flux,
}

/// Bounds on the work of a build.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Bytes read from all files together.
    #[arg(long = "limit-bytes-read", default_value_t = Limits::default().bytes_read)]
    bytes_read: u64,

    /// Files read.
    #[arg(long = "limit-files", default_value_t = Limits::default().files)]
    files: usize,

    /// Depth of bases and components.
    #[arg(long = "limit-depth", default_value_t = Limits::default().depth)]
    depth: usize,

    /// Objects in the build.
    #[arg(long = "limit-objects", default_value_t = Limits::default().objects)]
    objects: usize,

    /// Steps of the build, of some ten nanoseconds each: nodes visited, objects selected, references followed, texts read.
    #[arg(long = "limit-steps", default_value_t = Limits::default().steps)]
    steps: u64,

    /// Bytes that the build makes out of what it reads: by patches, labels, generators, replacements, vars, aliases.
    #[arg(long = "limit-made-bytes", default_value_t = Limits::default().made_bytes)]
    made_bytes: u64,

    /// Nested collections of a YAML or JSON document and of every object, at most 512.
    #[arg(long = "limit-yaml-nesting", default_value_t = Limits::default().yaml_nesting)]
    yaml_nesting: usize,

    /// Scalars and collections of all YAML that resources and patches are read from, and of any other single file.
    #[arg(long = "limit-nodes", default_value_t = Limits::default().nodes)]
    nodes: usize,

    /// Nodes that all YAML aliases together expand to.
    #[arg(long = "limit-alias-nodes", default_value_t = Limits::default().alias_nodes)]
    alias_nodes: usize,

    /// Comparisons of elements while lists of irregular elements are merged, all lists together.
    #[arg(long = "limit-list-comparisons", default_value_t = Limits::default().list_comparisons)]
    list_comparisons: usize,

    /// Bytes of one compiled regular expression.
    #[arg(long = "limit-regex-bytes", default_value_t = Limits::default().regex_bytes)]
    regex_bytes: usize,

    /// Bytes of output.
    #[arg(long = "limit-output-bytes", default_value_t = Limits::default().output_bytes)]
    output_bytes: usize,
}

/// Flags of `kustomize build` that only matter to plugins, functions and charts, none of which run here.
#[derive(Debug, Args)]
struct InertArgs {
    #[arg(long, hide = true)]
    enable_alpha_plugins: bool,
    #[arg(long, hide = true)]
    enable_helm: bool,
    #[arg(long, hide = true)]
    helm_command: Option<String>,
    #[arg(long, hide = true)]
    helm_api_versions: Vec<String>,
    #[arg(long, hide = true)]
    helm_kube_version: Option<String>,
    #[arg(long, hide = true)]
    helm_debug: bool,
    #[arg(long, hide = true)]
    enable_exec: bool,
    #[arg(long, hide = true)]
    network: bool,
    #[arg(long, hide = true)]
    network_name: Option<String>,
    #[arg(long, hide = true)]
    mount: Vec<String>,
    #[arg(short, long, hide = true)]
    env: Vec<String>,
    #[arg(long, hide = true)]
    as_current_user: bool,
    #[arg(long, hide = true)]
    stack_trace: bool,
}

const ROOT_ONLY: &str = "LoadRestrictionsRootOnly";
const NO_RESTRICTIONS: &str = "LoadRestrictionsNone";

/// Why the command failed; the text is what `kustomize` prints after `Error: `.
#[derive(Debug, Error)]
pub enum KustomizeBuildError {
    /// More than one directory was named.
    #[error("specify one path to kustomization.yaml")]
    Paths,
    /// A flag has a value that it cannot have.
    #[error("illegal flag value --{flag} {value}; legal values: [{legal}]")]
    Flag {
        /// Name of the flag.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What could have been given.
        legal: &'static str,
    },
    /// The kustomization asks for charts, and so does `--enable-helm`.
    #[error(
        "{0}, which does not help here: charts are not inflated. Render them with `openflux helm template` into files, and list those under `resources`"
    )]
    Charts(kustomize::Error),
    /// The build failed.
    #[error("{0}")]
    Build(#[from] kustomize::Error),
    /// A file of the result could not be written.
    #[error("open {}: {}", path.display(), go_message(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The result could not be printed, or the working directory not be found.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A path is not UTF-8.
    #[error("path {0:?} is not UTF-8")]
    NotUtf8(PathBuf),
}

/// Runs the command: the result goes to `out` (or where `--output` says), warnings go to `err`.
pub fn kustomize_build(
    args: &KustomizeBuildArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), KustomizeBuildError> {
    warn_about_flags(args, err)?;
    let options = args.options()?;
    let given = match args.paths.as_slice() {
        [] => ".",
        [path] => path,
        _ => return Err(KustomizeBuildError::Paths),
    };
    let tree = DiskTree::new(&args.root)?;
    let path = absolute(given)?;
    check_directory(&tree, given, &path)?;
    let mut notices = Vec::new();
    let built = build_with_notices(&tree, &path, &options, &mut notices);
    print_notices(&notices, err)?;
    // Upstream's advice about charts is of no use to somebody who followed it already.
    let output = built.map_err(|error| {
        if args.inert.enable_helm && error.to_string().contains("must specify --enable-helm") {
            KustomizeBuildError::Charts(error)
        } else {
            error.into()
        }
    })?;
    match args.output.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        Some(directory) if directory.is_dir() => write::one_file_each(directory, &output)?,
        Some(file) => write::write(file, &output.into_yaml()?)?,
        None => out.write_all(output.into_yaml()?.as_bytes())?,
    }
    Ok(())
}

impl KustomizeBuildArgs {
    fn options(&self) -> Result<Options, KustomizeBuildError> {
        let illegal = |flag, value: &str, legal| KustomizeBuildError::Flag {
            flag,
            value: value.to_owned(),
            legal,
        };
        let load_restrictions = match self.load_restrictor.as_str() {
            "" | ROOT_ONLY => LoadRestrictions::RootOnly,
            NO_RESTRICTIONS => LoadRestrictions::None,
            other => {
                let legal = "LoadRestrictionsRootOnly LoadRestrictionsNone";
                return Err(illegal("load-restrictor", other, legal));
            }
        };
        let reorder = match self.reorder.last().map(String::as_str) {
            None => None,
            Some("legacy") => Some(Reorder::Legacy),
            Some("none") => Some(Reorder::None),
            Some(other) => return Err(illegal("reorder", other, "legacy none")),
        };
        let flux = self.profile == Profile::Flux;
        Ok(Options {
            profile: if flux {
                kustomize::Profile::Flux
            } else {
                kustomize::Profile::Command
            },
            load_restrictions: (!flux).then_some(load_restrictions),
            reorder,
            managed_by_label: self.enable_managedby_label.last() == Some(&true)
                || std::env::var("KUSTOMIZE_ENABLE_MANAGEDBY_LABEL").is_ok_and(|value| value == "on"),
            limits: Limits {
                bytes_read: self.limits.bytes_read,
                files: self.limits.files,
                depth: self.limits.depth,
                objects: self.limits.objects,
                output_bytes: self.limits.output_bytes,
                steps: self.limits.steps,
                made_bytes: self.limits.made_bytes,
                yaml_nesting: self.limits.yaml_nesting,
                nodes: self.limits.nodes,
                alias_nodes: self.limits.alias_nodes,
                list_comparisons: self.limits.list_comparisons,
                regex_bytes: self.limits.regex_bytes,
            },
            remote: self.remote.fetcher(),
            cancelled: None,
        })
    }
}

/// The path from the root, cleaned before any symbolic link is followed, as Go's `filepath.Abs` does it.
fn absolute(given: &str) -> Result<String, KustomizeBuildError> {
    if RepoSpec::parse(given).is_some() {
        return Ok(given.to_owned());
    }
    let path = working_directory()?.join(given);
    let path = path
        .into_os_string()
        .into_string()
        .map_err(|path| KustomizeBuildError::NotUtf8(path.into()))?;
    Ok(cleaned(&path))
}

/// The working directory by the name that the shell knows it under, as Go has it: `$PWD`, if it is the same directory.
fn working_directory() -> io::Result<PathBuf> {
    let real = std::env::current_dir()?;
    let named = std::env::var_os("PWD").map(PathBuf::from);
    let is_same = |named: &PathBuf| {
        named.is_absolute()
            && named
                .canonicalize()
                .is_ok_and(|named| real.canonicalize().is_ok_and(|real| named == real))
    };
    Ok(named.filter(is_same).unwrap_or(real))
}

/// An absolute path without `.`, `..` and empty parts.
fn cleaned(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Refuses a missing directory in upstream's words, which repeat the path as it was given.
fn check_directory(tree: &DiskTree, given: &str, path: &str) -> Result<(), KustomizeBuildError> {
    if RepoSpec::parse(path).is_some() {
        return Ok(());
    }
    let invalid = |text: String| KustomizeBuildError::Build(kustomize::Error::invalid(text));
    if given.is_empty() {
        return Err(invalid(
            "must build at directory: directory path cannot be empty".to_owned(),
        ));
    }
    match tree.resolve(path) {
        Ok(resolved) if resolved.is_dir => Ok(()),
        Ok(_) => Err(invalid(format!(
            "must build at directory: '{given}': file is not directory"
        ))),
        Err(error) => Err(invalid(format!(
            "must build at directory: not a valid directory: evalsymlink failure on '{given}' : {error}"
        ))),
    }
}

/// A path that may be empty, which is as good as none.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a parser that may fail")]
fn go_path(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

/// Warns as often as a deprecated flag is given.
fn warn_about_flags(args: &KustomizeBuildArgs, err: &mut dyn Write) -> io::Result<()> {
    for _ in &args.reorder {
        writeln!(
            err,
            "Flag --reorder has been deprecated, use the new 'sortOptions' field in kustomization.yaml instead."
        )?;
    }
    for _ in &args.enable_managedby_label {
        writeln!(
            err,
            "Flag --enable-managedby-label has been deprecated, The flag `enable-managedby-label` has been deprecated. \
             Use the `managedByLabel` option in the `buildMetadata` field instead."
        )?;
    }
    Ok(())
}

fn print_notices(notices: &[Notice], err: &mut dyn Write) -> io::Result<()> {
    for notice in notices {
        match notice {
            Notice::Warning(line) => writeln!(err, "{line}")?,
            Notice::Log(line) => {
                writeln!(err, "{} {line}", jiff::Zoned::now().strftime("%Y/%m/%d %H:%M:%S"))?;
            }
        }
    }
    Ok(())
}
