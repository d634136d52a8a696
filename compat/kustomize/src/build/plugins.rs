//! Built-in generators and transformers that are configured by objects of their own, listed under `generators`,
//! `transformers` and `validators`.

use std::collections::BTreeMap;
use std::rc::Rc;

use go_yaml::{Node, sigs, v3};

use crate::budget::Budget;
use crate::build::steps::{Generator, MapGenerator, Step};
use crate::edit::push_field;
use crate::error::Context;
use crate::generate::Kind;
use crate::load::kustomization::{
    GeneratorArgs, Image, ObjectMeta, Patch, PatchOptions, Replacement, Replica, Selector,
};
use crate::load::loader::Loader;
use crate::object::hash::add_hashes;
use crate::object::origin::Origin;
use crate::object::resmap::ResMap;
use crate::object::resource::Resource;
use crate::openapi::Scopes;
use crate::record::record;
use crate::transform::{
    Affix, ImageTransformer, Json6902Transformer, MapTransformer, NameTransformer, NamespaceTransformer,
    PatchTransformer, ReplacementTransformer, ReplicaTransformer, StrategicMergeTransformer, Subjects,
    Transformer, ValueAddTransformer, ValueTarget,
};
use crate::{Error, ErrorKind, FieldSpec};
use go_std::path;
use go_std::record::{Decoder, FromGo};

type Texts = BTreeMap<String, String>;

/// The generators that objects configure.
pub(crate) fn generators<'a>(
    configs: &ResMap,
    loader: &Rc<Loader<'a>>,
) -> Result<Vec<Step<dyn Generator + 'a>>, Error> {
    let load = |config: &Resource| match load(config, loader)? {
        Plugin::Generator(run) => Ok(Step {
            run,
            origin: Origin::of_plugin(config)?,
            place: format!("generators: {}", config.id()),
        }),
        Plugin::Transformer(_) => Err(wrong_role(config, "generator")),
    };
    configs
        .resources
        .iter()
        .map(|c| load(c).context("failed to load generator"))
        .collect()
}

/// The transformers, or validators, that objects configure.
pub(crate) fn transformers<'a>(
    configs: &ResMap,
    loader: &Rc<Loader<'a>>,
) -> Result<Vec<Step<dyn Transformer + 'a>>, Error> {
    let load = |config: &Resource| match load(config, loader)? {
        Plugin::Transformer(run) => Ok(Step {
            run,
            origin: Origin::of_plugin(config)?,
            place: format!("transformers: {}", config.id()),
        }),
        Plugin::Generator(_) => Err(wrong_role(config, "transformer")),
    };
    configs.resources.iter().map(load).collect()
}

fn wrong_role(config: &Resource, role: &str) -> Error {
    Error::invalid(format!("plugin {} not a {role}", config.original_id()))
}

enum Plugin<'a> {
    Generator(Box<dyn Generator + 'a>),
    Transformer(Box<dyn Transformer + 'a>),
}

fn load<'a>(config: &Resource, loader: &Rc<Loader<'a>>) -> Result<Plugin<'a>, Error> {
    let gvk = config.gvk();
    if !(gvk.group.is_empty() && gvk.version == "builtin") {
        let kind = config.original_id().gvk.kind;
        let text = format!("external plugins disabled; unable to load external plugin '{kind}'");
        return Err(Error::new(ErrorKind::Disabled, text));
    }
    let failed = || format!("plugin {} fails configuration", config.original_id());
    let Some(make) = maker(&gvk.kind) else {
        return Err(Error::invalid(format!("unable to load builtin {gvk}")));
    };
    make(&Setup { config, loader }).with_context(failed)
}

type Maker = for<'s, 'a> fn(&Setup<'s, 'a>) -> Result<Plugin<'a>, Error>;

fn maker(kind: &str) -> Option<Maker> {
    Some(match kind {
        "AnnotationsTransformer" => annotations,
        "ConfigMapGenerator" => config_map,
        "HashTransformer" => hash,
        "HelmChartInflationGenerator" => chart,
        "IAMPolicyGenerator" => iam_policy,
        "ImageTagTransformer" => image,
        "LabelTransformer" => labels,
        "NamespaceTransformer" => namespace,
        "PatchJson6902Transformer" => json_patch,
        "PatchStrategicMergeTransformer" => strategic_merge_patch,
        "PatchTransformer" => patch,
        "PrefixSuffixTransformer" => prefix_and_suffix,
        "PrefixTransformer" => prefix,
        "ReplacementTransformer" => replacement,
        "ReplicaCountTransformer" => replicas,
        "SecretGenerator" => secret,
        "SuffixTransformer" => suffix,
        "ValueAddTransformer" => value_add,
        _ => return None,
    })
}

/// A plugin's configuration and the directory that it is configured in.
struct Setup<'s, 'a> {
    config: &'s Resource,
    loader: &'s Rc<Loader<'a>>,
}

impl Setup<'_, '_> {
    fn decode<T: FromGo + Default>(&self) -> Result<T, Error> {
        self.loader.session.budget.as_json(&self.config.node)?;
        let value = v3::to_json(&self.config.node).map_err(|e| Error::invalid(e.to_string()))?;
        Decoder::lenient()
            .decode(&value)
            .map_err(Error::from)
            .context("error unmarshaling JSON: while decoding JSON")
    }

    fn yaml(&self) -> String {
        sigs::node_to_string(&self.config.node).unwrap_or_default()
    }

    fn load(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.loader.load(path)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is the last expression of every maker of a transformer"
)]
fn transformer<'a>(transformer: impl Transformer + 'a) -> Result<Plugin<'a>, Error> {
    Ok(Plugin::Transformer(Box::new(transformer)))
}

/// Several transformers that are one plugin.
struct Sequence(Vec<NameTransformer>);

impl Transformer for Sequence {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        self.0.iter().try_for_each(|step| step.transform(objects, budget))
    }
}

record! {
    MapConfig = "types.MapConfig" {
        labels: Texts = "labels",
        annotations: Texts = "annotations",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

fn annotations<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: MapConfig = setup.decode()?;
    transformer(MapTransformer::new(config.annotations, config.fields))
}

fn labels<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: MapConfig = setup.decode()?;
    transformer(MapTransformer::new(config.labels, config.fields))
}

record! {
    NamespaceConfig = "types.NamespaceTransformerPlugin" {
        metadata: ObjectMeta = "metadata",
        fields: Vec<FieldSpec> = "fieldSpecs",
        unset_only: bool = "unsetOnly",
        subjects: String = "setRoleBindingSubjects",
    }
}

fn namespace<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: NamespaceConfig = setup
        .decode()
        .context("unmarshalling NamespaceTransformer config")?;
    let subjects = Subjects::parse(&config.subjects)?;
    transformer(NamespaceTransformer::new(
        config.metadata.namespace,
        &config.fields,
        config.unset_only,
        subjects,
    ))
}

record! {
    AffixConfig = "types.PrefixTransformerPlugin" {
        prefix: String = "prefix",
        suffix: String = "suffix",
        fields: Option<Vec<FieldSpec>> = "fieldSpecs",
    }
}

impl AffixConfig {
    fn step(&self, affix: Affix) -> Result<NameTransformer, Error> {
        match &self.fields {
            Some(fields) => Ok(NameTransformer::new(affix, fields.iter().cloned())),
            None => Err(Error::invalid("fieldSpecs is not expected to be nil")),
        }
    }
}

fn prefix<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: AffixConfig = setup.decode()?;
    transformer(config.step(Affix::Prefix(config.prefix.clone()))?)
}

fn suffix<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: AffixConfig = setup.decode()?;
    transformer(config.step(Affix::Suffix(config.suffix.clone()))?)
}

fn prefix_and_suffix<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: AffixConfig = setup.decode()?;
    let affixes = [
        Affix::Prefix(config.prefix.clone()),
        Affix::Suffix(config.suffix.clone()),
    ];
    let steps: Result<_, _> = affixes.into_iter().map(|affix| config.step(affix)).collect();
    transformer(Sequence(steps?))
}

record! {
    ImageConfig = "types.ImageTagTransformerPlugin" {
        image: Image = "imageTag",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

fn image<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: ImageConfig = setup.decode()?;
    transformer(ImageTransformer::new(
        config.image,
        config.fields,
        &setup.loader.session.budget,
    )?)
}

record! {
    ReplicaConfig = "types.ReplicaCountTransformerPlugin" {
        replica: Replica = "replica",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

fn replicas<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: ReplicaConfig = setup.decode()?;
    transformer(ReplicaTransformer::new(config.replica, config.fields))
}

fn patch<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: Patch = setup.decode()?;
    let session = &setup.loader.session;
    let patch = PatchTransformer::new(&config, &|path| setup.load(path), || setup.yaml(), session)?;
    transformer(patch)
}

record! {
    StrategicMergeConfig = "types.PatchStrategicMergeTransformerPlugin" {
        paths: Vec<String> = "paths",
        patches: String = "patches",
    }
}

fn strategic_merge_patch<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: StrategicMergeConfig = setup.decode()?;
    transformer(StrategicMergeTransformer::new(
        &config.paths,
        &config.patches,
        &|path| setup.load(path),
        &setup.loader.session,
    )?)
}

record! {
    JsonPatchConfig = "types.PatchJson6902TransformerPlugin" {
        target: Option<Selector> = "target",
        path: String = "path",
        operations: String = "jsonOp",
        options: Option<PatchOptions> = "options",
    }
}

fn json_patch<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: JsonPatchConfig = setup.decode()?;
    let (target, read) = (config.target.as_ref(), |path: &str| setup.load(path));
    transformer(Json6902Transformer::new(
        target,
        &config.path,
        &config.operations,
        &read,
        &setup.loader.session,
    )?)
}

record! {
    ReplacementConfig = "types.ReplacementTransformerPlugin" {
        replacements: Vec<Replacement> = "replacements",
    }
}

fn replacement<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let config: ReplacementConfig = setup.decode()?;
    let limits = &setup.loader.session.options.limits;
    transformer(ReplacementTransformer::new(
        &config.replacements,
        &|path| setup.load(path),
        limits,
    )?)
}

record! {
    ValueAddConfig = "types.ValueAddTransformerPlugin" {
        value: String = "value",
        targets: Vec<ValueTarget> = "targets",
        target_file: String = "targetFilePath",
    }
}

fn value_add<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let mut config: ValueAddConfig = setup.decode()?;
    let mut value = config.value.trim();
    if value.is_empty() {
        value = path::base(setup.loader.root());
    }
    if !config.target_file.is_empty() {
        let content = setup.load(&config.target_file)?;
        let file = sigs::to_value(&content, &setup.loader.session.reader.yaml);
        let file: ValueAddConfig = Decoder::lenient().decode(&file.map_err(|e| Error::yaml(&e))?)?;
        config.targets.extend(file.targets);
    }
    transformer(ValueAddTransformer::new(value.to_owned(), config.targets)?)
}

struct Hash;

impl Transformer for Hash {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        add_hashes(objects, budget)
    }
}

fn hash<'a>(_: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    transformer(Hash)
}

record! {
    MapGeneratorConfig = "types.GeneratorPlugin" {
        metadata: ObjectMeta = "metadata",
        secret_type: String = "type",
    }
    inline args: GeneratorArgs
}

fn map_generator<'a>(setup: &Setup<'_, 'a>, kind: impl FnOnce(String) -> Kind) -> Result<Plugin<'a>, Error> {
    let MapGeneratorConfig {
        metadata,
        secret_type,
        mut args,
    } = setup.decode()?;
    if args.name.is_empty() {
        args.name = metadata.name;
    }
    if args.namespace.is_empty() {
        args.namespace = metadata.namespace;
    }
    let generator = MapGenerator {
        kind: kind(secret_type),
        args,
        loader: Rc::clone(setup.loader),
    };
    Ok(Plugin::Generator(Box::new(generator)))
}

fn config_map<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    map_generator(setup, |_| Kind::ConfigMap)
}

fn secret<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    map_generator(setup, Kind::Secret)
}

fn chart<'a>(_: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    Err(Error::new(ErrorKind::Disabled, "must specify --enable-helm"))
}

record! {
    /// A Kubernetes service account that stands for one of Google Cloud.
    IamPolicy = "types.IAMPolicyGeneratorArgs" {
        cloud: String = "cloud",
        service: IamService = "kubernetesService",
        account: IamAccount = "serviceAccount",
    }
}

record! {
    IamService = "types.KubernetesService" {
        name: String = "name",
        namespace: String = "namespace",
    }
}

record! {
    IamAccount = "types.ServiceAccount" {
        name: String = "name",
        project: String = "projectId",
    }
}

impl Generator for IamPolicy {
    fn generate(&self) -> Result<Vec<Resource>, Error> {
        if self.cloud != "gke" {
            return Err(Error::invalid(format!(
                "cloud provider {} not supported yet",
                self.cloud
            )));
        }
        let map = |fields: &[(&str, Node)]| {
            let mut node = Node::mapping();
            for (name, value) in fields {
                push_field(&mut node, name, value.clone());
            }
            node
        };
        let email = format!(
            "{}@{}.iam.gserviceaccount.com",
            self.account.name, self.account.project
        );
        let annotations = map(&[("iam.gke.io/gcp-service-account", Node::string(email))]);
        let mut metadata = map(&[
            ("annotations", annotations),
            ("name", Node::scalar(&self.service.name)),
        ]);
        if !self.service.namespace.is_empty() {
            push_field(&mut metadata, "namespace", Node::scalar(&self.service.namespace));
        }
        let account = map(&[
            ("apiVersion", Node::string("v1")),
            ("kind", Node::string("ServiceAccount")),
            ("metadata", metadata),
        ]);
        Ok(vec![Resource::new(account, &Scopes::default())])
    }
}

fn iam_policy<'a>(setup: &Setup<'_, 'a>) -> Result<Plugin<'a>, Error> {
    let policy: IamPolicy = setup.decode()?;
    Ok(Plugin::Generator(Box::new(policy)))
}
