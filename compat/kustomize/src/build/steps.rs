//! The built-in generators and transformers that the fields of a kustomization ask for, in the order in which they run.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use crate::budget::Budget;
use crate::config::transformers::{Config, merge_specs};
use crate::error::Context;
use crate::generate::{Kind, generate, merge_options};
use crate::load::kustomization::{GeneratorArgs, GeneratorOptions, HelmGlobals, Kustomization, Label};
use crate::load::loader::Loader;
use crate::object::origin::Origin;
use crate::object::resource::Resource;
use crate::record::ToGo;
use crate::transform::{
    Affix, ImageTransformer, Json6902Transformer, MapTransformer, NameTransformer, NamespaceTransformer,
    PatchTransformer, ReplacementTransformer, ReplicaTransformer, StrategicMergeTransformer, Subjects,
    Transformer,
};
use crate::{Error, ErrorKind, FieldSpec};

/// A generator that is ready to run.
pub(crate) trait Generator {
    /// The generated objects.
    fn generate(&self) -> Result<Vec<Resource>, Error>;
}

/// A step and what is recorded about it on the objects that it makes or changes.
pub(crate) struct Step<T: ?Sized> {
    pub(crate) run: Box<T>,
    pub(crate) origin: Option<Origin>,
    /// The field that asks for it, and which of its entries, as errors about limits say it.
    pub(crate) place: String,
}

/// Generates one ConfigMap or Secret.
pub(crate) struct MapGenerator<'a> {
    pub(crate) kind: Kind,
    pub(crate) args: GeneratorArgs,
    pub(crate) loader: Rc<Loader<'a>>,
}

impl Generator for MapGenerator<'_> {
    fn generate(&self) -> Result<Vec<Resource>, Error> {
        Ok(vec![generate(&self.kind, &self.args, &self.loader)?])
    }
}

/// What the steps of one kustomization have in common.
pub(crate) struct Setup<'s, 'a> {
    pub(crate) kustomization: &'s Kustomization,
    pub(crate) loader: &'s Rc<Loader<'a>>,
    /// The directory and the file, where `buildMetadata` wants to know.
    pub(crate) origin: Option<(&'s Origin, &'s str)>,
    /// The namespace that charts inherit from the kustomizations above.
    pub(crate) chart_namespace: &'s str,
}

impl<'a> Setup<'_, 'a> {
    fn step<T: ?Sized>(&self, run: Box<T>, kind: &str, place: impl Into<String>) -> Step<T> {
        Step {
            run,
            place: place.into(),
            origin: self.origin.map(|(origin, file)| origin.builtin(file, kind)),
        }
    }

    /// The generators of the kustomization; charts are refused.
    pub(crate) fn generators(&self) -> Result<Vec<Step<dyn Generator + 'a>>, Error> {
        let k = self.kustomization;
        let mut steps: Vec<Step<dyn Generator + 'a>> = Vec::new();
        let budget = &self.loader.session.budget;
        let shared = k.generator_options.as_ref().map_or(0, GeneratorOptions::bytes);
        let mut push = |kind: Kind, name: &str, place: String, args: &GeneratorArgs| {
            budget.make(shared).limit_at(|| place.clone())?;
            let mut args = args.clone();
            args.options = merge_options(args.options.take(), k.generator_options.as_ref());
            steps.push(self.step(
                Box::new(MapGenerator {
                    kind,
                    args,
                    loader: Rc::clone(self.loader),
                }),
                name,
                place,
            ));
            Ok::<_, Error>(())
        };
        for (i, generator) in k.config_map_generator.iter().flatten().enumerate() {
            let place = format!("configMapGenerator[{i}]");
            push(Kind::ConfigMap, "ConfigMapGenerator", place, &generator.args)?;
        }
        for (i, generator) in k.secret_generator.iter().flatten().enumerate() {
            push(
                Kind::Secret(generator.secret_type.clone()),
                "SecretGenerator",
                format!("secretGenerator[{i}]"),
                &generator.args,
            )?;
        }
        if let Some(chart) = k.helm_charts.iter().flatten().next() {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                let inherited = if k.namespace.is_empty() {
                    self.chart_namespace
                } else {
                    &k.namespace
                };
                inherited.clone_into(&mut chart.namespace);
            }
            let mut config = as_map(k.helm_globals.as_ref().unwrap_or(&HelmGlobals::default()));
            config.append(&mut as_map(&chart));
            let refused = Error::new(ErrorKind::Disabled, "must specify --enable-helm");
            return Err(trouble(
                "HelmChartInflationGenerator",
                &Value::Object(config),
                refused,
            ));
        }
        Ok(steps)
    }

    /// The transformers of the kustomization, each configured, its files read.
    pub(crate) fn transformers(&self, config: &Config) -> Result<Vec<Step<dyn Transformer + 'a>>, Error> {
        let k = self.kustomization;
        let mut steps: Vec<Step<dyn Transformer + 'a>> = Vec::new();
        self.push_patches(&mut steps)?;
        if !k.namespace.is_empty() {
            let namespace = NamespaceTransformer::new(
                k.namespace.clone(),
                &config.namespace,
                false,
                Subjects::NamedDefault,
            );
            steps.push(self.step(Box::new(namespace), "NamespaceTransformer", "namespace"));
        }
        if !k.name_prefix.is_empty() {
            let affix = Affix::Prefix(k.name_prefix.clone());
            let prefix = NameTransformer::new(affix, config.name_prefix.iter().cloned());
            steps.push(self.step(Box::new(prefix), "PrefixTransformer", "namePrefix"));
        }
        if !k.name_suffix.is_empty() {
            let affix = Affix::Suffix(k.name_suffix.clone());
            let suffix = NameTransformer::new(affix, config.name_suffix.iter().cloned());
            steps.push(self.step(Box::new(suffix), "SuffixTransformer", "nameSuffix"));
        }
        self.push_labels(config, &mut steps)?;
        if let Some(annotations) = k.common_annotations.as_ref().filter(|a| !a.is_empty()) {
            let annotations =
                MapTransformer::new(annotations.clone(), config.common_annotations.iter().cloned());
            steps.push(self.step(
                Box::new(annotations),
                "AnnotationsTransformer",
                "commonAnnotations",
            ));
        }
        self.push_json_patches(&mut steps)?;
        for (i, replica) in k.replicas.iter().flatten().enumerate() {
            let specs = config.replicas.iter().map(|spec| 2 * spec.bytes()).sum();
            let budget = &self.loader.session.budget;
            budget.make(specs).limit_at(|| format!("replicas[{i}]"))?;
            let replicas = ReplicaTransformer::new(replica.clone(), config.replicas.iter().cloned());
            steps.push(self.step(
                Box::new(replicas),
                "ReplicaCountTransformer",
                format!("replicas[{i}]"),
            ));
        }
        for (i, image) in k.images.iter().flatten().enumerate() {
            let specs = config.images.iter().map(FieldSpec::bytes).sum();
            let budget = &self.loader.session.budget;
            budget.make(specs).limit_at(|| format!("images[{i}]"))?;
            let images = ImageTransformer::new(
                image.clone(),
                config.images.iter().cloned(),
                &self.loader.session.budget,
            )
            .limit_at(|| format!("images[{i}]"))?;
            steps.push(self.step(Box::new(images), "ImageTagTransformer", format!("images[{i}]")));
        }
        self.push_replacements(&mut steps)?;
        Ok(steps)
    }

    fn push_patches(&self, steps: &mut Vec<Step<dyn Transformer + 'a>>) -> Result<(), Error> {
        let session = &self.loader.session;
        let read = |path: &str| self.loader.load(path);
        if let Some(entries) = self
            .kustomization
            .patches_strategic_merge
            .as_ref()
            .filter(|e| !e.is_empty())
        {
            let name = "PatchStrategicMergeTransformer";
            let patch = StrategicMergeTransformer::new(entries, "", &read, session);
            let place = "patchesStrategicMerge";
            let patch = patch
                .limit_at(|| place)
                .map_err(|e| trouble(name, &json!({ "paths": entries }), e))?;
            steps.push(self.step(Box::new(patch), name, place));
        }
        for (i, entry) in self.kustomization.patches.iter().flatten().enumerate() {
            let name = "PatchTransformer";
            let config = || Value::Object(as_map(entry));
            let yaml = || go_yaml::sigs::to_string(&config()).unwrap_or_default();
            let patch = PatchTransformer::new(entry, &read, yaml, session);
            let place = format!("patches[{i}]");
            let patch = patch
                .limit_at(|| &place)
                .map_err(|e| trouble(name, &config(), e))?;
            steps.push(self.step(Box::new(patch), name, place));
        }
        Ok(())
    }

    fn push_json_patches(&self, steps: &mut Vec<Step<dyn Transformer + 'a>>) -> Result<(), Error> {
        let read = |path: &str| self.loader.load(path);
        for (i, entry) in self.kustomization.patches_json6902.iter().flatten().enumerate() {
            let name = "PatchJson6902Transformer";
            let patch = Json6902Transformer::new(
                entry.target.as_ref(),
                &entry.path,
                &entry.text,
                &read,
                &self.loader.session,
            );
            let place = format!("patchesJson6902[{i}]");
            let patch = patch.limit_at(|| &place).map_err(|e| {
                let mut config = as_map(entry);
                config.remove("options");
                if let Some(text) = config.remove("patch") {
                    config.insert("jsonOp".to_owned(), text);
                }
                trouble(name, &Value::Object(config), e)
            })?;
            steps.push(self.step(Box::new(patch), name, place));
        }
        Ok(())
    }

    fn push_replacements(&self, steps: &mut Vec<Step<dyn Transformer + 'a>>) -> Result<(), Error> {
        let Some(entries) = self.kustomization.replacements.as_ref().filter(|e| !e.is_empty()) else {
            return Ok(());
        };
        let name = "ReplacementTransformer";
        let read = |path: &str| self.loader.load(path);
        let place = "replacements";
        let limits = &self.loader.session.options.limits;
        let replacements = ReplacementTransformer::new(entries, &read, limits)
            .limit_at(|| place)
            .map_err(|e| trouble(name, &json!({ "Replacements": entries.write() }), e))?;
        steps.push(self.step(Box::new(replacements), name, place));
        Ok(())
    }

    fn push_labels(&self, config: &Config, steps: &mut Vec<Step<dyn Transformer + 'a>>) -> Result<(), Error> {
        let k = self.kustomization;
        let labels = k.labels.as_deref().unwrap_or_default();
        let common = k.common_labels.clone().unwrap_or_default();
        if labels.is_empty() && common.is_empty() {
            return Ok(());
        }
        for label in labels {
            let fields = label_fields(label, config, &self.loader.session.budget)?;
            steps.push(self.step(
                Box::new(MapTransformer::new(label.pairs.clone(), fields)),
                "LabelTransformer",
                "labels",
            ));
        }
        // Without common labels this changes nothing, yet upstream records it as a transformation.
        let common = MapTransformer::new(common, config.common_labels.iter().cloned());
        steps.push(self.step(Box::new(common), "LabelTransformer", "commonLabels"));
        Ok(())
    }
}

/// Where one entry of `labels` goes.
fn label_fields(label: &Label, config: &Config, budget: &Budget) -> Result<Vec<FieldSpec>, Error> {
    let context = "failed to merge labels";
    let mut fields = label.fields.clone();
    merge_specs(&mut fields, &config.labels, budget).context(context)?;
    if label.include_selectors {
        merge_specs(&mut fields, &config.common_labels, budget).context(context)?;
        return Ok(fields);
    }
    if label.include_templates {
        merge_specs(&mut fields, &config.template_labels, budget)
            .context("failed to merge template fieldSpec")?;
    }
    let metadata = FieldSpec {
        path: "metadata/labels".to_owned(),
        create: true,
        ..FieldSpec::default()
    };
    merge_specs(&mut fields, &[metadata], budget).context(context)?;
    Ok(fields)
}

fn as_map(record: &impl ToGo) -> Map<String, Value> {
    match record.write() {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// The error of a built-in step that cannot be configured, with its configuration.
pub(crate) fn trouble(kind: &str, config: &Value, error: Error) -> Error {
    let config = go_yaml::sigs::to_string(config).unwrap_or_default();
    if error.is_final() {
        // The configuration may be as large as what the limit is about.
        return error;
    }
    error.context(format!(
        "trouble configuring builtin {kind} with config: `\n{config}`"
    ))
}
