//! Every recorded tree gives the tar that source-controller's library gives; see `cargo xtask record archive`.

mod case;

use std::fs;
use std::path::Path;

#[test]
fn trees_give_the_tar_of_source_controller() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/tars.jsonl");
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
