//! What a caller chooses about a build.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::Remote;

/// How to build: whose defaults, what may be read, how much.
#[derive(Clone, Default)]
pub struct Options {
    /// Whose defaults apply where the command and Flux differ.
    pub profile: Profile,
    /// Which files a kustomization may name; the default is [`Profile`]'s.
    pub load_restrictions: Option<LoadRestrictions>,
    /// Order of the output where the kustomization has no `sortOptions`; the default is [`Profile`]'s.
    pub reorder: Option<Reorder>,
    /// Whether every object gets the managed-by label.
    pub managed_by_label: bool,
    /// Bounds on the work.
    pub limits: Limits,
    /// Follows references to other machines; without it they are refused.
    pub remote: Option<Arc<dyn Remote>>,
    /// Ends the build soon after it becomes true, with an error of kind [`Cancelled`](crate::ErrorKind::Cancelled).
    pub cancelled: Option<Arc<AtomicBool>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("profile", &self.profile)
            .field("load_restrictions", &self.load_restrictions)
            .field("reorder", &self.reorder)
            .field("managed_by_label", &self.managed_by_label)
            .field("limits", &self.limits)
            .field("remote", &self.remote.is_some())
            .field("cancelled", &self.cancelled)
            .finish()
    }
}

/// Whose behaviour to reproduce where the `kustomize` command and the library inside Flux differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// The command: files inside the root only, legacy order, a custom openapi replaces the built-in schema.
    #[default]
    Command,
    /// kustomize-controller: no load restrictions, no sorting, a custom openapi adds to the built-in schema.
    Flux,
}

/// Which files a kustomization may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadRestrictions {
    /// Files in or below its own directory, symbolic links followed.
    RootOnly,
    /// Any file of the tree.
    None,
}

/// Order of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reorder {
    /// By kind rank, then type, namespace and name.
    Legacy,
    /// As accumulated.
    None,
}

impl Options {
    /// The options of kustomize-controller.
    pub fn flux() -> Self {
        Self {
            profile: Profile::Flux,
            ..Self::default()
        }
    }

    pub(crate) fn root_only(&self) -> bool {
        let default = match self.profile {
            Profile::Command => LoadRestrictions::RootOnly,
            Profile::Flux => LoadRestrictions::None,
        };
        self.load_restrictions.unwrap_or(default) == LoadRestrictions::RootOnly
    }

    pub(crate) fn legacy_order(&self) -> bool {
        let default = match self.profile {
            Profile::Command => Reorder::Legacy,
            Profile::Flux => Reorder::None,
        };
        self.reorder.unwrap_or(default) == Reorder::Legacy
    }
}

/// Bounds on what one build may read and produce; reaching one is an error of kind [`Limit`](crate::ErrorKind::Limit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes read from all files together (default 256 MiB).
    pub bytes_read: u64,
    /// Files read (default 20,000).
    pub files: usize,
    /// Depth of bases and components below the root (default 100).
    pub depth: usize,
    /// Objects in the build at any time (default 100,000).
    pub objects: usize,
    /// Bytes of output (default 64 MiB).
    pub output_bytes: usize,
    /// Nested collections of a YAML or JSON document, and of every object at any time: aliases expanded, patches and
    /// replacements applied (default 512, which is also the most).
    pub yaml_nesting: usize,
    /// Scalars and collections of all YAML that resources and patches are read from, and of any other single file
    /// (default 1,500,000; a build of 10,000 objects has about a million).
    pub nodes: usize,
    /// Nodes that the aliases of all resources and patches together expand to (default 2,000,000).
    pub alias_nodes: usize,
    /// Steps of the whole build, of some ten nanoseconds each: nodes visited, fields searched, objects compared with
    /// selectors, references followed, texts read (default 100,000,000; a build of 10,000 objects takes a few million).
    pub steps: u64,
    /// Bytes of everything together that the build makes out of what it reads: what patches, labels, generators,
    /// replacements, vars and aliases put into objects, and files that are read again (default 128 MiB).
    pub made_bytes: u64,
    /// Comparisons of two elements while lists are merged whose elements have several keys, only some of them given
    /// (default 20,000,000 for all lists together); all other lists are merged in one pass.
    pub list_comparisons: usize,
    /// Size of one compiled regular expression in bytes (default 1 MiB); matching takes time linear in the text.
    pub regex_bytes: usize,
}

impl Limits {
    /// What the YAML reader is bounded by; the bytes are counted where files are read.
    pub(crate) fn yaml(&self) -> go_yaml::Limits {
        /// What any file may take, however little may be made of it.
        const USUAL: usize = 4 << 20;
        let default = go_yaml::Limits::default();
        go_yaml::Limits {
            max_nesting: self.nesting(),
            max_nodes: self.nodes,
            max_value_bytes: usize::try_from(self.made_bytes).map_or(usize::MAX, |made| made.max(USUAL)),
            ..default
        }
    }

    /// Levels that any tree of the build may have.
    pub(crate) fn nesting(&self) -> usize {
        // Trees are walked recursively, so no more than the reader's own bound.
        self.yaml_nesting.min(go_yaml::Limits::default().max_nesting)
    }

    /// What a regular expression is bounded by.
    pub(crate) fn regex(&self) -> go_regexp::Limits {
        go_regexp::Limits {
            compiled_bytes: self.regex_bytes,
            ..go_regexp::Limits::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            bytes_read: 256 * MIB,
            files: 20_000,
            depth: 100,
            objects: 100_000,
            output_bytes: 64 * 1024 * 1024,
            yaml_nesting: go_yaml::Limits::default().max_nesting,
            nodes: 1_500_000,
            alias_nodes: 2_000_000,
            steps: 100_000_000,
            made_bytes: 128 * MIB,
            list_comparisons: 20_000_000,
            regex_bytes: 1024 * 1024,
        }
    }
}
