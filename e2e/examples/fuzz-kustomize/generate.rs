//! Overlays that visit what is easy to get wrong: lists merged by keys, directives, nulls, styles, numbers, references.

use std::collections::BTreeMap;

use crate::Files;
use crate::random::Random;
use crate::yaml::{Yaml, map, raw};

const NAMES: &[&str] = &["a", "b", "c", "web", "db-1"];
const NAMESPACES: &[&str] = &["default", "prod", "other"];
const TEXTS: &[&str] = &[
    "x",
    "hello world",
    "'a: b'",
    "'yes'",
    "nginx:1.25",
    "\"80\"",
    "'it''s'",
    "\"\"",
    "a-b.c/d",
    "é",
    "\"\\U0001F600\"",
];
const SCALARS: &[&str] = &[
    "x",
    "1",
    "80",
    "\"80\"",
    "'1'",
    "true",
    "\"true\"",
    "yes",
    "\"yes\"",
    "on",
    "n",
    "null",
    "~",
    "",
    "1.0",
    "1.50",
    "1e3",
    "0x1F",
    "017",
    "0o17",
    "1_000",
    ".5",
    "2001-01-01",
    "\"2001-01-01\"",
    "12:30",
    "-0",
    "12345678901234567890",
    "{}",
    "[]",
    "\"a b\"",
    "'#x'",
    "\"- a\"",
    "|\nline\n  two\n",
    "|-\nline",
    ">\nfolded\ntext\n\n  more\n",
    ">-\nfolded\nagain",
    "!!str 5",
    "\"a\\tb\"",
    "this is a rather long text that goes on and on until it has to be folded by the printer somewhere around here",
];

/// The files of the case of a seed.
pub(crate) fn case(seed: u64) -> Files {
    let mut maker = Maker {
        random: Random::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d)),
    };
    maker.files()
}

struct Maker {
    random: Random,
}

/// An object of the base, to be referred to.
struct Object {
    kind: &'static str,
    name: &'static str,
    yaml: Yaml,
}

const KINDS: &[(&str, &str)] = &[
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Pod"),
    ("batch/v1", "CronJob"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("example.com/v1", "Widget"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("networking.k8s.io/v1", "Ingress"),
];

impl Maker {
    fn files(&mut self) -> Files {
        let mut files = Files::new();
        let objects = self.objects();
        let separator = if self.random.once_in(4) {
            "--- # next\n"
        } else {
            "---\n"
        };
        let texts: Vec<_> = objects
            .iter()
            .map(|object| object.yaml.write(&mut self.random))
            .collect();
        files.insert("base/objects.yaml".into(), texts.join(separator));
        let mut base = map([("resources", Yaml::List(vec![raw("objects.yaml")]))]);
        if self.random.once_in(3) {
            self.fields(&mut base, &objects, &mut files, "base");
        }
        files.insert("base/kustomization.yaml".into(), base.write(&mut self.random));
        let mut overlay = map([("resources", Yaml::List(vec![raw("../base")]))]);
        self.fields(&mut overlay, &objects, &mut files, "overlay");
        files.insert(
            "overlay/kustomization.yaml".into(),
            overlay.write(&mut self.random),
        );
        files
    }

    fn objects(&mut self) -> Vec<Object> {
        let mut seen = BTreeMap::new();
        for _ in 0..=self.random.below(3) {
            let (api_version, kind) = self.random.pick(KINDS);
            let name = self.random.pick(NAMES);
            seen.entry((kind, name)).or_insert(api_version);
        }
        let seen: Vec<_> = seen.into_iter().collect();
        seen.into_iter()
            .map(|((kind, name), api_version)| {
                let mut yaml = map([("apiVersion", raw(api_version)), ("kind", raw(kind))]);
                let mut metadata = map([("name", raw(name))]);
                self.metadata(&mut metadata);
                yaml.set("metadata", metadata);
                self.body(kind, &mut yaml, false);
                Object { kind, name, yaml }
            })
            .collect()
    }

    fn metadata(&mut self, metadata: &mut Yaml) {
        if self.random.once_in(4) {
            let namespace = self.random.pick(NAMESPACES);
            metadata.set("namespace", raw(namespace));
        }
        for field in ["labels", "annotations"] {
            if self.random.once_in(2) {
                let texts = self.texts();
                metadata.set(field, texts);
            }
        }
        if self.random.once_in(6) {
            let finalizers = self.random.some(&["f/a", "f/b", "'f/c'"], 3);
            metadata.set(
                "finalizers",
                Yaml::List(finalizers.into_iter().map(raw).collect()),
            );
        }
    }

    fn texts(&mut self) -> Yaml {
        let keys = self
            .random
            .some(&["app", "tier", "example.com/a", "\"quoted\"", "x"], 3);
        Yaml::Map(
            keys.into_iter()
                .map(|key| (key.to_owned(), self.text()))
                .collect(),
        )
    }

    fn text(&mut self) -> Yaml {
        if self.random.once_in(6) {
            self.scalar()
        } else {
            raw(self.random.pick(TEXTS))
        }
    }

    fn scalar(&mut self) -> Yaml {
        raw(self.random.pick(SCALARS))
    }

    fn any(&mut self, depth: usize) -> Yaml {
        match self.random.below(if depth == 0 { 1 } else { 4 }) {
            2 => {
                let keys = self.random.some(&["k", "l", "name", "value", "enabled"], 3);
                Yaml::Map(
                    keys.into_iter()
                        .map(|key| (key.to_owned(), self.any(depth - 1)))
                        .collect(),
                )
            }
            3 => Yaml::List((0..self.random.below(3)).map(|_| self.any(depth - 1)).collect()),
            _ => self.scalar(),
        }
    }

    fn body(&mut self, kind: &str, yaml: &mut Yaml, patch: bool) {
        match kind {
            "Deployment" | "StatefulSet" => {
                let template = self.template(patch);
                let mut spec = map([]);
                if self.random.once_in(2) {
                    let replicas = self.random.pick(&["1", "3", "\"2\"", "null", ""]);
                    spec.set("replicas", raw(replicas));
                }
                if self.random.once_in(2) {
                    let labels = self.texts();
                    spec.set("selector", map([("matchLabels", labels)]));
                }
                spec.set("template", template);
                if self.random.once_in(5) {
                    spec.set("strategy", self.any_of(&["type", "rollingUpdate", "$retainKeys"]));
                }
                yaml.set("spec", spec);
            }
            "Pod" => yaml.set("spec", self.pod(patch)),
            "CronJob" => {
                let template = self.template(patch);
                let job = map([("spec", map([("template", template)]))]);
                yaml.set(
                    "spec",
                    map([("schedule", raw("\"0 * * * *\"")), ("jobTemplate", job)]),
                );
            }
            "Service" => {
                let ports = self.ports("port", patch);
                let mut spec = map([("ports", ports)]);
                if self.random.once_in(2) {
                    spec.set("selector", self.texts());
                }
                yaml.set("spec", spec);
            }
            "ConfigMap" | "Secret" => yaml.set("data", self.any_of(&["k1", "k2", "file.yaml", "\"1\""])),
            "ServiceAccount" => yaml.set("secrets", self.named(&["a", "b", "c"], patch)),
            "RoleBinding" => {
                let role = map([
                    ("apiGroup", raw("rbac.authorization.k8s.io")),
                    ("kind", raw("Role")),
                    ("name", raw("a")),
                ]);
                yaml.set("roleRef", role);
                let subject = |name: &str| {
                    map([
                        ("kind", raw("ServiceAccount")),
                        ("name", raw(name)),
                        ("namespace", raw("prod")),
                    ])
                };
                let name = self.random.pick(&["default", "a", "web"]);
                yaml.set("subjects", Yaml::List(vec![subject(name)]));
            }
            "Ingress" => {
                let host = self.text();
                yaml.set("spec", map([("rules", Yaml::List(vec![map([("host", host)])]))]));
            }
            _ => yaml.set("spec", self.any(3)),
        }
    }

    fn any_of(&mut self, keys: &[&str]) -> Yaml {
        let keys = self.random.some(keys, 3);
        Yaml::Map(
            keys.into_iter()
                .map(|key| (key.to_owned(), self.text()))
                .collect(),
        )
    }

    fn template(&mut self, patch: bool) -> Yaml {
        let mut template = map([]);
        if self.random.once_in(2) {
            let labels = self.texts();
            template.set("metadata", map([("labels", labels)]));
        }
        template.set("spec", self.pod(patch));
        template
    }

    fn pod(&mut self, patch: bool) -> Yaml {
        let mut pod = map([]);
        for field in self.random.some(
            &[
                "containers",
                "initContainers",
                "volumes",
                "tolerations",
                "imagePullSecrets",
                "hostNetwork",
                "serviceAccountName",
                "nodeSelector",
                "hostAliases",
            ],
            4,
        ) {
            let value = match field {
                "containers" | "initContainers" => self.containers(patch),
                "volumes" => self.volumes(patch),
                "imagePullSecrets" => self.named(&["a", "b", "web"], patch),
                "tolerations" => Yaml::List((0..self.random.below(3)).map(|_| self.any(1)).collect()),
                "hostAliases" => self.keyed("ip", &["10.0.0.1", "\"10.0.0.2\""], patch),
                "nodeSelector" => self.texts(),
                "serviceAccountName" => raw(self.random.pick(NAMES)),
                _ => self.scalar(),
            };
            pod.set(field, value);
        }
        pod
    }

    fn containers(&mut self, patch: bool) -> Yaml {
        let names = self.random.some(&["a", "b", "c", "'d'"], 3);
        let mut list: Vec<_> = names
            .into_iter()
            .map(|name| {
                let mut container = map([("name", raw(name))]);
                for field in self.random.some(
                    &[
                        "image",
                        "env",
                        "ports",
                        "args",
                        "resources",
                        "volumeMounts",
                        "securityContext",
                    ],
                    3,
                ) {
                    let value = match field {
                        "image" => raw(self.random.pick(&[
                            "nginx",
                            "nginx:1.25",
                            "ghcr.io/a/b:v1@sha256:abc",
                            "$(IMAGE)",
                            "\"nginx:2\"",
                        ])),
                        "env" => self.env(patch),
                        "ports" => self.ports("containerPort", patch),
                        "args" => Yaml::List((0..self.random.below(3)).map(|_| self.argument()).collect()),
                        "volumeMounts" => self.keyed("mountPath", &["/a", "/b"], patch),
                        _ => self.any(2),
                    };
                    container.set(field, value);
                }
                self.maybe_directive(&mut container, patch);
                container
            })
            .collect();
        self.spoil(&mut list, patch);
        Yaml::List(list)
    }

    fn argument(&mut self) -> Yaml {
        raw(self.random.pick(&[
            "--a",
            "\"--b=$(VALUE)\"",
            "$(VALUE)",
            "$$(VALUE)",
            "x$(NONE)",
            "'1'",
        ]))
    }

    fn env(&mut self, patch: bool) -> Yaml {
        let names = self.random.some(&["A", "B", "C", "VALUE"], 3);
        let mut list: Vec<_> = names
            .into_iter()
            .map(|name| {
                let mut entry = map([("name", raw(name))]);
                match self.random.below(4) {
                    0 => {
                        let key = map([("name", raw(self.random.pick(NAMES))), ("key", raw("k1"))]);
                        entry.set("valueFrom", map([("configMapKeyRef", key)]));
                    }
                    1 => {}
                    _ => entry.set("value", self.scalar()),
                }
                self.maybe_directive(&mut entry, patch);
                entry
            })
            .collect();
        self.spoil(&mut list, patch);
        Yaml::List(list)
    }

    fn ports(&mut self, key: &str, patch: bool) -> Yaml {
        let mut list = Vec::new();
        for _ in 0..self.random.below(4) {
            let mut port = map([]);
            if !self.random.once_in(12) {
                port.set(key, raw(self.random.pick(&["80", "443", "\"80\"", "8080"])));
            }
            if self.random.once_in(2) {
                port.set("protocol", raw(self.random.pick(&["TCP", "UDP", "\"TCP\""])));
            }
            if self.random.once_in(2) {
                port.set("name", raw(self.random.pick(&["http", "dns", "x"])));
            }
            self.maybe_directive(&mut port, patch);
            list.push(port);
        }
        self.spoil(&mut list, patch);
        Yaml::List(list)
    }

    fn volumes(&mut self, patch: bool) -> Yaml {
        let mut list: Vec<_> = self
            .random
            .some(&["v1", "v2", "v3"], 3)
            .into_iter()
            .map(|name| {
                let source = self.random.pick(&["emptyDir", "configMap", "secret"]);
                let value = match (source, self.random.below(4)) {
                    (_, 0) => raw(self.random.pick(&["null", "", "{}"])),
                    ("configMap", _) => map([("name", raw(self.random.pick(NAMES)))]),
                    ("secret", _) => map([("secretName", raw(self.random.pick(NAMES)))]),
                    _ => map([]),
                };
                let mut volume = map([("name", raw(name)), (source, value)]);
                self.maybe_directive(&mut volume, patch);
                volume
            })
            .collect();
        self.spoil(&mut list, patch);
        Yaml::List(list)
    }

    fn named(&mut self, names: &[&'static str], patch: bool) -> Yaml {
        self.keyed("name", names, patch)
    }

    fn keyed(&mut self, key: &str, names: &[&'static str], patch: bool) -> Yaml {
        let names = self.random.some(names, 3);
        let mut list: Vec<_> = names
            .into_iter()
            .map(|name| {
                let mut item = map([(key, raw(name))]);
                if self.random.once_in(2) {
                    item.set("other", self.scalar());
                }
                self.maybe_directive(&mut item, patch);
                item
            })
            .collect();
        self.spoil(&mut list, patch);
        Yaml::List(list)
    }

    fn maybe_directive(&mut self, value: &mut Yaml, patch: bool) {
        if patch && self.random.once_in(8) {
            let word = self
                .random
                .pick(&["delete", "delete", "replace", "merge", "\"delete\""]);
            value.set("$patch", raw(word));
        }
    }

    /// Now and then a list gets an element that breaks the rules.
    fn spoil(&mut self, list: &mut Vec<Yaml>, patch: bool) {
        if patch && self.random.once_in(10) {
            let word = self.random.pick(&["delete", "replace", "merge"]);
            let at = self.random.below(list.len() + 1);
            list.insert(at, map([("$patch", raw(word))]));
        }
        if self.random.once_in(20) {
            let odd = match self.random.below(5) {
                0 => map([("value", raw("2"))]),
                1 => raw("null"),
                2 => map([]),
                3 => list.first().cloned().unwrap_or_else(|| raw("x")),
                _ => map([("name", raw(""))]),
            };
            let at = self.random.below(list.len() + 1);
            list.insert(at, odd);
        }
    }

    fn fields(&mut self, target: &mut Yaml, objects: &[Object], files: &mut Files, folder: &str) {
        let fields = [
            "patches",
            "patches",
            "patchesStrategicMerge",
            "patchesJson6902",
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "commonAnnotations",
            "images",
            "replicas",
            "configMapGenerator",
            "replacements",
            "vars",
        ];
        for field in self.random.some(&fields, 4) {
            let value = match field {
                "patches" => Yaml::List(
                    (0..=self.random.below(3))
                        .map(|i| self.patch(objects, files, folder, i))
                        .collect(),
                ),
                "patchesStrategicMerge" => {
                    let patch = self.merge_patch(objects);
                    files.insert(format!("{folder}/psm.yaml"), patch);
                    Yaml::List(vec![raw("psm.yaml")])
                }
                "patchesJson6902" => {
                    let object = &objects[self.random.below(objects.len())];
                    let operations = self.operations();
                    files.insert(format!("{folder}/p6902.yaml"), operations);
                    let target = map([("kind", raw(object.kind)), ("name", raw(object.name))]);
                    Yaml::List(vec![map([("path", raw("p6902.yaml")), ("target", target)])])
                }
                "namePrefix" => raw(self.random.pick(&["p-", "\"1\"", "my-"])),
                "nameSuffix" => raw(self.random.pick(&["-s", "-v2"])),
                "namespace" => raw(self.random.pick(NAMESPACES)),
                "commonLabels" | "commonAnnotations" => self.strings(),
                "labels" => {
                    let mut label = map([("pairs", self.strings())]);
                    if self.random.once_in(2) {
                        label.set(
                            self.random.pick(&["includeSelectors", "includeTemplates"]),
                            raw("true"),
                        );
                    }
                    Yaml::List(vec![label])
                }
                "images" => {
                    let mut image = map([("name", raw("nginx"))]);
                    image.set(
                        self.random.pick(&["newTag", "newName", "digest", "tagSuffix"]),
                        raw("\"2.0\""),
                    );
                    Yaml::List(vec![image])
                }
                "replicas" => {
                    let object = &objects[self.random.below(objects.len())];
                    Yaml::List(vec![map([("name", raw(object.name)), ("count", raw("5"))])])
                }
                "configMapGenerator" => {
                    let literals = Yaml::List(vec![raw("k1=v1"), raw("k2=yes")]);
                    let mut generator = map([("name", raw(self.random.pick(NAMES))), ("literals", literals)]);
                    if self.random.once_in(3) {
                        generator.set("behavior", raw(self.random.pick(&["merge", "replace", "create"])));
                    }
                    Yaml::List(vec![generator])
                }
                "replacements" => Yaml::List(
                    (0..=self.random.below(2))
                        .map(|_| self.replacement(objects))
                        .collect(),
                ),
                "vars" => {
                    let object = &objects[self.random.below(objects.len())];
                    let path = self.random.pick(&[
                        "metadata.name",
                        "metadata.labels.app",
                        "spec.replicas",
                        "data.k1",
                    ]);
                    let var = map([
                        ("name", raw(self.random.pick(&["VALUE", "IMAGE"]))),
                        (
                            "objref",
                            map([
                                ("kind", raw(object.kind)),
                                ("name", raw(object.name)),
                                ("apiVersion", Self::api_version(object)),
                            ]),
                        ),
                        ("fieldref", map([("fieldPath", raw(path))])),
                    ]);
                    Yaml::List(vec![var])
                }
                _ => continue,
            };
            target.set(field, value);
        }
    }

    fn strings(&mut self) -> Yaml {
        let keys = self.random.some(&["app", "tier", "example.com/a", "new"], 3);
        let values = ["x", "\"5\"", "\"yes\"", "other", "\"\""];
        Yaml::Map(
            keys.into_iter()
                .map(|key| (key.to_owned(), raw(self.random.pick(&values))))
                .collect(),
        )
    }

    fn api_version(object: &Object) -> Yaml {
        let found = KINDS.iter().find(|(_, kind)| *kind == object.kind);
        raw(found.map_or("v1", |(api_version, _)| *api_version))
    }

    fn patch(&mut self, objects: &[Object], files: &mut Files, folder: &str, index: usize) -> Yaml {
        let is_json = self.random.once_in(2);
        let text = if is_json {
            self.operations()
        } else {
            self.merge_patch(objects)
        };
        let mut patch = map([]);
        if self.random.once_in(2) {
            let file = format!("patch{index}.yaml");
            files.insert(format!("{folder}/{file}"), text);
            patch.set("path", raw(file));
        } else {
            patch.set("patch", raw(format!("|\n{}", text.trim_end_matches('\n'))));
        }
        if is_json || self.random.once_in(2) {
            patch.set("target", self.target(objects));
        }
        if !is_json && self.random.once_in(8) {
            patch.set(
                "options",
                map([(
                    self.random.pick(&["allowNameChange", "allowKindChange"]),
                    raw("true"),
                )]),
            );
        }
        patch
    }

    fn target(&mut self, objects: &[Object]) -> Yaml {
        let object = &objects[self.random.below(objects.len())];
        let mut target = map([]);
        for field in self.random.some(
            &[
                "kind",
                "kind",
                "name",
                "name",
                "namespace",
                "labelSelector",
                "version",
            ],
            3,
        ) {
            let value = match field {
                "kind" => self
                    .random
                    .pick(&[object.kind, object.kind, "Deployment|Service", ".*Set"]),
                "name" => self.random.pick(&[object.name, object.name, "w.*", "a|b", ".*"]),
                "namespace" => self.random.pick(NAMESPACES),
                "labelSelector" => self.random.pick(&["app", "app=x", "\"!app\"", "tier in (x, y)"]),
                _ => "v1",
            };
            target.set(field, raw(value));
        }
        target
    }

    /// A patch for an object of the base, or almost.
    fn merge_patch(&mut self, objects: &[Object]) -> String {
        let object = &objects[self.random.below(objects.len())];
        let mut patch = map([
            ("apiVersion", Self::api_version(object)),
            ("kind", raw(object.kind)),
        ]);
        let name = if self.random.once_in(15) {
            "missing"
        } else {
            object.name
        };
        let mut metadata = map([("name", raw(name))]);
        if let Yaml::Map(fields) = &object.yaml
            && let Some((_, Yaml::Map(fields))) = fields.iter().find(|(key, _)| key == "metadata")
            && let Some((_, namespace)) = fields.iter().find(|(key, _)| key == "namespace")
        {
            metadata.set("namespace", namespace.clone());
        }
        for field in ["labels", "annotations"] {
            if self.random.once_in(4) {
                let texts = self.texts();
                metadata.set(field, texts);
            }
        }
        patch.set("metadata", metadata);
        if self.random.once_in(12) {
            self.maybe_directive(&mut patch, true);
            patch.set("$patch", raw(self.random.pick(&["delete", "replace"])));
        } else {
            self.body(object.kind, &mut patch, true);
            if self.random.once_in(6) {
                patch.set("extra", self.any(2));
            }
        }
        patch.write(&mut self.random)
    }

    fn operations(&mut self) -> String {
        let paths = [
            "/metadata/labels/app",
            "/metadata/annotations/example.com~1a",
            "/metadata/annotations",
            "/spec/replicas",
            "/spec/template/spec/containers/0/image",
            "/spec/template/spec/containers/-",
            "/spec/template/spec/containers/0/env/0",
            "/spec/ports/0/port",
            "/spec/ports/-1",
            "/data/k1",
            "/spec",
            "/spec/new",
            "/metadata/name",
            "/spec/template/spec/volumes/1",
            "spec/replicas",
        ];
        let operations = (0..=self.random.below(2)).map(|_| {
            let op = self.random.pick(&[
                "add", "add", "replace", "replace", "remove", "test", "move", "copy",
            ]);
            let path = self.random.pick(&paths);
            // Copies of all annotations would show what upstream keeps there while it builds.
            let from = self.random.pick(&paths);
            let from = if from == "/metadata/annotations" {
                "/spec/replicas"
            } else {
                from
            };
            let mut operation = map([("op", raw(op)), ("path", raw(path))]);
            match op {
                "add" | "replace" | "test" => operation.set("value", self.any(2)),
                "move" | "copy" => operation.set("from", raw(from)),
                _ => {}
            }
            operation
        });
        Yaml::List(operations.collect()).write(&mut Random::new(0))
    }

    fn replacement(&mut self, objects: &[Object]) -> Yaml {
        let paths = [
            "metadata.name",
            "metadata.labels.app",
            "metadata.annotations.[example.com/a]",
            "spec.replicas",
            "spec.template.spec.containers.[name=a].image",
            "spec.template.spec.containers.0.image",
            "spec.template.spec.containers.*.image",
            "spec.template.spec.containers.[name=a].env.[name=A].value",
            "data.k1",
            "data.file\\.yaml",
            "data.k1.x",
            "spec.ports.0.port",
            "spec.new.[name=z].v",
        ];
        let source = &objects[self.random.below(objects.len())];
        let target = &objects[self.random.below(objects.len())];
        let mut from = map([("kind", raw(source.kind)), ("name", raw(source.name))]);
        if self.random.once_in(2) {
            from.set("fieldPath", raw(self.random.pick(&paths)));
        }
        let mut to = map([
            ("select", map([("kind", raw(target.kind))])),
            (
                "fieldPaths",
                Yaml::List(self.random.some(&paths, 2).into_iter().map(raw).collect()),
            ),
        ]);
        if self.random.once_in(2) {
            let mut options = map([]);
            for option in self.random.some(&["create", "delimiter"], 2) {
                options.set(option, raw(if option == "create" { "true" } else { "':'" }));
                if option == "delimiter" {
                    options.set("index", raw(self.random.pick(&["0", "1", "-1", "5"])));
                }
            }
            to.set("options", options);
        }
        if self.random.once_in(6) {
            to.set(
                "reject",
                Yaml::List(vec![map([("name", raw(self.random.pick(NAMES)))])]),
            );
        }
        let mut replacement = map([("targets", Yaml::List(vec![to]))]);
        if self.random.once_in(5) {
            replacement.set("sourceValue", raw("static"));
        } else {
            replacement.set("source", from);
        }
        replacement
    }
}
