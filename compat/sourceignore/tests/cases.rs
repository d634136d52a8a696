//! Every recorded verdict is that of Flux's library; see `cargo xtask record sourceignore`.

mod case;

use std::fs;
use std::path::Path;

#[test]
fn paths_are_ignored_as_flux_ignores_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/verdicts.jsonl");
    let lines = fs::read_to_string(path).expect("recorded cases");
    let failures: Vec<_> = lines.lines().filter_map(|line| case::check(line).err()).collect();
    assert!(lines.lines().count() >= 500);
    assert!(
        failures.is_empty(),
        "{} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
