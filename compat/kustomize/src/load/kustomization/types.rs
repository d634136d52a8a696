//! The shapes of a kustomization file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::record::record;
use crate::{FieldSpec, Gvk, ResId};

type Texts = BTreeMap<String, String>;

record! {
    /// A kustomization or component as written; see [`load`](super::load) for what is converted.
    Kustomization = "types.Kustomization" {
        kind: String = "kind",
        api_version: String = "apiVersion",
        metadata: Option<ObjectMeta> = "metadata",
        openapi: Option<Texts> = "openapi",
        name_prefix: String = "namePrefix",
        name_suffix: String = "nameSuffix",
        namespace: String = "namespace",
        common_labels: Option<Texts> = "commonLabels",
        labels: Option<Vec<Label>> = "labels",
        common_annotations: Option<Texts> = "commonAnnotations",
        patches_strategic_merge: Option<Vec<String>> = "patchesStrategicMerge",
        patches_json6902: Option<Vec<Patch>> = "patchesJson6902",
        patches: Option<Vec<Patch>> = "patches",
        images: Option<Vec<Image>> = "images",
        image_tags: Option<Vec<Image>> = "imageTags",
        replacements: Option<Vec<Replacement>> = "replacements",
        replicas: Option<Vec<Replica>> = "replicas",
        vars: Option<Vec<Var>> = "vars",
        sort_options: Option<SortOptions> = "sortOptions",
        resources: Option<Vec<String>> = "resources",
        components: Option<Vec<String>> = "components",
        crds: Option<Vec<String>> = "crds",
        bases: Option<Vec<String>> = "bases",
        config_map_generator: Option<Vec<ConfigMapArgs>> = "configMapGenerator",
        secret_generator: Option<Vec<SecretArgs>> = "secretGenerator",
        helm_globals: Option<HelmGlobals> = "helmGlobals",
        helm_charts: Option<Vec<HelmChart>> = "helmCharts",
        helm_chart_inflation_generator: Option<Vec<HelmChartArgs>> = "helmChartInflationGenerator",
        generator_options: Option<GeneratorOptions> = "generatorOptions",
        configurations: Option<Vec<String>> = "configurations",
        generators: Option<Vec<String>> = "generators",
        transformers: Option<Vec<String>> = "transformers",
        validators: Option<Vec<String>> = "validators",
        build_metadata: Option<Vec<String>> = "buildMetadata",
    }
}

record! {
    /// Metadata of a kustomization, or of the configuration of a built-in plugin.
    ObjectMeta = "types.ObjectMeta" {
        name: String = "name",
        namespace: String = "namespace",
        labels: Texts = "labels",
        annotations: Texts = "annotations",
    }
}

record! {
    /// Labels to set, and where besides `metadata.labels`.
    Label = "types.Label" {
        pairs: Texts = "pairs",
        include_selectors: bool = "includeSelectors",
        include_templates: bool = "includeTemplates",
        fields: Vec<FieldSpec> = "fields",
    }
}

record! {
    /// A patch, by path or as text, and the objects it goes to.
    Patch = "types.Patch" {
        path: String = "path",
        text: String = "patch",
        target: Option<Selector> = "target",
        options: Option<PatchOptions> = "options",
    }
}

record! {
    /// What a strategic merge patch may change besides content.
    PatchOptions = "types.PatchArgs" {
        allow_name_change: bool = "allowNameChange",
        allow_kind_change: bool = "allowKindChange",
    }
}

record! {
    /// A selection of objects; empty parts select everything.
    ///
    /// The parts of the id are regular expressions where a patch or a replacement target uses them.
    Selector = "types.Selector" {
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
        annotations: String = "annotationSelector",
        labels: String = "labelSelector",
    }
}

impl GeneratorOptions {
    /// Bytes that a copy takes, about.
    pub(crate) fn bytes(&self) -> usize {
        const ENTRY: usize = 80;
        let texts = self.labels.iter().chain(&self.annotations);
        texts.map(|(key, value)| ENTRY + key.len() + value.len()).sum()
    }
}

impl Selector {
    /// The id part.
    pub(crate) fn id(&self) -> ResId {
        ResId::new(
            Gvk::new(&self.group, &self.version, &self.kind),
            &self.name,
            &self.namespace,
        )
    }
}

record! {
    /// A new name, tag or digest for an image.
    Image = "types.Image" {
        name: String = "name",
        new_name: String = "newName",
        tag_suffix: String = "tagSuffix",
        new_tag: String = "newTag",
        digest: String = "digest",
    }
}

record! {
    /// A replica count for the workloads of a name.
    Replica = "types.Replica" {
        name: String = "name",
        count: i64 = "count",
    }
}

record! {
    /// A value to copy, here or in the file that `path` names.
    Replacement = "types.ReplacementField" {
        source: Option<SourceSelector> = "source",
        targets: Vec<Option<TargetSelector>> = "targets",
        source_value: Option<String> = "sourceValue",
        path: String = "path",
    }
}

record! {
    /// The one object and field that a replacement takes its value from.
    SourceSelector = "types.SourceSelector" {
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
        field_path: String = "fieldPath",
        options: Option<FieldOptions> = "options",
    }
}

impl SourceSelector {
    /// The id part.
    pub(crate) fn id(&self) -> ResId {
        ResId::new(
            Gvk::new(&self.group, &self.version, &self.kind),
            &self.name,
            &self.namespace,
        )
    }
}

record! {
    /// The objects and fields that a replacement writes.
    TargetSelector = "types.TargetSelector" {
        select: Option<Selector> = "select",
        reject: Vec<Option<Selector>> = "reject",
        field_paths: Vec<String> = "fieldPaths",
        options: Option<FieldOptions> = "options",
    }
}

record! {
    /// Which part of a field a replacement reads or writes.
    FieldOptions = "types.FieldOptions" {
        delimiter: String = "delimiter",
        index: i64 = "index",
        encoding: String = "encoding",
        create: bool = "create",
    }
}

record! {
    /// A name for a field of an object, to be used as `$(NAME)`.
    Var = "types.Var" {
        name: String = "name",
        objref: VarTarget = "objref",
        fieldref: FieldSelector = "fieldref",
    }
}

record! {
    /// The object that a var looks at.
    VarTarget = "types.Target" {
        api_version: String = "apiVersion",
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
    }
}

record! {
    /// The field that a var looks at.
    FieldSelector = "types.FieldSelector" {
        field_path: String = "fieldPath",
    }
}

record! {
    /// The order of the output.
    SortOptions = "types.SortOptions" {
        order: String = "order",
        legacy: Option<LegacySortOptions> = "legacySortOptions",
    }
}

record! {
    /// Kinds that come first and last.
    LegacySortOptions = "types.LegacySortOptions" {
        order_first: Vec<String> = "orderFirst",
        order_last: Vec<String> = "orderLast",
    }
}

record! {
    /// What both generators take.
    GeneratorArgs = "types.GeneratorArgs" {
        namespace: String = "namespace",
        name: String = "name",
        behavior: String = "behavior",
        literals: Vec<String> = "literals",
        files: Vec<String> = "files",
        envs: Vec<String> = "envs",
        env: String = "env",
        options: Option<GeneratorOptions> = "options",
    }
}

record! {
    /// A ConfigMap to generate.
    ConfigMapArgs = "types.ConfigMapArgs" {
    }
    inline args: GeneratorArgs
}

record! {
    /// A Secret to generate.
    SecretArgs = "types.SecretArgs" {
        secret_type: String = "type",
    }
    inline args: GeneratorArgs
}

record! {
    /// What is set on generated objects.
    GeneratorOptions = "types.GeneratorOptions" {
        labels: Texts = "labels",
        annotations: Texts = "annotations",
        disable_name_suffix_hash: bool = "disableNameSuffixHash",
        immutable: bool = "immutable",
    }
}

record! {
    /// Where charts are looked for.
    HelmGlobals = "types.HelmGlobals" {
        chart_home: String = "chartHome",
        config_home: String = "configHome",
    }
}

record! {
    /// A chart to render; always refused.
    HelmChart = "types.HelmChart" {
        name: String = "name",
        version: String = "version",
        repo: String = "repo",
        release_name: String = "releaseName",
        namespace: String = "namespace",
        additional_values_files: Vec<String> = "additionalValuesFiles",
        values_file: String = "valuesFile",
        values_inline: Value = "valuesInline",
        values_merge: String = "valuesMerge",
        include_crds: bool = "includeCRDs",
        skip_hooks: bool = "skipHooks",
        api_versions: Vec<String> = "apiVersions",
        kube_version: String = "kubeVersion",
        name_template: String = "nameTemplate",
        skip_tests: bool = "skipTests",
        debug: bool = "debug",
        devel: bool = "devel",
    }
}

record! {
    /// The deprecated form of a chart.
    HelmChartArgs = "types.HelmChartArgs" {
        chart_name: String = "chartName",
        chart_version: String = "chartVersion",
        chart_repo_url: String = "chartRepoUrl",
        chart_home: String = "chartHome",
        chart_repo_name: String = "chartRepoName",
        helm_bin: String = "helmBin",
        helm_home: String = "helmHome",
        values: String = "values",
        values_local: Value = "valuesLocal",
        values_merge: String = "valuesMerge",
        release_name: String = "releaseName",
        release_namespace: String = "releaseNamespace",
        extra_args: Vec<String> = "extraArgs",
    }
}
