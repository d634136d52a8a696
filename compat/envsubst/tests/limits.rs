//! Hostile input costs bounded work and ends in a clear error.

use envsubst::{Error, Limits, Mode, Substitution, Variables};

fn check(variables: &[(&str, &str)], text: &str, limits: Limits, expected: Error) {
    let variables = variables.iter().copied().collect::<Variables>();
    let substitution = Substitution::new(&variables, Mode::Strict, limits).expect("valid names");
    assert_eq!(substitution.apply(text), Err(expected));
}

#[test]
fn nesting_is_bounded() {
    let text = "${a:-".repeat(100_000);
    check(&[], &text, Limits::default(), Error::TooDeep(64));
}

#[test]
fn the_result_is_bounded() {
    let big = "x".repeat(1 << 20);
    let limits = Limits {
        output: 2 << 20,
        ..Limits::default()
    };
    check(
        &[("big", &big)],
        "${big}${big}${big}",
        limits,
        Error::TooLarge(2 << 20),
    );
    check(
        &[("big", &big)],
        "${big//x/${big}}",
        limits,
        Error::TooLarge(2 << 20),
    );
}

#[test]
fn matching_is_bounded() {
    let value = "a".repeat(20_000);
    let limits = Limits {
        steps: 100_000,
        ..Limits::default()
    };
    check(
        &[("v", &value)],
        "${v##*a*a*a*a*a*b}",
        limits,
        Error::TooManySteps(100_000),
    );
}

#[test]
fn an_offset_within_a_character_is_an_error() {
    check(
        &[("v", "\u{e9}a")],
        "${v:1}",
        Limits::default(),
        Error::SplitsCharacter("v".into()),
    );
}

#[test]
fn names_are_those_of_shell_variables() {
    for (name, valid) in [
        ("a", true),
        ("_", true),
        ("a1_B", true),
        ("", false),
        ("1a", false),
        ("my-key", false),
        ("\u{e9}", false),
    ] {
        let variables = Variables::from_iter([(name, "")]);
        let result = Substitution::new(&variables, Mode::Strict, Limits::default());
        assert_eq!(result.is_ok(), valid, "{name}");
    }
    let variables = Variables::from_iter([("my-key", "")]);
    let error = Substitution::new(&variables, Mode::Strict, Limits::default()).expect_err("invalid");
    assert_eq!(
        error.to_string(),
        "'my-key' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
    );
}

#[test]
fn values_lose_line_breaks_and_are_not_shown() {
    let variables = Variables::from_iter([("a", "se\ncret\n")]);
    assert_eq!(variables.get("a"), Some("secret"));
    assert!(!format!("{variables:?}").contains("secret"));
}
