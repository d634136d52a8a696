//! Building a kustomization out of the files of an output.

use bytes::Bytes;
use kustomize::{MemoryTree, Options, build_flux, set_common_metadata};
use serde_json::{Map, Value, json};

use crate::error::Problem;
use crate::path::{own, own_file};
use crate::spec::Kustomize;
use crate::stage::Stage;

pub(super) fn build(stage: &mut Stage<'_>, step: &Kustomize) -> Result<(), Problem> {
    let (path, to) = (own("path", &step.path)?, own_file("to", &step.to)?);
    if !stage.tree().is_directory(&path) {
        let problem = format!("there is no directory {:?} in the output at this step", step.path);
        return Err(Problem::nothing("path", problem));
    }
    let mut options = Options::flux();
    options.cancelled = stage.work.cancelled().cloned();
    let failed = |error| Problem::Kustomize {
        path: if path.is_empty() {
            ".".to_owned()
        } else {
            path.clone()
        },
        error,
    };
    // The build sees these files and nothing else.
    let files = stage.tree().files();
    let files: MemoryTree<Bytes> = files.map(|(path, file)| (path, file.content.clone())).collect();
    let built = build_flux(&files, &path, &fields(step), &options).map_err(failed)?;
    if built.objects().is_empty() {
        return Err(Problem::Build(format!(
            "kustomize build of {path:?} gives no objects"
        )));
    }
    let mut text = built.into_yaml().map_err(failed)?;
    if let Some(common) = &step.common_metadata {
        text = set_common_metadata(
            text.as_bytes(),
            &common.labels,
            &common.annotations,
            &options.limits,
        )
        .map_err(failed)?;
    }
    super::loaded::finish(stage, &to, text, step.keep)
}

/// The fields as a Flux Kustomization has them.
fn fields(step: &Kustomize) -> Value {
    let mut fields = Map::new();
    let texts = [
        ("targetNamespace", &step.target_namespace),
        ("namePrefix", &step.name_prefix),
        ("nameSuffix", &step.name_suffix),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    fields.insert("patches".to_owned(), json!(step.patches));
    fields.insert("images".to_owned(), json!(step.images));
    fields.insert("components".to_owned(), json!(step.components));
    let ignore = step.ignore_missing_components;
    fields.insert("ignoreMissingComponents".to_owned(), json!(ignore));
    Value::Object(fields)
}
