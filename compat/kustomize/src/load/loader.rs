//! Reads files for one kustomization directory and opens the directories that it refers to.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::budget::Budget;
use crate::error::Context;
use crate::load::notice::Notice;
use crate::object::resource::Reader;
use crate::openapi::SchemaRef;
use crate::remote::{RemoteError, RepoSpec, is_remote_file};
use crate::tree::follow;
use crate::{Error, ErrorKind, FileTree, Options, Resolved, TreeError, TreeErrorReason};
use go_std::path;

/// What all loaders of a build share: its options, what it may still read, what it has to say.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a Options,
    /// What the build may still do and make.
    pub(crate) budget: Rc<Budget>,
    /// Reads objects, within the budget.
    pub(crate) reader: Reader,
    pub(crate) notices: RefCell<Vec<Notice>>,
    bytes_left: Cell<u64>,
    files_left: Cell<usize>,
    /// What was read already: what is read again makes as much as what a patch makes.
    read: RefCell<HashSet<String>>,
    /// The schema that the first kustomization with an `openapi` field chose; the root speaks first.
    schema: RefCell<Option<SchemaRef>>,
}

impl<'a> Session<'a> {
    /// A session with all its allowances.
    pub(crate) fn new(options: &'a Options) -> Self {
        let budget = Rc::new(Budget::new(options));
        Self {
            options,
            reader: Reader::new(Rc::clone(&budget)),
            budget,
            read: RefCell::default(),
            notices: RefCell::default(),
            bytes_left: Cell::new(options.limits.bytes_read),
            files_left: Cell::new(options.limits.files),
            schema: RefCell::default(),
        }
    }

    /// The schema to merge by.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.borrow().clone().unwrap_or_default()
    }

    /// Chooses the schema that `openapi` names, unless one was chosen before.
    pub(crate) fn choose_schema(
        &self,
        openapi: &BTreeMap<String, String>,
        loader: &Loader<'_>,
    ) -> Result<(), Error> {
        let file = openapi.get("path").map(|path| loader.load(path)).transpose()?;
        if self.schema.borrow().is_some() {
            return Ok(());
        }
        let schema = match (file, openapi.get("version").map(String::as_str)) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "builtin version and custom schema provided, cannot use both",
                ));
            }
            (Some(file), None) => {
                let reader = &self.reader;
                SchemaRef::custom(&file, self.options.profile, &reader.yaml, &reader.scopes)?
            }
            (None, None | Some("")) => return Ok(()),
            (None, Some("v1.21.2")) => SchemaRef::Builtin,
            (None, Some(_)) => return Err(Error::invalid("the specified OpenAPI version is not built in")),
        };
        self.schema.replace(Some(schema));
        Ok(())
    }

    fn read(&self, tree: &dyn FileTree, path: &str) -> Result<Vec<u8>, Error> {
        let content = self.charge(|bytes_left| {
            tree.read(path, bytes_left).map_err(|error| match error.reason() {
                TreeErrorReason::TooLarge(_) => limit(format!(
                    "the build reads more than {} bytes",
                    self.options.limits.bytes_read
                )),
                _ => load_error(&error),
            })
        })?;
        if !self.read.borrow_mut().insert(path.to_owned()) {
            let again = self
                .budget
                .make(content.len().saturating_mul(TREE_BYTES_PER_BYTE));
            again.limit_at(|| format!("reading {path} again"))?;
        }
        Ok(content)
    }

    /// Reads one file within what the build may still read.
    fn charge(&self, read: impl FnOnce(u64) -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
        let Some(files_left) = self.files_left.get().checked_sub(1) else {
            let max = self.options.limits.files;
            return Err(limit(format!("the build reads more than {max} files")));
        };
        let content = read(self.bytes_left.get())?;
        self.files_left.set(files_left);
        self.bytes_left
            .set(self.bytes_left.get().saturating_sub(content.len() as u64));
        Ok(content)
    }
}

/// How many bytes the trees of an ordinary text take for each of its own.
const TREE_BYTES_PER_BYTE: usize = 6;

fn limit(text: String) -> Error {
    Error::new(ErrorKind::Limit, text)
}

fn load_error(error: &TreeError) -> Error {
    Error::new(ErrorKind::Load, error.to_string())
}

/// The tree that a loader reads: the caller's, or that of a repository cloned on the way.
#[derive(Clone)]
enum TreeRef<'a> {
    Given(&'a dyn FileTree),
    Cloned(Arc<dyn FileTree>),
}

impl TreeRef<'_> {
    fn get(&self) -> &dyn FileTree {
        match self {
            Self::Given(tree) => *tree,
            Self::Cloned(tree) => tree.as_ref(),
        }
    }
}

/// A directory of a build: relative paths start here, and the chain of loaders that led here forbids cycles.
pub(crate) struct Loader<'a> {
    pub(crate) session: Rc<Session<'a>>,
    tree: TreeRef<'a>,
    root: String,
    root_only: bool,
    referrer: Option<Rc<Loader<'a>>>,
    /// The repository that this directory was cloned from, and the root of the clone.
    repo: Option<(RepoSpec, String)>,
    depth: usize,
}

impl<'a> Loader<'a> {
    /// The loader of the directory that a build starts at.
    pub(crate) fn open(
        session: Rc<Session<'a>>,
        tree: &'a dyn FileTree,
        path: &str,
    ) -> Result<Rc<Self>, Error> {
        if let Some(repo) = RepoSpec::parse(path) {
            return Self::open_repo(session, repo, None);
        }
        let root = confirm_dir(tree, &path::join("/", path)).context("must build at directory")?;
        let root_only = session.options.root_only();
        let tree = TreeRef::Given(tree);
        Ok(Rc::new(Self {
            session,
            tree,
            root,
            root_only,
            referrer: None,
            repo: None,
            depth: 0,
        }))
    }

    /// The directory, absolute and without symbolic links.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The loader of a directory that this one refers to, or of a repository.
    pub(crate) fn enter(self: &Rc<Self>, path: &str) -> Result<Rc<Self>, Error> {
        if path.is_empty() {
            return Err(Error::invalid("new root cannot be empty"));
        }
        let max = self.session.options.limits.depth;
        if self.depth >= max {
            return Err(limit(format!("bases are nested more than {max} deep")));
        }
        if let Some(repo) = RepoSpec::parse(path) {
            self.check_repo_cycle(&repo)?;
            return Self::open_repo(Rc::clone(&self.session), repo, Some(Rc::clone(self)));
        }
        if path::is_absolute(path) {
            return Err(Error::invalid(format!("new root '{path}' cannot be absolute")));
        }
        let tree = self.tree.get();
        let place = follow(tree, &self.root, path).map_err(|outside| no_directory(tree, &outside));
        let root = place
            .and_then(|place| confirm_dir(tree, &place))
            .context("must build at directory")?;
        if let Some(clone) = self
            .containing_clone()
            .filter(|clone| !path::is_in_or_below(&root, clone))
        {
            return Err(Error::invalid(format!(
                "security; bases in kustomizations found in cloned git repos must be within the repo, \
                 but base '{root}' is outside '{clone}'"
            )));
        }
        self.check_cycle(&root)?;
        Ok(Rc::new(Self {
            session: Rc::clone(&self.session),
            tree: self.tree.clone(),
            root,
            root_only: self.root_only,
            referrer: Some(Rc::clone(self)),
            repo: None,
            depth: self.depth + 1,
        }))
    }

    fn open_repo(
        session: Rc<Session<'a>>,
        repo: RepoSpec,
        referrer: Option<Rc<Self>>,
    ) -> Result<Rc<Self>, Error> {
        if repo.raw.to_ascii_lowercase().starts_with("git::") {
            session
                .notices
                .borrow_mut()
                .push(Notice::Log(GIT_PREFIX.to_owned()));
        }
        let Some(remote) = &session.options.remote else {
            return Err(refused(&repo.raw));
        };
        let clone = remote.clone_repo(&repo).map_err(|e| remote_error(&e))?;
        let directory = path::join(&clone.root, &repo.path);
        let resolved = resolve(clone.tree.as_ref(), &directory)?;
        if !resolved.is_dir {
            let text = format!(
                "'{directory}' refers to file '{}'; expecting directory",
                path::base(&resolved.path)
            );
            return Err(Error::invalid(text));
        }
        if !path::is_in_or_below(&resolved.path, &clone.root) {
            let text = format!(
                "{directory:?} refers to directory outside of repo {:?}",
                clone.root
            );
            return Err(Error::invalid(text));
        }
        let depth = referrer.as_ref().map_or(0, |r| r.depth + 1);
        Ok(Rc::new(Self {
            session,
            tree: TreeRef::Cloned(clone.tree),
            root: resolved.path,
            // A clone never reads outside of its directory, whatever the options say.
            root_only: true,
            referrer,
            repo: Some((repo, clone.root)),
            depth,
        }))
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |loader| loader.referrer.as_deref())
    }

    fn containing_clone(&self) -> Option<&str> {
        self.chain()
            .find_map(|loader| loader.repo.as_ref())
            .map(|(_, root)| root.as_str())
    }

    fn check_cycle(&self, candidate: &str) -> Result<(), Error> {
        match self
            .chain()
            .find(|loader| path::is_in_or_below(&loader.root, candidate))
        {
            Some(visited) => Err(Error::invalid(format!(
                "cycle detected: candidate root '{candidate}' contains visited root '{}'",
                visited.root
            ))),
            None => Ok(()),
        }
    }

    fn check_repo_cycle(&self, repo: &RepoSpec) -> Result<(), Error> {
        let mut visited = self.chain().filter_map(|loader| loader.repo.as_ref());
        match visited.find(|(visited, _)| visited.raw.starts_with(&repo.raw)) {
            Some((visited, _)) => Err(Error::invalid(format!(
                "cycle detected: URI '{}' referenced by previous URI '{}'",
                repo.raw, visited.raw
            ))),
            None => Ok(()),
        }
    }

    /// The content of a file, relative to this directory, or of an HTTP URL.
    pub(crate) fn load(&self, path: &str) -> Result<Vec<u8>, Error> {
        if is_remote_file(path) {
            return self.get(path);
        }
        let tree = self.tree.get();
        let full = follow(tree, &self.root, path).map_err(|outside| is_outside("open", &outside))?;
        if !self.root_only {
            return self.session.read(tree, &full);
        }
        let resolved = resolve(tree, &full)?;
        if resolved.is_dir {
            return Err(Error::new(
                ErrorKind::Load,
                format!("'{full}' must resolve to a file"),
            ));
        }
        if !path::is_in_or_below(path::dir(&resolved.path), &self.root) {
            let text = format!("security; file '{full}' is not in or below '{}'", self.root);
            return Err(Error::new(ErrorKind::Load, text));
        }
        self.session.read(tree, &resolved.path)
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, Error> {
        let Some(remote) = &self.session.options.remote else {
            return Err(refused(url));
        };
        self.session.charge(|bytes_left| {
            remote.get(url, bytes_left).map_err(|error| match &error {
                RemoteError::Status(..) if RepoSpec::parse(url).is_some() => {
                    Error::new(ErrorKind::Remote, "URL is a git repository")
                }
                _ => remote_error(&error),
            })
        })
    }
}

const GIT_PREFIX: &str = "Warning: Forcing the git protocol using the 'git::' URL prefix is not supported. Kustomize \
     currently strips this invalid prefix, but will stop doing so in a future release. Please remove the 'git::' prefix \
     from your configuration.";

fn refused(reference: &str) -> Error {
    Error::new(
        ErrorKind::Remote,
        format!("remote reference '{reference}' is not followed: this build has no network access"),
    )
}

fn remote_error(error: &RemoteError) -> Error {
    match error {
        RemoteError::Status(code, text) => Error::new(
            ErrorKind::Http,
            format!("HTTP Error: status code {code} ({text})"),
        ),
        RemoteError::TooLarge(text) => limit(text.clone()),
        RemoteError::TimedOut(text) => Error::new(ErrorKind::Timeout, text.clone()),
        RemoteError::Failed(text) => Error::new(ErrorKind::Remote, text.clone()),
    }
}

fn resolve(tree: &dyn FileTree, path: &str) -> Result<Resolved, Error> {
    tree.resolve(path).map_err(|error| match error.reason() {
        TreeErrorReason::Outside(_) => load_error(&error),
        // Links are followed part by part, and no more is said of a file on the way.
        TreeErrorReason::NotDirectory => Error::new(
            ErrorKind::Load,
            format!("evalsymlink failure on '{path}' : not a directory"),
        ),
        TreeErrorReason::NotFound => {
            // What the tree lies in is outside of it, and there.
            let is_dir = |part: &str| match tree.resolve(part) {
                Ok(found) => found.is_dir,
                Err(error) => matches!(error.reason(), TreeErrorReason::Outside(_)),
            };
            let error = TreeError::first_absent(path, is_dir);
            Error::new(
                ErrorKind::Load,
                format!("evalsymlink failure on '{path}' : {error}"),
            )
        }
        _ => Error::new(
            ErrorKind::Load,
            format!("evalsymlink failure on '{path}' : {error}"),
        ),
    })
}

fn is_outside(operation: &'static str, path: &str) -> Error {
    load_error(&TreeError::new(
        operation,
        path,
        TreeErrorReason::Outside("/".to_owned()),
    ))
}

/// Why a path outside of a tree is no directory of a build. What is there is not looked at: all that is known to exist is what
/// the tree lies in.
fn no_directory(tree: &dyn FileTree, path: &str) -> Error {
    let around = tree.lies_in().unwrap_or_default();
    let exists = |path: &str| path::is_in_or_below(around, path);
    let error = if exists(path) {
        is_outside("lstat", path)
    } else {
        let error = TreeError::first_absent(path, exists);
        Error::new(
            ErrorKind::Load,
            format!("evalsymlink failure on '{path}' : {error}"),
        )
    };
    error.context("not a valid directory")
}

fn confirm_dir(tree: &dyn FileTree, path: &str) -> Result<String, Error> {
    let resolved = resolve(tree, path).context("not a valid directory")?;
    if !resolved.is_dir {
        return Err(Error::new(
            ErrorKind::Load,
            format!("'{path}': file is not directory"),
        ));
    }
    Ok(resolved.path)
}
