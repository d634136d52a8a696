//! What a HelmRelease applies, made of a chart that is at hand: for tools that show it, without a controller.

use std::sync::Arc;

use controller_kit::Rest;
use flux_api::HelmRelease;
use gotmpl::Map;
use helm::release::Hook;
use helm::{Capabilities, Chart, RenderOptions, Renderer};

use crate::action::{Defaults, Install};
use crate::environment::SystemEnvironment;
use crate::values;

/// Why nothing can be shown, in the words of the controller.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LocalError(String);

fn error(error: impl std::fmt::Display) -> LocalError {
    LocalError(error.to_string())
}

/// Composes the values, as whoever `rest` acts as.
///
/// # Errors
/// A ConfigMap or Secret that is named cannot be read.
pub async fn compose(rest: &Rest, object: &HelmRelease) -> Result<Map, LocalError> {
    values::compose(rest, object).await.map_err(error)
}

/// Renders a chart as the first install would, with the post-renderers of the object: manifests, and hooks after them.
///
/// # Errors
/// It cannot be rendered.
pub fn render(
    chart: &Chart,
    object: &HelmRelease,
    values: &Map,
    capabilities: Capabilities,
) -> Result<String, LocalError> {
    let install = Install::of(object, Defaults::default()).map_err(error)?;
    let options = RenderOptions {
        capabilities,
        skip_schema_validation: install.rendering.skip_schema_validation,
        post_renderer: install.rendering.post_renderer.clone(),
        post_render_strategy: install.rendering.post_render_strategy,
        ..RenderOptions::new(helm::Release {
            name: install.name,
            namespace: install.namespace,
            revision: 1,
            is_upgrade: false,
        })
    };
    let renderer = Renderer::new(Arc::new(SystemEnvironment::default()));
    let rendered = renderer.render(chart, values, &options).map_err(error)?;
    let mut text = rendered.manifest();
    for hook in rendered.hooks.into_iter().map(Hook::from) {
        text.push_str("---\n# Source: ");
        text.push_str(&hook.path);
        text.push('\n');
        text.push_str(&hook.manifest);
        text.push('\n');
    }
    Ok(text)
}
