//! Every case directory gives what Flux's envsubst gave, in both modes; see `cargo xtask record envsubst`.
//!
//! A case has `in.txt`, `vars.json` when there are variables, and the recorded results: `out.txt` or `err.txt`, and
//! for the strict mode `strict-out.txt` or `strict-err.txt`. Where ours differs on purpose there is `differs.txt`
//! with what we answer in both modes, and a line in `COMPATIBILITY.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use envsubst::{Limits, Mode, Substitution, Variables};

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).expect("a folder of cases");
    let mut folders: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn answer(case: &Path, mode: Mode) -> Result<String, String> {
    let text = fs::read_to_string(case.join("in.txt")).expect("a case has in.txt");
    let variables: BTreeMap<String, String> = match fs::read_to_string(case.join("vars.json")) {
        Ok(json) => serde_json::from_str(&json).expect("vars.json maps names to values"),
        Err(_) => BTreeMap::new(),
    };
    let variables = Variables::from_iter(variables);
    let substitution =
        Substitution::new(&variables, mode, Limits::default()).map_err(|error| error.to_string())?;
    substitution
        .apply(&text)
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| error.to_string())
}

fn recorded(case: &Path, prefix: &str) -> Result<String, String> {
    if let Ok(own) = fs::read_to_string(case.join("differs.txt")) {
        return own
            .strip_prefix("error: ")
            .map_or(Ok(own.clone()), |error| Err(error.to_owned()));
    }
    if let Ok(text) = fs::read_to_string(case.join(format!("{prefix}out.txt"))) {
        return Ok(text);
    }
    let error = fs::read_to_string(case.join(format!("{prefix}err.txt"))).expect("a recorded result");
    Err(format!("variable substitution failed: {error}"))
}

#[test]
fn cases_give_what_flux_gives() {
    let cases: Vec<_> = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"))
        .iter()
        .flat_map(|topic| folders(topic))
        .collect();
    let mut failures = Vec::new();
    for case in &cases {
        for (mode, prefix) in [(Mode::Lax, ""), (Mode::Strict, "strict-")] {
            let (ours, flux) = (answer(case, mode), recorded(case, prefix));
            if ours != flux {
                failures.push(format!(
                    "{} {mode:?}\n  ours: {ours:?}\n  Flux: {flux:?}",
                    case.display()
                ));
            }
        }
    }
    assert!(cases.len() > 200, "only {} cases were found", cases.len());
    assert!(
        failures.is_empty(),
        "{} answers differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
