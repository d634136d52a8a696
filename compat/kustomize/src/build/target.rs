//! One kustomization directory: what it collects and what it does to it.

use std::collections::HashSet;
use std::rc::Rc;

use crate::budget::Budget;
use crate::build::accumulator::Accumulator;
use crate::build::plugins;
use crate::build::steps::{Generator, Setup, Step};
use crate::config::crds;
use crate::config::transformers::Config;
use crate::error::Context;
use crate::load::kustomization::{COMPONENT_KIND, FILE_NAMES, Kustomization, load};
use crate::load::loader::Loader;
use crate::object::origin::{Origin, annotate};
use crate::object::resmap::ResMap;
use crate::object::resource::{ORIGIN, Resource};
use crate::transform::Transformer;
use crate::{Error, ErrorKind, ResId};
use go_std::path;

/// The label by which a validator says that it has seen an object.
const VALIDATED_BY: &str = "validated-by";

/// A kustomization or component with the loader of its directory.
pub(crate) struct Target<'a> {
    pub(crate) kustomization: Kustomization,
    file: &'static str,
    loader: Rc<Loader<'a>>,
    /// The directory relative to the root of the build; only where `buildMetadata` asks for anything.
    origin: Option<Origin>,
    chart_namespace: String,
}

impl<'a> Target<'a> {
    /// Reads the kustomization of a loader's directory.
    pub(crate) fn load(loader: Rc<Loader<'a>>) -> Result<Self, Error> {
        let (content, file) = find_file(&loader)?;
        let kustomization = load(
            &content,
            loader.root(),
            &loader.session.budget,
            &mut loader.session.notices.borrow_mut(),
        )
        .limit_at(|| path::join(loader.root(), file))?;
        Ok(Self {
            kustomization,
            file,
            loader,
            origin: None,
            chart_namespace: String::new(),
        })
    }

    /// Everything that the directory stands for, before hashes, references and vars.
    pub(crate) fn accumulate_root(mut self) -> Result<Accumulator, Error> {
        if self
            .kustomization
            .build_metadata
            .as_ref()
            .is_some_and(|words| !words.is_empty())
        {
            self.origin = Some(Origin::default());
        }
        self.accumulate(Accumulator::default())
    }

    /// Makes the `openapi` field of this kustomization count, if it is the first one.
    pub(crate) fn choose_schema(&self) -> Result<(), Error> {
        match &self.kustomization.openapi {
            Some(openapi) => {
                let chosen = self.loader.session.choose_schema(openapi, &self.loader);
                chosen.limit_at(|| self.place("openapi"))
            }
            None => Ok(()),
        }
    }

    fn accumulate(mut self, mut into: Accumulator) -> Result<Accumulator, Error> {
        let resources = self.kustomization.resources.take().unwrap_or_default();
        self.accumulate_resources(&mut into, &resources)
            .context("accumulating resources")?;
        let budget = &self.loader.session.budget;
        into.merge_config(&self.configurations()?, budget)?;
        let paths = self.kustomization.crds.as_deref().unwrap_or_default();
        for path in paths {
            let content = self.loader.load(path);
            let config = content.and_then(|content| crds::parse(&content, path, budget));
            let config = config.map_err(|error| {
                if error.is_final() {
                    error
                } else {
                    error.context(format!("loading CRDs [{}]", paths.join(" ")))
                }
            });
            config
                .and_then(|config| into.merge_config(&config, budget))
                .limit_at(|| self.place("crds"))?;
        }
        self.run_generators(&mut into)?;
        let components = self.kustomization.components.take().unwrap_or_default();
        into = self
            .accumulate_components(into, &components)
            .context("accumulating components")?;
        self.run_transformers(&mut into)?;
        self.run_validators(&mut into)?;
        let vars = self.kustomization.vars.as_deref().unwrap_or_default();
        let declared = into
            .vars
            .declare(vars, &mut into.objects, &self.loader.session.budget);
        declared.limit_at(|| self.place("vars"))?;
        Ok(into)
    }

    fn configurations(&self) -> Result<Config, Error> {
        let mut config = Config::built_in();
        for path in self.kustomization.configurations.iter().flatten() {
            let file = self.loader.load(path)?;
            let budget = &self.loader.session.budget;
            Config::parse(&file, budget)
                .and_then(|parsed| config.merge(&parsed, budget))
                .limit_at(|| format!("{}: {path}", self.place("configurations")))?;
        }
        Ok(config)
    }

    fn accumulate_resources(&mut self, into: &mut Accumulator, paths: &[String]) -> Result<(), Error> {
        if paths.is_empty() {
            return Ok(());
        }
        let mut taken = into.objects.identities();
        for path in paths {
            let Err(as_file) = self.accumulate_file(into, &mut taken, path) else {
                continue;
            };
            if as_file.is_final() || as_file.kind() == ErrorKind::Http {
                return Err(as_file);
            }
            let failed_file = || format!("accumulation err='{as_file}'");
            let loader = match self.loader.enter(path) {
                Ok(loader) => loader,
                Err(as_base)
                    if as_file.kind() == ErrorKind::MalformedYaml && as_base.kind() != ErrorKind::Timeout =>
                {
                    return Err(as_file);
                }
                Err(as_base) => return Err(as_base.context(failed_file())),
            };
            let base = self.accumulate_directory(Accumulator::default(), path, loader, false);
            let merged = base.and_then(|(base, root)| {
                into.merge(&mut taken, base, &self.loader.session.budget)
                    .with_context(|| format!("recursed merging from path '{root}'"))
            });
            match merged {
                Err(error) if error.is_final() => return Err(error),
                merged => merged.with_context(failed_file)?,
            }
            into.objects
                .check_size(self.loader.session.options.limits.objects)?;
        }
        Ok(())
    }

    fn accumulate_file(
        &self,
        into: &mut Accumulator,
        taken: &mut HashSet<ResId>,
        path: &str,
    ) -> Result<(), Error> {
        let resources = self.loader.load(path).and_then(|content| {
            self.loader
                .session
                .reader
                .resources(&content)
                .map_err(|e| e.in_file(path))
        });
        let mut resources = resources
            .and_then(|list| Ok(ResMap::from_resources(list)?.resources))
            .with_context(|| format!("accumulating resources from '{path}'"))?;
        if let Some(origin) = &self.origin {
            let text = origin.append(path).text()?;
            for resource in &mut resources {
                annotate(resource, ORIGIN, text.clone())?;
            }
        }
        let merging = || format!("merging resources from '{path}'");
        into.objects
            .append_beside(taken, resources)
            .with_context(merging)?;
        into.objects
            .check_size(self.loader.session.options.limits.objects)
    }

    fn accumulate_components(
        &mut self,
        mut into: Accumulator,
        paths: &[String],
    ) -> Result<Accumulator, Error> {
        for path in paths {
            let loader = self.loader.enter(path).map_err(|e| quoted("loader.New", &e))?;
            let component = self.accumulate_directory(into, path, loader, true);
            (into, _) = component.map_err(|e| quoted("accumulateDirectory:", &e))?;
        }
        Ok(into)
    }

    /// Accumulates a directory: a base on its own, a component on what is there already. Also gives back its root.
    fn accumulate_directory(
        &self,
        into: Accumulator,
        path: &str,
        loader: Rc<Loader<'a>>,
        component: bool,
    ) -> Result<(Accumulator, String), Error> {
        let root = loader.root().to_owned();
        let mut target =
            Target::load(loader).with_context(|| format!("couldn't make target for path '{root}'"))?;
        target
            .kustomization
            .build_metadata
            .clone_from(&self.kustomization.build_metadata);
        target.origin = self.origin.as_ref().map(|origin| origin.append(path));
        let namespace = &self.kustomization.namespace;
        target.chart_namespace.clone_from(if namespace.is_empty() {
            &self.chart_namespace
        } else {
            namespace
        });
        target.choose_schema()?;
        let kind = &target.kustomization.kind;
        if component && kind != COMPONENT_KIND {
            let text = format!("expected kind '{COMPONENT_KIND}' for path '{root}' but got '{kind}'");
            return Err(Error::invalid(text));
        }
        if !component && kind == COMPONENT_KIND {
            return Err(Error::invalid(format!(
                "expected kind != '{COMPONENT_KIND}' for path '{root}'"
            )));
        }
        let accumulated = target.accumulate(into);
        let accumulated = accumulated.with_context(|| format!("recursed accumulation of path '{root}'"))?;
        Ok((accumulated, root))
    }

    /// A field of this kustomization, as errors about limits say it.
    fn place(&self, field: &str) -> String {
        format!("{}: {field}", path::join(self.loader.root(), self.file))
    }

    fn setup(&self) -> Setup<'_, 'a> {
        Setup {
            kustomization: &self.kustomization,
            loader: &self.loader,
            origin: self.origin.as_ref().map(|origin| (origin, self.file)),
            chart_namespace: &self.chart_namespace,
        }
    }

    fn run_generators(&mut self, into: &mut Accumulator) -> Result<(), Error> {
        let steps = self.setup().generators();
        let mut steps = steps.limit_at(|| path::join(self.loader.root(), self.file))?;
        let entries = self.kustomization.generators.take().unwrap_or_default();
        let configs = self
            .plugin_configs(&entries)
            .and_then(|configs| plugins::generators(&configs, &self.loader));
        steps.extend(configs.context("loading generator plugins")?);
        if steps.is_empty() {
            return Ok(());
        }
        let mut known = into.objects.all_identities();
        let budget = &self.loader.session.budget;
        for Step { run, origin, place } in steps {
            let absorbed = absorb(into, &mut known, run.as_ref(), origin.as_ref(), budget);
            absorbed.limit_at(|| self.place(&place))?;
        }
        into.objects
            .check_size(self.loader.session.options.limits.objects)
    }

    fn run_transformers(&mut self, into: &mut Accumulator) -> Result<(), Error> {
        let steps = self.setup().transformers(&into.config);
        let mut steps = steps.limit_at(|| path::join(self.loader.root(), self.file))?;
        let entries = self.kustomization.transformers.take().unwrap_or_default();
        steps.extend(plugins::transformers(
            &self.plugin_configs(&entries)?,
            &self.loader,
        )?);
        for step in &steps {
            let done = run_step(step, &mut into.objects, &self.loader.session.budget);
            done.limit_at(|| self.place(&step.place))?;
        }
        Ok(())
    }

    /// Runs the validators, which must leave everything but one label as it is.
    fn run_validators(&mut self, into: &mut Accumulator) -> Result<(), Error> {
        let entries = self.kustomization.validators.take().unwrap_or_default();
        for validator in plugins::transformers(&self.plugin_configs(&entries)?, &self.loader)? {
            let budget = &self.loader.session.budget;
            for object in &into.objects.resources {
                budget
                    .make(object.node.size().bytes)
                    .limit_at(|| self.place("validators"))?;
            }
            let before = into.objects.clone();
            validator.run.transform(&mut into.objects, budget)?;
            check_unchanged(&before, &into.objects).context("validator shouldn't modify the resource map")?;
        }
        Ok(())
    }

    /// The objects that configure plugins: those written in place come first, then those of files and directories.
    fn plugin_configs(&mut self, entries: &[String]) -> Result<ResMap, Error> {
        let mut configs = Accumulator::default();
        let mut taken = HashSet::new();
        let mut paths = Vec::new();
        for entry in entries {
            let inline = self
                .loader
                .session
                .reader
                .resources(entry.as_bytes())
                .and_then(ResMap::from_resources);
            let mut inline = match inline {
                Ok(inline) => inline,
                Err(error) if error.is_final() => return Err(error),
                Err(_) => {
                    paths.push(entry.clone());
                    continue;
                }
            };
            if let Some(origin) = &self.origin {
                let text = origin.append(self.file).text()?;
                for config in &mut inline.resources {
                    annotate(config, ORIGIN, text.clone())?;
                }
            }
            configs
                .objects
                .append_beside(&mut taken, inline.resources)
                .context("configuring external plugin")?;
        }
        self.accumulate_resources(&mut configs, &paths)?;
        Ok(configs.objects)
    }
}

fn changed(object: &Resource) -> Error {
    Error::invalid(format!("nodes unequal: {} has changed", object.id()))
}

/// Compares objects as they print, without the label that validators may leave.
fn check_unchanged(before: &ResMap, after: &ResMap) -> Result<(), Error> {
    if before.resources.len() != after.resources.len() {
        return Err(Error::invalid("lists have different number of entries"));
    }
    for (before, after) in before.resources.iter().zip(&after.resources) {
        let mut after = after.clone();
        let mut labels = after.labels();
        if labels.iter().any(|(key, _)| key == VALIDATED_BY) {
            labels.retain(|(key, _)| key != VALIDATED_BY);
            if !labels.is_empty() {
                // Upstream rebuilds the other labels, and takes the new nodes for a change.
                return Err(changed(before));
            }
            after.set_labels(labels)?;
        }
        let text = |r: &Resource| go_yaml::v3::to_string(&r.node, &go_yaml::v3::EmitOptions::default());
        if text(before) != text(&after) {
            return Err(Error::invalid(format!(
                "nodes unequal: {} has changed",
                before.id()
            )));
        }
    }
    Ok(())
}

fn run_step(step: &Step<dyn Transformer + '_>, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
    step.run.transform(objects, budget)?;
    for object in &mut objects.resources {
        budget.step(1 + 4 * object.shared.len())?;
        object.follow_shared();
    }
    if let Some(origin) = &step.origin {
        origin.annotate_transformed(objects, budget)?;
    }
    objects.drop_empties();
    Ok(())
}

fn absorb(
    into: &mut Accumulator,
    known: &mut HashSet<ResId>,
    generator: &dyn Generator,
    origin: Option<&Origin>,
    budget: &Budget,
) -> Result<(), Error> {
    for mut resource in generator.generate()? {
        if let Some(origin) = origin {
            origin.annotate_generated(&mut resource)?;
        }
        let id = resource.id();
        into.objects
            .absorb(known, resource, budget)
            .with_context(|| format!("merging from generator {id}"))?;
    }
    Ok(())
}

fn find_file(loader: &Loader<'_>) -> Result<(Vec<u8>, &'static str), Error> {
    let mut found = Vec::new();
    for name in FILE_NAMES {
        match loader.load(name) {
            Ok(content) => found.push((content, name)),
            Err(error) if error.is_final() => return Err(error),
            Err(_) => {}
        }
    }
    let root = loader.root();
    match (found.pop(), found.is_empty()) {
        (Some(file), true) => Ok(file),
        (Some(_), false) => Err(Error::invalid(format!(
            "Found multiple kustomization files under: {root}\n"
        ))),
        (None, _) => Err(Error::invalid(format!(
            "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{root}'"
        ))),
    }
}

/// Components report the errors inside them as quoted Go strings.
fn quoted(prefix: &str, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!("{prefix} {}", go_std::quote(&error.to_string())),
    )
}
