//! Flags about references to other machines.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use kustomize::Remote;
use kustomize_remote::{Direct, Fetcher, Policy};

/// What a build may fetch.
#[derive(Debug, Args)]
#[command(next_help_heading = "Remote resources")]
pub(super) struct RemoteArgs {
    /// Refuse every reference to another machine.
    #[arg(long)]
    no_remote_bases: bool,

    /// The only hosts that may be asked, such as github.com or *.example.com; all of them by default.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    remote_hosts: Vec<String>,

    /// Bytes that one clone may take on disk.
    #[arg(long, default_value_t = Policy::default().clone_bytes)]
    limit_clone_bytes: u64,

    /// Seconds that one HTTP request may take.
    #[arg(long, default_value_t = Policy::default().get_time.as_secs())]
    limit_get_seconds: u64,

    /// Seconds that one git command may take, whatever the `timeout` of its reference.
    #[arg(long, default_value_t = Policy::default().git_time.as_secs())]
    limit_git_seconds: u64,
}

impl RemoteArgs {
    pub(super) fn fetcher(&self) -> Option<Arc<dyn Remote>> {
        if self.no_remote_bases {
            return None;
        }
        let policy = Policy {
            hosts: (!self.remote_hosts.is_empty()).then(|| self.remote_hosts.clone()),
            local_repositories: true,
            clone_bytes: self.limit_clone_bytes,
            get_time: Duration::from_secs(self.limit_get_seconds),
            git_time: Duration::from_secs(self.limit_git_seconds),
        };
        Some(Arc::new(Fetcher::new(policy, Arc::new(Direct::default()))))
    }
}
