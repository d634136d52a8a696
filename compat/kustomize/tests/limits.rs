//! Each limit ends a build with an error of its own kind that names the bound.

use kustomize::{ErrorKind, Limits, MemoryTree, Options, build};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn check(files: &[(&str, String)], change: impl FnOnce(&mut Limits), words: &str) {
    let tree = files.iter().fold(MemoryTree::new(), |tree, (path, text)| {
        tree.with(path, text.as_str())
    });
    let mut options = Options::default();
    let built = build(&tree, "/", &options).and_then(|output| output.to_yaml());
    assert!(
        built.is_ok(),
        "within the defaults it builds, but not here: {built:?}"
    );
    change(&mut options.limits);
    let error = build(&tree, "/", &options)
        .and_then(|output| output.to_yaml())
        .expect_err(words);
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

fn kustomization(text: &str) -> (&'static str, String) {
    ("kustomization.yaml", text.to_owned())
}

#[test]
fn what_is_read_is_bounded() {
    let files = [
        kustomization("resources: [a.yaml]\n"),
        ("a.yaml", CONFIG_MAP.to_owned()),
    ];
    check(
        &files,
        |l| l.bytes_read = 50,
        "the build reads more than 50 bytes",
    );
    check(&files, |l| l.files = 1, "the build reads more than 1 files");
}

#[test]
fn bases_are_bounded_in_depth() {
    let files = [
        kustomization("resources: [b]\n"),
        ("b/kustomization.yaml", "resources: [c]\n".to_owned()),
        ("b/c/kustomization.yaml", "resources: [a.yaml]\n".to_owned()),
        ("b/c/a.yaml", CONFIG_MAP.to_owned()),
    ];
    check(&files, |l| l.depth = 1, "bases are nested more than 1 deep");
}

#[test]
fn objects_and_output_are_bounded() {
    let files = [
        kustomization("resources: [a.yaml]\n"),
        (
            "a.yaml",
            format!("{CONFIG_MAP}---\n{}", CONFIG_MAP.replace("name: a", "name: b")),
        ),
    ];
    check(&files, |l| l.objects = 1, "1 objects");
    check(
        &files,
        |l| l.output_bytes = 60,
        "the output is larger than 60 bytes",
    );
}

#[test]
fn yaml_is_bounded_in_nesting_and_in_what_aliases_expand_to() {
    let nested = format!("{CONFIG_MAP}spec: {}1{}\n", "[".repeat(30), "]".repeat(30));
    let files = [kustomization("resources: [a.yaml]\n"), ("a.yaml", nested)];
    check(&files, |l| l.yaml_nesting = 20, "20");

    // Each file within the bound, both together beyond it.
    let object = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\nspec: [&x [1, 2, 3], *x, *x]\n")
    };
    let files = [
        kustomization("resources: [a.yaml, b.yaml]\n"),
        ("a.yaml", object("a")),
        ("b.yaml", object("b")),
    ];
    check(
        &files,
        |l| l.alias_nodes = 10,
        "aliases expand to more than 10 nodes",
    );
}

#[test]
fn merging_irregular_lists_is_bounded() {
    let ports = |protocol: &str| {
        (0..40).fold(String::new(), |text, port| {
            let protocol = if port % 2 == 0 { protocol } else { "" };
            text + &format!("  - {{port: {port}{protocol}}}\n")
        })
    };
    let service = |protocol| {
        let ports = ports(protocol);
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  ports:\n{ports}")
    };
    let files = [
        kustomization("resources: [a.yaml]\npatches: [{path: patch.yaml}]\n"),
        ("a.yaml", service(", protocol: TCP")),
        ("patch.yaml", service("")),
    ];
    check(
        &files,
        |l| l.list_comparisons = 1000,
        "more than 1000 comparisons",
    );
}

#[test]
fn regular_expressions_are_bounded() {
    let files = [
        kustomization(
            "resources: [a.yaml]\npatches: [{target: {name: 'a{1,1000}'}, patch: '- {op: add, path: /data, value: {}}'}]\n",
        ),
        ("a.yaml", CONFIG_MAP.to_owned()),
    ];
    let tree = files.iter().fold(MemoryTree::new(), |tree, (path, text)| {
        tree.with(path, text.as_str())
    });
    let mut options = Options::default();
    assert!(build(&tree, "/", &options).is_ok());
    options.limits.regex_bytes = 100;
    let error = build(&tree, "/", &options).unwrap_err();
    assert!(error.to_string().contains("regex"), "{error}");
}

/// Each kustomization starts with the configuration that is built in, which is there once.
#[test]
fn what_is_built_in_is_not_counted_as_made() {
    let names: Vec<String> = (0..200).map(|at| format!("b{at}")).collect();
    let mut tree = MemoryTree::new().with(
        "kustomization.yaml",
        format!("resources: [{}]\n", names.join(", ")),
    );
    for name in &names {
        tree = tree
            .with(&format!("{name}/kustomization.yaml"), "resources: [a.yaml]\n")
            .with(
                &format!("{name}/a.yaml"),
                CONFIG_MAP.replace("name: a", &format!("name: {name}")),
            );
    }
    let mut options = Options::default();
    options.limits.made_bytes = 20_000;
    let built = build(&tree, "/", &options);
    assert!(built.is_ok(), "{:?}", built.err());
}
