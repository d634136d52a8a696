//! Which cluster, as whom, and which of its namespaces: kubectl's flags.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::CommandError;

/// Which cluster, and as whom.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ConnectArgs {
    /// The kubeconfig; otherwise the files of KUBECONFIG, ~/.kube/config, or the cluster that this is a pod of.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The cluster of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The user of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Whom to act as.
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
    /// The groups of whom to act as. Repeatable.
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    groups: Vec<String>,
    /// How long one request may take, such as 30s; 0 is as long as it needs.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    request_timeout: Duration,
}

/// Which namespaces.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ScopeArgs {
    /// The namespace.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}

/// A connection to a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// The client.
    pub(crate) client: Client,
    /// The namespace of the context.
    pub(crate) namespace: String,
    /// What people call it: the context, or else the address of its API server.
    pub(crate) name: String,
    /// The address of the API server.
    pub(crate) server: String,
    /// The context of the kubeconfig; empty where there is none.
    pub(crate) context: String,
}

impl ConnectArgs {
    /// Connects; nothing is asked of the cluster yet.
    pub(crate) async fn connect(&self) -> Result<Cluster, CommandError> {
        let (mut config, context) = self.config().await?;
        config.read_timeout = (!self.request_timeout.is_zero()).then_some(self.request_timeout);
        if self.impersonate.is_some() {
            config.auth_info.impersonate.clone_from(&self.impersonate);
            config.auth_info.impersonate_groups = Some(self.groups.clone());
        }
        let namespace = config.default_namespace.clone();
        let server = config.cluster_url.to_string();
        let name = if context.is_empty() {
            server.clone()
        } else {
            context.clone()
        };
        let client = Client::try_from(config).map_err(CommandError::api("cannot connect"))?;
        Ok(Cluster {
            client,
            namespace,
            name,
            server,
            context,
        })
    }

    /// Returns the same choices as flags of kubectl.
    pub(crate) fn kubectl_flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: Option<&OsStr>| {
            if let Some(value) = value {
                let mut flag = OsString::from(format!("--{name}="));
                flag.push(value);
                flags.push(flag);
            }
        };
        let text = |value: &'_ Option<String>| value.clone().map(OsString::from);
        add("kubeconfig", self.kubeconfig.as_deref().map(Path::as_os_str));
        add("context", text(&self.context).as_deref());
        add("cluster", text(&self.cluster).as_deref());
        add("user", text(&self.user).as_deref());
        add("as", text(&self.impersonate).as_deref());
        for group in &self.groups {
            add("as-group", Some(OsStr::new(group)));
        }
        flags
    }

    /// Returns the files that say which cluster, for a program that takes what they say; `None` for what it finds by itself.
    ///
    /// # Errors
    /// Flags say more than files can.
    pub(crate) fn only_files(&self) -> Result<Option<&Path>, CommandError> {
        let says_more = self.context.is_some()
            || self.cluster.is_some()
            || self.user.is_some()
            || self.impersonate.is_some();
        if says_more {
            return Err(CommandError::Usage(
                "--local takes the current context of the kubeconfig as it is: leave out --context, --cluster, --user and --as, and say \
                 kubectl config use-context, or --kubeconfig"
                    .to_owned(),
            ));
        }
        Ok(self.kubeconfig.as_deref())
    }

    /// The configuration, with the name of its context.
    async fn config(&self) -> Result<(Config, String), CommandError> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Some(Kubeconfig::read_from(path)?),
            None => match Kubeconfig::from_env()? {
                Some(kubeconfig) => Some(kubeconfig),
                None => home_kubeconfig()
                    .filter(|path| path.is_file())
                    .map(Kubeconfig::read_from)
                    .transpose()?,
            },
        };
        match kubeconfig {
            Some(kubeconfig) => {
                let context = options.context.clone().or(kubeconfig.current_context.clone());
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
                Ok((config, context.unwrap_or_default()))
            }
            None => Ok((Config::incluster()?, String::new())),
        }
    }
}

fn home_kubeconfig() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".kube/config"))
}

impl ScopeArgs {
    /// Returns the namespace to look at, which is that of the context unless another or all are asked for.
    pub(crate) fn or_context(&self, cluster: &Cluster) -> Option<String> {
        let named = self
            .namespace
            .clone()
            .unwrap_or_else(|| cluster.namespace.clone());
        (!self.all_namespaces).then_some(named)
    }

    /// Returns the one namespace of a command that has to have one.
    pub(crate) fn one(&self, cluster: &Cluster) -> String {
        self.namespace
            .clone()
            .unwrap_or_else(|| cluster.namespace.clone())
    }
}

/// Reads a time as kubectl does: with a unit, or in seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let nanos = go_std::duration::parse(text).map_err(|error| error.to_string())?;
    u64::try_from(nanos)
        .map(Duration::from_nanos)
        .map_err(|_| format!("{text} is less than nothing"))
}
