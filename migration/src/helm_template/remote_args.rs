//! Flags of `helm template` that say where a chart lives and how to get it, and where Helm's own files are.

use std::path::{Path, PathBuf};

use helm_remote::{Access, HelmFiles, Wanted};

/// The file of public keys that GnuPG had by default.
const RING: &str = "pubring.gpg";

/// Where a chart lives, and as whom it is fetched.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Charts in repositories and registries")]
pub struct RemoteChartArgs {
    /// The URL of the repository that the chart is in.
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    repo: String,
    /// The version of the chart, or a constraint such as ^2.0.0; the highest by default. One on disk is taken as it is.
    #[arg(long, default_value = "", hide_default_value = true)]
    version: String,
    /// Take pre-releases too, as with --version '>0.0.0-0'.
    #[arg(long)]
    devel: bool,
    /// Send them to every host that the repository names.
    #[arg(long)]
    pass_credentials: bool,
    /// Take only a chart that is signed.
    #[arg(long)]
    pub(super) verify: bool,
    /// As whom, and how.
    #[command(flatten)]
    access: AccessArgs,
}

/// As whom repositories and registries are asked, whose keys are trusted, and where Helm's own files are.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct AccessArgs {
    /// The user for the repository or the registry.
    #[arg(long, default_value = "", hide_default_value = true)]
    username: String,
    /// Its password.
    #[arg(long, default_value = "", hide_default_value = true)]
    password: String,
    /// The certificates to trust, in the place of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The certificate to show.
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Do not check the certificates of servers.
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Ask the registry without TLS.
    #[arg(long)]
    plain_http: bool,
    /// Helm's list of repositories.
    #[arg(
        long,
        value_name = "FILE",
        env = "HELM_REPOSITORY_CONFIG",
        hide_env_values = true
    )]
    repository_config: Option<PathBuf>,
    /// The folder with their indexes.
    #[arg(
        long,
        value_name = "DIR",
        env = "HELM_REPOSITORY_CACHE",
        hide_env_values = true
    )]
    repository_cache: Option<PathBuf>,
    /// The credentials of registries.
    #[arg(
        long,
        value_name = "FILE",
        env = "HELM_REGISTRY_CONFIG",
        hide_env_values = true
    )]
    registry_config: Option<PathBuf>,
    /// Accepted as by Helm: nothing that is fetched is kept.
    #[arg(long, hide = true)]
    content_cache: Option<String>,
    /// The public keys of those who sign charts, in GnuPG's binary form.
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
}

impl std::fmt::Debug for AccessArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither names nor passwords belong into a log.
        f.debug_struct("AccessArgs").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RemoteChartArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither names nor passwords belong into a log.
        f.debug_struct("RemoteChartArgs")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl RemoteChartArgs {
    /// Whether the chart is in a repository, whatever is on disk.
    pub(super) fn is_in_a_repository(&self) -> bool {
        !self.repo.is_empty()
    }

    /// Which chart, by the name that the command line has for it.
    pub(super) fn wanted(&self, chart: &str) -> Wanted {
        let version = self.version.trim();
        let version = if version.is_empty() && self.devel {
            ">0.0.0-0"
        } else {
            version
        };
        Wanted {
            chart: chart.to_owned(),
            repo: self.repo.clone(),
            version: version.to_owned(),
            provenance: self.verify,
        }
    }

    pub(super) fn access(&self) -> Access {
        Access {
            pass_credentials: self.pass_credentials,
            ..self.access.access()
        }
    }

    pub(super) fn files(&self) -> HelmFiles {
        self.access.files()
    }

    /// The public keys of those who sign charts.
    pub(super) fn ring(&self) -> PathBuf {
        self.access.ring()
    }
}

impl AccessArgs {
    /// As whom servers are asked.
    pub(crate) fn access(&self) -> Access {
        Access {
            username: self.username.clone(),
            password: self.password.clone(),
            pass_credentials: false,
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            insecure: self.insecure_skip_tls_verify,
            plain_http: self.plain_http,
        }
    }

    /// The public keys of those who sign charts: by the flag, or where GnuPG had them.
    pub(crate) fn ring(&self) -> PathBuf {
        self.keyring.clone().unwrap_or_else(|| {
            let folder = std::env::var_os("GNUPGHOME");
            folder
                .map_or_else(|| home().join(".gnupg"), PathBuf::from)
                .join(RING)
        })
    }

    /// Where Helm's own files are: by the flags, by variables, or where Helm puts them.
    pub(crate) fn files(&self) -> HelmFiles {
        let mac = cfg!(target_os = "macos");
        let config = folder(
            "HELM_CONFIG_HOME",
            "XDG_CONFIG_HOME",
            if mac { "Library/Preferences" } else { ".config" },
        );
        let cache = folder(
            "HELM_CACHE_HOME",
            "XDG_CACHE_HOME",
            if mac { "Library/Caches" } else { ".cache" },
        );
        let given = |path: &Option<PathBuf>, default: PathBuf| path.clone().unwrap_or(default);
        let docker = variable("DOCKER_CONFIG").map_or_else(|| home().join(".docker"), PathBuf::from);
        HelmFiles {
            repositories: given(&self.repository_config, config.join("repositories.yaml")),
            cache: given(&self.repository_cache, cache.join("repository")),
            registries: vec![
                given(&self.registry_config, config.join("registry/config.json")),
                docker.join("config.json"),
            ],
        }
    }
}

/// A folder of Helm's: the variable for it, else the one for all programs, else the usual place.
fn folder(own: &str, shared: &str, usual: &str) -> PathBuf {
    if let Some(folder) = variable(own) {
        return folder.into();
    }
    let base = variable(shared).map_or_else(|| home().join(usual), PathBuf::from);
    base.join("helm")
}

fn home() -> PathBuf {
    variable("HOME").map_or_else(|| Path::new("/").to_owned(), PathBuf::from)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
