//! The ignore rules of Flux sources: gitignore as source-controller has it, which is not quite git's.
//!
//! - The last pattern that matches a path decides, and `!` brings back even what lies below an ignored directory.
//! - A pattern without an inner `/` matches any component of a path; with one it begins at its own directory.
//! - `**` means any number of directories only where it is a whole component.
//!
//! ```
//! use sourceignore::{Matcher, read};
//!
//! let matcher = Matcher::for_archives(read("/*\n!/deploy/", &[]));
//! assert!(matcher.ignores("README.md", false));
//! assert!(!matcher.ignores("deploy/app.yaml", false));
//! assert!(matcher.ignores(".git/HEAD", false));
//! ```

mod files;
mod matcher;
mod pattern;

pub use files::patterns_of;
pub use matcher::{Matcher, read};
pub use pattern::Pattern;

/// Name of the files that have ignore rules for their directory.
pub const IGNORE_FILE: &str = ".sourceignore";

/// What is never part of an artifact: the files of git itself.
pub const VCS: &[&str] = &[".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// What is no part of an artifact where nobody has rules of their own: files that are no manifests, and those of CI.
pub const DEFAULTS: &[&str] = &[
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];
