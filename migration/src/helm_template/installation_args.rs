//! Flags of `helm template` that say how to fetch, verify or install: scripts pass them, and rendering does not need them.

use super::HelmTemplateError;
use super::kube_context::Overrides;
use crate::go_flags::parse_bool;

/// Flags that change nothing about what a chart on disk renders to, and a few that would.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Accepted as by Helm, without effect on rendering")]
pub struct InstallationArgs {
    /// Installation: create the namespace.
    #[arg(long, hide = true)]
    create_namespace: bool,
    /// Installation: describe the release.
    #[arg(long, hide = true)]
    description: Option<String>,
    /// Installation: skip the check against OpenAPI.
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    /// Installation: take over fields of others.
    #[arg(long, hide = true)]
    force_conflicts: bool,
    /// Installation: replace objects.
    #[arg(long, alias = "force", hide = true)]
    force_replace: bool,
    /// Installation: do not print the notes, which a rendering never does.
    #[arg(long, hide = true)]
    hide_notes: bool,
    /// Installation: labels of the release.
    #[arg(short, long, hide = true)]
    labels: Vec<String>,
    /// Installation: print the notes of subcharts too.
    #[arg(long, hide = true)]
    render_subchart_notes: bool,
    /// Installation: reuse a name.
    #[arg(long, hide = true)]
    replace: bool,
    /// Installation: roll back if it fails.
    #[arg(long, alias = "atomic", hide = true)]
    rollback_on_failure: bool,
    /// Installation: apply on the server.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_side: Option<String>,
    /// Installation: adopt objects.
    #[arg(long, hide = true)]
    take_ownership: bool,
    /// Installation: how long it may take.
    #[arg(long, hide = true)]
    timeout: Option<String>,
    /// Installation: wait for readiness.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "watcher")]
    wait: Option<String>,
    /// Installation: wait for jobs.
    #[arg(long, hide = true)]
    wait_for_jobs: bool,

    /// Cluster: nobody talks to it, but an unusable configuration names no namespace.
    #[arg(long, hide = true)]
    burst_limit: Option<String>,
    #[arg(long, hide = true)]
    qps: Option<String>,
    #[arg(long, hide = true)]
    kube_apiserver: Option<String>,
    #[arg(long, hide = true)]
    kube_as_group: Vec<String>,
    #[arg(long, hide = true, env = "HELM_KUBEASUSER")]
    kube_as_user: Option<String>,
    #[arg(long, hide = true, env = "HELM_KUBECAFILE")]
    kube_ca_file: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool)]
    kube_insecure_skip_tls_verify: Option<bool>,
    #[arg(long, hide = true)]
    kube_tls_server_name: Option<String>,
    #[arg(long, hide = true, env = "HELM_KUBETOKEN")]
    kube_token: Option<String>,
    /// Colours: nothing is coloured.
    #[arg(long, alias = "colour", hide = true)]
    color: Option<String>,

    /// Refused: nothing is downloaded beside the chart.
    #[arg(long, hide = true)]
    dependency_update: bool,
    /// Refused: names are not resolved.
    #[arg(long, hide = true)]
    enable_dns: bool,
    /// Refused: plugins do not run.
    #[arg(long, hide = true)]
    post_renderer: Option<String>,
    #[arg(long, hide = true)]
    post_renderer_args: Vec<String>,
}

impl InstallationArgs {
    /// What the flags, and the variables in their place, say of the cluster.
    pub(super) fn overrides(&self) -> Overrides<'_> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let insecure = || parse_bool(&variable("HELM_KUBEINSECURE_SKIP_TLS_VERIFY")) == Ok(true);
        let has_groups = || {
            let groups = variable("HELM_KUBEASGROUPS");
            !groups.trim_matches([',', ' ']).is_empty()
        };
        Overrides {
            token: self.kube_token.as_deref(),
            ca_file: self.kube_ca_file.as_deref(),
            insecure: self.kube_insecure_skip_tls_verify.unwrap_or_else(insecure),
            user: self.kube_as_user.as_deref(),
            has_groups: !self.kube_as_group.is_empty() || has_groups(),
            ..Overrides::default()
        }
    }

    /// Refuses what would change the outcome, instead of rendering something else than was asked for.
    pub(super) fn refuse_unsupported(&self) -> Result<(), HelmTemplateError> {
        let refused = [
            (
                self.dependency_update,
                "--dependency-update is not supported: run 'openflux helm dependency update' first",
            ),
            (
                self.enable_dns,
                "--enable-dns is not supported: getHostByName returns nothing",
            ),
            (
                self.post_renderer.is_some() || !self.post_renderer_args.is_empty(),
                "--post-renderer is not supported: openflux runs no plugins; pipe its output into the program instead",
            ),
        ];
        match refused.iter().find(|(asked, _)| *asked) {
            Some((_, message)) => Err(HelmTemplateError::Arguments((*message).to_owned())),
            None => Ok(()),
        }
    }
}
