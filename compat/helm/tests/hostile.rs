//! Small charts that ask for too much end soon, with an error that names the file, the field and the limit, on a thread
//! with the 2 MiB of stack that renders have in a controller.

use std::fmt::Write as _;
use std::sync::Arc;

use helm::{Chart, File, Limits, Release, RenderOptions, Renderer, values};

/// Loads and renders a chart; tells how that ends.
fn outcome(files: Vec<(String, String)>) -> Result<String, String> {
    outcome_within(gotmpl::Limits::default(), files)
}

fn outcome_within(template_limits: gotmpl::Limits, files: Vec<(String, String)>) -> Result<String, String> {
    let work = move || {
        let files = files.iter().map(|(name, text)| File::new(name, text)).collect();
        let chart = Chart::from_files(files, &Limits::default()).map_err(|error| error.to_string())?;
        let mut options = RenderOptions::new(Release {
            name: "release".into(),
            namespace: "default".into(),
            revision: 1,
            is_upgrade: false,
        });
        options.template_limits = template_limits;
        let environment = sprig::FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
        let no_values = values::read(b"").map_err(|error| error.to_string())?;
        let rendered = Renderer::new(Arc::new(environment)).render(&chart, &no_values, &options);
        let rendered = rendered.map_err(|error| error.to_string())?;
        Ok(rendered
            .manifests
            .iter()
            .map(|manifest| manifest.content.as_str())
            .collect())
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work);
    thread
        .expect("a thread")
        .join()
        .expect("a render that ends without panic")
}

#[track_caller]
fn ends(files: Vec<(String, String)>, with: &str) {
    let error = outcome(files).expect_err("it renders");
    assert!(error.contains(with), "got {error:.500}\nwant {with}");
    assert!(error.len() < 2 << 20, "{} bytes", error.len());
}

fn chart(name: &str, more: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n{more}")
}

fn file(name: impl Into<String>, text: impl Into<String>) -> (String, String) {
    (name.into(), text.into())
}

/// A list of dependencies on a chart under as many aliases.
fn aliases(name: &str, count: usize) -> String {
    (0..count).fold("dependencies:\n".to_owned(), |mut list, at| {
        let _ = writeln!(list, "- {{name: {name}, version: 1.0.0, alias: {name}{at}}}");
        list
    })
}

#[test]
fn subcharts_are_counted_before_they_are_made() {
    let many = "subcharts multiply to more than 10000, counted once for each alias";
    // Two aliases on each of 30 levels: a thousand million charts in 30 files.
    let mut files = Vec::new();
    let mut folder = String::new();
    for level in 0..30 {
        let name = format!("c{level}");
        let text = if level < 29 {
            aliases(&format!("c{}", level + 1), 2)
        } else {
            String::new()
        };
        files.push(file(format!("{folder}Chart.yaml"), chart(&name, &text)));
        if level == 29 {
            files.push(file(format!("{folder}templates/a.yaml"), "a: 1\n"));
        }
        let _ = write!(folder, "charts/c{}/", level + 1);
    }
    // With each level the values of those above it are copied too, which meets the other limit first.
    ends(
        files,
        "preparing the subcharts and their values takes more than 1500000 items",
    );
    ends(files_of_aliases(200, 200), many);
    assert!(outcome(files_of_aliases(20, 20)).is_ok());
    let error = outcome(files_of_aliases(20_000, 1)).expect_err("it renders");
    assert!(
        error.contains("dependencies in Chart.yaml of chart root: "),
        "{error:.300}"
    );
}

/// A chart with two levels of aliases.
fn files_of_aliases(first: usize, second: usize) -> Vec<(String, String)> {
    vec![
        file("Chart.yaml", chart("root", &aliases("a", first))),
        file("charts/a/Chart.yaml", chart("a", &aliases("b", second))),
        file("charts/a/charts/b/Chart.yaml", chart("b", "")),
        file("charts/a/charts/b/templates/a.yaml", "a: 1\n"),
    ]
}

#[test]
fn what_each_alias_copies_counts() {
    let many = "preparing the subcharts and their values takes more than 1500000 items";
    let with = |name: &str, text: String| {
        let mut files = files_of_aliases(60, 60);
        files.push(file(name, text));
        files
    };
    let numbers = format!("a: [{}]\n", "1,".repeat(2_000));
    ends(with("charts/a/charts/b/values.yaml", numbers.clone()), many);
    ends(
        with("charts/a/values.yaml", format!("global:\n  {numbers}")),
        many,
    );
    let text = format!("description: {}\n", "a".repeat(100_000));
    ends(with("charts/a/charts/b/Chart.yaml", chart("b", &text)), many);
    let long = format!("charts/a/charts/b/templates/{}.yaml", "a".repeat(100_000));
    ends(with(&long, "a: 1\n".into()), many);
    let crd = format!("charts/a/charts/b/crds/{}.yaml", "a".repeat(100_000));
    ends(with(&crd, "a: 1\n".into()), many);
    let template = format!("# {}\n", "a".repeat(100_000));
    ends(with("charts/a/charts/b/templates/b.yaml", template), many);

    // Globals go to each subchart, tables and all else alike.
    let globals = (0..2_000).fold("global:\n".to_owned(), |text, at| text + &format!("  k{at}: v\n"));
    ends(with("values.yaml", globals), many);

    // A name that is repeated in the path of everything below it.
    let mut long_name = files_of_aliases(60, 60);
    long_name.push(file("charts/a/Chart.yaml", chart(&"a".repeat(100_000), "")));
    long_name.retain(|(name, text)| name != "charts/a/Chart.yaml" || !text.contains("dependencies"));
    long_name.extend((0..5_000).map(|at| file(format!("charts/a/templates/{at}.yaml"), "")));
    ends(long_name, many);
}

#[test]
fn conditions_tags_and_versions_count() {
    let many = "preparing the subcharts and their values takes more than 1500000 items";
    let root = |dependency: &str| {
        vec![
            file(
                "Chart.yaml",
                chart(
                    "root",
                    &format!("dependencies:\n- {{name: a, version: 1.0.0, {dependency}}}\n"),
                ),
            ),
            file("charts/a/Chart.yaml", chart("a", "")),
            file("charts/a/templates/a.yaml", "a: 1\n"),
        ]
    };
    ends(root(&format!("condition: '{}'", "a,".repeat(2_300_000))), many);
    let mut tags = root(&format!("tags: [{}]", "a,".repeat(1_500_000)));
    tags.push(file("values.yaml", "tags: {a: true}"));
    ends(tags, "dependencies.tags: lists of more than 33554432 bytes");
    // Many versions of one chart, each compared with many ranges.
    let mut list = String::from("dependencies:\n");
    for at in 0..2_000 {
        let _ = writeln!(
            list,
            "- {{name: a, version: '>2 {}', alias: a{at}}}",
            "|| >3 ".repeat(100)
        );
    }
    let mut versions = vec![file("Chart.yaml", chart("root", &list))];
    versions.extend((0..2_000).map(|at| file(format!("charts/a{at}/Chart.yaml"), chart("a", ""))));
    ends(versions, many);
}

#[test]
fn imports_neither_nest_nor_multiply_without_bound() {
    let import = |imports: &str, values: &str| {
        vec![
            file(
                "Chart.yaml",
                chart(
                    "root",
                    &format!("dependencies:\n- name: a\n  version: 1.0.0\n  import-values:\n{imports}"),
                ),
            ),
            file("charts/a/Chart.yaml", chart("a", "")),
            file("charts/a/values.yaml", values),
            file("charts/a/templates/a.yaml", "a: 1\n"),
        ]
    };
    let deep = format!("  - {{child: b, parent: {}x}}\n", "x.".repeat(100_000));
    ends(
        import(&deep, "b: {c: 1}\n"),
        "values nest more than 1000 levels deep",
    );
    let error = outcome(import(&deep, "b: {c: 1}\n")).expect_err("it renders");
    assert!(
        error.contains("dependencies.import-values in Chart.yaml of chart root: "),
        "{error:.300}"
    );
    // Each is deep enough, and they are put into each other.
    let chain = (0..20).fold(String::new(), |text, at| {
        text + &format!("  - {{child: b, parent: b.{}x{at}}}\n", "x.".repeat(700))
    });
    let nested = format!("b: {}1{}\n", "{c: ".repeat(400), "}".repeat(400));
    ends(import(&chain, &nested), "values nest more than 1000 levels deep");
    let same = "  - {child: b, parent: .}\n".repeat(50_000);
    let numbers: String = (0..1_000).fold(String::new(), |text, at| text + &format!("k{at}: 1, "));
    ends(
        import(&same, &format!("b: {{{numbers}}}\n")),
        "preparing the subcharts and their values takes more than 1500000 items",
    );
}

#[test]
fn values_of_all_charts_are_counted_when_they_are_read() {
    let numbers = format!("a: [{}]\n", "1,".repeat(400_000));
    let mut files = vec![file("Chart.yaml", chart("root", ""))];
    for name in ["a", "b", "c"] {
        files.push(file(format!("charts/{name}/Chart.yaml"), chart(name, "")));
        files.push(file(format!("charts/{name}/values.yaml"), numbers.clone()));
    }
    ends(
        files,
        "values.yaml and Chart.yaml of the chart and its subcharts hold more than 1000000 items",
    );
}

/// Each warning is compared with all before it.
#[test]
fn many_warnings_take_no_longer_than_they_are_long() {
    let entries = |value: &str| {
        (0..60_000).fold(String::new(), |mut text, at| {
            let _ = writeln!(text, "    k{at}: {value}");
            text
        })
    };
    let files = vec![
        file("Chart.yaml", chart("root", "")),
        file("values.yaml", format!("a:\n  t:\n{}", entries("1"))),
        file("charts/a/Chart.yaml", chart("a", "")),
        file("charts/a/values.yaml", format!("t:\n{}", entries("{b: 1}"))),
        file("templates/a.yaml", "a: 1\n"),
    ];
    let start = std::time::Instant::now();
    assert!(outcome(files).is_ok());
    // Comparing each with each takes minutes.
    assert!(start.elapsed().as_secs() < 30);
}

#[test]
fn schemas_of_many_charts_share_their_steps() {
    let mut files = files_of_aliases(20, 20);
    files.push(file(
        "charts/a/charts/b/values.schema.json",
        r#"{"properties": {"a": {"items": {"allOf": [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}]}}}}"#,
    ));
    files.push(file(
        "charts/a/charts/b/values.yaml",
        format!("a: [{}]\n", "1,".repeat(300)),
    ));
    ends(
        files,
        "checking the values against values.schema.json takes more than 1000000 steps in all",
    );
}

/// The report of Helm would have a line of this length for each of them.
#[test]
fn the_report_of_a_schema_ends() {
    let words = format!("\"{}\"", "a".repeat(100_000));
    let files = vec![
        file("Chart.yaml", chart("root", "")),
        file(
            "values.schema.json",
            format!(r#"{{"properties": {{"a": {{"items": {{"enum": [{words}]}}}}}}}}"#),
        ),
        file("values.yaml", format!("a: [{}]\n", "1,".repeat(10_000))),
    ];
    ends(files, "value must be 'aaa");
}

/// The promise is 512 levels for each file of a chart.
#[test]
fn json_of_a_chart_nests_as_deep_as_yaml() {
    let nested = |depth: usize| {
        let schema = format!(
            r#"{}{{"type": "number"}}{}"#,
            r#"{"items": "#.repeat(depth),
            "}".repeat(depth)
        );
        vec![
            file("Chart.yaml", chart("root", "")),
            file(
                "values.schema.json",
                format!(r#"{{"properties": {{"a": {schema}}}}}"#),
            ),
            file(
                "values.yaml",
                format!("{{\"a\": {}1{}}}", "[".repeat(depth), "]".repeat(depth)),
            ),
            file("templates/a.yaml", "a: {{ toJson .Values.a | len }}\n"),
        ]
    };
    for depth in [100, 130, 240] {
        assert_eq!(outcome(nested(depth)), Ok(format!("a: {}\n", 2 * depth + 1)));
    }
    ends(nested(520), "nested more than 512 levels deep");
    let mut deep = nested(2);
    deep.retain(|(name, _)| name != "values.schema.json");
    deep.push(file(
        "values.schema.json",
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
    ));
    ends(deep, "values.schema.json nests more than 512 levels deep");
}

/// Renders one template with a chart that has nothing else.
#[track_caller]
fn template_ends(limits: gotmpl::Limits, template: &str, with: &str) {
    let files = vec![
        file("Chart.yaml", chart("root", "")),
        file("templates/a.yaml", template),
    ];
    let start = std::time::Instant::now();
    let error = outcome_within(limits, files).expect_err("it renders");
    assert!(error.contains(with), "{template}\ngot {error:.500}\nwant {with}");
    // Without optimisation, beside other tests.
    assert!(
        start.elapsed().as_secs() < 60,
        "{template} took {:?}",
        start.elapsed()
    );
}

/// Eight bytes of text for a map, which takes a hundred times that.
#[test]
fn what_is_read_of_a_text_counts_as_what_it_becomes() {
    let values = "exceeded maximum size of all values (167772160 bytes)";
    let many = |function: &str, text: &str, item: &str| {
        let text = format!("printf \"{text}\" (repeat 400000 `{item}`)");
        format!("{{{{ $x := {text} | {function} }}}}{{{{ len $x }}}}")
    };
    for (function, text, item) in [
        ("fromJsonArray", "[%s1]", r#"{"a":1},"#),
        ("mustFromJson", "[%s1]", "[],[],[],[],"),
        ("fromToml", "a = [%s]", "{a=1},"),
    ] {
        template_ends(gotmpl::Limits::default(), &many(function, text, item), values);
    }
    template_ends(
        gotmpl::Limits::default(),
        &many("fromYamlArray", "%s", "- a: 1\n"),
        "values of more than 134217728 bytes",
    );
    template_ends(
        gotmpl::Limits::default(),
        "{{ $x := printf \"a: &a %s\\nb: [%s]\\n\" (repeat 100000 \"x\") (repeat 20000 \"*a,\") | fromYaml }}",
        "values of more than 134217728 bytes, aliases counted each time",
    );
}

/// Each of these looked at its text again and again, or was paid for as if it were copied.
#[test]
fn functions_pay_for_what_they_take() {
    let limits = gotmpl::Limits {
        steps: 20_000_000,
        ..gotmpl::Limits::default()
    };
    for template in [
        "{{ range until 1000 }}{{ $x := derivePassword 1 \"long\" \"a\" \"b\" \"c\" }}{{ end }}",
        "{{ range until 1000 }}{{ $x := bcrypt \"a\" }}{{ end }}",
        "{{ range until 1000 }}{{ $x := genPrivateKey \"dsa\" }}{{ end }}",
        "{{ range until 10 }}{{ $x := genPrivateKey \"rsa\" }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := toDate \"2006-01-02T15:04:05\" \"2020-01-01T00:00:00\" }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := randInt 1 100 }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := randBytes 1 }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := encryptAES \"a\" \"b\" }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := semverCompare \">1 || <3\" \"1.2.3\" }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := $.Capabilities.APIVersions.Has \"v9\" }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := printf \"%d\" 1 }}{{ end }}",
        "{{ range until 2000000 }}{{ $x := dateInZone \"2006\" now \"Asia/Tokyo\" }}{{ end }}",
        "{{ $k := genPrivateKey \"ecdsa\" }}{{ $ca := genCAWithKey \"a\" 365 $k }}\
         {{ range until 100000 }}{{ $x := genSignedCertWithKey \"a\" nil nil 365 $ca $k }}{{ end }}",
        "{{ range $i := until 200000 }}{{ $x := regexMatch (printf \"(?i)[a-z\\\\pL]+%d\" $i) \"b\" }}{{ end }}",
        "{{ $t := repeat 200000 \"a\" }}{{ $x := regexFindAll `a*?b|a` $t -1 }}",
        "{{ $t := repeat 200000 \"a\" }}{{ $x := regexReplaceAll `a*?b|a` $t \"x\" }}",
        "{{ range until 100 }}{{ $x := snakecase (repeat 500000 \"a_b \") }}{{ end }}",
    ] {
        template_ends(limits, template, "exceeded maximum template steps (20000000)");
    }
}

/// Texts that grow by being escaped, each time several times as long, and then once more.
#[test]
fn no_text_becomes_longer_than_a_string_may_be() {
    let too_long = "exceeded maximum string size (16777216 bytes)";
    for template in [
        r#"{{ $t := "\"" }}{{ range until 40 }}{{ $t = quote $t }}{{ end }}"#,
        r#"{{ $t := "'" }}{{ range until 40 }}{{ $t = squote $t $t }}{{ end }}"#,
        r#"{{ $t := "a" }}{{ range until 40 }}{{ $t = cat $t $t }}{{ end }}"#,
        r#"{{ $t := "." }}{{ range until 40 }}{{ $t = regexQuoteMeta $t }}{{ end }}"#,
        r#"{{ $t := "a" }}{{ range until 99 }}{{ $t = b64enc $t }}{{ end }}"#,
        r#"{{ $x := repeat 16000000 "<" | html }}"#,
        r#"{{ $x := repeat 16000000 "%" | urlquery }}"#,
        r#"{{ $x := repeat 16000000 "<" | js }}"#,
        r#"{{ $x := repeat 16000000 "\x01" | quote }}"#,
        r#"{{ $k := repeat 16000 "k" }}{{ $d := dict "x" 1 }}{{ range until 900 }}{{ $d = dict $k $d }}{{ end }}{{ toToml $d }}"#,
    ] {
        template_ends(gotmpl::Limits::default(), template, too_long);
    }
}

/// What ends with an error, or reads more than it makes, is paid for like the rest.
#[test]
fn work_without_a_result_counts() {
    let limits = gotmpl::Limits {
        steps: 10_000_000,
        ..gotmpl::Limits::default()
    };
    for template in [
        // A value that has no JSON at its end, so that all is written and nothing is there.
        "{{ $l := append (until 100000) 1i }}{{ range until 10000 }}{{ $x := toJson $l }}{{ end }}",
        "{{ $l := append (until 100000) 1i }}{{ range until 10000 }}{{ $x := toYaml $l }}{{ end }}",
        "{{ $l := append (until 100000) nil }}{{ range until 10000 }}{{ $x := toToml (dict \"a\" $l) }}{{ end }}",
        // Each letter of the one text looked for among all of the other.
        "{{ $c := printf \"%sa\" (repeat 1000000 \"b\") }}{{ $t := repeat 1000000 \"a\" }}\
         {{ range until 100 }}{{ $x := trimAll $c $t }}{{ end }}",
        // Long texts that differ at their ends.
        "{{ $p := repeat 1000000 \"a\" }}{{ $l := list }}{{ range $i := until 100 }}{{ $l = append $l (printf \"%s%d\" $p $i) }}\
         {{ end }}{{ range until 10000 }}{{ $x := sortAlpha $l }}{{ end }}",
    ] {
        template_ends(limits, template, "exceeded maximum template steps (10000000)");
    }
    // A name of a megabyte in the text of the template, found again and again among keys of this length.
    let name = "a".repeat(1_000_000);
    for template in [
        format!(
            "{{{{ $d := dict \"{name}\" 1 }}}}{{{{ range until 100000 }}}}{{{{ $x := $d.{name} }}}}{{{{ end }}}}"
        ),
        format!(
            "{{{{ $d := dict \"{name}\" 1 }}}}{{{{ range until 100000 }}}}{{{{ $x := index $d \"{name}\" }}}}{{{{ end }}}}"
        ),
        format!(
            "{{{{ define \"{name}\" }}}}{{{{ end }}}}{{{{ range until 100000 }}}}{{{{ template \"{name}\" }}}}{{{{ end }}}}"
        ),
    ] {
        let files = vec![
            file("Chart.yaml", chart("root", "")),
            file("templates/a.yaml", template),
        ];
        let error = outcome_within(limits, files).expect_err("it renders");
        let words = "exceeded maximum template steps (10000000)";
        assert!(error.contains(words), "got {error:.500}");
    }
    // Many keys, none of them there.
    let keys = (0..3_000).fold(String::new(), |keys, at| keys + &format!(" \"x{at}\""));
    template_ends(
        limits,
        &format!(
            "{{{{ $d := dict }}}}{{{{ range $i := until 3000 }}}}{{{{ $_ := set $d (printf \"k%d\" $i) 1 }}}}{{{{ end }}}}\
             {{{{ range until 100000 }}}}{{{{ $x := omit $d{keys} }}}}{{{{ end }}}}"
        ),
        "exceeded maximum",
    );
}
