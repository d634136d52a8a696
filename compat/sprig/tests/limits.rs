//! Hostile templates end in a clear error instead of using up the machine.

use std::sync::Arc;

use gotmpl::{Env, Limits, Options, TemplateSet, Value};
use sprig::FixedEnvironment;

#[test]
fn a_limit_ends_each_of_these() {
    let functions = Arc::new(sprig::functions(Arc::new(FixedEnvironment::new(
        jiff::Timestamp::UNIX_EPOCH,
        1,
    ))));
    // A list that holds itself twice, 60 levels deep.
    let laughs = "{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}";
    for call in [
        "{{ until 9223372036854775807 }}",
        "{{ seq 1 1000000000 }}",
        "{{ untilStep 0 -9223372036854775808 -1 }}",
        "{{ repeat 1000000000000 \"ab\" }}",
        "{{ nindent 1000000000000 \"ab\" }}",
        "{{ randAlpha 1000000000000 }}",
        "{{ randBytes 1000000000000 }}",
        "{{ $s := repeat 1000000 \"a\" }}{{ replace \"a\" $s $s }}",
        "{{ $s := repeat 100000 \"a\" }}{{ regexReplaceAll \"a\" $s $s }}",
        "{{ $s := repeat 100000 \"a\" }}{{ regexReplaceAllLiteral \"a\" $s $s }}",
        "{{ $s := repeat 100000 \"a\" }}{{ join $s (until 100000) }}",
        "{{ $s := repeat 100000 \"a \" }}{{ wrapWith 1 $s $s }}",
        "LAUGHS{{ toJson $x }}",
        "LAUGHS{{ toYaml $x }}",
        "LAUGHS{{ toYamlPretty $x }}",
        "LAUGHS{{ toToml $x }}",
        "LAUGHS{{ deepCopy $x }}",
        "{{ $x := dict }}{{ $y := dict }}{{ range until 60 }}{{ $x = dict \"a\" $x \"b\" $x }}{{ $y = dict \"a\" $y \"b\" $y }}\
         {{ end }}{{ merge $x $y }}",
        "LAUGHS{{ $y := list 1 }}{{ range until 60 }}{{ $y = list $y $y }}{{ end }}{{ deepEqual $x $y }}",
    ] {
        let mut templates = TemplateSet::new(Arc::clone(&functions), Options::default());
        templates
            .parse("t", call.replace("LAUGHS", laughs).as_str())
            .unwrap();
        let error = templates
            .execute("t", Value::Nil, &Env::default(), &mut Vec::new())
            .unwrap_err();
        assert!(error.to_string().contains("exceeded maximum"), "{call}: {error}");
    }
}

#[test]
fn texts_that_fall_apart_into_many_values_end_before_they_are_made() {
    let functions = Arc::new(sprig::functions(Arc::new(FixedEnvironment::new(
        jiff::Timestamp::UNIX_EPOCH,
        1,
    ))));
    for call in [
        "{{ until 10000000 | reverse }}",
        "{{ until 10000000 | toStrings }}",
        "{{ splitList \"\" (repeat 10000000 \"a\") }}",
        "{{ splitList \",\" (repeat 10000000 \",\") }}",
        "{{ split \"\" (repeat 10000000 \"a\") }}",
        "{{ splitn \"\" 9999999 (repeat 10000000 \"a\") }}",
        "{{ regexFindAll \".\" (repeat 10000000 \"a\") -1 }}",
        "{{ regexSplit \"a\" (repeat 10000000 \"a\") -1 }}",
        "{{ printf \"[%s1]\" (repeat 8000000 \"1,\") | fromJsonArray }}",
        "{{ printf \"[%s1]\" (repeat 8000000 \"1,\") | fromYamlArray }}",
        "{{ repeat 4000000 \"- 1\\n\" | fromYamlArray }}",
        "{{ printf \"a = [%s1]\" (repeat 8000000 \"1,\") | fromToml }}",
        "{{ $d := dict \"a\" (until 900000) }}{{ range until 100 }}{{ $d = deepCopy $d }}{{ end }}",
        "{{ chunk 1 (until 3000000) }}",
    ] {
        let mut templates = TemplateSet::new(Arc::clone(&functions), Options::default());
        templates.parse("t", call).unwrap();
        let error = templates
            .execute("t", Value::Nil, &Env::default(), &mut Vec::new())
            .unwrap_err();
        let expected = "exceeded maximum size of all values (167772160 bytes)";
        assert!(error.to_string().contains(expected), "{call}: {error}");
    }
}

#[test]
fn loops_pay_for_what_they_copy() {
    let functions = Arc::new(sprig::functions(Arc::new(FixedEnvironment::new(
        jiff::Timestamp::UNIX_EPOCH,
        1,
    ))));
    let limits = Limits {
        steps: 400_000,
        ..Limits::default()
    };
    for text in [
        "{{ $l := list }}{{ range until 1900 }}{{ $l = append $l . }}{{ end }}",
        "{{ $l := list }}{{ range until 1900 }}{{ $l = prepend $l . }}{{ end }}",
        "{{ $s := \"\" }}{{ range until 10000 }}{{ $s = printf \"%s0123456789\" $s }}{{ end }}",
        "{{ $s := \"\" }}{{ range until 10000 }}{{ $s = cat $s \"0123456789\" }}{{ end }}",
        "{{ $s := repeat 1000000 \"a\" }}{{ range until 10000 }}{{ $_ := upper $s }}{{ end }}",
        "{{ $s := repeat 1000000 \"a\" }}{{ range until 10000 }}{{ $_ := contains \"b\" $s }}{{ end }}",
        "{{ $s := repeat 1000000 \"a\" }}{{ range until 10000 }}{{ $_ := eq \"b\" $s }}{{ end }}",
        "{{ $l := until 100000 }}{{ range until 10000 }}{{ $_ := has -1 $l }}{{ end }}",
        "{{ $l := until 20000 }}{{ range until 1000 }}{{ $_ := dict $l 1 }}{{ end }}",
        "{{ $l := until 20000 }}{{ range until 1000 }}{{ $_ := toDecimal $l }}{{ end }}",
        "{{ range until 10000 }}{{ $_ := derivePassword 1 \"pin\" \"a\" \"b\" \"c\" }}{{ end }}",
        "{{ range until 10000 }}{{ $_ := genCA \"a\" 1 }}{{ end }}",
    ] {
        let mut templates = TemplateSet::new(Arc::clone(&functions), Options::default());
        templates.parse("t", text).unwrap();
        let env = Env {
            limits,
            ..Env::default()
        };
        let error = templates
            .execute("t", Value::Nil, &env, &mut Vec::new())
            .unwrap_err();
        let expected = "exceeded maximum template steps (400000)";
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

/// A hundred million numbers would take gigabytes as values.
#[test]
fn ranges_take_no_room() {
    let text = "{{ $l := until 90000000 }}{{ len $l }} {{ index $l 89999999 }} {{ range $l }}{{ . }}{{ break }}{{ end }}";
    assert_eq!(execute(text).unwrap(), "90000000 89999999 0");
}

/// Headers and dotted keys nest as brackets do.
#[test]
fn toml_nests_no_deeper_than_can_be_freed() {
    for text in [
        "{{ fromToml (print (repeat 100000 \"a.\") \"a=1\") }}",
        "{{ fromToml (print \"[\" (repeat 100000 \"a.\") \"a]\") }}",
        "{{ fromToml (print \"a=\" (repeat 400 \"{a.a.a.a.a=\")) }}",
    ] {
        assert!(execute(text).unwrap().contains("nested too deeply"), "{text}");
    }
}

fn execute(text: &str) -> Result<String, gotmpl::ExecError> {
    let environment = FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
    let functions = Arc::new(sprig::functions(Arc::new(environment)));
    let mut templates = TemplateSet::new(functions, Options::default());
    templates.parse("t", text).expect("a template");
    let mut out = Vec::new();
    templates.execute("t", Value::Nil, &Env::default(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
