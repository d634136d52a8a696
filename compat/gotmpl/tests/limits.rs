//! Hostile templates end with an error, on a small stack, without panic or endless work.

#![expect(clippy::unwrap_used, reason = "a failing test should say where")]

use std::sync::Arc;

use gotmpl::{Context, Env, FuncMap, Limits, List, Map, Options, Rest, Spent, Str, TemplateSet, Value};

/// Executes a text on a thread with Rust's default stack of 2 MiB.
fn check(text: String, limits: Limits, want: &str) {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let result = thread
        .spawn(move || execute(&text, limits))
        .unwrap()
        .join()
        .unwrap();
    let got = match result {
        Ok(output) => output,
        Err(error) => error,
    };
    assert!(got.contains(want), "got {got:.300}\nwant {want}");
}

fn execute(text: &str, limits: Limits) -> Result<String, String> {
    let mut funcs = FuncMap::new();
    funcs
        .add("include", |cx: &mut Context<'_>, name: Str, dot: Value| {
            cx.execute(&name, dot)
        })
        .add("list", |items: Rest<Value>| List::new(items.0))
        .add("dict", Map::new)
        .add("set", |m: Map, key: Str, v: Value| m.insert(key, v).map(|()| m));
    let mut set = TemplateSet::new(
        Arc::new(funcs),
        Options {
            limits,
            ..Options::default()
        },
    );
    set.parse("t", text).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let env = Env {
        limits,
        ..Env::default()
    };
    set.execute("t", Value::Nil, &env, &mut out).map_err(|error| {
        assert!(
            error.is_limit() || !error.to_string().contains("exceeded"),
            "{error:.300}"
        );
        error.to_string()
    })?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn recursion() {
    let depth = Limits {
        depth: 2_000,
        ..Limits::default()
    };
    check(
        r#"{{define "r"}}{{template "r"}}{{end}}{{template "r"}}"#.into(),
        depth,
        "maximum template depth (2000)",
    );
    let depth = Limits {
        depth: 500,
        ..Limits::default()
    };
    let text = r#"{{define "r"}}{{include "r" . | list}}{{end}}{{include "r" .}}"#;
    check(text.into(), depth, "exceeded maximum template depth (500)");
}

#[test]
fn nesting_of_the_text() {
    let limits = Limits::default();
    let parens = |n: usize| format!("{{{{ {}1{} }}}}", "(".repeat(n), ")".repeat(n));
    check(parens(9_000), limits, "1");
    check(parens(10_001), limits, "max expression depth exceeded");
    let ifs = |n: usize| format!("{}x{}", "{{if 1}}".repeat(n), "{{end}}".repeat(n));
    check(ifs(9_000), limits, "x");
    check(ifs(20_000), limits, "max nesting of actions exceeded (10000)");
    let chain = |n: usize| {
        format!(
            "{{{{if 0}}}}{}{{{{else}}}}x{{{{end}}}}",
            "{{else if 0}}".repeat(n)
        )
    };
    check(chain(5_000), limits, "x");
    check(
        format!("{}x", "{{block \"b\" .}}".repeat(20_000)),
        limits,
        "max nesting",
    );
}

#[test]
fn endless_work() {
    let steps = Limits {
        steps: 100_000,
        ..Limits::default()
    };
    check(
        "{{range 9223372036854775807}}{{end}}".into(),
        steps,
        "exceeded maximum template steps (100000)",
    );
    let output = Limits {
        output_bytes: 1_000,
        ..Limits::default()
    };
    check(
        "{{range 1000000}}0123456789{{end}}".into(),
        output,
        "exceeded maximum template output (1000 bytes)",
    );
    let string = Limits {
        string_bytes: 10_000,
        ..Limits::default()
    };
    check(
        r#"{{printf "%999999d" 1}}"#.into(),
        string,
        "printed text is too long",
    );
}

#[test]
fn values_that_functions_make() {
    let limits = Limits {
        value_bytes: 100_000,
        ..Limits::default()
    };
    let ended = "exceeded maximum size of all values (100000 bytes)";
    let kept = "{{$x := list}}{{range 1000}}{{$x = list $x MADE}}{{end}}";
    for made in ["(list 1 2 3)", "(dict)", r#"(printf "%0100d" 1)"#] {
        check(kept.replace("MADE", made), limits, ended);
    }
    // What is only passed on takes no memory.
    check(
        r#"{{$d := dict}}{{range 100000}}{{$d = set $d "a" 1}}{{end}}{{len $d}}"#.into(),
        limits,
        "1",
    );
}

#[test]
fn tokens_of_all_texts() {
    let limits = Limits {
        tokens: 100,
        ..Limits::default()
    };
    check(
        "{{1}}".repeat(50),
        limits,
        "exceeded maximum template tokens (100)",
    );
    let options = Options {
        limits,
        ..Options::default()
    };
    let mut set = TemplateSet::new(Arc::default(), options);
    set.parse("a", "{{1}}".repeat(20)).unwrap();
    let error = set.clone().parse("b", "{{1}}".repeat(20)).unwrap_err();
    assert!(error.to_string().contains("exceeded"), "{error}");
    set.parse("c", "{{1}}").unwrap();
}

#[test]
fn executions_share_limits() {
    let mut set = TemplateSet::new(Arc::default(), Options::default());
    set.parse("t", "{{range 600}}{{end}}").unwrap();
    let execute = |env: Env<'_>| set.execute("t", Value::Nil, &env, &mut Vec::new());
    let limits = Limits {
        steps: 1_000,
        ..Limits::default()
    };
    let alone = Env {
        limits,
        ..Env::default()
    };
    execute(alone).unwrap();
    execute(alone).unwrap();
    let spent = Spent::default();
    let shared = Env {
        spent: Some(&spent),
        ..alone
    };
    execute(shared).unwrap();
    assert!(execute(shared).unwrap_err().is_limit());
}

#[test]
fn deep_and_cyclic_values() {
    let limits = Limits::default();
    let deep = "{{$x := list}}{{range 100000}}{{$x = list $x}}{{end}}";
    check(format!("{deep}done"), limits, "done");
    check(format!("{deep}{{{{$x}}}}"), limits, "nested too deeply");
    let cycle = r#"{{$d := dict}}{{$_ := set $d "self" $d}}"#;
    check(format!("{cycle}{{{{len $d.self.self}}}}"), limits, "1");
    check(format!("{cycle}{{{{$d}}}}"), limits, "contains itself");
    check(format!("{cycle}{{{{eq $d $d}}}}"), limits, "nested too deeply");
}

#[test]
fn cancellation() {
    let mut set = TemplateSet::new(Arc::default(), Options::default());
    set.parse("t", "{{range 1000000000}}{{end}}").unwrap();
    let cancelled = || true;
    let env = Env {
        cancelled: Some(&cancelled),
        ..Env::default()
    };
    let error = set.execute("t", Value::Nil, &env, &mut Vec::new()).unwrap_err();
    assert_eq!(error.message(), "template execution was cancelled");
    assert!(error.is_limit());
}
