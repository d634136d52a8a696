//! Files of many small things: what each of them becomes takes a multiple of its text.

use super::{CONFIG_MAP, Files, Input, each, input, with_file};

const MADE: &str = "makes more than 134217728 bytes";

fn kustomization(text: String) -> Files {
    vec![("kustomization.yaml", text), ("a.yaml", CONFIG_MAP.to_owned())]
}

pub(super) fn inputs() -> Vec<Input> {
    vec![
        input(
            "a text behind many aliases in a kustomization",
            move || {
                kustomization(format!(
                    "resources: [&a {}{}]\n",
                    "x".repeat(100_000),
                    ", *a".repeat(20_000)
                ))
            },
            &[
                "limit",
                "/kustomization.yaml: invalid Kustomization",
                "values of more than 67108864 bytes, aliases counted each time",
            ],
        ),
        input(
            "patches behind many aliases",
            move || {
                kustomization(format!(
                    "resources: [a.yaml]\npatches:\n- {{target: {{kind: ConfigMap}}, patch: &p '[{}]'}}\n{}",
                    "{\"op\": \"remove\", \"path\": \"/data\"},"
                        .repeat(5_000)
                        .trim_end_matches(','),
                    "- {target: {kind: ConfigMap}, patch: *p}\n".repeat(300)
                ))
            },
            &["limit", "/kustomization.yaml: patches["],
        ),
        input(
            "the first of a long list removed many times",
            move || {
                let remove = "{\"op\": \"remove\", \"path\": \"/d/0\"},".repeat(20_000);
                with_file(
                    &format!(
                        "resources: [x.yaml]\npatches: [{{target: {{kind: X}}, patch: '[{}]'}}]\n",
                        remove.trim_end_matches(',')
                    ),
                    "x.yaml",
                    format!(
                        "apiVersion: v1\nkind: X\nmetadata: {{name: a}}\nd: [{}]\n",
                        "a,".repeat(400_000)
                    ),
                )
            },
            &["limit", "/kustomization.yaml: patches[", "takes more than"],
        ),
        input(
            "a key given many times",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!("{CONFIG_MAP}data:\n{}", "  k: v\n".repeat(500_000)),
                )
            },
            &[
                "more than 10000 errors",
                "mapping key \"k\" already defined at line 5",
            ],
        ),
        input(
            "many definitions",
            move || {
                with_file(
                    "resources: [a.yaml]\ncrds: [c.json]\n",
                    "c.json",
                    format!(
                        "{{\"D\": {{}}{}}}",
                        each(100_000, |i| format!(
                            ",\"D{i}.K\": {{\"Schema\": {{\"properties\": {{\"kind\": {{}}, \"apiVersion\": {{}}, \"metadata\": {{}}}}}}}}"
                        ))
                    ),
                )
            },
            &[
                "limit",
                "/kustomization.yaml: crds",
                "'c.json'",
                "values of more than 134217728 bytes",
            ],
        ),
        input(
            "an environment file of many keys",
            move || {
                with_file(
                    "configMapGenerator: [{name: g, envs: [e.txt]}]\n",
                    "e.txt",
                    each(1_000_000, |i| format!("k{i}=v\n")),
                )
            },
            &[
                "limit",
                "/kustomization.yaml: configMapGenerator[0]",
                "env source files: [e.txt]",
                MADE,
            ],
        ),
        input(
            "many annotations",
            move || {
                with_file(
                    "resources: [t.yaml]\n",
                    "t.yaml",
                    format!(
                        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n{}",
                        each(720_000, |i| format!("    k{i}: v\n"))
                    ),
                )
            },
            &["limit", "annotations of ConfigMap.v1.[noGrp]/a.[noNs]", MADE],
        ),
        input(
            "many directives",
            move || {
                kustomization(format!(
                    "{}---\nresources: [a.yaml]\n",
                    each(100_000, |i| format!("%TAG !t{i}! tag:x\n"))
                ))
            },
            &["built"],
        ),
        input(
            "options for many generators",
            move || {
                kustomization(format!(
                    "generatorOptions: {{labels: {{{}}}}}\nconfigMapGenerator:\n{}",
                    each(5_000, |i| format!("k{i}: v, ")),
                    each(5_000, |i| format!("- {{name: a{i}}}\n"))
                ))
            },
            &["limit", "/kustomization.yaml: configMapGenerator[", MADE],
        ),
        input(
            "many entries with nothing in them",
            move || {
                kustomization(format!(
                    "resources: [a.yaml]\nvars: [{}]\n",
                    "{}, ".repeat(600_000)
                ))
            },
            &[
                "limit",
                "/kustomization.yaml: invalid Kustomization",
                "vars: lists of more than 33554432 bytes",
            ],
        ),
        input(
            "replicas and where they may be",
            move || {
                with_file(
                    &format!(
                        "resources: [a.yaml]\nconfigurations: [c.yaml]\nreplicas:\n{}",
                        each(10_000, |i| format!("- {{name: a{i}, count: 1}}\n"))
                    ),
                    "c.yaml",
                    format!(
                        "replicas:\n{}",
                        each(10_000, |i| format!("- {{path: a/b{i}, kind: K}}\n"))
                    ),
                )
            },
            &["limit", "/kustomization.yaml: replicas[", MADE],
        ),
    ]
}
