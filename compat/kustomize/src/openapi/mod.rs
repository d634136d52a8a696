//! What kustomize knows about the types of objects: how their lists merge, and whether they live in a namespace.

mod api_version;
mod builtin;
mod custom;
mod schema;
mod scopes;

use std::ops::Deref;
use std::sync::Arc;

pub(crate) use api_version::split_api_version;
pub(crate) use builtin::builtin_scope;
pub(crate) use custom::shape;
pub(crate) use schema::{Schema, Shape};
pub(crate) use scopes::Scopes;

use crate::error::Context;
use crate::{Error, Profile};
use builtin::builtin;

/// The schema that a build merges by: the built-in one, or what `openapi.path` gave.
#[derive(Debug, Clone, Default)]
pub(crate) enum SchemaRef {
    #[default]
    Builtin,
    Custom(Arc<Schema>),
}

impl SchemaRef {
    /// The schema of an OpenAPI file, JSON or YAML; in the Flux profile it adds to the built-in one, else it replaces it. What it
    /// says about namespaces goes into `scopes`.
    pub(crate) fn custom(
        file: &[u8],
        profile: Profile,
        limits: &go_yaml::Limits,
        scopes: &Scopes,
    ) -> Result<Self, Error> {
        let invalid = |why: String| Error::invalid(format!("invalid schema file: {why}"));
        let document = if file.starts_with(b"{") {
            crate::json::parse(file, limits).context("invalid schema file")?
        } else {
            go_yaml::sigs::to_value(file, limits)
                .map_err(|e| Error::yaml(&e))
                .context("invalid schema file")?
        };
        let mut schema = match profile {
            Profile::Command => Schema::default(),
            Profile::Flux => builtin().clone(),
        };
        schema.add_document(&document).map_err(|e| invalid(e.0))?;
        scopes.add(scopes::of_document(&document));
        Ok(Self::Custom(Arc::new(schema)))
    }
}

impl Deref for SchemaRef {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::Builtin => builtin(),
            Self::Custom(schema) => schema,
        }
    }
}
