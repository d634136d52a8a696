//! What an action is told, derived from the spec of a HelmRelease.

use std::sync::Arc;
use std::time::Duration;

use flux_api::{DurationError, GoDuration, HelmRelease, shorten_release_name};
use helm::{PostRenderStrategy, PostRenderer};
use serde_json::Value;

use super::error::ActionError;
use crate::cluster::{Propagation, WaitStrategy};
use crate::{FluxPostRenderer, KustomizeStep};

/// Which defaults hold where the object says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Those of Helm 3 (`--feature-gates=UseHelm3Defaults`).
    pub helm3: bool,
}

/// The HelmRelease that a release is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// What happens to the files of `crds/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrdPolicy {
    /// Nothing.
    Skip,
    /// Those are created that do not exist.
    #[default]
    Create,
    /// The others are changed, too.
    CreateReplace,
}

/// Whether objects are applied on the server side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerSide {
    /// If those of the release that it rests on were.
    #[default]
    Auto,
    /// They are.
    Enabled,
    /// They are not.
    Disabled,
}

/// How an action waits for objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// By which rules.
    pub strategy: WaitStrategy,
    /// The longest wait; each hook has that time for itself.
    pub timeout: Duration,
    /// Whether Jobs are to complete.
    pub for_jobs: bool,
}

/// How manifests are made of a chart.
#[derive(Clone, Default)]
pub struct Rendering {
    /// Whether values need not match the chart's schemas.
    pub skip_schema_validation: bool,
    /// What is done to the manifests.
    pub post_renderer: Option<Arc<dyn PostRenderer>>,
    /// What of them.
    pub post_render_strategy: PostRenderStrategy,
}

/// How to install.
#[derive(Clone)]
pub struct Install {
    /// Name of the release.
    pub name: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Whose release it is.
    pub origin: Origin,
    /// Whether objects are applied on the server side.
    pub server_side: bool,
    /// Whether objects that exist are taken, whoever they belong to.
    pub take_ownership: bool,
    /// How objects and hooks are waited for.
    pub waiting: Waiting,
    /// Whether hooks are left out.
    pub disable_hooks: bool,
    /// Whether the name of a release that is uninstalled or failed is taken again.
    pub replace: bool,
    /// Whether the namespace is created.
    pub create_namespace: bool,
    /// What happens to the files of `crds/`.
    pub crds: CrdPolicy,
    /// How manifests are made.
    pub rendering: Rendering,
}

/// How to upgrade.
#[derive(Clone)]
pub struct Upgrade {
    /// Name of the release.
    pub name: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Whose release it is.
    pub origin: Origin,
    /// Whether objects are applied on the server side.
    pub server_side: ServerSide,
    /// Whether objects are replaced, where they are applied client-side.
    pub force: bool,
    /// Whether objects that exist are taken, whoever they belong to.
    pub take_ownership: bool,
    /// Whether the values of the release before are the base of the new ones.
    pub reuse_values: bool,
    /// How objects and hooks are waited for.
    pub waiting: Waiting,
    /// Whether hooks are left out.
    pub disable_hooks: bool,
    /// Whether what a failed upgrade created is deleted.
    pub cleanup_on_fail: bool,
    /// How many records are kept; 0 is all.
    pub max_history: usize,
    /// What happens to the files of `crds/`.
    pub crds: CrdPolicy,
    /// How manifests are made.
    pub rendering: Rendering,
}

/// How to roll back.
#[derive(Clone, Debug)]
pub struct Rollback {
    /// Name of the release.
    pub name: String,
    /// The revision to go back to; 0 is the one before the last.
    pub version: i64,
    /// Whether objects are applied on the server side.
    pub server_side: ServerSide,
    /// Whether objects are replaced, where they are applied client-side.
    pub force: bool,
    /// How objects and hooks are waited for.
    pub waiting: Waiting,
    /// Whether hooks are left out.
    pub disable_hooks: bool,
    /// Whether what a failed rollback created is deleted.
    pub cleanup_on_fail: bool,
    /// How many records are kept; 0 is all.
    pub max_history: usize,
}

/// How to uninstall.
#[derive(Clone, Debug)]
pub struct Uninstall {
    /// Name of the release.
    pub name: String,
    /// How the end of objects, and hooks, are waited for.
    pub waiting: Waiting,
    /// Whether hooks are left out.
    pub disable_hooks: bool,
    /// Whether the records stay.
    pub keep_history: bool,
    /// What becomes of the dependents of objects.
    pub propagation: Propagation,
}

/// How to test.
#[derive(Clone, Debug)]
pub struct Test {
    /// Name of the release.
    pub name: String,
    /// The time that each test has.
    pub timeout: Duration,
    /// Names of hooks that run; all of them if empty.
    pub include: Vec<String>,
    /// Names of hooks that do not run.
    pub exclude: Vec<String>,
}

impl Install {
    /// How a HelmRelease is installed.
    ///
    /// # Errors
    /// Its spec has a value that nobody knows.
    pub fn of(object: &HelmRelease, defaults: Defaults) -> Result<Self, ActionError> {
        let spec = object.spec.install.clone().unwrap_or_default();
        Ok(Self {
            name: shorten_release_name(&object.release_name()),
            namespace: object.release_namespace().to_owned(),
            origin: origin(object),
            server_side: spec.server_side_apply.unwrap_or(!defaults.helm3),
            take_ownership: !spec.disable_take_ownership,
            waiting: Waiting {
                strategy: strategy(object, spec.disable_wait, defaults),
                timeout: timeout(object, spec.timeout.as_ref())?,
                for_jobs: !spec.disable_wait_for_jobs,
            },
            disable_hooks: spec.disable_hooks,
            replace: spec.replace,
            create_namespace: spec.create_namespace && !object.spec.target_namespace.is_empty(),
            crds: crds(&spec.crds)?,
            rendering: rendering(object, spec.disable_schema_validation, defaults)?,
        })
    }
}

impl Upgrade {
    /// How a HelmRelease is upgraded.
    ///
    /// # Errors
    /// Its spec has a value that nobody knows.
    pub fn of(object: &HelmRelease, defaults: Defaults) -> Result<Self, ActionError> {
        let spec = object.spec.upgrade.clone().unwrap_or_default();
        Ok(Self {
            name: shorten_release_name(&object.release_name()),
            namespace: object.release_namespace().to_owned(),
            origin: origin(object),
            server_side: server_side(&spec.server_side_apply)?,
            force: spec.force,
            take_ownership: !spec.disable_take_ownership,
            reuse_values: spec.preserve_values,
            waiting: Waiting {
                strategy: strategy(object, spec.disable_wait, defaults),
                timeout: timeout(object, spec.timeout.as_ref())?,
                for_jobs: !spec.disable_wait_for_jobs,
            },
            disable_hooks: spec.disable_hooks,
            cleanup_on_fail: spec.cleanup_on_fail,
            max_history: max_history(object),
            crds: crds(&spec.crds)?,
            rendering: rendering(object, spec.disable_schema_validation, defaults)?,
        })
    }
}

impl Rollback {
    /// How the release `name` of a HelmRelease goes back to a revision.
    ///
    /// # Errors
    /// The spec has a value that nobody knows.
    pub fn of(
        object: &HelmRelease,
        name: &str,
        version: i64,
        defaults: Defaults,
    ) -> Result<Self, ActionError> {
        let spec = object.spec.rollback.clone().unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            version,
            server_side: server_side(&spec.server_side_apply)?,
            force: spec.force,
            waiting: Waiting {
                strategy: strategy(object, spec.disable_wait, defaults),
                timeout: timeout(object, spec.timeout.as_ref())?,
                for_jobs: !spec.disable_wait_for_jobs,
            },
            disable_hooks: spec.disable_hooks,
            cleanup_on_fail: spec.cleanup_on_fail,
            max_history: max_history(object),
        })
    }
}

impl Uninstall {
    /// How the release `name` of a HelmRelease is uninstalled.
    ///
    /// # Errors
    /// The spec has a timeout that is none.
    pub fn of(object: &HelmRelease, name: &str, defaults: Defaults) -> Result<Self, ActionError> {
        let spec = object.spec.uninstall.clone().unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            waiting: Waiting {
                strategy: strategy(object, spec.disable_wait, defaults),
                timeout: timeout(object, spec.timeout.as_ref())?,
                for_jobs: true,
            },
            disable_hooks: spec.disable_hooks,
            keep_history: spec.keep_history,
            propagation: match spec.deletion_propagation.as_deref() {
                Some("orphan") => Propagation::Orphan,
                Some("foreground") => Propagation::Foreground,
                _ => Propagation::Background,
            },
        })
    }
}

impl Test {
    /// How the release of a HelmRelease is tested.
    ///
    /// # Errors
    /// The spec has a timeout that is none.
    pub fn of(object: &HelmRelease) -> Result<Self, ActionError> {
        let spec = object.spec.test.clone().unwrap_or_default();
        let (exclude, include): (Vec<_>, Vec<_>) = spec.filters.iter().partition(|filter| filter.exclude);
        let names =
            |filters: Vec<&flux_api::TestFilter>| filters.iter().map(|filter| filter.name.clone()).collect();
        Ok(Self {
            name: shorten_release_name(&object.release_name()),
            timeout: timeout(object, spec.timeout.as_ref())?,
            include: names(include),
            exclude: names(exclude),
        })
    }
}

fn origin(object: &HelmRelease) -> Origin {
    Origin {
        name: object.metadata.name.clone().unwrap_or_default(),
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
    }
}

fn timeout(object: &HelmRelease, own: Option<&flux_api::Duration>) -> Result<Duration, DurationError> {
    let timeout = own.map_or_else(|| object.timeout(), flux_api::Duration::get);
    timeout.map(GoDuration::to_std).map_err(Clone::clone)
}

fn strategy(object: &HelmRelease, disable_wait: bool, defaults: Defaults) -> WaitStrategy {
    let named = object
        .spec
        .wait_strategy
        .as_ref()
        .map(|strategy| strategy.name.as_str());
    match named {
        _ if disable_wait => WaitStrategy::HookOnly,
        Some("legacy") => WaitStrategy::Legacy,
        None | Some("") if defaults.helm3 => WaitStrategy::Legacy,
        _ => WaitStrategy::Poller,
    }
}

fn max_history(object: &HelmRelease) -> usize {
    usize::try_from(object.max_history()).unwrap_or_default()
}

fn crds(policy: &str) -> Result<CrdPolicy, ActionError> {
    match policy {
        "Skip" => Ok(CrdPolicy::Skip),
        "" | "Create" => Ok(CrdPolicy::Create),
        "CreateReplace" => Ok(CrdPolicy::CreateReplace),
        other => Err(ActionError::CrdPolicy(other.to_owned())),
    }
}

fn server_side(mode: &str) -> Result<ServerSide, ActionError> {
    match mode {
        "" | "auto" => Ok(ServerSide::Auto),
        "enabled" => Ok(ServerSide::Enabled),
        "disabled" => Ok(ServerSide::Disabled),
        other => Err(ActionError::ApplyMethod(other.to_owned())),
    }
}

fn rendering(
    object: &HelmRelease,
    skip_schema_validation: bool,
    defaults: Defaults,
) -> Result<Rendering, ActionError> {
    Ok(Rendering {
        skip_schema_validation,
        post_renderer: Some(Arc::new(post_renderer(object))),
        post_render_strategy: match object.spec.post_render_strategy.as_str() {
            "combined" => PostRenderStrategy::Combined,
            "separate" => PostRenderStrategy::Separate,
            "nohooks" => PostRenderStrategy::NoHooks,
            "" if defaults.helm3 => PostRenderStrategy::NoHooks,
            "" => PostRenderStrategy::Combined,
            other => return Err(ActionError::PostRenderStrategy(other.to_owned())),
        },
    })
}

/// What is done to all manifests of a HelmRelease.
fn post_renderer(object: &HelmRelease) -> FluxPostRenderer {
    let spec = &object.spec;
    let steps = spec.post_renderers.iter().flatten();
    let common = spec.common_metadata.clone().unwrap_or_default();
    let Origin { name, namespace } = origin(object);
    FluxPostRenderer {
        name,
        namespace,
        steps: steps
            .filter_map(|step| step.kustomize.as_ref())
            .map(|step| KustomizeStep {
                patches: json(&step.patches),
                images: json(&step.images),
            })
            .collect(),
        common_labels: common.labels,
        common_annotations: common.annotations,
        ..FluxPostRenderer::default()
    }
}

/// Entries in the form of the API, from which they were read.
fn json<T: serde::Serialize>(entries: &[T]) -> Vec<Value> {
    let entries = entries.iter().map(serde_json::to_value);
    entries.filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests;
