//! Releases with and without post-renderers, against what helm-controller makes of them (`cargo xtask record
//! post-render`). Errors are compared by whether there is one: kustomize's texts are compared in its own crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use helm::{Chart, File, Limits, PostRenderStrategy, Release, RenderOptions, Renderer, values};
use helm_controller::{FluxPostRenderer, KustomizeStep};
use serde_json::Value as Json;

#[test]
fn releases_are_post_rendered_as_by_helm_controller() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("post-render");
    let mut failures = Vec::new();
    let cases = entries(&cases).unwrap();
    assert!(!cases.is_empty());
    for case in &cases {
        let read = |name: &str| fs::read_to_string(case.join(name)).ok();
        let wanted = (read("manifest"), read("hooks").unwrap_or_default());
        match render(case) {
            Ok((manifest, hooks)) if (Some(&manifest), &hooks) == (wanted.0.as_ref(), &wanted.1) => {}
            Err(_) if wanted.0.is_none() => {}
            result => failures.push(format!("{}\nwant {wanted:#?}\ngot {result:#?}", case.display())),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// Renders a case to its manifest and its hooks.
fn render(case: &Path) -> Result<(String, String), String> {
    let release: Json =
        serde_json::from_slice(&fs::read(case.join("release.json")).expect("a release")).expect("JSON");
    let text = |pointer: &str| {
        release
            .pointer(pointer)
            .and_then(Json::as_str)
            .unwrap_or_default()
    };
    let map = |pointer: &str| -> BTreeMap<String, String> {
        let entries = release.pointer(pointer).cloned().unwrap_or_default();
        serde_json::from_value(entries).unwrap_or_default()
    };
    let list = |step: &Json, name: &str| {
        step.get(name)
            .and_then(Json::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let steps = release.pointer("/spec/postRenderers").and_then(Json::as_array);
    let renderer = FluxPostRenderer {
        name: text("/metadata/name").to_owned(),
        namespace: text("/metadata/namespace").to_owned(),
        steps: steps
            .into_iter()
            .flatten()
            .filter_map(|step| step.get("kustomize"))
            .map(|step| KustomizeStep {
                patches: list(step, "patches"),
                images: list(step, "images"),
            })
            .collect(),
        common_labels: map("/spec/commonMetadata/labels"),
        common_annotations: map("/spec/commonMetadata/annotations"),
        ..FluxPostRenderer::default()
    };
    let mut options = RenderOptions::new(Release {
        name: renderer.name.clone(),
        namespace: renderer.namespace.clone(),
        revision: 1,
        is_upgrade: false,
    });
    options.post_render_strategy = match text("/spec/postRenderStrategy") {
        "separate" => PostRenderStrategy::Separate,
        "nohooks" => PostRenderStrategy::NoHooks,
        _ => PostRenderStrategy::Combined,
    };
    options.post_renderer = Some(Arc::new(renderer));

    let mut files = vec![File::new(
        "Chart.yaml",
        "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    )];
    templates(case, &case.join("templates"), &mut files).expect("templates");
    let chart = Chart::from_files(files, &Limits::default()).expect("a chart");
    let environment = sprig::FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
    let rendered =
        Renderer::new(Arc::new(environment)).render(&chart, &values::read(b"").expect("no values"), &options);
    let rendered = rendered.map_err(|error| error.to_string())?;
    let document = |path: &str, text: &str| format!("---\n# Source: {path}\n{text}\n");
    let manifests = rendered.manifests.iter();
    let hooks = rendered.hooks.iter();
    Ok((
        manifests
            .map(|manifest| document(&manifest.path, &manifest.content))
            .collect(),
        hooks.map(|hook| document(&hook.path, &hook.manifest)).collect(),
    ))
}

fn templates(case: &Path, folder: &Path, files: &mut Vec<File>) -> io::Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            templates(case, &path, files)?;
        } else {
            let name = path.strip_prefix(case).unwrap_or(&path).display().to_string();
            files.push(File::new(name, fs::read(&path)?));
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}
