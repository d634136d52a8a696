//! Overlays over several layers: sibling bases, components, generators, configurations, plugins, references between kinds.
//!
//! Where the other cases vary what is inside of objects, these vary what happens to objects that are whole texts.

use crate::Files;
use crate::random::Random;

/// Objects that refer to each other, or that transformers treat in their own way. `N` becomes a name.
const OBJECTS: &[&str] = &[
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: N, labels: {a: b}}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: N\n  annotations: {config.kubernetes.io/local-config: \"true\"}\ndata: {k1: local}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: N, namespace: prod}\ndata: &data\n  k1: v\nbinaryData: {b: AA==}\nmore: *data\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: N}\ntype: Opaque\nstringData: {p: q}\n",
    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: N}\nimagePullSecrets: [{name: a}]\n",
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: N}\nrules:\n- {apiGroups: [\"\"], resources: [configmaps], resourceNames: [a, b], verbs: [get]}\n",
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: N}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: a}\nsubjects:\n- {kind: ServiceAccount, name: a, namespace: prod}\n- {kind: ServiceAccount, name: default}\n- {kind: User, name: a}\n",
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: N, namespace: other}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: b}\nsubjects:\n- {kind: ServiceAccount, name: b, namespace: other}\n",
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: N}\nrules: []\n",
    "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: N}\nspec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}\n",
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: N}\nspec:\n  podSelector: {matchLabels: {app: x}}\n  ingress:\n  - from:\n    - podSelector: {matchLabels: {app: y}}\n    - namespaceSelector: {}\n",
    "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: N}\nspec: {selector: {matchLabels: {app: x}}}\n",
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: N}\nspec: {storageClassName: a, volumeName: b}\n",
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: N}\nprovisioner: x\n",
    "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: N}\nwebhooks:\n- name: w\n  clientConfig: {service: {name: a, namespace: prod}}\n",
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: N}\nspec:\n  conversion: {webhook: {clientConfig: {service: {name: a, namespace: x}}}}\n",
    "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: N}\nspec: {service: {name: a, namespace: prod}}\n",
    "apiVersion: v1\nkind: Service\nmetadata: {name: N}\nspec:\n  selector: {app: x}\n  ports: [{port: 80}]\n",
    "apiVersion: serving.example.com/v1\nkind: Service\nmetadata: {name: N, namespace: default}\nspec: {template: {spec: {containers: [{image: nginx:1}]}}}\n",
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: N}\nspec:\n  tls: [{secretName: a, hosts: [$(HOST)]}]\n  rules:\n  - http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}\n",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: N, annotations: {note: ''}}\nspec:\n  selector: {matchLabels: {app: x}}\n  template:\n    metadata: {labels: {app: x}}\n    spec:\n      serviceAccountName: a\n      containers:\n      - name: main\n        image: nginx:1.25 # {\"$imagepolicy\": \"a:b\"}\n        envFrom: [{configMapRef: {name: a}}, {secretRef: {name: b}}]\n        args: [$(HOST), '$(PORT)']\n      volumes:\n      - {name: v, configMap: {name: gen}}\n      - {name: s, secret: {secretName: sec}}\n      - {name: p, projected: {sources: [{configMap: {name: a}}]}}\n",
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: N}\nspec:\n  serviceName: a\n  selector: {matchLabels: {app: x}}\n  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: main, image: \"redis@sha256:1\"}]}}\n  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {storageClassName: a}\n",
    "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: N}\nspec:\n  template: {spec: {initContainers: [{name: i, image: localhost:5000/nginx}], containers:}}\n",
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: N}\nspec: {template: {spec: {containers: [{name: c, image: busybox, env: [{name: X, value: $(HOST)}]}]}}}\n",
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: N}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: nginx, envFrom: [{configMapRef: {name: gen}}]}]}}}}}\n",
    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: N}, data: {x: 'y'}}\n",
    "apiVersion: v1\nkind: ConfigMapList\nmetadata: {name: l}\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: N}, data: {x: 1.50}}\n",
    "apiVersion: e.io/v1\nkind: Widget\nmetadata: {name: N}\nspec:\n  ref: a\n  refs: [a, b]\n  list: [{id: 1, v: x}, {id: 2, v: 'y'}]\n  <<: {merged: yes}\n  image: nginx:2\n",
    "apiVersion: e.io/v1\nkind: Zone\nmetadata: {name: N}\nspec: {ref: {name: a, namespace: prod}}\n",
];

/// Names of objects; those of generators are among them.
const NAMES: &[&str] = &["a", "b", "gen", "sec", "x.y"];

/// Entries of a kustomization file.
const FIELDS: &[&str] = &[
    "namePrefix: p-\n",
    "namePrefix: \"1-\"\n",
    "nameSuffix: -s\n",
    "namespace: prod\n",
    "namespace: default\n",
    "namespace: new\n",
    "commonLabels: {app: z, \"n\": \"1\"}\n",
    "commonAnnotations: {note: 'on', url: \"http://x/?a=b&c\"}\n",
    "labels:\n- pairs: {app: w}\n  includeSelectors: true\n- pairs: {tier: \"0x1\"}\n  includeTemplates: true\n",
    "labels:\n- pairs: {own: l}\n  fields:\n  - {path: spec/labels, create: true, kind: Widget}\n  - {path: spec/list/labels, create: true}\n",
    "images:\n- {name: nginx, newTag: \"2\"}\n- {name: nginx, newName: other/nginx}\n",
    "images:\n- {name: '(nginx|redis)', digest: sha256:24}\n- {name: localhost:5000/nginx, tagSuffix: -x}\n",
    "images:\n- {name: ng.nx, newName: a, newTag: '1'}\n- {name: busybox}\n",
    "replicas:\n- {name: a, count: 3}\n",
    "configMapGenerator:\n- name: gen\n  literals: [a=b, \"c='d'\", e=]\n  files: [f.txt, key=f.txt]\n- name: a\n  behavior: merge\n  literals: [k1=merged]\n",
    "configMapGenerator:\n- name: gen\n  envs: [e.env]\n  options: {labels: {l: g}, annotations: {n: \"1\"}, disableNameSuffixHash: true}\n",
    "configMapGenerator:\n- name: gen\n  namespace: prod\n  behavior: merge\n  literals: [x=y]\n",
    "configMapGenerator:\n- name: gen\n  behavior: replace\n  files: [bin.dat]\n  options: {immutable: true}\n",
    "secretGenerator:\n- name: sec\n  type: kubernetes.io/tls\n  files: [tls.crt=f.txt]\n  literals: [long=0123456789012345678901234567890123456789012345678901234567890123456789]\n",
    "secretGenerator:\n- name: sec\n  behavior: merge\n  envs: [e.env]\n",
    "generatorOptions: {disableNameSuffixHash: true, labels: {g: o}}\n",
    "generatorOptions: {immutable: true, annotations: {g: o}}\n",
    "configurations: [config.yaml]\n",
    "configurations: [config2.yaml]\n",
    "buildMetadata: [originAnnotations]\n",
    "buildMetadata: [transformerAnnotations]\n",
    "sortOptions: {order: fifo}\n",
    "sortOptions:\n  order: legacy\n  legacySortOptions: {orderFirst: [Secret, Service], orderLast: [Namespace]}\n",
    "openapi: {path: schema.yaml}\n",
    "crds: [crd.yaml]\n",
    "vars:\n- name: HOST\n  objref: {apiVersion: v1, kind: Service, name: a}\n- name: PORT\n  objref: {apiVersion: v1, kind: Service, name: a}\n  fieldref: {fieldPath: 'spec.ports[0].port'}\n",
    "vars:\n- name: HOST\n  objref: {apiVersion: v1, kind: ConfigMap, name: gen}\n  fieldref: {fieldPath: data.a}\n",
    "replacements:\n- source: {kind: ConfigMap, name: gen}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [metadata.annotations.note, spec.template.metadata.annotations.made]\n    options: {create: true}\n",
    "replacements:\n- path: replacement.yaml\n",
    "replacements:\n- source: {kind: Service, name: a, fieldPath: spec.ports.0.port}\n  targets:\n  - select: {kind: Widget}\n    reject: [{name: b}]\n    fieldPaths: [\"spec.list.[id=1].v\", spec.list.*.v]\n",
    "patches:\n- target: {kind: Deployment|StatefulSet}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Any\n    metadata: {name: any}\n    spec: {template: {spec: {containers: [{name: main, env: [{name: E, value: \"1\"}]}, {name: extra, image: nginx}]}}}\n",
    "patches:\n- patch: |-\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: gen}\n    data: {patched: \"yes\"}\n",
    "patches:\n- target: {kind: ConfigMap, name: gen}\n  options: {allowNameChange: true}\n  patch: |-\n    - {op: replace, path: /metadata/name, value: renamed}\n",
    "patches:\n- target: {labelSelector: app=z}\n  patch: |-\n    - {op: add, path: /metadata/labels/hit, value: 'true'}\n",
    "patches:\n- path: two.yaml\n",
    "patchesStrategicMerge:\n- |-\n  apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec: {ports: [{port: 80, protocol: TCP, name: http}, {port: 81}]}\n",
    "transformers: [transformer.yaml]\n",
    "transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: t}\n  target: {kind: Widget}\n  patch: '[{\"op\": \"add\", \"path\": \"/spec/by\", \"value\": \"transformer\"}]'\n",
    "generators: [generator.yaml]\n",
    "validators:\n- |-\n  apiVersion: builtin\n  kind: AnnotationsTransformer\n  metadata: {name: t}\n  annotations: {}\n  fieldSpecs: []\n",
];

/// Files that the fields name.
const FILES: &[(&str, &str)] = &[
    ("f.txt", "line\n\ttab\n"),
    ("bin.dat", "\u{feff}bytes"),
    ("e.env", "\u{feff}A=1\n# no\n  B = two \nC\nexport D=4\n"),
    (
        "config.yaml",
        "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs:\n  - {path: spec/ref, kind: Widget}\n  - {path: spec/refs, kind: Widget}\n- kind: Service\n  fieldSpecs: [{path: spec/ref/name, kind: Zone}]\nvarReference:\n- {path: spec/refs, kind: Widget}\nnamespace:\n- {path: spec/ref/namespace, kind: Zone}\nnamePrefix:\n- {path: spec/list/v, kind: Widget}\n",
    ),
    (
        "config2.yaml",
        "commonLabels:\n- {path: spec/common, create: true, kind: Zone}\ncommonAnnotations:\n- {path: spec/noted, create: true, kind: Widget}\nimages:\n- {path: spec/image, kind: Widget}\nreplicas:\n- {path: spec/size, create: true, kind: Widget}\nnameSuffix:\n- {path: metadata/name}\n",
    ),
    (
        "schema.yaml",
        "definitions:\n  w:\n    properties:\n      spec:\n        properties:\n          list: {type: array, x-kubernetes-patch-strategy: merge, x-kubernetes-patch-merge-key: id}\n    x-kubernetes-group-version-kind: [{group: e.io, version: v1, kind: Widget}]\npaths:\n  /apis/e.io/v1/zones:\n    get: {x-kubernetes-group-version-kind: {group: e.io, version: v1, kind: Zone}}\n",
    ),
    (
        "crd.yaml",
        "e.io/v1.Widget:\n  Schema:\n    properties:\n      apiVersion: {type: string}\n      kind: {type: string}\n      metadata: {type: object}\n      spec: {$ref: e.io/v1.Spec}\ne.io/v1.Spec:\n  Schema:\n    properties:\n      ref: {x-kubernetes-object-ref-api-version: v1, x-kubernetes-object-ref-kind: Secret}\n      image: {x-kubernetes-identity: true}\n",
    ),
    (
        "replacement.yaml",
        "- sourceValue: given\n  targets:\n  - select: {namespace: prod}\n    fieldPaths: [metadata.labels.given]\n    options: {create: true}\n- source: {kind: Secret, name: sec, fieldPath: metadata.name, options: {delimiter: '-', index: 0}}\n  targets:\n  - select: {kind: Ingress}\n    fieldPaths: [spec.tls.0.secretName]\n    options: {delimiter: '-', index: 5}\n",
    ),
    (
        "two.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {two: \"1\"}\n---\napiVersion: e.io/v1\nkind: Widget\nmetadata: {name: a}\nspec: {list: [{id: 2, v: patched}, {id: 3}], ref: null}\n",
    ),
    (
        "transformer.yaml",
        "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: t, namespace: moved}\nunsetOnly: true\nsetRoleBindingSubjects: allServiceAccounts\nfieldSpecs: [{path: metadata/name, kind: Namespace, create: true}]\n---\napiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: t}\nprefix: t-\nfieldSpecs: [{path: metadata/name}, {path: spec/ref, kind: Widget}]\n---\napiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: t}\nlabels: {t: l}\nfieldSpecs: [{path: metadata/labels, create: true}]\n",
    ),
    (
        "generator.yaml",
        "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: made}\nliterals: [m=n]\n---\napiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: sec2, namespace: prod}\nliterals: [m=n]\noptions: {disableNameSuffixHash: true}\n",
    ),
];

/// The files of the case of a seed.
pub(crate) fn case(seed: u64) -> Files {
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut files = Files::new();
    let (siblings, is_deep) = (random.below(3), random.once_in(2));
    let mut resources = vec!["../base".to_owned()];
    layer(&mut files, &mut random, "base", "Kustomization", &[], 4);
    for sibling in 0..siblings {
        let folder = format!("sibling{sibling}");
        let below = if random.once_in(3) { &resources[..1] } else { &[] };
        layer(&mut files, &mut random, &folder, "Kustomization", below, 2);
        resources.push(format!("../{folder}"));
    }
    if is_deep {
        layer(&mut files, &mut random, "middle", "Kustomization", &resources, 1);
        resources = vec!["../middle".to_owned()];
    }
    if random.once_in(3) {
        layer(&mut files, &mut random, "component", "Component", &[], 1);
    }
    layer(&mut files, &mut random, "overlay", "Kustomization", &resources, 1);
    files
}

/// A directory that builds on others, with objects and fields of its own.
fn layer(files: &mut Files, random: &mut Random, folder: &str, kind: &str, below: &[String], objects: usize) {
    let api_version = if kind == "Component" {
        "v1alpha1"
    } else {
        "v1beta1"
    };
    let mut text = format!("apiVersion: kustomize.config.k8s.io/{api_version}\nkind: {kind}\n");
    let mut resources: Vec<&str> = below.iter().map(String::as_str).collect();
    let texts: Vec<_> = (0..random.below(objects + 1))
        .map(|_| {
            random
                .pick(OBJECTS)
                .replace("name: N", &format!("name: {}", random.pick(NAMES)))
        })
        .collect();
    if !texts.is_empty() {
        files.insert(format!("{folder}/objects.yaml"), texts.join("---\n"));
        resources.insert(random.below(resources.len() + 1), "objects.yaml");
    }
    if !resources.is_empty() {
        let list = format!("resources: [{}]\n", resources.join(", "));
        text.push_str(&list);
    }
    if folder == "overlay" && files.contains_key("component/kustomization.yaml") {
        text.push_str("components: [../component]\n");
    }
    let mut seen: Vec<&str> = Vec::new();
    for field in random.some(FIELDS, 4) {
        let name = field.split(':').next().unwrap_or_default();
        // A field given twice would count once.
        if !seen.contains(&name) {
            seen.push(name);
            text.push_str(field);
        }
    }
    for (name, content) in FILES.iter().filter(|(name, _)| text.contains(name)) {
        files.insert(format!("{folder}/{name}"), (*content).to_owned());
    }
    files.insert(format!("{folder}/kustomization.yaml"), text);
}
