//! The `openflux` command line for people.

mod helm_template;

pub use helm_template::{
    ChartSourceError, HelmTemplateArgs, HelmTemplateError, SystemEnvironment, UserValuesError, helm_template,
};
