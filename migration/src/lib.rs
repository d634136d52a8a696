//! The `openflux` command line for people.

mod checkout;
mod cluster;
mod commands;
mod csv;
mod go_flags;
mod go_message;
mod helm_dependency;
mod helm_template;
mod kustomize_build;
mod moving;
mod sops_decrypt;
mod transformation;

pub use cluster::CommandError;
pub use commands::{
    CompletionArgs, Outcome, candidates, completion, is_cluster_command, plugin_name, run_cluster_command,
    with_cluster_commands,
};
pub use go_flags::{go_flag_error, with_go_flags};
pub use helm_dependency::{HelmDependencyCommand, HelmDependencyError, helm_dependency};
pub use helm_template::{
    ChartSourceError, HelmTemplateArgs, HelmTemplateError, SystemEnvironment, UserValuesError,
    VerifyChartError, helm_template, load_chart,
};
pub use kustomize_build::{KustomizeBuildArgs, KustomizeBuildError, kustomize_build};
pub use sops_decrypt::{SopsDecryptArgs, SopsDecryptError, sops_decrypt};
pub use transformation::FilesError;
