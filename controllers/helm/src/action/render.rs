//! From a chart to the manifests of a revision.

use std::sync::Arc;

use gotmpl::Map;
use helm::release::{Hook, Release, config};
use helm::{Capabilities, Chart, Limits, RenderOptions, Rendered, Renderer};

use super::config::{CrdPolicy, Rendering};
use super::error::ActionError;
use super::{Actions, now};
use crate::cluster::ClusterLookup;

/// What is released.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The chart, under the version that is to be recorded.
    pub chart: &'a Chart,
    /// The values that the user gives.
    pub values: &'a Map,
    /// Renders it.
    pub renderer: &'a Renderer,
    /// Bounds on the chart.
    pub limits: Limits,
    /// Bounds on its templates.
    pub template_limits: gotmpl::Limits,
}

/// A revision whose manifests are rendered.
pub(super) struct Revision {
    pub(super) release: helm::Release,
    pub(super) rendered: Rendered,
}

impl Actions<'_> {
    /// Renders a chart, on a thread of its own.
    pub(super) async fn render(
        &self,
        wanted: &Wanted<'_>,
        release: helm::Release,
        rendering: &Rendering,
        capabilities: Capabilities,
    ) -> Result<Revision, ActionError> {
        let options = RenderOptions {
            capabilities,
            lookup: Arc::new(ClusterLookup::new(self.cluster)),
            skip_schema_validation: rendering.skip_schema_validation,
            post_renderer: rendering.post_renderer.clone(),
            post_render_strategy: rendering.post_render_strategy,
            limits: wanted.limits,
            template_limits: wanted.template_limits,
            cancelled: Some(self.patience.gives_up()),
            ..RenderOptions::new(release.clone())
        };
        let (renderer, chart, values) = (
            wanted.renderer.clone(),
            wanted.chart.clone(),
            wanted.values.clone(),
        );
        let rendering = tokio::task::spawn_blocking(move || renderer.render(&chart, &values, &options));
        let rendered = rendering.await.map_err(ActionError::Interrupted)??;
        for warning in &rendered.warnings {
            tracing::debug!(release = release.name, "{warning}");
        }
        Ok(Revision { release, rendered })
    }
}

impl Revision {
    /// Makes the record of the revision; its status is to be set.
    pub(super) fn into_record(
        self,
        wanted: &Wanted<'_>,
        policy: CrdPolicy,
        apply_method: &str,
    ) -> Result<Release, ActionError> {
        let manifest = self.rendered.manifest().into();
        let mut chart = self.rendered.chart;
        if let Some(chart) = chart.as_mut().filter(|_| is_processed_twice(wanted, policy)) {
            chart.forget_imports();
        }
        let mut release = Release {
            name: self.release.name,
            namespace: self.release.namespace,
            version: self.release.revision,
            chart,
            config: config::from_values(wanted.values).map_err(ActionError::Config)?,
            manifest,
            hooks: self.rendered.hooks.into_iter().map(Hook::from).collect(),
            apply_method: apply_method.to_owned(),
            ..Release::default()
        };
        release.info.notes = self.rendered.notes;
        release.info.last_deployed = now();
        release.info.first_deployed = release.info.last_deployed;
        Ok(release)
    }
}

/// helm-controller looks at the dependencies of a chart with files in `crds/` on its own account, before Helm does.
fn is_processed_twice(wanted: &Wanted<'_>, policy: CrdPolicy) -> bool {
    policy != CrdPolicy::Skip && wanted.chart.has_crds()
}
