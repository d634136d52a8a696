//! The flags of `openflux-controller run`: those of stock kustomize-controller and helm-controller, and our own.

use clap::{ArgAction, Args, ValueEnum};
use controller_process::values::{boolean, integer, percentage};
use controller_process::{DeployerFlags, ProcessFlags, StorageFlags};
use helm_controller::DigestAlgorithm;

use crate::inert::InertFlags;
use crate::oom::OomFlags;

/// Flags of the controllers. Names and defaults are stock's where stock has the flag.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunFlags {
    /// Controllers to run.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "sources,kustomize,helm"
    )]
    pub(crate) controllers: Vec<Controller>,
    /// How many sources are mirrored at once.
    #[arg(long, default_value_t = 16, value_parser = integer::<usize>)]
    pub(crate) concurrent_sources: usize,
    /// Address on loopback that says what the next run of an object would change, for openflux migrate plan and diff; none when
    /// empty.
    #[arg(long, default_value = "")]
    pub(crate) shadow_addr: String,
    /// Flags of all deployers; `--kustomize.NAME=VALUE` is for one of them alone.
    #[command(flatten)]
    pub(crate) deployer: DeployerFlags,
    /// Flags of the kustomize deployer.
    #[command(flatten)]
    pub(crate) kustomize: KustomizeFlags,
    /// Flags of the Helm deployer.
    #[command(flatten)]
    pub(crate) helm: HelmFlags,
    /// Flags of the source `Http`.
    #[command(flatten)]
    pub(crate) http: HttpFlags,
    /// Flags of the controller of Transformations.
    #[command(flatten)]
    pub(crate) transform: TransformFlags,
    /// Flags of whoever stores artifacts.
    #[command(flatten)]
    pub(crate) storage: StorageFlags,
    /// Flags of the process.
    #[command(flatten)]
    pub(crate) process: ProcessFlags,
    #[command(flatten)]
    pub(crate) inert: InertFlags,
}

/// Flags that only the kustomize deployer has.
#[derive(Args, Clone, Debug)]
pub(crate) struct KustomizeFlags {
    /// How many objects of one Kustomization are verified at once.
    #[arg(long, default_value_t = 4, value_parser = integer::<usize>)]
    pub(crate) concurrent_ssa: usize,
    /// Refuse kustomize bases on other machines.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) no_remote_bases: bool,
    /// The only hosts that kustomize bases may come from: host, *.suffix, address or network, with an optional port. By
    /// default all but this machine, link-local and metadata addresses, and the cluster's services. Repeatable.
    #[arg(long, value_delimiter = ',')]
    pub(crate) remote_base_hosts: Vec<String>,
    /// Secret in the namespace of the controllers with keys of age, for Kustomizations with spec.decryption that name none.
    #[arg(long, default_value = "")]
    pub(crate) sops_age_secret: String,
    /// ConfigMap in the namespace of the controllers with the servers of Vault or OpenBao that take tokens of service accounts,
    /// for Kustomizations with spec.decryption that have no token of their own.
    #[arg(long, default_value = "")]
    pub(crate) sops_vault_configmap: String,
    /// Service account as which keys in clouds and Vault are asked for by Kustomizations that name none.
    #[arg(long, default_value = "")]
    pub(crate) default_decryption_service_account: String,
    /// The only hosts that encrypted files and Secrets may name for keys (Vault, Azure Key Vault): host, *.suffix, address
    /// or network, with an optional port. By default all but this machine, link-local and metadata addresses. Repeatable.
    #[arg(long, value_delimiter = ',')]
    pub(crate) sops_key_hosts: Vec<String>,
    /// Whether the keys of age in the environment of the process and in its home are for Kustomizations that have none.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) sops_age_environment: bool,
    /// Kinds of the custom apply stage, as Kind or group/Kind.
    #[arg(long, value_delimiter = ',')]
    pub(crate) custom_apply_stage_kinds: Vec<String>,
}

/// Flags that only the Helm deployer has.
#[derive(Args, Clone, Debug)]
pub(crate) struct HelmFlags {
    /// Algorithm of the digests in the status of a HelmRelease: sha256, sha384, sha512, blake3 or sha1.
    #[arg(long, default_value = "sha256", value_parser = algorithm)]
    pub(crate) snapshot_digest_algo: DigestAlgorithm,
    /// Flags of the watch over memory.
    #[command(flatten)]
    pub(crate) oom: OomFlags,
}

fn algorithm(name: &str) -> Result<DigestAlgorithm, String> {
    let algorithm = name.parse::<DigestAlgorithm>();
    algorithm.map_err(|error| format!("{error}: {name}"))
}

/// Flags of the source `Http`.
#[derive(Args, Clone, Debug)]
pub(crate) struct HttpFlags {
    /// How many Http sources are looked at at once.
    #[arg(long, default_value_t = 8, value_parser = integer::<usize>)]
    pub(crate) http_source_concurrent: usize,
    /// Http sources to look at, by labels; empty for all.
    #[arg(long, default_value = "")]
    pub(crate) http_source_label_selector: String,
    /// Percentage by which the intervals of Http sources are spread.
    #[arg(long, default_value_t = 5, value_parser = percentage)]
    pub(crate) http_source_jitter_percentage: u8,
    /// The only hosts that Http sources may ask: host, *.suffix, address or network, with an optional port. By default all but
    /// this machine, link-local and metadata addresses, and the API server. Repeatable.
    #[arg(long, value_delimiter = ',')]
    pub(crate) http_source_hosts: Vec<String>,
    /// Let Http sources ask private addresses, which those of the cluster are too.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) http_source_allow_private: bool,
    /// Let Http sources ask without TLS.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) insecure_allow_http: bool,
}

/// Flags of the controller of Transformations.
#[derive(Args, Clone, Debug)]
pub(crate) struct TransformFlags {
    /// How many Transformations are made at once.
    #[arg(long, default_value_t = 4, value_parser = integer::<usize>)]
    pub(crate) transform_concurrent: usize,
    /// Transformations to make, by labels; empty for all.
    #[arg(long, default_value = "")]
    pub(crate) transform_label_selector: String,
    /// Let Transformations read sources of other namespaces; what they make of them can be read by whoever reaches the file
    /// server.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) allow_cross_namespace_inputs: bool,
}

/// A controller of this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Controller {
    /// Mirror Flux sources into Artifacts.
    Sources,
    /// Deploy Kustomizations.
    Kustomize,
    /// Release HelmReleases.
    Helm,
    /// Offer the Artifacts of custom sources to stock controllers, as ExternalArtifacts.
    Bridge,
    /// Make Artifacts of what Http sources download.
    Http,
    /// Make Artifacts out of others, as Transformations say.
    Transform,
}

/// The controllers that may have flags of their own, as `--kustomize.concurrent=8`.
pub(crate) const DEPLOYERS: [&str; 2] = ["kustomize", "helm"];
