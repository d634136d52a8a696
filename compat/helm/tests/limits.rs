//! Charts that cost too much end with an error that names the limit. The limits on archives are tested beside their reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use helm::{Chart, File, Limits, Lookup, Release, RenderOptions, Renderer, values};

const CHART: &str = "apiVersion: v2\nname: chart\nversion: 1.0.0\n";

/// Loads a chart of these files and renders it; returns the error.
fn failure(files: &[(&str, &str)], limits: Limits, template_limits: gotmpl::Limits) -> String {
    let files = [("Chart.yaml", CHART)]
        .iter()
        .chain(files)
        .map(|(name, content)| File::new(*name, content))
        .collect();
    let chart = match Chart::from_files(files, &limits) {
        Ok(chart) => chart,
        Err(error) => return error.to_string(),
    };
    let mut options = RenderOptions::new(Release {
        name: "release".into(),
        namespace: "default".into(),
        revision: 1,
        is_upgrade: false,
    });
    options.limits = limits;
    options.template_limits = template_limits;
    let environment = sprig::FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
    let no_values = values::read(b"").expect("no values");
    match Renderer::new(Arc::new(environment)).render(&chart, &no_values, &options) {
        Ok(_) => "it renders".into(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn ends(files: &[(&str, &str)], limits: Limits, template_limits: gotmpl::Limits, with: &str) {
    let error = failure(files, limits, template_limits);
    assert!(error.contains(with), "got {error:.500}\nwant {with}");
    let by_default = failure(files, Limits::default(), gotmpl::Limits::default());
    assert_eq!(by_default, "it renders");
}

#[test]
fn depth_of_subcharts() {
    let limits = Limits {
        chart_depth: 1,
        ..Limits::default()
    };
    let files = [
        ("charts/a/Chart.yaml", CHART),
        ("charts/a/charts/b/Chart.yaml", CHART),
    ];
    ends(
        &files,
        limits,
        gotmpl::Limits::default(),
        "subcharts are nested more than 1 levels deep",
    );
}

#[test]
fn size_and_work_of_schemas() {
    let schema = [("values.schema.json", r#"{"type": "object"}"#)];
    let small = Limits {
        schema_bytes: 10,
        ..Limits::default()
    };
    let none = gotmpl::Limits::default();
    ends(
        &schema,
        small,
        none,
        "schemas are larger than the maximum size 10 in all",
    );
    let nested = [
        (
            "values.schema.json",
            r##"{"properties": {"a": {"$ref": "#/$defs/l"}}, "$defs": {"l": {"items": {"$ref": "#/$defs/l"}}}}"##,
        ),
        ("values.yaml", "a: [[], [], [], [], [], [], [], [], [], []]"),
    ];
    let few = Limits {
        schema_steps: 15,
        ..Limits::default()
    };
    ends(&nested, few, none, "takes more than 15 steps");
}

#[test]
fn templates_of_a_chart_share_their_limits() {
    let none = Limits::default();
    let loop_of_600 = "{{ range 600 }}{{ end }}";
    let steps = gotmpl::Limits {
        steps: 1_000,
        ..gotmpl::Limits::default()
    };
    let twice = [
        ("templates/a.yaml", loop_of_600),
        ("templates/b.yaml", loop_of_600),
    ];
    ends(&twice, none, steps, "exceeded maximum template steps (1000)");
    assert_eq!(failure(&twice[..1], none, steps), "it renders");

    let output = gotmpl::Limits {
        output_bytes: 15,
        ..gotmpl::Limits::default()
    };
    let twice = [
        ("templates/a.yaml", "# 12345678"),
        ("templates/b.yaml", "# 12345678"),
    ];
    ends(
        &twice,
        none,
        output,
        "exceeded maximum template output (15 bytes)",
    );

    let values = gotmpl::Limits {
        value_bytes: 1_500,
        ..gotmpl::Limits::default()
    };
    let text = r#"{{ $_ := repeat 1000 "a" }}"#;
    let twice = [("templates/a.yaml", text), ("templates/b.yaml", text)];
    ends(
        &twice,
        none,
        values,
        "exceeded maximum size of all values (1500 bytes)",
    );

    let tokens = gotmpl::Limits {
        tokens: 15,
        ..gotmpl::Limits::default()
    };
    let text = "# {{ 1 }} {{ 2 }}";
    let twice = [("templates/a.yaml", text), ("templates/b.yaml", text)];
    ends(&twice, none, tokens, "exceeded maximum template tokens (15)");
    let by_tpl = [("templates/a.yaml", r#"# {{ tpl "{{ 1 }} {{ 2 }} {{ 3 }}" . }}"#)];
    ends(&by_tpl, none, tokens, "exceeded maximum template tokens (15)");

    let depth = gotmpl::Limits {
        depth: 5,
        ..gotmpl::Limits::default()
    };
    let nested = [(
        "templates/a.yaml",
        r#"{{ define "a" }}{{ if . }}{{ include "a" (sub . 1) }}{{ end }}{{ end }}{{ include "a" 10 }}"#,
    )];
    ends(&nested, none, depth, "exceeded maximum template depth (5)");

    let string = gotmpl::Limits {
        string_bytes: 100,
        ..gotmpl::Limits::default()
    };
    let long = [("templates/a.yaml", r#"# {{ repeat 101 "a" }}"#)];
    ends(&long, none, string, "exceeded maximum string size (100 bytes)");
}

/// Each call on the way would add its own template to the error, and all below it.
#[test]
fn a_recursion_that_meets_a_limit_has_a_short_error() {
    let files = [
        ("templates/a.yaml", "{{ tpl .Values.t . }}"),
        ("values.yaml", "t: '{{ tpl .Values.t . }}'"),
    ];
    let error = failure(&files, Limits::default(), gotmpl::Limits::default());
    assert!(
        error.contains("exceeded maximum template depth (10000)"),
        "{error:.500}"
    );
    assert!(error.len() < 500, "{} bytes", error.len());
}

/// Errors of the chart are told in full, as Helm does, but in one piece of memory.
#[test]
fn a_deep_recursion_that_fails_is_told_whole() {
    let files = [
        ("templates/a.yaml", "{{ tpl .Values.t (list 0 .) }}"),
        (
            "values.yaml",
            "t: '{{ if gt (index . 0) 3000 }}{{ fail \"done\" }}{{ end }}{{ tpl (index . 1).Values.t (list (add1 (index . 0)) (index . 1)) }}'",
        ),
    ];
    let error = failure(&files, Limits::default(), gotmpl::Limits::default());
    assert!(
        error.starts_with("execution error at (chart/templates/a.yaml:1:3): "),
        "{error:.200}"
    );
    assert!(error.ends_with("done"));
}

/// A cluster with one large object under any name, which counts how often somebody looks.
#[derive(Debug, Default)]
struct Large(AtomicUsize);

impl Lookup for Large {
    fn lookup(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Option<serde_json::Value>, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Some(
            serde_json::json!({"data": {"text": "x".repeat(1 << 20), "list": vec![1; 1000]}}),
        ))
    }
}

/// Renders a template that looks into the cluster, until nobody wants that any more; gives the error and how often it looked.
fn looked(template: &str, wanted_for: usize) -> (String, usize) {
    let files = [("Chart.yaml", CHART), ("templates/a.yaml", template)];
    let files = files.map(|(name, content)| File::new(name, content)).to_vec();
    let chart = Chart::from_files(files, &Limits::default()).expect("a chart");
    let cluster = Arc::new(Large::default());
    let counted = Arc::clone(&cluster);
    let options = RenderOptions {
        lookup: Arc::<Large>::clone(&cluster),
        cancelled: Some(Arc::new(move || counted.0.load(Ordering::Relaxed) >= wanted_for)),
        ..RenderOptions::new(Release {
            name: "release".into(),
            namespace: "default".into(),
            revision: 1,
            is_upgrade: false,
        })
    };
    let environment = sprig::FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
    let no_values = values::read(b"").expect("no values");
    let rendered = Renderer::new(Arc::new(environment)).render(&chart, &no_values, &options);
    let error = rendered.map_or_else(|error| error.to_string(), |_| "it renders".into());
    (error, cluster.0.load(Ordering::Relaxed))
}

#[test]
fn what_is_looked_up() {
    let forever = "{{ range until 100000 }}{{ $_ := lookup `v1` `Secret` `` `` }}{{ end }}";
    let (error, count) = looked(forever, usize::MAX);
    assert!(
        error.contains("exceeded maximum size of all values"),
        "{error:.500}"
    );
    assert!(count < 200, "{count}");
    // What is done by then is in nobody's way.
    let (error, count) = looked(forever, 3);
    assert!(error.contains("template execution was cancelled"), "{error:.500}");
    assert_eq!(count, 3);
    let some = "{{ range until 100 }}{{ $_ := lookup `v1` `Secret` `` `` }}{{ end }}";
    assert_eq!(looked(some, usize::MAX), ("it renders".to_owned(), 100));
}
