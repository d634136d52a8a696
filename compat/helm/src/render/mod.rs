//! From a chart and values to what Helm would install.

pub(crate) mod capabilities;
pub(crate) mod functions;
mod lookup;
mod no_value;
pub(crate) mod release;
mod renderer;
mod stream;
mod template_error;
mod templates;
mod values_methods;

pub use capabilities::{Capabilities, GO_VERSION, InvalidKubeVersion, KUBE_CLIENT_VERSION, KubeVersion};
pub use lookup::{Cancelled, Lookup, NoCluster};
pub use release::{Release, validate_release_name};
pub use renderer::{RenderError, RenderOptions, Rendered, Renderer, crds_for};
pub use stream::Shown;
pub use template_error::TemplateError;
