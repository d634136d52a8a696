//! The inputs: each is small, and grows in one of the steps of a build.

mod many;

use kustomize::MemoryTree;

/// Files, and what the end of their build has to say.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// Makes the files: each process only its own, since what all take would be more than what it may take.
    pub(crate) tree: Box<dyn FnOnce() -> MemoryTree + Send>,
    /// The file or object, the field, and the limit.
    pub(crate) words: &'static [&'static str],
}

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

type Files = Vec<(&'static str, String)>;

fn input(
    name: &'static str,
    files: impl FnOnce() -> Files + Send + 'static,
    words: &'static [&'static str],
) -> Input {
    let tree = || {
        files()
            .into_iter()
            .fold(MemoryTree::new(), |tree, (path, text)| tree.with(path, text))
    };
    Input {
        name,
        tree: Box::new(tree),
        words,
    }
}

/// A kustomization with one file.
fn with_file(kustomization: &str, path: &'static str, content: String) -> Files {
    vec![
        ("kustomization.yaml", kustomization.to_owned()),
        ("a.yaml", CONFIG_MAP.to_owned()),
        (path, content),
    ]
}

/// A text made of one for each number.
fn each(count: usize, make: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |text, i| text + &make(i))
}

/// Objects that differ in their names.
fn objects(count: usize) -> String {
    each(count, |i| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a{i}}}\n")
    })
}

fn nested(depth: usize) -> String {
    format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
}

/// Aliases, each deeper than the one before by `depth` levels.
fn tower(levels: usize, depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    each(levels, |i| match i {
        0 => "a0: &a0 x\n".to_owned(),
        _ => format!("a{i}: &a{i} {open}*a{}{close}\n", i - 1),
    })
}

/// Aliases, each twice as large as the one before.
fn doubling(levels: usize) -> String {
    each(levels, |i| match i {
        0 => "a0: &a0 [x, x]\n".to_owned(),
        _ => format!("a{i}: &a{i} [*a{}, *a{}]\n", i - 1, i - 1),
    })
}

pub(crate) fn inputs() -> Vec<Input> {
    let mut inputs = depth();
    inputs.extend(size());
    inputs.extend(work());
    inputs.extend(many::inputs());
    inputs
}

fn depth() -> Vec<Input> {
    let deep_copies = each(14, |step| {
        let target = "/a".repeat(1 << step);
        format!("- {{op: copy, from: /a, path: {target}/a}}\n")
    });
    vec![
        input(
            "a tower of aliases in a resource",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!("{CONFIG_MAP}{}", tower(90, 500)),
                )
            },
            &[
                "limit",
                "t.yaml",
                "field 'a2'",
                "alias '*a1'",
                "nested more than 512 levels",
            ],
        ),
        input(
            "a tower of aliases in a patch",
            move || {
                with_file(
                    "resources: [a.yaml]\npatches: [{path: t.yaml}]\n",
                    "t.yaml",
                    format!("{CONFIG_MAP}{}", tower(90, 500)),
                )
            },
            &[
                "limit",
                "t.yaml",
                "patches[0]",
                "alias '*a1'",
                "nested more than 512 levels",
            ],
        ),
        input(
            "a tower of merge keys",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!(
                        "{CONFIG_MAP}{}",
                        each(2_000, |i| match i {
                            0 => "a0: &a0 {k: v}\n".to_owned(),
                            _ => format!("a{i}: &a{i} {{<<: {{x: *a{}}}}}\n", i - 1),
                        })
                    ),
                )
            },
            &["limit", "t.yaml", "alias", "nested more than 512 levels"],
        ),
        input(
            "copies in a JSON patch that go into themselves",
            move || {
                with_file(
                    "resources: [x.yaml]\npatches: [{path: p.yaml, target: {kind: X}}]\n",
                    "x.yaml",
                    "apiVersion: v1\nkind: X\nmetadata: {name: x}\na: {}\n".to_owned(),
                )
                .into_iter()
                .chain([("p.yaml", deep_copies)])
                .collect::<Vec<_>>()
            },
            &[
                "limit",
                "kustomization.yaml: patches[0]",
                "operation 8",
                "path '/a/a",
                "nested more than 512 levels",
            ],
        ),
        input(
            "deep values added below deep values",
            move || {
                with_file(
                    "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n",
                    "p.yaml",
                    format!(
                        "- {{op: add, path: /d, value: {}}}\n- {{op: add, path: /d{}, value: {}}}\n",
                        nested(500),
                        "/0".repeat(500),
                        nested(500)
                    ),
                )
            },
            &[
                "limit",
                "patches[0]",
                "operation 1",
                "nested more than 512 levels",
            ],
        ),
        input(
            "replacements that write an object into itself",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\nreplacements:\n{}",
                        each(14, |i| format!(
                            "- source: {{kind: X, fieldPath: a}}\n  targets: [{{select: {{kind: X}}, fieldPaths: [a{}.x], options: {{create: true}}}}]\n",
                            ".x".repeat((1 << i) - 1)
                        ))
                    ),
                    "t.yaml",
                    "apiVersion: v1\nkind: X\nmetadata: {name: x}\na: {x: {}}\n".to_owned(),
                )
            },
            &[
                "limit",
                "kustomization.yaml: replacements",
                "field 'a",
                "nested more than 512 levels",
            ],
        ),
        input(
            "a chain of definitions",
            move || {
                with_file(
                    "resources: [a.yaml]\ncrds: [c.json]\n",
                    "c.json",
                    format!(
                        "{{\"D.K\": {{\"Schema\": {{\"properties\": {{\"kind\": {{}}, \"apiVersion\": {{}}, \"metadata\": {{}}, \"a\": {{\"$ref\": \"D0\"}}}}}}}}{}}}",
                        each(20_000, |i| format!(
                            ",\"D{i}\": {{\"Schema\": {{\"properties\": {{\"a\": {{\"$ref\": \"D{}\"}}}}}}}}",
                            i + 1
                        ))
                    ),
                )
            },
            &[
                "limit",
                "kustomization.yaml: crds",
                "c.json",
                "definition 'D.K'",
                "nested more than 512 levels",
            ],
        ),
        input(
            "a chain of references in an OpenAPI file",
            move || {
                with_file(
                    "resources: [a.yaml]\nopenapi: {path: s.json}\npatches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: b}}'}]\n",
                    "s.json",
                    format!(
                        "{{\"definitions\": {{\"D\": {{\"x-kubernetes-group-version-kind\": [{{\"version\": \"v1\", \"kind\": \"ConfigMap\"}}], \"$ref\": \"#/definitions/D0\"}}{}}}}}",
                        each(20_000, |i| format!(
                            ",\"D{i}\": {{\"$ref\": \"#/definitions/D{}\"}}",
                            (i + 1) % 20_000
                        ))
                    ),
                )
            },
            &["built"],
        ),
        input(
            "a JSON file that is too deep",
            move || {
                with_file(
                    "resources: [a.yaml]\nopenapi: {path: s.json}\n",
                    "s.json",
                    format!("{{\"definitions\": {}}}", nested(100_000)),
                )
            },
            &["limit", "invalid schema file", "nested more than 512 levels"],
        ),
        input(
            "a text that is too deep",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!("{CONFIG_MAP}a: {}\n", nested(9_000)),
                )
            },
            &["limit", "t.yaml", "nested more than 512 levels"],
        ),
    ]
}

fn size() -> Vec<Input> {
    let long: &'static str = Box::leak("y".repeat(500_000).into_boxed_str());
    vec![
        input(
            "aliases that double",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!("{CONFIG_MAP}{}", doubling(40)),
                )
            },
            &["limit", "t.yaml", "field 'a", "alias '*a", "more than"],
        ),
        input(
            "copies in a JSON patch that double",
            move || {
                with_file(
                    "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n",
                    "p.yaml",
                    format!(
                        "- {{op: add, path: /l, value: {{a: x}}}}\n{}",
                        each(40, |i| format!("- {{op: copy, from: /l, path: /l/k{i}}}\n"))
                    ),
                )
            },
            &[
                "limit",
                "kustomization.yaml: patches[0]",
                "operation",
                "path '/l/k",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "an annotation for many objects",
            move || {
                with_file(
                    &format!("resources: [t.yaml]\ncommonAnnotations: {{x: {long}}}\n"),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &[
                "limit",
                "kustomization.yaml: commonAnnotations",
                "entry x for object ConfigMap",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "an annotation that is no plain text for many objects",
            move || {
                with_file(
                    &format!("resources: [t.yaml]\ncommonAnnotations: {{x: '{{a: [{long}]}}'}}\n"),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &["limit", "commonAnnotations", "makes more than 134217728 bytes"],
        ),
        input(
            "a patch for many objects",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\npatches:\n- target: {{kind: ConfigMap}}\n  patch: '{{apiVersion: v1, kind: ConfigMap, metadata: {{name: x}}, data: {{a: {long}}}}}'\n"
                    ),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &["limit", "kustomization.yaml: patches[0]", "the build "],
        ),
        input(
            "a JSON patch for many objects",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\npatches:\n- target: {{kind: ConfigMap}}\n  patch: '[{{\"op\": \"add\", \"path\": \"/data\", \"value\": {{\"a\": \"{long}\"}}}}]'\n"
                    ),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &[
                "limit",
                "kustomization.yaml: patches[0]",
                "object ConfigMap",
                "path '/data'",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "a prefix for many objects",
            move || {
                with_file(
                    &format!("resources: [t.yaml]\nnamePrefix: {long}\n"),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &[
                "limit",
                "kustomization.yaml: namePrefix",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "a namespace for many objects",
            move || {
                with_file(
                    &format!("resources: [t.yaml]\nnamespace: {long}\n"),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &[
                "limit",
                "kustomization.yaml: namespace",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "an image for many containers",
            move || {
                with_file(
                    &format!("resources: [t.yaml]\nimages: [{{name: a, newName: {long}}}]\n"),
                    "t.yaml",
                    format!(
                        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{containers: [{}]}}}}}}\n",
                        "{image: a}, ".repeat(10_000)
                    ),
                )
            },
            &[
                "limit",
                "kustomization.yaml: images[0]",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "replacements that double a text",
            move || {
                with_file(
                    &format!(
                        "resources: [a.yaml]\nreplacements:\n{}",
                        each(40, |_| {
                            "- source: {kind: ConfigMap, fieldPath: metadata.annotations.x}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [metadata.annotations.x], options: {delimiter: '|', index: 9999999}}]\n".to_owned()
                        })
                    ),
                    "a.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {x: abcdefgh}}\n"
                        .to_owned(),
                )
            },
            &[
                "limit",
                "kustomization.yaml: replacements",
                "replacement",
                "object ConfigMap",
                "field 'metadata.annotations.x'",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "a replacement for many objects",
            move || {
                with_file(
                    "resources: [t.yaml]\nreplacements:\n- sourceValue: x\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.x], options: {create: true}}]\n- source: {kind: S, fieldPath: data.x}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.y], options: {create: true}}]\n",
                    "t.yaml",
                    format!(
                        "apiVersion: v1\nkind: S\nmetadata: {{name: s}}\ndata: {{x: {long}}}\n{}",
                        objects(10_000)
                    ),
                )
            },
            &[
                "limit",
                "kustomization.yaml: replacements",
                "replacement 1",
                "field 'data.y'",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "a var many times in a text",
            move || {
                with_file(
                "resources: [t.yaml]\nvars: [{name: V, objref: {apiVersion: v1, kind: S, name: s}, fieldref: {fieldPath: data.x}}]\nconfigurations: [c.yaml]\n",
                "t.yaml",
                format!(
                    "apiVersion: v1\nkind: S\nmetadata: {{name: s}}\ndata: {{x: {long}}}\n---\n{CONFIG_MAP}data: {{a: \"{}\"}}\n",
                    "$(V)".repeat(10_000)
                ),
            )
            .into_iter()
            .chain([("c.yaml", "varReference: [{path: data, kind: ConfigMap}]\n".to_owned())])
            .collect::<Vec<_>>()
            },
            &[
                "limit",
                "vars",
                "object ConfigMap",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "a file for many generators",
            move || {
                with_file(
                    &format!(
                        "configMapGenerator:\n{}",
                        each(1_000, |i| format!("- {{name: g{i}, files: [big.txt]}}\n"))
                    ),
                    "big.txt",
                    "z".repeat(1_000_000),
                )
            },
            &[
                "limit",
                "kustomization.yaml: configMapGenerator[",
                "makes more than 134217728 bytes",
            ],
        ),
        input(
            "bases that multiply",
            move || {
                (0..20)
                    .flat_map(|i| {
                        let next = i + 1;
                        let names: &'static [String; 4] = Box::leak(Box::new([
                            format!("b{i}/kustomization.yaml"),
                            format!("b{i}/l/kustomization.yaml"),
                            format!("b{i}/r/kustomization.yaml"),
                            String::new(),
                        ]));
                        let below = format!("resources: [../../b{next}]\n");
                        [
                            (names[0].as_str(), "resources: [l, r]\n".to_owned()),
                            (names[1].as_str(), format!("namePrefix: l-\n{below}")),
                            (names[2].as_str(), format!("namePrefix: r-\n{below}")),
                        ]
                    })
                    .chain([
                        ("kustomization.yaml", "resources: [b0]\n".to_owned()),
                        ("b20/kustomization.yaml", "resources: [a.yaml]\n".to_owned()),
                        ("b20/a.yaml", CONFIG_MAP.to_owned()),
                    ])
                    .collect::<Vec<_>>()
            },
            &["limit"],
        ),
        input(
            "a file of many values",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!("{CONFIG_MAP}a: [{}]\n", "1,".repeat(5_000_000)),
                )
            },
            &["limit", "t.yaml", "more than 1500000 values"],
        ),
        input(
            "many values at the end of a deep path",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!(
                        "{CONFIG_MAP}a: {}{}{}\n",
                        "[".repeat(490),
                        "1,".repeat(1_000_000),
                        "]".repeat(490)
                    ),
                )
            },
            &["limit", "ConfigMap", "the output is larger than 67108864 bytes"],
        ),
    ]
}

fn work() -> Vec<Input> {
    let ports = each(9_000, |i| {
        format!(
            "  - {{port: {i}{}}}\n",
            if i % 2 == 0 { "" } else { ", protocol: TCP" }
        )
    });
    vec![
        input(
            "definitions that fan out",
            move || {
                with_file(
                    "resources: [a.yaml]\ncrds: [c.json]\n",
                    "c.json",
                    format!(
                        "{{\"D.K\": {{\"Schema\": {{\"properties\": {{\"kind\": {{}}, \"apiVersion\": {{}}, \"metadata\": {{}}, \"a\": {{\"$ref\": \"D0\"}}}}}}}}{}}}",
                        each(40, |i| format!(
                            ",\"D{i}\": {{\"Schema\": {{\"properties\": {{\"a\": {{\"$ref\": \"D{n}\"}}, \"b\": {{\"$ref\": \"D{n}\"}}}}}}}}",
                            n = i + 1
                        ))
                    ),
                )
            },
            &[
                "limit",
                "kustomization.yaml: crds",
                "definition 'D.K' in 'c.json'",
                "takes more than 100000000 steps",
            ],
        ),
        input(
            "an env file of many keys",
            move || {
                with_file(
                    "configMapGenerator: [{name: g, envs: [e.env]}]\n",
                    "e.env",
                    each(200_000, |i| format!("k{i:06}=v\n")),
                )
            },
            &["built"],
        ),
        input(
            "generators that merge many keys",
            move || {
                with_file(
                    "resources: [b]\nconfigMapGenerator: [{name: g, behavior: merge, envs: [e.env]}]\n",
                    "e.env",
                    each(100_000, |i| format!("k{i:06}=v\n")),
                )
                .into_iter()
                .chain([
                    (
                        "b/kustomization.yaml",
                        "configMapGenerator: [{name: g, envs: [e.env]}]\n".to_owned(),
                    ),
                    ("b/e.env", each(100_000, |i| format!("j{i:06}=v\n"))),
                ])
                .collect::<Vec<_>>()
            },
            &["built"],
        ),
        input(
            "patches of irregular lists",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\npatches:\n{}",
                        each(60, |i| format!(
                            "- patch: '{{apiVersion: v1, kind: Service, metadata: {{name: a, annotations: {{n{i}: x}}}}}}'\n"
                        ))
                    ),
                    "t.yaml",
                    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  ports:\n{ports}"),
                )
            },
            &[
                "limit",
                "kustomization.yaml: patches[0]",
                "object Service",
                "merging lists takes more than 20000000 comparisons",
            ],
        ),
        input(
            "many merged keys",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!(
                        "{CONFIG_MAP}a: &a\n{}b:\n  <<: *a\n{}",
                        each(100_000, |i| format!("  k{i}: v\n")),
                        each(100_000, |i| format!("  l{i}: v\n"))
                    ),
                )
            },
            &["built"],
        ),
        input(
            "configurations of many fields",
            move || {
                with_file(
                    "resources: [a.yaml]\nconfigurations: [c.yaml]\n",
                    "c.yaml",
                    format!(
                        "images:\n{}",
                        each(40_000, |i| format!("- {{path: a/b{i}, kind: K{}}}\n", i % 7))
                    ),
                )
            },
            &["built"],
        ),
        input(
            "patterns that are large",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\npatches:\n{}",
                        each(3_000, |i| format!(
                            "- {{target: {{name: '(a|b){{1,900}}{i}'}}, patch: '[{{\"op\": \"add\", \"path\": \"/data\", \"value\": {{}}}}]'}}\n"
                        ))
                    ),
                    "t.yaml",
                    objects(100),
                )
            },
            &[
                "limit",
                "kustomization.yaml: patches[",
                "takes more than 100000000 steps",
            ],
        ),
        input(
            "many patches for many objects",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\npatches:\n{}",
                        each(20_000, |i| format!(
                            "- {{target: {{name: 'x{i}'}}, patch: '[{{\"op\": \"add\", \"path\": \"/data\", \"value\": {{}}}}]'}}\n"
                        ))
                    ),
                    "t.yaml",
                    objects(10_000),
                )
            },
            &[
                "limit",
                "kustomization.yaml: patches[",
                "takes more than 100000000 steps",
            ],
        ),
        input(
            "a long text that each patch looks at",
            move || {
                with_file(
                    &format!(
                        "resources: [t.yaml]\npatches:\n{}",
                        each(2_000, |i| format!(
                            "- patch: '{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, annotations: {{n{i}: x}}}}}}'\n"
                        ))
                    ),
                    "t.yaml",
                    format!("{CONFIG_MAP}data: {{a: '{{x: {}}}'}}\n", "y".repeat(500_000)),
                )
            },
            &[
                "limit",
                "kustomization.yaml: patches[",
                "takes more than 100000000 steps",
            ],
        ),
        input(
            "components that quote each other's errors",
            move || {
                (0..60)
                .map(|i| {
                    let path: &'static str = Box::leak(format!("c{i}/kustomization.yaml").into_boxed_str());
                    (
                        path,
                        format!(
                            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../c{}]\n",
                            i + 1
                        ),
                    )
                })
                .chain([("kustomization.yaml", "components: [c0]\n".to_owned())])
                .collect::<Vec<_>>()
            },
            &["error"],
        ),
        input(
            "long comments, long keys and many documents",
            move || {
                with_file(
                    "resources: [t.yaml]\nnamePrefix: p-\n",
                    "t.yaml",
                    format!(
                        "{}{}---\napiVersion: v1\nkind: X\nmetadata: {{name: x}}\n{}: v\n",
                        each(20, |i| format!(
                            "# {}\n{}",
                            "c".repeat(100_000),
                            objects(1).replace("a0", &format!("c{i}"))
                        )),
                        objects(5_000),
                        "k".repeat(900)
                    ),
                )
            },
            &["built"],
        ),
    ]
}
