//! Rendered files: changed by a post-renderer, told apart into manifests and hooks, sorted.

pub(crate) mod post_render;
mod sorted;

pub use post_render::{PostRenderError, PostRenderStrategy, PostRenderer};
pub use sorted::{
    Hook, HookEvent, INSTALL_ORDER, Manifest, ManifestError, SortedManifests, sort_manifests, split_manifests,
};
