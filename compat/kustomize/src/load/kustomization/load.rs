//! From the bytes of a kustomization file to what a build works with.

use go_yaml::{Limits, sigs};

use super::{GeneratorArgs, HelmChart, HelmGlobals, Kustomization};
use crate::budget::Budget;
use crate::error::Context;
use crate::load::notice::Notice;
use crate::{Error, json};
use go_std::record::Decoder;

const KIND: &str = "Kustomization";
pub(crate) const COMPONENT_KIND: &str = "Component";
const API_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_API_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// The names that a kustomization file may have, in the order in which they are tried.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization that has nothing but a kind and a version.
pub(crate) fn header() -> Kustomization {
    Kustomization {
        kind: KIND.to_owned(),
        api_version: API_VERSION.to_owned(),
        ..Kustomization::default()
    }
}

/// Reads a kustomization found in the directory `root`, adds a warning for each deprecated field, and converts old forms.
pub(crate) fn load(
    content: &[u8],
    root: &str,
    budget: &Budget,
    notices: &mut Vec<Notice>,
) -> Result<Kustomization, Error> {
    let mut kustomization = decode(content, budget).context("invalid Kustomization")?;
    warn_about_deprecated(&kustomization, notices);
    fix(&mut kustomization);
    check(&kustomization, root)?;
    Ok(kustomization)
}

/// Reads the fields. They are kept while the bases below are built, so that all but what is usual counts as made.
fn decode(content: &[u8], budget: &Budget) -> Result<Kustomization, Error> {
    const USUAL: usize = 64 << 10;
    let yaml = budget.limits().yaml();
    // The values are there twice for a moment.
    let limits = Limits {
        max_value_bytes: yaml.max_value_bytes / 2,
        ..yaml
    };
    let value = sigs::to_value(content, &limits).map_err(|e| Error::yaml(&e))?;
    let size = json::size(&value);
    let (kustomization, elements) = Decoder::strict().decode_sized(&value)?;
    budget.make((size.structure + size.texts + elements).saturating_sub(USUAL))?;
    Ok(kustomization)
}

fn warn_about_deprecated(k: &Kustomization, notices: &mut Vec<Notice>) {
    let mut warn = |used: bool, field: &str, instead: &str, stage: &str| {
        if used {
            notices.push(Notice::Warning(format!(
                "# Warning: '{field}' is deprecated. Please use '{instead}' instead. \
                 {stage}Run 'kustomize edit fix' to update your Kustomization automatically."
            )));
        }
    };
    warn(k.bases.is_some(), "bases", "resources", "");
    warn(k.common_labels.is_some(), "commonLabels", "labels", "");
    warn(k.image_tags.is_some(), "imageTags", "images", "");
    warn(k.patches_json6902.is_some(), "patchesJson6902", "patches", "");
    warn(
        k.patches_strategic_merge.is_some(),
        "patchesStrategicMerge",
        "patches",
        "",
    );
    warn(k.vars.is_some(), "vars", "replacements", "[EXPERIMENTAL] ");
}

/// Fills in kind and version and moves deprecated fields to where they belong now.
fn fix(k: &mut Kustomization) {
    if k.kind.is_empty() {
        KIND.clone_into(&mut k.kind);
    }
    if k.api_version.is_empty() {
        let version = if k.kind == COMPONENT_KIND {
            COMPONENT_API_VERSION
        } else {
            API_VERSION
        };
        version.clone_into(&mut k.api_version);
    }
    append(&mut k.resources, k.bases.take());
    append(&mut k.images, k.image_tags.take());
    for generator in k.config_map_generator.iter_mut().flatten() {
        fold_env(&mut generator.args);
    }
    for generator in k.secret_generator.iter_mut().flatten() {
        fold_env(&mut generator.args);
    }
    convert_charts(k);
}

/// Appends as Go does: nothing to append leaves an absent list absent.
fn append<T>(list: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
    if let Some(more) = more.filter(|m| !m.is_empty()) {
        list.get_or_insert_default().extend(more);
    }
}

fn fold_env(args: &mut GeneratorArgs) {
    if !args.env.is_empty() {
        args.envs.push(std::mem::take(&mut args.env));
    }
}

fn convert_charts(k: &mut Kustomization) {
    let old = k.helm_chart_inflation_generator.take().unwrap_or_default();
    let mut globals = HelmGlobals::default();
    let mut charts = Vec::new();
    for chart in old {
        if !chart.helm_home.is_empty() {
            globals.config_home = chart.helm_home;
        }
        if !chart.chart_home.is_empty() {
            globals.chart_home = chart.chart_home;
        }
        charts.push(HelmChart {
            name: chart.chart_name,
            version: chart.chart_version,
            repo: chart.chart_repo_url,
            values_file: chart.values,
            values_inline: chart.values_local,
            values_merge: chart.values_merge,
            release_name: chart.release_name,
            ..HelmChart::default()
        });
    }
    if k.helm_globals.is_none() && globals != HelmGlobals::default() {
        k.helm_globals = Some(globals);
    }
    append(&mut k.helm_charts, Some(charts));
}

fn check(k: &Kustomization, root: &str) -> Result<(), Error> {
    let header = Kustomization {
        kind: k.kind.clone(),
        api_version: k.api_version.clone(),
        ..Kustomization::default()
    };
    if *k == header {
        return Err(Error::invalid("kustomization.yaml is empty"));
    }
    let mut problems = Vec::new();
    if k.kind != KIND && k.kind != COMPONENT_KIND {
        problems.push(format!("kind should be {KIND} or {COMPONENT_KIND}"));
    }
    let wanted = if k.kind == COMPONENT_KIND {
        COMPONENT_API_VERSION
    } else {
        API_VERSION
    };
    if k.api_version != wanted {
        problems.push(format!("apiVersion for {} should be {wanted}", k.kind));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Failed to read kustomization file under {root}:\n{}",
        problems.join("\n")
    )))
}
