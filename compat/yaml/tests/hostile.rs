//! Input made to hurt: it fails fast with Go's error, or with one of our limits, on a small stack.

use std::time::{Duration, Instant};

use go_yaml::{Error, ErrorKind, Limits, sigs, v3};

/// Runs `read` on a thread with the default 2 MiB stack and gives its error text.
fn refusal(read: impl FnOnce() -> Result<(), Error> + Send + 'static) -> String {
    let start = Instant::now();
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(read)
        .expect("a thread");
    let error = thread.join().expect("no panic").expect_err("an error");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "took {:?}",
        start.elapsed()
    );
    error.to_string()
}

fn v3_refusal(input: String) -> String {
    refusal(move || v3::parse(input.as_bytes(), &Limits::default()).map(drop))
}

fn sigs_refusal(input: String) -> String {
    refusal(move || sigs::to_value(input.as_bytes(), &Limits::default()).map(drop))
}

#[test]
fn depth_bombs() {
    let too_deep = "yaml: exceeded max depth of 10000";
    for bomb in ["[", "{a: "] {
        assert_eq!(v3_refusal(bomb.repeat(100_000)), too_deep);
        assert_eq!(sigs_refusal(bomb.repeat(100_000)), too_deep);
    }
    assert_eq!(v3_refusal("- ".repeat(100_000)), too_deep);
    let nested = "yaml: nested more than 512 levels deep";
    assert_eq!(v3_refusal("[".repeat(5000) + &"]".repeat(5000)), nested);
    assert_eq!(sigs_refusal("- ".repeat(5000) + "x"), nested);
}

#[test]
fn as_deep_as_allowed() {
    let input = "[".repeat(512) + &"]".repeat(512);
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let node = v3::parse_first(input.as_bytes(), &Limits::default())?.expect("a document");
        let text = sigs::node_to_string(&node)?;
        assert_eq!(
            v3::to_string(&node, &v3::EmitOptions::default())?.trim_end(),
            input
        );
        sigs::json_to_yaml(input.as_bytes(), &Limits::default()).map(|again| assert_eq!(again, text))
    });
    thread
        .expect("a thread")
        .join()
        .expect("no panic")
        .expect("no error");
}

#[test]
fn alias_bombs() {
    let billion = (1..10).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, n| {
        let aliases = vec![format!("*a{}", n - 1); 9].join(",");
        text + &format!("a{n}: &a{n} [{aliases}]\n")
    });
    assert_eq!(
        sigs_refusal(billion.clone()),
        "yaml: document contains excessive aliasing"
    );
    let json = move || {
        v3::to_json(&v3::parse_first(billion.as_bytes(), &Limits::default())?.expect("one")).map(drop)
    };
    assert_eq!(refusal(json), "yaml: document contains excessive aliasing");

    // Each alias adds a few hundred levels; together they would be deeper than any stack.
    let tower = (1..400).fold("a0: &a0 x\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} {}*a{}{}\n", "[".repeat(100), n - 1, "]".repeat(100))
    });
    assert_eq!(sigs_refusal(tower), "yaml: nested more than 512 levels deep");
    assert_eq!(
        sigs_refusal("a: &a [*a]\n".to_owned()),
        "yaml: anchor 'a' value contains itself"
    );
}

#[test]
fn input_beyond_the_byte_limit() {
    let limits = Limits {
        max_bytes: 10,
        ..Limits::default()
    };
    let error = v3::parse(b"a: 1234567890", &limits).expect_err("an error");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Limit, "yaml: input of more than 10 bytes".to_owned())
    );
}

#[test]
fn long_lines_and_wide_maps_take_linear_time() {
    let inputs = [
        "x".repeat(1 << 20),
        format!("a: \"{}\"", "\\n".repeat(1 << 18)),
        format!("a: '{}'", "x ".repeat(1 << 18)),
        (0..30_000)
            .rev()
            .fold(String::new(), |text, n| text + "k" + &n.to_string() + ": 1\n"),
        "\n".repeat(1 << 20),
        "# c\n".repeat(50_000),
        format!("[{}", "a, ".repeat(80_000)),
        "a: |\n".to_owned() + &"  line\n".repeat(80_000),
        "? ".repeat(9_000),
    ];
    for input in inputs {
        let start = Instant::now();
        if let Ok(Some(node)) = v3::parse_first(input.as_bytes(), &Limits::default()) {
            drop(v3::to_string(&node, &v3::EmitOptions::default()));
            drop(sigs::node_to_string(&node));
        }
        drop(
            sigs::to_value(input.as_bytes(), &Limits::default())
                .and_then(|value| sigs::value_to_string(&value)),
        );
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{:.20} took {:?}",
            input,
            start.elapsed()
        );
    }
}

/// A text that each of many aliases stands for.
#[test]
fn texts_behind_aliases() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(20_000));
    assert_eq!(
        sigs_refusal(text),
        "yaml: values of more than 134217728 bytes, aliases counted each time"
    );
}

/// Eight bytes of text for a map, which takes much more than that.
#[test]
fn many_small_maps() {
    let refused = "yaml: values of more than 134217728 bytes, aliases counted each time";
    let maps = "{a: 1}, ".repeat(600_000);
    assert_eq!(sigs_refusal(format!("[{maps}]")), refused);
    // With an anchor there is a tree on the way.
    assert_eq!(sigs_refusal(format!("[&a x, {maps}]")), refused);
}

/// Go says for each two of them that they are the same.
#[test]
fn one_key_many_times() {
    let text = "key: 1\n".repeat(500_000);
    let json = {
        let text = text.clone();
        move || v3::to_json(&v3::parse_first(text.as_bytes(), &Limits::default())?.expect("one")).map(drop)
    };
    let many = "yaml: more than 10000 errors, or more than 1048576 bytes of them: line ";
    assert!(refusal(json).starts_with(many));
    let strict = refusal(move || sigs::to_value_strict(text.as_bytes(), &Limits::default()).map(drop));
    assert!(strict.starts_with(many), "{strict:.200}");
}

#[test]
fn many_directives() {
    let text =
        (0..100_000).fold(String::new(), |text, n| text + &format!("%TAG !t{n}! tag:x\n")) + "--- !t7!y a\n";
    let start = Instant::now();
    let node = v3::parse_first(text.as_bytes(), &Limits::default()).expect("a tree");
    assert_eq!(node.expect("one").tag(), "tag:xy");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
